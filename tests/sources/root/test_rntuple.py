"""Branches of RNTuples are what uproot reads, in any ranges, and each page is decoded once."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from mlaas4hep import Dataset, _rust
from mlaas4hep.errors import BranchError, MLaaSError, ReadError, SourceError
from mlaas4hep.sources import Branch, list_trees, open_source
from mlaas4hep.sources.root import known
from mlaas4hep.sources.root.encoding import Encoding

from tests.sources import files
from tests.sources.root import ntuples

CLUSTERS = (5, 1, 40, 12)
ALL = sum(CLUSTERS)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ntuples.write(tmp_path_factory.mktemp("ntuples") / "every.root", CLUSTERS)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> "Counter[bytes]":
    """How often each page was decoded."""
    counts: Counter[bytes] = Counter()
    decode = Encoding.decode

    def counted(self: Encoding, data: Any, elements: int) -> Any:
        counts[bytes(data)] += 1
        return decode(self, data, elements)

    monkeypatch.setattr(Encoding, "decode", counted)
    return counts


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("flatten_nested", [False, True])
def test_every_kind_in_every_range(every: Path, threads: int, flatten_nested: bool) -> None:
    source = ntuples.opened(every, threads=threads, flatten_nested=flatten_nested)
    in_order = [(start, min(start + 7, ALL)) for start in range(0, ALL, 7)]
    ntuples.assert_same(source, [*in_order, (0, ALL), (ALL, ALL), (0, 0), (3, 50), (50, 51), (5, 6), (2, 4)])
    source.close()


@pytest.mark.parametrize("codec", [uproot.ZLIB(1), uproot.LZ4(1), uproot.LZMA(1), uproot.ZLIB(0)], ids=repr)
def test_every_codec(codec: Any, tmp_path: Path) -> None:
    source = ntuples.opened(ntuples.write(tmp_path / "a.root", compression=codec))
    ntuples.assert_same(source, [(0, source.entries), (4, 30)])
    assert all(seconds > 0 for seconds in source.seconds.values())


def test_kinds_and_types(every: Path) -> None:
    schema = ntuples.opened(every).schema()
    assert schema["flat_bool"] == Branch("flat_bool", "flat", "bool", "bool", reader="uproot", why_uproot="RNTuple")
    assert schema["jagged_int8"] == Branch(
        "jagged_int8", "jagged", "int8", "std::vector<std::int8_t>", reader="uproot", why_uproot="RNTuple"
    )
    assert schema["fixed_uint16"].typename == "std::array<std::uint16_t,3>"
    assert (schema["fixed_uint16"].kind, schema["fixed_uint16"].type) == ("jagged", "uint16")
    assert schema["Muon.pt"] == Branch("Muon.pt", "jagged", "float32", "float[]", reader="uproot", why_uproot="RNTuple")
    assert schema["met.cov.xx"] == Branch(
        "met.cov.xx", "flat", "int64", "std::int64_t", reader="uproot", why_uproot="RNTuple"
    )
    assert schema["maybe"] == Branch(
        "maybe", "flat", "int64", "std::optional<std::int64_t>", reader="uproot", why_uproot="RNTuple"
    )
    assert schema["text"] == Branch(
        "text", "string", "", "std::string", why_not="strings", reader="uproot", why_uproot="RNTuple"
    )
    left_out = {name: branch.why_not for name, branch in schema.items() if branch.kind == "other"}
    assert left_out == {"nested": "nested lists", "matrix": "nested lists", "words": "lists of strings"}


def test_nested_lists_are_flattened(every: Path) -> None:
    schema = ntuples.opened(every, flatten_nested=True).schema()
    assert (schema["nested"].kind, schema["nested"].type) == ("jagged", "int16")
    offsets, _ = ntuples.opened(every, flatten_nested=True).read(["matrix"], 3, 9)["matrix"]  # type: ignore[misc]
    assert offsets.tolist() == [0, 6, 12, 18, 24, 30, 36]


def test_clusters_are_those_of_the_file(every: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ntuples.opened(every)
    assert source.clusters(["flat_int8"], 0, ALL) == [(0, ALL)]
    monkeypatch.setattr("mlaas4hep.sources.clusters._limits", lambda beside: (1, 1))
    assert source.clusters(["flat_int8", "Muon.pt", "text", "maybe"], 0, ALL) == [(0, 5), (5, 6), (6, 46), (46, ALL)]
    assert source.clusters(["flat_int8"], 7, 7) == []


def test_each_page_is_decoded_once(every: Path, decoded: "Counter[bytes]") -> None:
    names = ["flat_float64", "jagged_float64", "fixed_int64"]
    source = ntuples.opened(every)
    for start in range(0, ALL, 9):
        source.read(names, start, min(start + 9, ALL))
    pages = decoded.total()
    assert pages == 4 * len(CLUSTERS)  # the values, and the ends of the lists
    source.read(names[:1], 7, 9)
    assert decoded.total() == pages + 1


def test_only_what_is_asked_for_is_read(every: Path, decoded: "Counter[bytes]") -> None:
    ntuples.opened(every).read(["met.pt"], 10, 20)
    assert decoded.total() == 1


def test_branches_of_a_collection_share_offsets(every: Path) -> None:
    source = ntuples.opened(every)
    for span in [(0, ALL), (2, 30), (30, 40)]:
        found = source.read(["Muon.pt", "Muon.charge"], *span)
        assert found["Muon.pt"][0] is found["Muon.charge"][0]  # type: ignore[index]


def test_no_entries(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("events", {"x": "float32", "y": "var * int8", "s": "string"})
    source = ntuples.opened(path)
    assert source.entries == 0
    assert source.clusters(["x", "y"], 0, 0) == []
    found = source.read(["x", "y", "s"], 0, 0)
    assert found["x"].dtype == np.float32  # type: ignore[union-attr]
    assert [part.dtype.name for part in found["y"]] == ["int64", "int8"]  # type: ignore[union-attr]
    assert found["y"][0].tolist() == [0]  # type: ignore[index]
    assert len(found["s"]) == 0  # type: ignore[arg-type]


def test_trees_beside_ntuples(tmp_path: Path) -> None:
    path = tmp_path / "both.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("new/events", {"x": np.arange(3.0)})
        file.mktree("old", {"y": "float64"}).extend({"y": np.arange(4.0)})
    assert sorted((tree.name, tree.entries, tree.branches[0].name) for tree in list_trees(str(path))) == [
        ("new/events", 3, "x"),
        ("old", 4, "y"),
    ]
    with pytest.raises(SourceError, match="several trees; name one of them: new/events, old"):
        open_source(str(path))
    assert ntuples.opened(path, "new/events").read(["x"], 1, 3)["x"].tolist() == [1.0, 2.0]  # type: ignore[union-attr]
    assert files.opened(path, "old").read(["y"], 1, 3)["y"].tolist() == [1.0, 2.0]  # type: ignore[union-attr]


def test_what_is_wrongly_asked_for(every: Path) -> None:
    source = ntuples.opened(every)
    with pytest.raises(BranchError, match=r"RNTuple 'events' has no branch 'Muon.pd' \(did you mean 'Muon.pt'\?\)"):
        source.read(["Muon.pd"], 0, 1)
    with pytest.raises(BranchError, match="branch 'words' is no column: lists of strings"):
        source.read(["words"], 0, 1)
    with pytest.raises(IndexError, match=f"entries 0 to {ALL + 1} of {ALL}"):
        source.read(["met.pt"], 0, ALL + 1)


def test_a_file_is_asked_once_for_each_way_of_reading(every: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for flatten_nested in (False, True):
        ntuples.opened(every, flatten_nested=flatten_nested)
    monkeypatch.setattr(known, "_open", None)
    assert ntuples.opened(every).schema()["nested"].kind == "other"
    assert ntuples.opened(every, flatten_nested=True).schema()["nested"].kind == "jagged"


def test_nulls_and_nested_lists_in_a_dataset(every: Path) -> None:
    dataset = Dataset([str(every)], labels=[1], select=["maybe", "met.pt", "Muon.pt"])
    (chunk,) = dataset.chunks(100, shuffle=False)
    maybe = ntuples.opened(every).read(["maybe"], 0, ALL)["maybe"]
    assert isinstance(maybe, _rust.Masked)
    nulls = np.asarray(maybe.mask) != maybe.valid_when
    assert dataset.specs().counts["maybe"]["nulls"] == nulls.sum() > 0
    np.testing.assert_array_equal(chunk.padding_mask[:, dataset.names.index("maybe")], nulls[chunk.entry])


def test_damaged_pages_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        ntuple = file.mkrntuple("events", {"x": np.zeros(100), "y": np.zeros(100)})
        ntuple.extend({"x": np.zeros(500), "y": np.ones(500)})
    with uproot.open({str(path): None}) as file:
        fields = [file["events"].field_records[column.field_id].field_name for column in file["events"].column_records]
        page = file["events"].page_link_list[1][fields.index("y")].pages[0].locator
    files.damage(path, page.offset + 15)
    source = ntuples.opened(path)
    source.read(["x"], 0, 600)
    source.read(["y"], 0, 100)
    with pytest.raises(ReadError, match=r"a\.root: branch 'y', entries 100 to 600: the compressed data are damaged"):
        source.read(["x", "y"], 90, 110)


def test_damage_anywhere_is_an_error_of_ours(tmp_path: Path) -> None:
    data = ntuples.write(tmp_path / "whole.root", (4, 6)).read_bytes()
    path = tmp_path / "a.root"
    random = np.random.default_rng(5)
    for at in random.integers(60, len(data), 60).tolist():
        changed = bytearray(data)
        changed[at] ^= int(random.integers(1, 256))
        path.write_bytes(changed)
        try:
            source = open_source(str(path))
            source.read([name for name, one in source.schema().items() if one.kind != "other"], 0, source.entries)
        except MLaaSError:
            continue
        source.close()


def test_truncated_while_open(tmp_path: Path) -> None:
    path = ntuples.write(tmp_path / "a.root")
    source = ntuples.opened(path)
    files.shorten(path, 900)
    with pytest.raises(ReadError, match="branch 'flat_bool', entries 0 to 5: the file ends too early"):
        source.read(["flat_bool"], 0, 5)
