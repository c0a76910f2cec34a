"""Real files, of experiments and of other packages: every branch is what uproot reads, or it is said why it is not."""

from pathlib import Path
from typing import Any

import awkward as ak
import pytest
import uproot
from mlaas4hep import Dataset
from mlaas4hep.sources import list_trees, open_source

from tests.sources import files
from tests.sources.root import ntuples

NTUPLES = {
    "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root": (1000, 6),
    "nano_dimuon_rntuple.root": (40, 1601),
    "test_1jag_int_float_rntuple_v1-0-0-0.root": (100, 2),
    "test_multiple_cluster_groups_rntuple_v1-0-0-0.root": (1000, 2),
    "test_nested_structs_rntuple_v1-0-0-0.root": (10, 4),
}
"""Entries and branches of each."""

TREES = (
    "formats/nano_dy_empty.root",
    "formats/tree_cycles_hist.root",
    "formats/tree_with_clusters.root",
    "formats/tree_with_vector_multiple_baskets.root",
    "formats/unroot_NanoAODv5_sample.root",
    "formats/uproot-HZZ-lz4.root",
    "formats/uproot-HZZ-lzma.root",
    "formats/uproot-HZZ-uncompressed.root",
    "formats/uproot-HZZ-zstd.root",
    "formats/uproot-issue412.root",
    "formats/uproot-nesteddirs.root",
    "formats/uproot-sample-6.20.04-lzma.root",
    "formats/uproot-small-evnt-tree-fullsplit.root",
    "hep_tutorial/qcd.root",
    "hep_tutorial/single_top.root",
    "hep_tutorial/ww.root",
    "hep_tutorial/wz.root",
    "hep_tutorial/zz.root",
    "rntuple/nano_dimuon_ttree_twin.root",
)
LEFT_OUT = {
    "formats/uproot-small-evnt-tree-fullsplit.root": {"StlVecStr"},
    "formats/uproot-nesteddirs.root": {"StlVecStr"},
}
"""What is no column, besides the groups of other branches."""


def test_nothing_is_forgotten(shared_data: Path) -> None:
    """Every ROOT file there is in one of the lists."""
    folders = ("formats", "hep_tutorial", "rntuple")
    found = {str(path.relative_to(shared_data)) for folder in folders for path in (shared_data / folder).glob("*.root")}
    assert found == {*TREES, *(f"rntuple/{name}" for name in NTUPLES)}


@pytest.mark.parametrize("name", TREES)
def test_trees(name: str, shared_data: Path) -> None:
    path = shared_data / name
    for tree in list_trees(str(path)):
        wanted = dict(files.branches(path, tree.name))
        source = open_source(str(path), tree.name)
        left_out = {one.name for one in tree.branches if one.kind == "other" and not one.why_not.startswith("a group")}
        assert left_out <= LEFT_OUT.get(name, set())
        assert {one.name for one in tree.branches if one.kind != "other"} == set(wanted) - left_out
        half = source.entries // 2
        for start, stop in [(0, half), (half, source.entries)]:
            for branch, column in source.read(sorted(set(wanted) - left_out), start, stop).items():
                files.assert_column(column, wanted[branch][start:stop])  # type: ignore[arg-type]
        source.close()


@pytest.mark.parametrize("name", NTUPLES)
def test_ntuples(name: str, shared_data: Path) -> None:
    source = ntuples.opened(shared_data / "rntuple" / name)
    schema = source.schema()
    assert (source.entries, len(schema)) == NTUPLES[name]
    assert {branch.kind for branch in schema.values()} <= {"flat", "jagged"}
    third = source.entries // 3
    ntuples.assert_same(source, [(0, third), (third, 2 * third + 1), (2 * third + 1, source.entries), (0, 1)])
    source.close()


def test_twins(shared_data: Path) -> None:
    """The events of one NanoAOD file as RNTuple and as TTree: the same branches, kinds, types and numbers."""
    folder = shared_data / "rntuple"
    tree = files.opened(folder / "nano_dimuon_ttree_twin.root", "Events")
    ntuple = ntuples.opened(folder / "nano_dimuon_rntuple.root")
    ours, theirs = ({n: (b.kind, b.type, b.counter) for n, b in one.schema().items()} for one in (ntuple, tree))
    assert ours == theirs
    columns: dict[str, Any] = ntuple.read(list(ours), 0, 40)
    for name, column in tree.read(list(ours), 0, 40).items():
        files.assert_equal(columns[name], column)


def test_one_sample_in_every_codec(shared_data: Path) -> None:
    """The same events in ZLIB, LZ4, LZMA, ZSTD and without compression make the same chunks."""
    paths = [shared_data / "hep_tutorial/zz.root"]
    paths += [shared_data / f"formats/uproot-HZZ-{codec}.root" for codec in ("lz4", "lzma", "uncompressed", "zstd")]
    first, *others = ([*Dataset([str(path)], labels=[1], nevts=1000).chunks(400)] for path in paths)
    assert sum(len(chunk.data) for chunk in first) == 1000
    for chunks in others:
        for one, other in zip(first, chunks, strict=True):
            assert one.data.tobytes() == other.data.tobytes()
            assert one.padding_mask.tobytes() == other.padding_mask.tobytes()


def test_an_ntuple_as_dataset(shared_data: Path) -> None:
    path = shared_data / "rntuple/Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root"
    dataset = Dataset([str(path)], labels=[1])
    assert dataset.names[:2] == ["Muon_charge_0", "Muon_charge_1"]
    with uproot.open({str(path): "Events"}) as ntuple:
        longest = int(ak.max(ak.num(ntuple["Muon_pt"].array())))
    assert dataset.specs().jdim["Muon_pt"] == longest
    assert sum(len(chunk.data) for chunk in dataset.chunks(300)) == 1000
