"""Formulas and cuts on the events of files, against Awkward on what uproot reads."""

from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import awkward as ak
import mlaas4hep as m
import numpy as np
import pyarrow as pa
import pytest
import uproot
from mlaas4hep import Dataset
from mlaas4hep.errors import BranchError, ExpressionError, ParamsError, SpecsError

from tests.dataset.files import make, make_all

SAMPLE = ("ttH.root", "ttbar.root")
PREPROC: dict[str, Any] = {
    "new_branch": {
        "logE": {
            "def": "log(jetE)",
            "type": "jagged",
            "cut_1": ["logE<6.31", "any"],
            "cut_2": ["logE>2.5", "all"],
            "remove": "False",
            "keys_to_remove": ["jetE"],
        },
        "square": {"def": "nJets**2", "type": "flat", "cut": "1<=square<=100", "keys_to_remove": ["nJets"]},
    },
    "flat_cut": {"nLeptons": {"cut": "0<=nLeptons<=2", "remove": "False"}},
    "jagged_cut": {"jetPt": {"cut": ["jetPt>8", "all"], "remove": "False"}},
}


@pytest.fixture(scope="module")
def sample() -> Iterator[list[str]]:
    with as_file(files("mlaas4hep") / "sample") as folder:
        yield [str(folder / name) for name in SAMPLE]


def arrays(path: str) -> ak.Array:
    with uproot.open(path) as file:
        return file["events"].arrays()


def expected(events: ak.Array) -> list[np.ndarray[Any, Any]]:
    """Which events pass each cut."""
    log = np.log(ak.values_astype(events.jetE, np.float64))
    square = ak.to_numpy(events.nJets).astype(np.int64) ** 2
    leptons = ak.to_numpy(events.nLeptons)
    return [
        ak.to_numpy(ak.any(log < 6.31, axis=1)),
        ak.to_numpy(ak.all(log > 2.5, axis=1)),
        (square >= 1) & (square <= 100),
        (leptons >= 0) & (leptons <= 2),
        ak.to_numpy(ak.all(events.jetPt > 8, axis=1)),
    ]


def test_every_event_is_accounted_for(sample: list[str]) -> None:
    dataset = Dataset(sample, labels=[1, 0], preproc=PREPROC, exclude=["genWeight"])
    flow = dataset.cutflow
    assert flow.cuts == ("logE<6.31 (any)", "logE>2.5 (all)", "1<=square<=100", "0<=nLeptons<=2", "jetPt>8 (all)")
    for path, found in zip(sample, flow.files, strict=True):
        passed = np.logical_and.accumulate(expected(arrays(path)))
        assert found.read == 4000
        assert found.passed == tuple(passed.sum(axis=1).tolist())
    assert flow.total.survived == len(dataset)
    assert sum(dataset.count(part) for part in ("train", "validation", "test")) == len(dataset)
    assert flow.to_dict()["total"]["cut"] == 8000 - len(dataset)


def test_specs_and_chunks_are_those_of_the_survivors(sample: list[str]) -> None:
    dataset = Dataset(sample, labels=[1, 0], preproc=PREPROC, exclude=["genWeight"])
    survivors = [np.logical_and.reduce(expected(arrays(path))) for path in sample]
    pairs = zip(sample, survivors, strict=True)
    logs = [np.log(ak.values_astype(arrays(path).jetE[kept], np.float64)) for path, kept in pairs]
    specs = dataset.specs()
    assert {"jetE", "nJets", "genWeight"}.isdisjoint(specs.branches)
    assert {"logE", "square"} <= set(specs.branches)
    assert specs.minv["logE"] == pytest.approx(min(float(ak.min(log)) for log in logs), rel=1e-15)
    assert specs.events["total"] == 8000
    assert specs.selected[sample[0]] == tuple(
        int(np.count_nonzero(dataset._found.events[0].parts == part)) for part in range(3)
    )
    seen = {number: [] for number in (0, 1)}  # type: ignore[var-annotated]
    column = dataset.names.index("square")
    low, high = specs.minv["square"], specs.maxv["square"]
    assert low is not None
    assert high is not None
    squares = [ak.to_numpy(arrays(path).nJets).astype(np.int64) ** 2 for path in sample]
    for chunk in dataset.chunks(1000):
        for number in (0, 1):
            entries = chunk.entry[chunk.file == number]
            seen[number] += entries.tolist()
            scaled = ((squares[number][entries] - float(low)) * (1 / (float(high) - float(low)))).astype(np.float32)
            assert np.array_equal(chunk.data[chunk.file == number, column], scaled)
    assert all(sorted(seen[number]) == np.flatnonzero(survivors[number]).tolist() for number in (0, 1))


