"""Columns of TTrees are what uproot reads, in any ranges, and each basket is decompressed once."""

from collections import Counter
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mlaas4hep.errors import BranchError, ReadError, SourceError
from mlaas4hep.sources import Branch, list_trees
from mlaas4hep.sources.root.baskets import BranchReader
from mlaas4hep.sources.root.known import _named
from uproot.behaviors.TBranch import TBranch
from uproot.models.TBasket import Model_TBasket

from tests.sources import files

EXTENDS = (7, 0, 100, 1, 33)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.write_all_types(tmp_path_factory.mktemp("types") / "every.root", EXTENDS)


@pytest.fixture
def decompressed(monkeypatch: pytest.MonkeyPatch) -> "Counter[tuple[str, int]]":
    """How often each basket was read."""
    counts: Counter[tuple[str, int]] = Counter()
    read = Model_TBasket.read

    def counted(chunk: Any, cursor: Any, context: Any, file: Any, selffile: Any, parent: Any) -> Any:
        counts[parent.name, context["basket_num"]] += 1
        return read(chunk, cursor, context, file, selffile, parent)

    monkeypatch.setattr(Model_TBasket, "read", counted)
    return counts


def test_every_type_in_every_range(every: Path, reader: str) -> None:
    files.assert_same(every, "events")


@pytest.mark.parametrize("codec", [uproot.LZ4(1), uproot.ZSTD(1), uproot.LZMA(1), uproot.ZLIB(0)], ids=repr)
def test_every_codec(codec: Any, tmp_path: Path, by_uproot: None) -> None:
    files.assert_same(files.write_all_types(tmp_path / "a.root", (20, 30), codec), "events")


def test_the_sample(sample: Path, reader: str) -> None:
    for path in sorted(sample.glob("*.root")):
        for tree in list_trees(str(path)):
            files.assert_same(path, tree.name)


@pytest.mark.parametrize(
    "path",
    [
        "hep_tutorial/single_top.root",
        "formats/uproot-HZZ-lzma.root",
        "formats/uproot-HZZ-uncompressed.root",
        "formats/uproot-nesteddirs.root",
        "formats/uproot-sample-6.20.04-lzma.root",
        "formats/uproot-small-evnt-tree-fullsplit.root",
        "formats/tree_with_clusters.root",
        "formats/tree_with_vector_multiple_baskets.root",
        "formats/tree_cycles_hist.root",
    ],
)
def test_files_of_root(path: str, shared_data: Path, reader: str) -> None:
    for tree in list_trees(str(shared_data / path)):
        files.assert_same(shared_data / path, tree.name)


def test_kinds_and_types(every: Path) -> None:
    schema = files.opened(every).schema()
    assert schema["text"] == Branch("text", "string", "", "char*", False, "strings", "uproot", "strings")
    assert schema["flat_bool"] == Branch("flat_bool", "flat", "bool", "bool", reader="mlaas4hep")
    jagged = Branch("jagged_float32", "jagged", "float32", "float[]", reader="mlaas4hep")
    assert schema["jagged_float32"] == jagged
    assert schema["fixed_uint16"] == Branch("fixed_uint16", "jagged", "uint16", "uint16_t[3]", reader="mlaas4hep")
    counter = Branch("njagged_bool", "flat", "int32", "int32_t", True, "counter", "mlaas4hep")
    assert schema["njagged_bool"] == counter
    assert {branch.type for branch in schema.values()} == {*files.NUMBERS, ""}
    assert [branch.name for branch in schema.values() if branch.counter] == [
        f"njagged_{dtype}" for dtype in files.NUMBERS
    ]


def test_everything_by_uproot(every: Path, by_uproot: None) -> None:
    schema = files.opened(every).schema()
    assert {(branch.reader, branch.why_uproot) for branch in schema.values()} == {
        ("uproot", "MLAAS4HEP_READER is uproot")
    }


