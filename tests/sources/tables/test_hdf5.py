"""HDF5 files: groups are trees, datasets of as many entries are branches."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import mlaas4hep
import numpy as np
import pytest
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import BranchError, ReadError, SourceError
from mlaas4hep.sources import list_trees, open_source

from tests.sources.formats import assert_ranges, opened, plain

EVENTS = 300
NUMBERS = [*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64", "bool"]


def made(folder: Path, **options: Any) -> tuple[Path, dict[str, list[Any]]]:
    """A file of every kind of dataset, and what its branches hold."""
    random = np.random.default_rng(1)
    data: dict[str, Any] = {dtype: random.integers(0, 2, EVENTS).astype(dtype) for dtype in NUMBERS}
    data |= {f"fixed_{dtype}": random.integers(0, 2, (EVENTS, 3)).astype(dtype) for dtype in NUMBERS}
    data |= {"big": random.random(EVENTS).astype(">f4"), "half": random.random(EVENTS).astype(np.float16)}
    jets = np.zeros(EVENTS, [("pt", "<f4"), ("n", "<i2")])
    jets["pt"], jets["n"] = random.random(EVENTS), np.arange(EVENTS)
    tracks = np.zeros((EVENTS, 2), [("d0", "<f8")])
    tracks["d0"] = random.random((EVENTS, 2))
    lists = [list(range(number % 4)) for number in range(EVENTS)]
    path = folder / "a.h5"
    with h5py.File(path, "w") as file:
        for name, values in [*data.items(), ("jets", jets), ("tracks", tracks)]:
            file.create_dataset(name, data=values, **options)
        file.create_dataset("texts", data=["ü", "b", ""] * 100)
        file.create_dataset("bytes", data=np.array([b"a", b"bb", b""] * 100))
        varying = file.create_dataset("varying", (EVENTS,), h5py.vlen_dtype(np.int32))
        varying[:] = np.array([np.array(one, np.int32) for one in lists] + [None], object)[:-1]
    wanted = {name: values.tolist() for name, values in data.items()}
    wanted |= {"jets.pt": jets["pt"].tolist(), "jets.n": jets["n"].tolist(), "tracks.d0": tracks["d0"].tolist()}
    wanted |= {"texts": ["ü", "b", ""] * 100, "bytes": ["a", "bb", ""] * 100, "varying": lists}
    return path, wanted


@pytest.mark.parametrize("options", [{}, {"chunks": True, "compression": "gzip"}], ids=["contiguous", "chunked"])
def test_ranges(options: dict[str, Any], tmp_path: Path) -> None:
    path, wanted = made(tmp_path, **options)
    source = opened(path)
    assert (source.tree, source.entries) == ("/", EVENTS)
    assert_ranges(source, wanted)
    assert source.clusters(list(wanted), 0, EVENTS) == [(0, EVENTS)]
    schema = source.schema()
    assert {name: schema[name].type for name in NUMBERS} == {name: name for name in NUMBERS}
    assert (schema["half"].type, schema["big"].type) == ("float32", "float32")
    assert {schema[f"fixed_{name}"].kind for name in NUMBERS} == {"jagged"}
    assert source.seconds["decoding"] > 0
    source.close()


def test_clusters_end_where_chunks_do(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros((3_000_000, 4), np.float32), chunks=(1000, 4))
        file.create_dataset("y", data=np.zeros(3_000_000, np.float32), chunks=(1500,))
    source = opened(path)
    clusters = source.clusters(["x", "y"], 0, 3_000_000)
    assert len(clusters) > 1
    assert all(start % 3000 == 0 for start, _ in clusters)
    assert all((stop - start) * 20 <= 2**25 for start, stop in clusters)
    source.close()


def test_what_is_no_column(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(5)
        file["y"] = np.zeros(5)
        file["scalar"] = 1
        file["short"] = np.zeros(3)
        file["deep"] = np.arange(20.0).reshape(5, 2, 2)
        file["complex"] = np.zeros(5, complex)
        file["arrays"] = np.zeros(5, [("a", "<f4", (2,))])
        file["link"] = h5py.ExternalLink("b.h5", "/x")
        layout = h5py.VirtualLayout((5,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "b.h5"), "x", (5,))
        file.create_virtual_dataset("far", layout)
    source = opened(path)
    assert {name: branch.why_not for name, branch in source.schema().items()} == {
        "arrays.a": "arrays in a field",
        "complex": "of type complex128",
        "deep": "nested lists",
        "far": "its values are in another file",
        "scalar": "no list",
        "short": "of 3 entries where others have 5",
        "x": "",
        "y": "",
    }
    with pytest.raises(BranchError, match="dataset 'deep' is no column: nested lists"):
        source.read(["deep"], 0, 1)
    with pytest.raises(BranchError, match=r"tree '/' has no dataset 'yy' \(did you mean 'y'\?\)"):
        source.read(["yy"], 0, 1)
    source.close()
    nested = opened(path, flatten_nested=True)
    assert_ranges(nested, {"deep": np.arange(20.0).reshape(5, 4).tolist()})
    nested.close()


def test_groups_are_trees(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["run/sig/x"] = np.zeros(3)
        file["bkg/x"] = np.zeros(4)
        file.create_group("empty")
    assert [(tree.name, tree.entries) for tree in list_trees(str(path))] == [("/bkg", 4), ("/run/sig", 3)]
    with pytest.raises(SourceError, match="several groups of the file have datasets; name one of them as tree: /bkg"):
        open_source(str(path))
    for name in ("bkg", "/bkg", "bkg/"):
        assert open_source(str(path), name).entries == 4
    with pytest.raises(SourceError, match=r"there is no group 'run/sg' with datasets \(did you mean '/run/sig'\?\)"):
        open_source(str(path), "run/sg")
    assert len(mlaas4hep.Dataset([f"{path}:/bkg", f"{path}:run/sig"], [0, 1])) == 7


def test_storage(tmp_path: Path) -> None:
    path, _ = made(tmp_path, chunks=True, compression="gzip")
    (tree,) = list_trees(str(path))
    storage = tree.storage["float64"]
    assert (storage.size, storage.compression) == (EVENTS * 8, "gzip")
    assert 0 < (storage.stored or 0) < EVENTS * 8


def test_no_dataset(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_group("empty")
    with pytest.raises(SourceError, match="the HDF5 file holds no dataset"):
        open_source(str(path))


def test_damage(tmp_path: Path) -> None:
    path, _ = made(tmp_path, chunks=True, compression="gzip", fletcher32=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match="the HDF5 file is truncated or damaged: "):
        open_source(str(path))
    path.write_bytes(data)
    with h5py.File(path) as file:
        at = file["float64"].id.get_chunk_info(0).byte_offset
    path.write_bytes(data[: at + 9] + bytes(4) + data[at + 13 :])
    source = opened(path)
    assert len(source.read(["float32"], 0, 10)["float32"]) == 10  # type: ignore[arg-type]
    with pytest.raises(ReadError, match=r"dataset 'float64', entries 0 to 10: the data are damaged \(") as caught:
        source.read(["float32", "float64"], 0, 10)
    assert str(path) in str(caught.value)
    source.close()


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = made(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(SourceError, match=r"a.h5: HDF5 files are read by h5py.*pip install 'mlaas4hep\[hdf5\]'"):
        open_source(str(path))
    with pytest.raises(SourceError, match=r"pip install 'mlaas4hep\[hdf5\]'"):
        list_trees(str(path))


def test_long_lists_are_not_read_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        lists = file.create_dataset("lists", (40,), dtype=h5py.vlen_dtype(np.float64))
        for number in range(40):
            lists[number] = np.zeros(2**18)  # 2 MB
        file["x"] = np.arange(40)
    source = opened(path)
    ranges = source.clusters(["x", "lists"], 0, 40)
    assert max(stop - start for start, stop in ranges) <= 16
    assert source.clusters(["x"], 0, 40) == [(0, 40)]
    source.close()


@pytest.mark.parametrize("chunks", [(10,), None])
def test_values_that_were_never_written(chunks: tuple[int] | None, tmp_path: Path) -> None:
    """HDF5 gives zeros for them; that is an error unless whoever wrote the file chose what stands for them."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.arange(30.0))
        for name, value in (("part", None), ("none", None), ("chosen", 7.0)):
            file.create_dataset(name, (30,), "f8", chunks=chunks, fillvalue=value)
        if chunks:
            file["part"][:20] = 1
    with closing(opened(tmp_path / "a.h5")) as source:
        assert plain(source.read(["x", "chosen"], 28, 30)["chosen"]) == [7.0, 7.0]
        what = "1 of its 3 chunks" if chunks else "its values"
        with pytest.raises(ReadError, match=f"dataset 'part' is not whole: {what} were never written"):
            source.read(["part"], 0, 20)
        with pytest.raises(ReadError, match="dataset 'none' is not whole"):
            source.clusters(["x", "none"], 0, 30)


@pytest.mark.parametrize("events", [10**12, 2**40])
def test_a_file_that_claims_more_events_than_there_is_memory_for(events: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (events,), "i1", chunks=(1000,))
        file.create_dataset("y", (events,), "i1", chunks=(1000,))
    for labels in (None, "y"):
        with pytest.raises(SourceError, match=rf"a\.h5: the file claims to have {events:,} events, for which there is"):
            Dataset(tmp_path / "a.h5", labels=labels).specs()