def test_proportions_are_those_of_the_survivors(sample: list[str]) -> None:
    dataset = Dataset(sample, preproc=PREPROC)
    counts = [file.survived for file in dataset.cutflow.files]
    for chunk in dataset.chunks(500):
        if len(chunk.data) == 500:
            share = 500 * counts[0] / sum(counts)
            assert abs(np.count_nonzero(chunk.file == 0) - share) < 2


def test_a_tree_a_table_and_an_awkward_array_give_the_same(sample: list[str]) -> None:
    events = arrays(sample[0])
    table = pa.table({name: ak.to_arrow(events[name], extensionarray=False) for name in events.fields})
    dataset = Dataset(sample[0], preproc=PREPROC)
    whole = next(dataset.chunks(-1, shuffle=False))
    specs = dataset.specs()
    plan = m.Plan(specs, preproc=PREPROC)
    assert plan == dataset.plan
    for data in (events, table):
        assert m.scan(data, preproc=PREPROC).minv == {
            name: specs.minv.get(name, value) for name, value in m.scan(data, preproc=PREPROC).minv.items()
        }
        flat = plan(data)
        assert flat.data.tobytes() == whole.data.tobytes()
        assert flat.padding_mask.tobytes() == whole.padding_mask.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_chunk_size_and_threads_change_nothing(threads: int, tmp_path: Path) -> None:
    paths = make_all(tmp_path, [300, 50, 170])
    given = {
        "new_branch": {"r": {"def": "jetPt / (1 + abs(jetEta))", "type": "jagged"}},
        "flat_cut": {"count": {"cut": "count > -600"}},
        "jagged_cut": {"jetPt": {"cut": ["jetPt > 10", "any"]}},
    }
    whole = next(Dataset(paths, preproc=given).chunks(-1, shuffle=False))
    dataset = Dataset(paths, preproc=given, threads=threads)
    pieces = list(dataset.chunks(37, shuffle=False))
    assert np.concatenate([piece.data for piece in pieces]).tobytes() == whole.data.tobytes()
    assert np.concatenate([piece.entry for piece in pieces]).tolist() == whole.entry.tolist()


def test_labels_and_identifiers_of_survivors(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 400, label=np.tile([1.0, np.nan, 0.0, 7.0], 100))
    given = {"flat_cut": {"label": {"cut": "not (label == 7)"}}}
    dataset = Dataset(path, labels="label", identifier=["run", "event"], preproc=given)
    with pytest.warns(m.errors.Note, match="100 events are left out"):
        dataset.specs()
    assert dataset.label_values == [0, 1]
    assert len(dataset) == 200
    total = dataset.cutflow.total
    assert (total.read, total.survived, total.left_out) == (400, 300, 100)
    plain = Dataset(path, identifier=["run", "event"])
    parts = dataset._found.events[0].parts
    assert (parts[parts < 3] == plain._found.events[0].parts[parts < 3]).all()


def test_clusters_without_survivors_read_the_columns_of_cuts_only(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 200)
    dataset = Dataset(path, preproc={"flat_cut": {"count": {"cut": "count > 2000"}}})
    with pytest.raises(ParamsError, match=r"no event passes the cuts:\nCut +all files\nread +200\ncount > 2000 +0"):
        dataset.specs()
    assert dataset.spent.scanning == 0


def test_a_label_without_survivors_is_an_error(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [100, 50])
    given = {"flat_cut": {"event": {"cut": "event >= 50"}}}
    with pytest.raises(ParamsError, match="label 0 has no event that passes the cuts"):
        Dataset(paths, labels=[1, 0], preproc=given).specs()


def test_formulas_may_use_what_is_no_input(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 120)
    given = {
        "new_branch": {"n": {"def": "njetPt + event % 2 + run * 0", "type": "flat"}},
        "flat_cut": {"njetPt": {"cut": "njetPt > 0"}},
    }
    dataset = Dataset(path, identifier=["run", "event"], exclude=["x", "jetEta"], preproc=given)
    assert dataset.branches == ["count", "flag", "n", "jetPt"]
    assert 0 < len(dataset) < 120


def test_new_branches_stay_whatever_is_selected(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 20)
    given = {"new_branch": {"n": {"def": "x * 2", "type": "flat"}}}
    assert Dataset(path, select="count", preproc=given).branches == ["count", "n"]
    assert Dataset(path, select="n", preproc=given).branches == ["n"]
    assert Dataset(path, exclude="n", preproc=given).branches == [
        "count",
        "event",
        "flag",
        "run",
        "x",
        "jetEta",
        "jetPt",
    ]


