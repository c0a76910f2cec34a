"""``specs`` and ``flatten`` on good input."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from mlaas4hep import Dataset, Specs
from mlaas4hep.export import FORMATS

from tests.cli.invoke import FILES, Invoke, events_file, params

# specs


def test_specs(invoke: Invoke, folder: Path) -> None:
    answer = invoke("specs", *FILES)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines()[-1] == "Specs of 500 events in specs.json"
    rows = {line.split()[0]: line.split() for line in answer.out.splitlines() if line.strip()}
    assert rows["run"] == ["run", "flat", "int32", "0", "1", "0.6", "0.4899", "500", "0"]
    assert rows["jetPt"][:3] == ["jetPt", "3", "3"]  # of the second table: the longest list, and the width
    assert Specs.from_json("specs.json") == Dataset(["sig.root", "bkg.root"]).specs()


def test_specs_as_json_are_what_is_written(invoke: Invoke, folder: Path) -> None:
    old = '{"fkeys": [], "jkeys": [], "jdim": {}, "minv": {}, "maxv": {}}'
    (folder / "real.json").write_text(old)
    (folder / "s.json").symlink_to("real.json")
    answer = invoke("specs", *FILES, "--out", "s.json", "--json", "--threads", "1")
    assert (folder / "s.json").read_text() == (folder / "real.json").read_text()
    more = {"width_report", "kept"}
    printed = {key: value for key, value in json.loads(answer.out).items() if key not in more}
    assert printed == json.loads((folder / "s.json").read_text())
    assert (folder / "s.json").is_symlink()
    assert json.loads(answer.out)["events"] == {"bkg.root": 200, "sig.root": 300, "total": 500}


def test_specs_take_no_classes(invoke: Invoke, folder: Path) -> None:
    assert invoke("specs", *FILES, *params(folder, classes=["a", "b"])).status == 0


def test_parameters_of_a_dataset_are_used(invoke: Invoke, folder: Path) -> None:
    given = {"nevts": 50, "identifier": "run", "selected_branches": ["jet*", "met"], "exclude_branches": "jetEta"}
    found = json.loads(invoke("specs", *FILES, *params(folder, branch="events", **given), "--json").out)
    assert found["events"]["total"] == 50
    assert (found["fkeys"], found["jkeys"]) == (["met"], ["jetPt"])


def test_quiet(invoke: Invoke, folder: Path) -> None:
    answer = invoke("specs", *FILES, *params(folder, verbose=0))
    assert (answer.status, answer.out, answer.err) == (0, "", "")
    assert (folder / "specs.json").exists()


def test_notes_go_to_standard_error(invoke: Invoke, folder: Path) -> None:
    events_file(folder / "none.root", 0)
    answer = invoke("specs", "--files", "sig.root,none.root", *params(folder, nan=-1), "--json")
    assert answer.status == 0
    assert answer.err.splitlines() == [
        "note: params.json: without effect: nan = -1",
        "note: files with 0 events: none.root",
    ]
    json.loads(answer.out)


# flatten


@pytest.mark.parametrize("form", ["parquet", "arrow", "npz", "hdf5"])
def test_flatten(form: str, invoke: Invoke, folder: Path) -> None:
    given = params(folder, chunk_size=300, classes=["background", "signal"])
    answer = invoke("flatten", *FILES, "--labels", "1,0", "--out", "out", "--format", form, *given, "--json")
    assert (answer.status, answer.err) == (0, "")
    result = json.loads(answer.out)
    assert result.pop("seconds") > 0
    assert result == {"folder": str(folder / "out"), "events": 500, "columns": 8, "chunks": 2}
    about = json.loads((folder / "out" / "chunks.json").read_text())
    assert about["chunks"] == {f"chunk-00000.{form}": 300, f"chunk-00001.{form}": 200}
    assert about["classes"] == {"0": "background", "1": "signal"}


def test_flatten_one_part_with_the_specs_of_all(invoke: Invoke, folder: Path) -> None:
    assert invoke("specs", *FILES).status == 0
    answer = invoke("flatten", *FILES, "--specs", "specs.json", "--part", "test", "--out", "out")
    events = Dataset(["sig.root", "bkg.root"]).count("test")
    assert answer.out.startswith(f"{events} events, 8 columns, chunks: 1\n")
    assert answer.out.endswith(f"Results in {folder / 'out'}\n")
    assert Specs.from_json("out/specs.json") == Specs.from_json("specs.json")


def test_flatten_replaces_its_own_folder(invoke: Invoke, folder: Path) -> None:
    for size, chunks in ((100, 5), (300, 2)):
        given = params(folder, chunk_size=size)
        assert invoke("flatten", *FILES, "--out", "out", *given).status == 0
        assert len(list((folder / "out").glob("*.parquet"))) == chunks


def test_flatten_goes_on_where_it_was(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: BinaryIO, content: object) -> None:
        written.append(1)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        npz.write(file, content)

    given = ("flatten", *FILES, "--out", "out", "--format", "npz", "--threads", "1", *params(folder, chunk_size=100))
    npz, written = FORMATS["npz"], list[int]()
    with monkeypatch.context() as patch:
        patch.setitem(FORMATS, "npz", replace(npz, write=full))
        answer = invoke(*given)
    assert answer.status == 2
    assert answer.err.splitlines() == [
        f"mlaas4hep: error: {folder / 'out'}: cannot be written (No space left on device)",
        f"note: finished chunks (2) kept in {folder / 'out.part'}: start the same command again to go on",
    ]
    answer = invoke(*given, "--json")
    assert answer.err == "note: chunks that an earlier run finished are kept: 2 (200 events)\n"
    assert json.loads(answer.out)["kept"] == {"chunks": 2, "events": 200}
    assert not (folder / "out.part").exists()


def test_details_tell_where_the_time_went(invoke: Invoke, folder: Path) -> None:
    answer = invoke("specs", *FILES, *params(folder, verbose=2), "--out", "s.json")
    assert "Where the time went" in answer.err
    assert "Where the time went" not in invoke("specs", *FILES, *params(folder, verbose=1), "--out", "s.json").err
