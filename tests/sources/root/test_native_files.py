"""Which branches of files the core reads, and that nothing changes if uproot reads them."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from mlaas4hep.sources import TreeInfo, list_trees

from tests.sources import files

SHARED = {
    "formats/nano_dy_empty.root": {"Events": 1499},
    "formats/tree_cycles_hist.root": {"Events": 1},
    "formats/tree_with_clusters.root": {"t1": 2},
    "formats/tree_with_vector_multiple_baskets.root": {"t1": 1},
    "formats/unroot_NanoAODv5_sample.root": {"Events": 1479},
    "formats/uproot-HZZ-lz4.root": {"events": 51},
    "formats/uproot-HZZ-lzma.root": {"events": 51},
    "formats/uproot-HZZ-uncompressed.root": {"events": 51},
    "formats/uproot-HZZ-zstd.root": {"events": 51},
    "formats/uproot-issue412.root": {"test": 2},
    "formats/uproot-nesteddirs.root": {"one/two/tree": 19, "one/tree": 2, "three/tree": 36},
    "formats/uproot-sample-6.20.04-lzma.root": {"sample": 34},
    "formats/uproot-small-evnt-tree-fullsplit.root": {"tree": 36},
    "hep_tutorial/qcd.root": {"events": 51},
    "hep_tutorial/single_top.root": {"events": 51},
    "hep_tutorial/ww.root": {"events": 51},
    "hep_tutorial/wz.root": {"events": 51},
    "hep_tutorial/zz.root": {"events": 51},
    "rntuple/nano_dimuon_ttree_twin.root": {"Events": 1601, "Runs": 1},
    "tth/qcd.root": {"events": 52},
    "tth/ttH.root": {"events": 52},
    "tth/ttbar.root": {"events": 52},
}
"""How many branches of each tree the core reads at least."""


def assert_core_reads(path: Path, wanted: dict[str, int]) -> None:
    """At least so many, and of the rest it is said why not."""
    trees = {tree.name: tree for tree in list_trees(str(path))}
    assert list(trees) == list(wanted)
    for name, tree in trees.items():
        assert _by_reader(tree)["mlaas4hep"] >= wanted[name]
        assert all(bool(branch.why_uproot) == (branch.reader == "uproot") for branch in tree.branches)
        assert {branch.kind for branch in tree.branches if branch.reader == "uproot"} <= {"string"}
        assert all((branch.reader == "") == (branch.kind == "other") for branch in tree.branches)


def _by_reader(tree: TreeInfo) -> "Counter[str]":
    return Counter(branch.reader for branch in tree.branches)


def test_the_core_reads_the_sample(sample: Path) -> None:
    for name in ("ttH", "ttbar"):
        assert_core_reads(sample / f"{name}.root", {"events": 52})


def test_the_core_reads_every_type(tmp_path: Path) -> None:
    path = files.write_all_types(tmp_path / "a.root", (3,))
    assert_core_reads(path, {"events": 44})
    (tree,) = list_trees(str(path))
    assert _by_reader(tree) == {"mlaas4hep": 44, "uproot": 1}


@pytest.mark.parametrize("name", SHARED)
def test_the_core_reads_files_of_others(name: str, shared_data: Path) -> None:
    assert_core_reads(shared_data / name, SHARED[name])


def assert_equal_readers(path: Path, tree: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole, again (the short way), and cut into three, against uproot's."""
    native = files.opened(path, tree)
    monkeypatch.setenv("MLAAS4HEP_READER", "uproot")
    other = files.opened(path, tree)
    assert {branch.reader for branch in other.schema().values()} <= {"uproot", ""}
    names = files.readable(native)
    assert names == files.readable(other)
    last = native.entries
    cuts = [0, last // 3, last - last // 4, last]
    for start, stop in [(0, last), (0, last), *pairwise(cuts)]:
        wanted = other.read(names, start, stop)
        for name, column in native.read(names, start, stop).items():
            files.assert_equal(column, wanted[name])
    native.close()
    other.close()


def test_the_sample_by_both(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted(sample.glob("*.root")):
        assert_equal_readers(path, "events", monkeypatch)
        monkeypatch.delenv("MLAAS4HEP_READER")


@pytest.mark.parametrize("name", SHARED)
def test_files_of_others_by_both(name: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tree in SHARED[name]:
        assert_equal_readers(shared_data / name, tree, monkeypatch)
        monkeypatch.delenv("MLAAS4HEP_READER")
