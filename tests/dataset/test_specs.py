"""Specs of a dataset: scanned once, or given."""

from pathlib import Path
from typing import Any

import mlaas4hep
import numpy as np
import pytest
import uproot
from mlaas4hep import Specs
from mlaas4hep.dataset import PARTS, Dataset, firstpass
from mlaas4hep.dataset.stream import open_again
from mlaas4hep.errors import BranchError, Note, ParamsError, SourceError, SpecsError
from mlaas4hep.sources import Source

from tests.dataset.files import INPUTS, assert_rows, in_baskets, make, make_all, same_bits
from tests.sources.files import write


def in_memory(paths: list[Path], branches: list[str]) -> Specs:
    """The merged scans of whole files."""
    parts = []
    for path in paths:
        with uproot.open({str(path): "events"}) as tree:
            parts.append(mlaas4hep.scan(tree.arrays(branches, library="ak")))
    return Specs.merge(parts)


def assert_same(found: Specs, wanted: Specs) -> None:
    for what in ("fkeys", "jkeys", "jdim", "minv", "maxv", "types", "counts"):
        assert getattr(found, what) == getattr(wanted, what), what


@pytest.mark.parametrize("threads", [1, 4])
def test_specs_are_those_of_all_files_merged(tmp_path: Path, threads: int) -> None:
    paths = make_all(tmp_path, [70, 1, 33])
    dataset = Dataset(paths, select=INPUTS, threads=threads)
    specs = dataset.specs()
    assert_same(specs, in_memory(paths, INPUTS))
    assert specs.events == {str(paths[0]): 70, str(paths[1]): 1, str(paths[2]): 33, "total": 104}
    counts = [sum(parts[code] for parts in specs.selected.values()) for code in range(3)]
    assert counts == [dataset.count(part) for part in PARTS]


def test_a_file_is_scanned_cluster_by_cluster(tmp_path: Path) -> None:
    path = in_baskets(tmp_path / "many.root", [600_000] * 3)
    assert_same(Dataset(path).specs(), in_memory([path], ["x0", "x1"]))


def test_specs_cover_the_events_that_are_used(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", {"events": {"x": np.arange(100.0)}})
    specs = Dataset(path, nevts=30).specs()
    assert (specs.maxv["x"], specs.counts["x"]["values"]) == (29, 30)


def test_types_that_differ_are_promoted(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{dtype}.root", {"events": {"x": np.array([1, 2], dtype)}}) for dtype in ("int16", "float32")
    ]
    dataset = Dataset(paths)
    assert dataset.specs().types == {"x": "float32"}
    assert_rows(dataset, paths, dataset.chunks(3))


def test_files_are_scanned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Dataset(make_all(tmp_path, [9, 4]), identifier="run")
    opened: list[str] = []

    def watched(*place: Any) -> Source:
        opened.append(place[0])
        return open_again(*place)

    monkeypatch.setattr(firstpass, "open_again", watched)
    assert len(dataset) == 13
    assert dataset.specs() is dataset.specs()
    assert sum(len(chunk.data) for chunk in dataset.chunks(5)) == 13
    assert len(opened) == 2


def test_opening_scans_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firstpass, "open_again", None)
    dataset = Dataset(make_all(tmp_path, [9, 4]), labels=["a", "b"])
    assert (len(dataset), dataset.classes) == (13, ["a", "b"])
    assert sum(map(dataset.count, PARTS)) == 13


def test_progress_is_told(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [9, 4]))
    told: list[int] = []
    dataset.on_events = told.append
    dataset.specs()
    assert sum(told) == dataset.entries == 13


