"""Files of a dataset are looked into in order, remote ones a few at a time."""

import time
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mlaas4hep.dataset import Dataset, files, learning
from mlaas4hep.dataset.badfiles import BadFiles
from mlaas4hep.errors import SourceError
from mlaas4hep.inputs import Input
from mlaas4hep.sources import Reading

from tests.dataset.files import make


class Opened:
    """Stands in for ``open_source``: what is open at the same time, and what was closed."""

    def __init__(self, broken: tuple[str, ...] = ()) -> None:
        self._lock = Lock()
        self._broken = broken
        self.now = self.most = self.closed = 0

    def __call__(self, path: str, tree: str | None, *, reading: Reading) -> Any:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        if path in self._broken:
            raise SourceError(f"{path}: broken")
        number = int(path.rpartition("/")[2])
        return SimpleNamespace(schema=dict, tree=f"tree{number}", entries=number, state=number, close=self._close)

    def _close(self) -> None:
        with self._lock:
            self.now -= 1
            self.closed += 1


def inputs(prefix: str) -> list[Input]:
    return [Input(f"{prefix}/{number}", None, number, number) for number in range(30)]


@pytest.mark.parametrize(("prefix", "most"), [("https://host", files.OPENED_TOGETHER), ("/folder", 1)])
def test_open_all(prefix: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened()
    monkeypatch.setattr(files, "open_source", opened)
    schemas, found = files.open_all(inputs(prefix), -1, Reading(), BadFiles(skip=False))
    assert [path for path, _ in schemas] == [f"{prefix}/{number}" for number in range(30)]
    assert [(file.tree, file.entries, file.used) for file in found] == [(f"tree{n}", n, n) for n in range(30)]
    assert (opened.now, opened.closed) == (0, 30)
    assert opened.most == most if most == 1 else 1 < opened.most <= most


def test_the_first_error_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ("https://host/3", "https://host/5")
    opened = Opened(broken)
    monkeypatch.setattr(files, "open_source", opened)
    with pytest.raises(SourceError, match="https://host/3: broken"):
        files.open_all(inputs("https://host"), -1, Reading(), BadFiles(skip=False))
    assert opened.now <= len(broken)  # what had been opened is closed
    assert opened.closed < 28  # and the rest is not asked for


def test_more_entries_than_a_file_can_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.root", 30)
    monkeypatch.setattr(files, "MOST", 29)
    with pytest.raises(SourceError, match=r"a\.root: the file is damaged: it says that it has 30 entries"):
        Dataset(path)


def test_more_entries_than_memory_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.root", 30)

    def full(*given: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(np, "full", full)
    with pytest.raises(
        SourceError, match=r"a\.root: the file claims to have 30 events, for which there is not enough memory"
    ):
        Dataset(path, select=["x"])


def test_parts_are_told_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.root", 30)
    whole = [Dataset(path, nevts=nevts).count("train") for nevts in (30, 29, 14, 1)]
    monkeypatch.setattr(learning, "BLOCK", 7)
    assert [Dataset(path, nevts=nevts).count("train") for nevts in (30, 29, 14, 1)] == whole
