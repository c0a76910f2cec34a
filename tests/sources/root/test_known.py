"""What is known of a file is used again only while the file is the same."""

import gc
import os
import weakref
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from mlaas4hep.sources import Reading, list_trees, memory, open_source
from mlaas4hep.sources.localfile import LocalFile
from mlaas4hep.sources.root import known
from mlaas4hep.sources.root.kinds import UprootBranch
from mlaas4hep.sources.root.native import NativeBranch

from tests.sources.files import write


def test_a_file_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(write(tmp_path / "a.root", {"events": {"x": np.arange(5)}}))
    open_source(path).close()
    monkeypatch.setattr(known, "_open", None)
    source = open_source(path)
    assert source.entries == 5
    assert source.read(["x"], 0, 5)["x"].tolist() == [0, 1, 2, 3, 4]  # type: ignore[union-attr]


def test_what_was_listed_is_not_learned_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(write(tmp_path / "a.root", {"events": {"x": np.arange(5)}, "runs": {"y": np.arange(2)}}))
    listed = list_trees(path)
    monkeypatch.setattr(known, "_learn", None)
    assert [open_source(path, name).entries for name in ("runs", "events")] == [2, 5]
    assert list_trees(path) == listed


@pytest.mark.parametrize("same_time", [False, True])
def test_a_file_that_changed_is_asked_again(tmp_path: Path, same_time: bool) -> None:
    path = write(tmp_path / "a.root", {"events": {"x": np.arange(5)}})
    before = path.stat()
    assert open_source(str(path)).entries == 5
    write(path, {"events": {"x": np.arange(7), "longer_name": np.arange(7)}})
    if same_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert open_source(str(path)).entries == 7


def test_a_removed_file_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", {"events": {"x": np.arange(5)}})
    open_source(str(path)).close()
    path.unlink()
    with pytest.raises(OSError, match=r"a\.root: there is no such file"):
        open_source(str(path))


def test_not_everything_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known._MEMORY.clear()
    paths = [str(write(tmp_path / f"{name}.root", {"events": {"x": np.arange(5)}})) for name in "abc"]
    open_source(paths[0]).close()
    monkeypatch.setattr(memory, "MOST_REMEMBERED", 2 * known._MEMORY._bytes)
    for path in [*paths, paths[1]]:
        open_source(path).close()
    monkeypatch.setattr(known, "_open", None)
    for path in paths[1:]:
        open_source(path).close()
    with pytest.raises(TypeError):
        open_source(paths[0])
    assert 0 < known._MEMORY._bytes <= memory.MOST_REMEMBERED


def test_what_uproot_makes_of_a_tree_is_kept_only_where_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes ten times as much as what the core needs of a branch."""
    alone, mixed = tmp_path / "a.root", tmp_path / "b.root"
    write(alone, {"events": {"x": np.arange(5), "y": np.arange(5)}})
    write(mixed, {"events": {"x": np.arange(5), "text": ak.Array(["a"] * 5)}})
    alive: list[weakref.ref[object]] = []
    whole = known._whole

    def noted(branch: Any) -> Any:
        alive.append(weakref.ref(branch))
        return whole(branch)

    monkeypatch.setattr(known, "_whole", noted)
    without = known_of(alone)
    gc.collect()
    assert [branch() for branch in alive] == [None, None]
    with_text = known_of(mixed)
    assert [type(one) for one in without.readers.values()] == [NativeBranch, NativeBranch]
    assert [type(one) for one in with_text.readers.values()] == [NativeBranch, UprootBranch]
    assert without.size + known.UPROOT < with_text.size


def test_a_tree_is_held_once_by_whatever_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(write(tmp_path / "a.root", {"events": {"x": np.arange(5)}}))
    known._MEMORY.clear()
    open_source(path).close()
    once = known._MEMORY._bytes
    monkeypatch.setattr(known, "_learn", None)
    for tree in (None, "events", "/events", "/events"):
        assert open_source(path, tree).entries == 5
    assert known._MEMORY._bytes - once < once / 10


def known_of(path: Path) -> known.Known:
    place = LocalFile(str(path))
    found = known.known_tree(place, None, Reading())
    place.close()
    assert isinstance(found, known.Known)
    return found


def test_a_file_without_a_stamp_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.root", {"events": {"x": np.arange(5)}})
    place = LocalFile(str(path))
    monkeypatch.setattr(place, "stamp", "")
    known.known_tree(place, None, Reading())
    monkeypatch.setattr(known, "_open", None)
    with pytest.raises(TypeError):
        known.known_tree(place, None, Reading())
    place.close()