@pytest.mark.parametrize("as_file", [False, True])
def test_given_specs_are_used_instead_of_a_scan(tmp_path: Path, as_file: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = make_all(tmp_path, [30, 20])
    first = Dataset(paths, select=INPUTS)
    first.specs().to_json(tmp_path / "specs.json")
    monkeypatch.setattr(firstpass, "open_again", None)
    second = Dataset(paths, specs=tmp_path / "specs.json" if as_file else first.specs())
    assert second.branches == INPUTS
    for left, right in zip(first.chunks(20), second.chunks(20), strict=True):
        assert same_bits(left.data, right.data)


def test_given_specs_of_more_branches_and_other_files(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [30, 20])
    specs = Dataset(paths[1]).specs()
    dataset = Dataset(paths[0], select=["x", "jetPt"], specs=specs)
    assert dataset.branches == ["x", "jetPt"]
    assert dataset.specs().minv["x"] == specs.minv["x"]


def test_given_specs_that_lack_a_branch(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [30])
    specs = Dataset(paths, select=["jetPt"]).specs()
    with pytest.raises(SpecsError, match="lack branch 'jetEta'"):
        Dataset(paths, select=["jetEta", "jetPt"], specs=specs)
    with pytest.raises(SpecsError, match=r"other\.root has no branch 'jetPt'"):
        Dataset(in_baskets(tmp_path / "other.root", [5]), specs=specs)


def test_given_specs_of_another_kind(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 9)
    other = write(tmp_path / "b.root", {"events": {"jetPt": np.arange(3.0)}})
    with pytest.raises(SpecsError, match="branch 'jetPt' is flat there and jagged"):
        Dataset(path, specs=Dataset(other).specs())


def test_given_specs_of_the_same_file_with_other_events(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 9)
    specs = Dataset(path, select=INPUTS).specs().with_parts({})
    make(path, 12)
    with pytest.raises(SpecsError, match=r"made from 9 events of .*a\.root, which has 12"):
        Dataset(path, specs=specs)


def test_the_same_file_twice(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 9)
    first = Dataset([path, path], select=INPUTS)
    assert first.specs().events == {str(path): 18, "total": 18}
    assert Dataset([path, path], specs=first.specs()).specs().minv == first.specs().minv


def test_specs_without_what_was_added_later(tmp_path: Path) -> None:
    """The original's files have no types and no counts."""
    path = write(tmp_path / "a.root", {"events": {"x": np.arange(10, dtype=np.float32)}})
    text = '{"fkeys": ["x"], "jkeys": [], "jdim": {}, "minv": {"x": 0}, "maxv": {"x": 10}, "events": {"total": 10}}'
    (tmp_path / "specs.json").write_text(text)
    with pytest.warns(Note, match="the specs name no types.*: the files are scanned again"):
        dataset = Dataset(path, specs=tmp_path / "specs.json")
    assert dataset.specs() == Dataset(path).specs()


def test_values_that_are_cut_off_are_counted_and_said(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [40, 50])
    specs = Dataset(paths[0], select=["x", "jetPt"]).specs()
    plan = mlaas4hep.Plan(specs, widths={"jetPt": 1})
    dataset = Dataset(paths, specs=specs)
    dataset._plan = plan
    lost = 0
    for path in paths:
        with uproot.open({str(path): "events"}) as tree:
            counts = tree["njetPt"].array(library="np")
            lost += int((counts - 1)[counts > 1].sum())
    with pytest.warns(Note, match=f"cut off.*{lost} of jetPt"):
        chunks = list(dataset.chunks(7))
    assert dataset.last_pass.truncated == {"jetPt": lost}
    assert dataset.last_pass.missing is not None
    assert dataset.last_pass.missing["x"] == sum(int(chunk.padding_mask[:, 0].sum()) for chunk in chunks)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"preproc": {"flat_cuts": {}}}, ParamsError, "did you mean 'flat_cut'"),
        ({"seed": -1}, ParamsError, "seed is -1"),
        ({"seed": 2**64}, ParamsError, "seed"),
        ({"seed": 1.5}, ParamsError, "seed is 1.5"),
        ({"nevts": 0}, ParamsError, "nevts is 0"),
        ({"nevts": True}, ParamsError, "nevts is True"),
        ({"max_open": 0}, ParamsError, "max_open is 0"),
        ({"threads": 0}, ParamsError, "threads is 0"),
        ({"split": (0.5, 0.5)}, ParamsError, "three fractions"),
        ({"split": 0.5}, ParamsError, "three fractions"),
        ({"split": (0.5, 0.6, -0.1)}, ParamsError, "must not be negative"),
        ({"split": (0.5, 0.5, 0.5)}, ParamsError, "add up to 1"),
        ({"split": (float("nan"), 0.5, 0.5)}, ParamsError, "split"),
        ({"select": "jetPtt"}, BranchError, "did you mean 'jetPt'"),
        ({"identifier": "jetPt"}, BranchError, "jetPt"),
        ({"identifier": ["runs"]}, BranchError, "did you mean 'run'"),
        ({"specs": "nowhere.json"}, SpecsError, r"nowhere\.json"),
        ({"specs": 3}, SpecsError, "specs"),
        ({"tree": "Events"}, SourceError, "Events"),
    ],
)
def test_parameters_that_make_no_sense(
    tmp_path: Path, options: dict[str, object], error: type[Exception], message: str
) -> None:
    path = make(tmp_path / "a.root", 5)
    with pytest.raises(error, match=message):
        Dataset(path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "chunk size is 0"),
        ({"size": -2}, "chunk size is -2"),
        ({"size": 2.5}, "chunk size is 2.5"),
        ({"size": 5, "part": "valid"}, "part is 'valid'"),
        ({"size": 5, "epoch": -1}, "epoch is -1"),
    ],
)
def test_chunks_that_make_no_sense(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    dataset = Dataset(make(tmp_path / "a.root", 5))
    with pytest.raises(ParamsError, match=message):
        dataset.chunks(**arguments)  # type: ignore[arg-type]