def test_what_is_no_column(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "formats/uproot-small-evnt-tree-fullsplit.root"
    source = files.opened(path)
    schema = source.schema()
    assert schema["StlVecStr"].kind == "other"
    assert schema["StlVecStr"].why_not == "objects"
    assert schema["P3"].why_not == "a group of other branches"
    assert schema["P3.Py"].kind == "flat"
    assert schema["N"].counter
    with pytest.raises(BranchError, match=r"branch 'StlVecStr' is no column: objects"):
        source.read(["StlVecStr"], 0, 1)
    source.close()
    matrices = files.write(tmp_path / "m.root", {"t": {"m": np.zeros((3, 2, 2))}})
    assert files.opened(matrices).schema()["m"] == Branch("m", "other", "", "double[2][2]", False, "nested lists")


def test_the_newest_cycle_counts(shared_data: Path) -> None:
    path = shared_data / "formats/tree_cycles_hist.root"
    newest, older = files.opened(path), files.opened(path, "Events;1")
    assert (newest.tree, newest.entries) == ("Events", 6)
    assert (older.tree, older.entries) == ("Events;1", 4)


def test_a_tree_in_a_folder(tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.root", {"one/two/tree": {"x": np.arange(3)}})
    assert files.opened(path).tree == "one/two/tree"
    assert files.opened(path, "/one/two/tree").entries == 3


def test_no_entries(tmp_path: Path, reader: str) -> None:
    for extends in ((), (0,)):
        source = files.opened(files.write_all_types(tmp_path / "a.root", extends))
        assert source.entries == 0
        names = files.readable(source)
        assert source.clusters(names, 0, 0) == []
        columns = source.read(names, 0, 0)
        assert columns["flat_int8"].dtype == np.int8  # type: ignore[union-attr]
        offsets, content = columns["jagged_int8"]
        assert (offsets.tolist(), content.dtype) == ([0], np.int8)
        offsets, content = columns["fixed_bool"]
        assert (offsets.tolist(), content.shape) == ([0], (0,))
        source.close()


def test_each_basket_is_decompressed_once(
    every: Path, decompressed: "Counter[tuple[str, int]]", by_uproot: None
) -> None:
    source = files.opened(every)
    names = files.readable(source)
    for start in range(0, source.entries, 9):
        source.read(names, start, min(start + 9, source.entries))
    assert set(decompressed.values()) == {1}
    assert len(decompressed) == len(names) * sum(size > 0 for size in EXTENDS)


def test_only_what_is_asked_for_is_read(every: Path, decompressed: "Counter[tuple[str, int]]", by_uproot: None) -> None:
    source = files.opened(every)
    source.read(["jagged_int32"], 20, 30)
    assert set(decompressed) == {("jagged_int32", 2)}
    source.read(["jagged_int32"], 30, 35)
    assert decompressed["jagged_int32", 2] == 1
    source.read(["jagged_int32"], 10, 15)  # what lies before is not kept
    assert decompressed["jagged_int32", 2] == 2
    source.read(["jagged_int32"], 0, 15)
    source.read(["jagged_int32"], 140, 141)
    files.assert_column(
        source.read(["jagged_int32"], 5, 140)["jagged_int32"],
        dict(files.branches(every, "events"))["jagged_int32"][5:140],
    )


def test_threads_give_the_same(every: Path, reader: str) -> None:
    wanted = dict(files.branches(every, "events"))
    source = files.opened(every, threads=4)
    names = list(source.schema())
    for start in range(0, source.entries, 40):
        stop = min(start + 40, source.entries)
        for name, column in source.read(names, start, stop).items():
            files.assert_column(column, wanted[name][start:stop])
    source.close()


def test_unaligned_baskets(tmp_path: Path, decompressed: "Counter[tuple[str, int]]", by_uproot: None) -> None:
    """Branches of two trees stand in for one tree whose branches begin their baskets at different entries."""
    path = tmp_path / "a.root"
    data = {"x": np.arange(60.0), "y": ak.Array([[i] * (i % 3) for i in range(60)])}
    sizes = {"x": (10, 20, 30), "y": (25, 5, 30)}
    with uproot.recreate(path) as file:
        for name, extends in sizes.items():
            tree = file.mktree(name, {name: "float64" if name == "x" else "var * int64"})
            for stop, size in zip(np.cumsum(extends).tolist(), extends, strict=True):
                tree.extend({name: data[name][stop - size : stop]})
    source, other = files.opened(path, "x"), files.opened(path, "y")
    files.add(source, other)
    assert source.clusters(["x", "y"], 0, 60) == [(0, 60)]
    decompressed.clear()
    for start, stop in [(0, 10), (10, 12), (12, 29), (29, 30), (30, 60)]:
        columns = source.read(["x", "y"], start, stop)
        files.assert_column(columns["x"], ak.Array(data["x"])[start:stop])
        files.assert_column(columns["y"], data["y"][start:stop])
    assert set(decompressed.values()) == {1}
    assert len(decompressed) == 6


def test_baskets_without_offsets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by_uproot: None) -> None:
    """The counter tells the lengths, by entries: its baskets need not begin where the others do."""
    path = tmp_path / "a.root"
    lists = ak.Array([[float(i)] * (i % 4) for i in range(50)])
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {"x": "var * float64"})
        for start in range(0, 50, 25):
            tree.extend({"x": lists[start : start + 25]})
        counter = file.mktree("counter", {"n": "int32"})
        for start in range(0, 50, 10):
            counter.extend({"n": ak.to_numpy(ak.num(lists[start : start + 10]))})
    source = files.opened(path, "events")
    monkeypatch.setattr(Model_TBasket, "byte_offsets", None)
    monkeypatch.setattr(TBranch, "count_branch", files.uproots(path, "counter")["n"][0])
    for start, stop in [(0, 20), (20, 30), (30, 50), (3, 47)]:
        files.assert_column(source.read(["x"], start, stop)["x"], lists[start:stop])


