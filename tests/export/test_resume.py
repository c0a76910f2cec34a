"""An export that is interrupted, in whatever way, goes on where it was and ends with the same bytes."""

import json
import os
import re
import shutil
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import Note
from mlaas4hep.export import export
from mlaas4hep.output import JOURNAL

from tests.cli.invoke import events_file
from tests.export.files import Stop, StopAfter, contents, in_child, make_dataset, stamps, write_inputs
from tests.sources.files import spoil

FORMS = ["parquet", "arrow", "npz", "hdf5"]
CUTS = {"flat_cut": {"met": {"cut": "met>0.1"}}}
GIVEN: dict[str, Any] = {"form": "npz", "size": 60}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    return tmp_path


def interrupt(home: Path, chunks: int = 3, *, name: str = "out", dataset: Dataset | None = None, **given: Any) -> Path:
    """Interrupt an export after so many chunks, and return the folder that it leaves."""
    with pytest.raises(Stop):
        export(dataset or make_dataset(home), home / name, progress=StopAfter(chunks), **(GIVEN | given))
    return home / f"{name}.part"


@pytest.mark.parametrize("form", FORMS)
def test_the_result_is_that_of_an_undisturbed_run(form: str, home: Path) -> None:
    export(make_dataset(home), home / "whole", form=form, size=60)
    part = interrupt(home, form=form)
    finished = stamps(part)
    assert 3 <= len(finished) < 9
    with pytest.warns(Note, match=r"chunks that an earlier run finished are kept: \d \(\d+ events\)"):
        result = export(make_dataset(home), home / "out", form=form, size=60)
    assert contents(home / "out") == contents(home / "whole")
    assert finished.items() <= stamps(home / "out").items()
    assert result.kept is not None
    assert (result.chunks, result.kept.chunks) == (9, len(finished))
    assert result.to_dict()["kept"] == {"chunks": len(finished), "events": 60 * len(finished)}
    assert sorted(path.name for path in home.iterdir()) == ["bkg.root", "out", "sig.root", "whole"]


@pytest.mark.parametrize(
    "kind",
    [
        {"preproc": CUTS},
        {"labels": "run", "identifier": ["met"]},
        {"labels": None, "max_open": 1},
        {"nevts": 333, "seed": 5},
    ],
)
@pytest.mark.filterwarnings("ignore:2 files are more")
def test_the_scan_is_not_made_again(kind: dict[str, Any], home: Path) -> None:
    export(make_dataset(home, **kind), home / "whole", **GIVEN)
    interrupt(home, dataset=make_dataset(home, **kind))
    again = make_dataset(home, **kind)
    with pytest.warns(Note, match="an earlier run finished are kept"):
        export(again, home / "out", **GIVEN)
    assert again.spent.scanning == 0
    assert contents(home / "out") == contents(home / "whole")


def test_what_is_finished_is_not_flattened_again(home: Path) -> None:
    finished = len(stamps(interrupt(home, 5)))
    again = make_dataset(home)
    with pytest.warns(Note, match="an earlier run finished are kept"):
        export(again, home / "out", **GIVEN)
    assert again.last_pass.events == 500 - 60 * finished


def test_an_interrupted_run_says_how_to_go_on(home: Path) -> None:
    with pytest.raises(Stop) as raised:
        export(make_dataset(home), home / "out", progress=StopAfter(2), **GIVEN)
    (said,) = raised.value.__notes__
    number = len(stamps(home / "out.part"))
    assert said == f"finished chunks ({number}) kept in {home / 'out.part'}: start the same command again to go on"
    assert not list(home.glob(".*"))


def test_interrupted_twice(home: Path) -> None:
    export(make_dataset(home), home / "whole", **GIVEN)
    interrupt(home, 2)
    with pytest.warns(Note, match="an earlier run finished are kept"):
        interrupt(home, 3)  # the first of which is what was kept
    with pytest.warns(Note, match="an earlier run finished are kept"):
        export(make_dataset(home), home / "out", **GIVEN)
    assert contents(home / "out") == contents(home / "whole")


class Crash:
    """Kills the process before the n-th call that changes what is on the disk."""

    CALLS = ("fsync", "replace", "rename", "unlink", "mkdir", "open")

    def __init__(self, number: int) -> None:
        self.left = number

    def arm(self) -> None:
        for name in self.CALLS:
            setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given, **named)

        return counted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_killed_anywhere(home: Path) -> None:
    """SIGKILL at every step of a run: no half chunk has a chunk's name, and the same call gives the same bytes."""

    def run(dataset: Dataset, size: int = 250) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Note)
            export(dataset, home / "out", form="npz", size=size)

    def killed() -> None:
        Crash(step).arm()
        run(fresh)

    fresh, scanned = make_dataset(home), make_dataset(home)
    other = interrupt(home, 2, name="other")
    export(scanned, home / "older", form="npz", size=500)
    export(scanned, home / "whole", form="npz", size=250)
    whole, part, statuses = contents(home / "whole"), home / "out.part", []
    for step in range(1, 1000):
        shutil.rmtree(home / "out", ignore_errors=True)
        if step % 2:
            shutil.copytree(home / "older", home / "out")
        if step % 3 == 0:
            shutil.copytree(other, part)
        statuses.append(in_child(killed))
        found = contents(part) if part.exists() else {}
        start, *lines = map(json.loads, found.get(JOURNAL, b"{}").splitlines())
        ours = lines if start and start["job"]["chunk size"] == 250 else []
        chunks = {name for name in found if name.startswith("chunk-") and (ours or step % 3)}
        assert all(found[name] == whole[name] for name in chunks)
        recorded = {line["chunk"] for line in ours}
        kept = {name: stamp for name, stamp in (stamps(part) if ours else {}).items() if name in recorded}
        run(scanned)
        assert contents(home / "out") == whole
        assert kept.items() <= stamps(home / "out").items()
        if statuses[-1] == 0:
            break
    assert statuses.count(-signal.SIGKILL) == len(statuses) - 1 > 30
    assert [path.name for path in home.iterdir() if path.name.endswith((".part", ".lock"))] == ["other.part"]


