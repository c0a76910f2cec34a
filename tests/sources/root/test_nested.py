"""Vectors of vectors, packed by hand as ROOT packs them."""

import os
import struct
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mlaas4hep.errors import ReadError
from mlaas4hep.sources import Reading
from mlaas4hep.sources.localfile import LocalFile
from mlaas4hep.sources.root.baskets import BranchReader
from mlaas4hep.sources.root.kinds import layouts_of
from mlaas4hep.sources.root.nested import flatten_vectors, nested_type
from uproot.containers import AsString, AsVector

from tests.sources import files

ENTRIES: list[list[list[int]]] = [[[1, 2], [3]], [], [[]], [[4], [], [5, 6, 7]], [[-8]]]
FLAT = [[number for inner in entry for number in inner] for entry in ENTRIES]


def vectors(dtype: str, header: bool = True) -> Any:
    return AsVector(header, AsVector(False, np.dtype(dtype)))


def packed(dtype: str, header: bool = True) -> list[bytes]:
    made = []
    for entry in ENTRIES:
        data = struct.pack(">i", len(entry))
        for inner in entry:
            data += struct.pack(">i", len(inner)) + np.array(inner).astype(dtype).tobytes()
        made.append((struct.pack(">IH", len(data) + 2 | 0x40000000, 9) if header else b"") + data)
    return made


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", ">u4", ">i8", "i1", "u1", "?"])
@pytest.mark.parametrize("header", [True, False])
def test_every_type(dtype: str, header: bool) -> None:
    entries = packed(dtype, header)
    starts = np.cumsum([3, *map(len, entries)], dtype=np.int32)
    data = np.frombuffer(b"abc" + b"".join(entries), np.uint8)
    offsets, content = flatten_vectors(data, starts, vectors(dtype, header))
    native = np.dtype(dtype).newbyteorder("=")
    assert offsets.tolist() == [0, 3, 3, 3, 7, 8]
    assert content.dtype == native
    assert content.tobytes() == np.array([number for entry in FLAT for number in entry]).astype(native).tobytes()


def test_lengths_that_do_not_fit() -> None:
    data = np.frombuffer(packed(">f4")[0], np.uint8).copy()
    starts = np.array([0, len(data)])
    data[9] = 1  # lists, of two
    with pytest.raises(ValueError, match="do not fit their content"):
        flatten_vectors(data, starts, vectors(">f4"))
    data[9], data[13] = 2, 200
    with pytest.raises(ValueError, match="beyond"):
        flatten_vectors(data, starts, vectors(">f4"))


def test_what_is_a_vector_of_vectors() -> None:
    assert nested_type(vectors(">f4")) == np.float32
    for other in (AsVector(True, np.dtype(">f4")), AsVector(True, vectors(">f4")), AsVector(True, AsString(False))):
        assert nested_type(other) is None


def reader(path: Path, extends: int) -> BranchReader:
    """A branch of bytes, taken for what they say."""
    lists = ak.Array([list(entry) for entry in packed(">f4")])
    with uproot.recreate(path) as file:
        tree = file.mktree("t", {"x": "var * uint8"})
        for _ in range(extends):
            tree.extend({"x": ak.values_astype(lists, "uint8")})
    with uproot.open({str(path): None}) as file:
        branch = file["t"]["x"]
        _ = branch.embedded_baskets
    branch._interpretation = uproot.AsObjects(vectors(">f4"), branch)
    (layout,) = layouts_of(branch.interpretation, flatten_nested=True)
    return BranchReader(branch, layout, "x", LocalFile(str(path)))


def test_a_branch_in_every_range(tmp_path: Path) -> None:
    found = reader(tmp_path / "a.root", 3)
    wanted = ak.values_astype(ak.Array(FLAT * 3), "float32")
    for start, stop in [(0, 4), (4, 6), (6, 15), (0, 15), (7, 7), (3, 12)]:
        files.assert_column(found.read(start, stop), wanted[start:stop])


def test_a_damaged_basket(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    found = reader(path, 1)
    before = path.stat()
    begin, stop = files.basket_range(path, "t", "x", 0)
    files.damage(path, (begin + stop) // 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # or it would be a file that was changed
    with pytest.raises(ReadError, match="branch 'x', entries 0 to 5: the "):
        found.read(0, 5)


@pytest.mark.parametrize("switch", ["", "uproot"])
def test_matrices(switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLAAS4HEP_READER", switch)
    matrices = np.arange(90, dtype=np.float32).reshape(15, 3, 2)
    path = files.write(tmp_path / "m.root", {"t": {"m": matrices}})
    assert files.opened(path).schema()["m"].why_not == "nested lists"
    source = files.opened(path, reading=Reading(flatten_nested=True))
    branch = source.schema()["m"]
    assert (branch.kind, branch.type, branch.typename) == ("jagged", "float32", "float[3][2]")
    for start, stop in [(0, 4), (4, 15), (3, 9)]:
        offsets, content = source.read(["m"], start, stop)["m"]
        assert offsets.tolist() == list(range(0, 6 * (stop - start) + 1, 6))
        files.assert_numbers(content, matrices[start:stop].reshape(-1))