def test_names_that_collide_are_full_paths() -> None:
    class Node:
        def __init__(self, name: str, *branches: "Node") -> None:
            self.name, self.branches = name, branches

    tree = Node("t", Node("a", Node("pt"), Node("eta")), Node("b", Node("pt"), Node("b")), Node("x"), Node("x"))
    names = [name for name, _ in _named(tree)]
    assert names == ["a", "a/pt", "eta", "b", "b/pt", "b/b", "x", "x#2"]


def test_an_unknown_branch(every: Path) -> None:
    source = files.opened(every)
    with pytest.raises(BranchError, match=r"has no branch 'flat_flaot32' \(did you mean 'flat_float32'\?\)"):
        source.read(["flat_flaot32"], 0, 1)
    with pytest.raises(IndexError, match="entries 0 to 142 of 141"):
        source.read(["flat_float32"], 0, 142)


def test_list_trees(every: Path, tmp_path: Path) -> None:
    (tree,) = list_trees(str(every))
    assert (tree.name, tree.entries) == ("events", sum(EXTENDS))
    assert {branch.name: branch for branch in tree.branches} == files.opened(every).schema()
    path = files.write(tmp_path / "two.root", {"a": {"x": np.zeros(1)}, "b": {"y": np.zeros(2)}})
    assert [(tree.name, tree.entries, tree.branches[0].name) for tree in list_trees(str(path))] == [
        ("a", 1, "x"),
        ("b", 2, "y"),
    ]


def test_embedded_baskets(every: Path, by_uproot: None) -> None:
    """Baskets inside the tree's own metadata come from uproot whole; any basket can be read this way."""
    source = files.opened(every)
    wanted = dict(files.branches(every, "events"))
    with uproot.open({str(every): "events"}) as tree:  # these are not in the metadata, so that the file must be open
        opened = dict(_named(tree))
        for name in files.readable(source):
            reader = source._reader(name, 0)
            assert isinstance(reader, BranchReader)
            reader._embedded, reader._branch = 2, opened[name]
            files.assert_column(source.read([name], 3, 120)[name], wanted[name][3:120])


def test_how_branches_are_stored(tmp_path: Path) -> None:
    columns = {"x": np.arange(1000), "y": np.zeros((1000, 3), np.float32)}
    path = files.write(tmp_path / "a.root", {"events": columns}, compression=uproot.LZ4(5))
    (tree,) = list_trees(str(path))
    x, y = tree.storage["x"], tree.storage["y"]
    assert x.compression == y.compression == "LZ4(5)"
    assert x.pieces == y.pieces == 1
    assert x.size is not None
    assert y.stored is not None
    assert 8000 < x.size < 8200
    assert 0 < y.stored < 1000