@pytest.mark.parametrize(
    ("given", "other"),
    [
        ({"size": 61}, "chunk size"),
        ({"form": "parquet"}, "format"),
        ({"part": "train"}, "part"),
        ({"shuffle": False}, "shuffle"),
        ({"dataset": {"seed": 22}}, "seed"),
        ({"dataset": {"nevts": 400}}, "other files|sig.root:events changed and 1 more|sig.root changed and 1 more"),
        ({"dataset": {"split": (0.5, 0.25, 0.25)}}, "split"),
        ({"dataset": {"labels": ["qcd", "ttH"]}}, "labels"),
        ({"dataset": {"exclude": "ht"}}, "branches"),
        ({"dataset": {"preproc": CUTS}}, "formulas and cuts"),
    ],
)
def test_another_job_begins_anew(given: dict[str, Any], other: str, home: Path) -> None:
    interrupt(home)
    dataset = make_dataset(home, **given.pop("dataset", {}))
    with pytest.warns(Note, match=rf"out\.part: \d finished chunks of another job \(.*({other}).*\) cannot be used"):
        result = export(dataset, home / "out", **(GIVEN | given))
    assert result.kept is None
    again = export(dataset, home / "whole", **(GIVEN | given))
    assert contents(home / "out") == contents(home / "whole")
    assert again.chunks == result.chunks


def test_a_file_that_changed_meanwhile(home: Path) -> None:
    interrupt(home)
    events_file(home / "bkg.root", 200, 3, ht=np.ones(200))
    with pytest.warns(Note, match=r"of another job \(\S*bkg\.root changed\) cannot be used, and all is made anew"):
        export(make_dataset(home), home / "out", **GIVEN)
    export(make_dataset(home), home / "whole", **GIVEN)
    assert contents(home / "out") == contents(home / "whole")


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_damaged_chunk_is_written_again(damage: str, home: Path) -> None:
    export(make_dataset(home), home / "whole", **GIVEN)
    part = interrupt(home, 5)
    kept = stamps(part)
    chunk = part / "chunk-00001.npz"
    if damage == "cut":
        os.truncate(chunk, 1000)
    else:
        chunk.unlink()
    with pytest.warns(Note) as notes:
        export(make_dataset(home), home / "out", **GIVEN)
    said = [str(one.message) for one in notes]
    wrong = "has 1,000 of [0-9,]+ bytes" if damage == "cut" else "is missing"
    assert len(said) == 2
    assert re.search(rf"chunk-00001\.npz: the file {wrong}; it is written again", said[0])
    assert contents(home / "out") == contents(home / "whole")
    del kept["chunk-00001.npz"]
    assert kept.items() <= stamps(home / "out").items()


@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
def test_what_a_scan_found_of_bad_files_is_found_again(home: Path) -> None:
    spoil(home / "bkg.root")
    given: dict[str, Any] = {"labels": None, "on_bad_file": "skip"}
    whole = export(make_dataset(home, **given), home / "whole", **GIVEN)
    assert whole.events == 300
    interrupt(home, dataset=make_dataset(home, **given))
    assert export(make_dataset(home, **given), home / "out", **GIVEN).events == 300
    assert contents(home / "out") == contents(home / "whole")


@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
@pytest.mark.parametrize("max_open", [1, 128])
def test_events_that_are_lost_on_the_way(max_open: int, home: Path) -> None:
    given: dict[str, Any] = {"labels": None, "on_bad_file": "skip", "max_open": max_open, "threads": 1}
    given["specs"] = make_dataset(home).specs().with_parts({})
    spoil(home / "bkg.root")
    whole = export(make_dataset(home, **given), home / "whole", **GIVEN)
    assert (whole.events, whole.chunks) == (300, 9)
    part = interrupt(home, 4, dataset=make_dataset(home, **given))
    (part / "chunk-00001.npz").unlink()
    again = export(make_dataset(home, **given), home / "out", **GIVEN)
    assert again.events == 300
    assert again.kept is not None
    ours, theirs = contents(home / "out"), contents(home / "whole")
    assert ours.keys() == theirs.keys()
    assert all(ours[name] == theirs[name] for name in ours if name != "chunks.json")