def test_specs_are_used_again(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 100)
    given = {"flat_cut": {"count": {"cut": "count > 0"}}}
    first = Dataset(path, preproc=given)
    first.specs().to_json(tmp_path / "specs.json")
    again = Dataset(path, preproc=given, specs=tmp_path / "specs.json")
    assert len(again) == len(first)
    assert next(again.chunks(-1)).data.tobytes() == next(first.chunks(-1)).data.tobytes()
    for other in (None, {"flat_cut": {"count": {"cut": "count > 1"}}}):
        with pytest.raises(SpecsError, match="made with other formulas and cuts"):
            Dataset(path, preproc=other, specs=tmp_path / "specs.json")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"flat_cut": {"cout": {"cut": "count>1"}}}, BranchError, "flat_cut 'cout': there is no branch 'cout' "),
        ({"flat_cut": {"count": {"cut": "cont>1"}}}, ExpressionError, "there is no branch 'cont' "),
        ({"new_branch": {"x": {"def": "count", "type": "flat"}}}, ExpressionError, "there is a branch 'x' already"),
    ],
)
def test_it_is_checked_before_any_event_is_read(
    tmp_path: Path, given: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Dataset(make(tmp_path / "a.root", 10), preproc=given)


def test_files_that_lack_a_branch_of_a_formula(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a.root", 10, y=np.zeros(10)), make(tmp_path / "b.root", 10)]
    with pytest.raises(BranchError, match=r"formulas: branch 'y' is missing in .*b\.root"):
        Dataset(paths, exclude="y", preproc={"new_branch": {"z": {"def": "y+1", "type": "flat"}}})


@pytest.mark.parametrize("where", ["cut", "new branch"])
def test_an_error_names_file_and_entry(where: str, tmp_path: Path) -> None:
    n = np.zeros(50, np.int64)
    n[33] = 2**62
    path = make(tmp_path / "a.root", 50, n=n)
    if where == "cut":
        given: Any = {"flat_cut": {"n": {"cut": "n*4 >= 0"}}}
    else:
        given = {"new_branch": {"m": {"def": "n*4", "type": "flat"}}, "flat_cut": {"n": {"cut": "count > -2000"}}}
    with pytest.raises(ExpressionError, match=r"a\.root: event 33: the result is beyond int64\n  n\*4"):
        Dataset(path, preproc=given).specs()


def test_an_event_that_is_cut_raises_no_error_of_a_new_branch(tmp_path: Path) -> None:
    n = np.zeros(50, np.int64)
    n[33] = 2**62
    path = make(tmp_path / "a.root", 50, n=n)
    given = {"new_branch": {"m": {"def": "n*4", "type": "flat"}}, "flat_cut": {"n": {"cut": "n < 5"}}}
    dataset = Dataset(path, preproc=given)
    assert len(dataset) == 49
    assert len(next(dataset.chunks(-1)).data) == 49
    data = {"n": n}
    assert len(m.flatten(data, preproc=given).data) == 49


def test_types_differ_between_files(tmp_path: Path) -> None:
    paths = [
        make(tmp_path / "a.root", 20, y=np.arange(20, dtype=np.int32)),
        make(tmp_path / "b.root", 20, y=np.arange(20.0)),
    ]
    dataset = Dataset(paths, preproc={"flat_cut": {"y": {"cut": "y >= 10"}}})
    assert [file.survived for file in dataset.cutflow.files] == [10, 10]


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_without_events_among_others(order: int, tmp_path: Path) -> None:
    paths = [make(tmp_path / "a.root", 100), make(tmp_path / "b.root", 0)][::order]
    with pytest.warns(m.errors.Note, match="files with 0 events"):
        dataset = Dataset(paths, preproc={"flat_cut": {"count": {"cut": "count > 0"}}})
    assert dataset.specs().events["total"] == 100
    assert {file.read for file in dataset.cutflow.files} == {0, 100}
    with pytest.warns(m.errors.Note, match="files with 0 events"):
        few = Dataset(paths, nevts=1, preproc={"flat_cut": {"count": {"cut": "count > -2000"}}})
    assert len(few) == 1
    assert few.specs().events["total"] == 1


def test_identifiers_are_no_new_branches(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 10)
    given = {"new_branch": {"n": {"def": "count % 2", "type": "flat"}}}
    with pytest.raises(ParamsError, match="identifier: 'n' is a new branch"):
        Dataset(path, identifier="n", preproc=given)


def test_a_new_branch_without_values_is_noted(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 10)
    dataset = Dataset(path, preproc={"new_branch": {"n": {"def": "x / 0", "type": "flat"}}})
    with pytest.warns(m.errors.Note, match="new branches that have no finite value in any event: n"):
        dataset.specs()
