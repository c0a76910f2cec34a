"""``--on-bad-file``, ``--common-branches`` and the keys of params.json that say how files are read."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.invoke import FILES, TRAIN, Invoke, events_file, params, refused


@pytest.fixture
def cut(folder: Path) -> Path:
    """A third file, which is cut off, beside those of the folder."""
    path = events_file(folder / "cut.root", 100, 2)
    path.write_bytes(path.read_bytes()[:900])
    return path


THREE = ("--files", "sig.root,cut.root,bkg.root")


def test_a_bad_file_is_an_error(invoke: Invoke, cut: Path) -> None:
    assert refused(invoke, "specs", *THREE).startswith("cut.root: ")


def test_every_output_says_what_was_skipped(invoke: Invoke, cut: Path, folder: Path) -> None:
    last = "mlaas4hep: done, but 1 file was skipped and at least 0 events are lost: cut.root\n"
    specs = invoke("specs", *THREE, "--on-bad-file", "skip", "--json")
    assert (specs.status, specs.err.endswith(last)) == (0, True), specs.err
    (bad,) = json.loads(specs.out)["bad_files"]
    assert (bad["file"], bad["lost"]) == ("cut.root", None)
    assert bad["reason"].startswith("the ROOT file is truncated")
    assert json.loads((folder / "specs.json").read_text())["bad_files"] == [bad]
    flatten = invoke("flatten", *THREE, "--out", "chunks", *params(folder, on_bad_file="skip"))
    assert (flatten.status, flatten.err.endswith(last)) == (0, True), flatten.err
    assert json.loads((folder / "chunks" / "chunks.json").read_text())["bad_files"] == [bad]


@pytest.mark.filterwarnings("default")
def test_training_goes_on(invoke: Invoke, cut: Path, folder: Path) -> None:
    pytest.importorskip("keras")
    with_labels = ("--labels", "1,1,0", "--model", "model.py", *params(folder, epochs=1))
    answer = invoke("train", *THREE, *with_labels, "--on-bad-file", "skip", "--fout", "result")
    assert answer.status == 0, answer.err
    assert "done, but 1 file was skipped" in answer.err
    metrics = json.loads((folder / "result" / "metrics.json").read_text())
    assert [bad["file"] for bad in metrics["bad_files"]] == ["cut.root"]
    assert sum(part["events"] for part in metrics["parts"].values()) == 500


def test_common_branches(invoke: Invoke, folder: Path) -> None:
    events_file(folder / "sig.root", 300, 1, extra=np.arange(300.0))
    assert "branch 'extra' is missing in bkg.root" in refused(invoke, "specs", *FILES)
    answer = invoke("specs", *FILES, "--common-branches", "--json")
    assert answer.status == 0, answer.err
    assert "note: branches left out: extra (missing in 1 of 2 files)" in answer.err
    assert "extra" not in json.loads(answer.out)["fkeys"]


def test_sentinels_from_params(invoke: Invoke, folder: Path) -> None:
    events_file(folder / "sig.root", 300, 1, extra=np.full(300, -999.0))
    answer = invoke("specs", "--files", "sig.root", "--json", *params(folder, sentinels={"ex*": -999}))
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert (found["minv"]["extra"], found["counts"]["extra"]["nulls"]) == (None, 300)
    assert found["sentinels"] == {"extra": [-999]}


def test_wrong_keys(invoke: Invoke, folder: Path) -> None:
    for values, message in (
        ({"sentinels": "-999"}, "sentinels must be a finite number, a list of them, or an object"),
        ({"on_bad_file": "ignore"}, 'on_bad_file must be "error" or "skip"'),
        ({"common_branches": 1}, "common_branches must be true or false"),
        ({"reading": {"dedline": 3}}, "unknown key 'dedline' (did you mean 'deadline'?)"),
        ({"reading": {"tries": 0}}, "tries must be a whole number from 1 to 1000"),
        ({"reading": 3}, "reading must be an object of ways of reading"),
    ):
        assert message in refused(invoke, *TRAIN, *params(folder, **values)).replace("\n", " ")