def test_what_is_not_compressed_says_so(tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.root", {"events": {"x": np.arange(10)}}, compression=None)
    assert list_trees(str(path))[0].storage["x"].compression == "none"


def test_storage_of_real_files(shared_data: Path) -> None:
    for path in sorted((shared_data / "formats").glob("*.root")):
        for tree in list_trees(str(path)):
            assert set(tree.storage) <= {branch.name for branch in tree.branches}
    (nano, *_) = list_trees(str(shared_data / "formats/unroot_NanoAODv5_sample.root"))
    assert nano.storage["Muon_pt"].compression == "ZLIB(1)"


def test_names_of_any_kind(tmp_path: Path, reader: str) -> None:
    names = ["jet.pt", "jet/eta", "jet phi", "größe", "質量", "a[b]", "x;1"]
    path = files.write(tmp_path / "a.root", {"Bäume": {name: np.arange(5) + n for n, name in enumerate(names)}})
    source = files.opened(path)
    assert source.tree == "Bäume"
    assert list(source.schema()) == names
    for number, (name, column) in enumerate(source.read(names, 1, 4).items()):
        assert column.tolist() == [number + 1, number + 2, number + 3], name  # type: ignore[union-attr]


def test_cycles_in_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        for size in (2, 5, 3):
            file.mktree("one/t", {"x": "int64"}).extend({"x": np.arange(size)})
        file.mktree("two/t", {"x": "int64"}).extend({"x": np.arange(7)})
    assert [(tree.name, tree.entries) for tree in list_trees(str(path))] == [("one/t", 3), ("two/t", 7)]
    assert files.opened(path, "one/t").read(["x"], 0, 3)["x"].tolist() == [0, 1, 2]  # type: ignore[union-attr]
    assert files.opened(path, "one/t;2").entries == 5


def test_a_branch_with_fewer_entries(tmp_path: Path, reader: str) -> None:
    """A branch that was filled less often than its tree says so where its entries end."""
    path = files.write(tmp_path / "a.root", {"long": {"x": np.arange(9)}, "short": {"y": np.arange(5)}})
    source, other = files.opened(path, "long"), files.opened(path, "short")
    files.add(source, other)
    assert source.read(["x", "y"], 2, 5)["y"].tolist() == [2, 3, 4]  # type: ignore[union-attr]
    with pytest.raises(ReadError, match=r"a\.root: branch 'y' has only 5 entries, tree 'long' has 9"):
        source.read(["x", "y"], 2, 9)


def test_a_branch_whose_list_of_baskets_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so where it is read; others do not suffer."""
    path = files.write(tmp_path / "a.root", {"events": {"x": np.arange(9), "y": np.arange(9)}})
    embedded = TBranch.embedded_baskets.fget

    def damaged(branch: TBranch) -> object:
        if branch.name == "y":
            raise ValueError("a wrong version")
        return embedded(branch)

    monkeypatch.setattr(TBranch, "embedded_baskets", property(damaged))
    files.forget()
    source = files.opened(path)
    assert source.read(["x"], 0, 9)["x"].tolist() == list(range(9))  # type: ignore[union-attr]
    with pytest.raises(ReadError, match=r"a\.root: branch 'y': its list of baskets is damaged: .*a wrong version"):
        source.read(["x", "y"], 0, 9)
    (tree,) = list_trees(str(path))
    assert (tree.storage["x"].pieces, tree.storage["y"].pieces) == (1, None)


def test_a_file_that_was_not_closed(tmp_path: Path) -> None:
    """Without the list of its keys nothing in it can be found; cut off, it is truncated."""
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {"x": "int64"})
        for _ in range(4):
            tree.extend({"x": np.arange(1000)})
    data = path.read_bytes()
    with uproot.open(path) as file:
        keys = file.fSeekKeys
    path.write_bytes(data[:keys] + bytes(len(data) - keys))
    with pytest.raises(SourceError, match=r"a\.root: "):
        files.opened(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"a\.root: the ROOT file is truncated: \d+ bytes instead of \d+"):
        files.opened(path)
