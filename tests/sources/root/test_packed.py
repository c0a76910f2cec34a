"""Types that uproot does not write: branches of bytes taken for something else, by both readers."""

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mlaas4hep.sources import Plain
from mlaas4hep.sources.localfile import LocalFile
from mlaas4hep.sources.root.baskets import BranchReader
from mlaas4hep.sources.root.kinds import UprootBranch, layouts_of
from mlaas4hep.sources.root.native import NativeBranch

from tests.sources import files

SIZES = (300, 1, 0, 500, 99)
ENTRIES = sum(SIZES)


def written(path: Path, values: Any) -> Path:
    """A tree ``t`` with a branch ``x`` of several baskets."""
    kind = np.dtype((values.dtype, values.shape[1:])) if isinstance(values, np.ndarray) else "var * uint8"
    with uproot.recreate(path) as file:
        tree = file.mktree("t", {"x": kind})
        stops = np.cumsum(SIZES).tolist()
        for stop, size in zip(stops, SIZES, strict=True):
            tree.extend({"x": values[stop - size : stop]})
    return path


@np.errstate(all="ignore")
def assert_taken(path: Path, interpretation: Any, nan_bits: bool = True) -> list[str]:
    """Both readers give the same of the branch with this interpretation; return the types of its columns.

    Where the bits of NaNs do not count, they must still be at the same places.
    """
    source = files.opened(path)
    branch, _ = files.uproots(path, source.tree)["x"]
    branch._interpretation = interpretation
    types = []
    for layout in layouts_of(interpretation):
        assert not layout.why_uproot
        files.describe(source, {"x": UprootBranch(branch, layout)})
        assert isinstance(source._reader("x", ENTRIES), NativeBranch)
        other = BranchReader(branch, layout, "x", LocalFile(str(path)))
        for start, stop in [(0, ENTRIES), (0, 100), (100, 250), (250, 801), (801, 850), (3, 890), (0, ENTRIES)]:
            found, wanted = source.read(["x"], start, stop)["x"], other.read(start, stop)
            if not nan_bits:
                found, wanted = like_nans(found), like_nans(wanted)
            files.assert_equal(found, wanted)
        types.append(f"{layout.kind} {layout.dtype}")
    source.close()
    return types


def like_nans(column: Plain) -> Plain:
    """The column with the same bits in every NaN."""
    if isinstance(column, tuple):
        return column[0], np.where(np.isnan(column[1]), np.nan, column[1]).astype(column[1].dtype)
    return np.where(np.isnan(column), np.nan, column).astype(column.dtype)


def threes(random: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Exponents and mantissas with everything that is special among them, in any bits."""
    found = files.numbers(random, "uint8", (ENTRIES, 3 * count)).copy()
    found.reshape(-1, 3)[::3, 0] = random.choice([0, 1, 127, 254, 255], len(found) * count)[::3]
    found.reshape(-1, 3)[::5, 1:] = 0
    found.reshape(-1, 3)[1::5, 1] |= 0x20
    return found


@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        *((uproot.AsFloat16, bits) for bits in (2, 8, 12, 14, 15, 16)),
        *((uproot.AsDouble32, bits) for bits in (2, 8, 12, 14, 15, 16, 23)),
    ],
)
def test_truncated_floats(kind: Any, bits: int, tmp_path: Path) -> None:
    random = np.random.default_rng(bits)
    size = 32 if kind is uproot.AsFloat16 else 64
    path = written(tmp_path / "one.root", threes(random, 1))
    assert assert_taken(path, kind(0, 0, bits), nan_bits=False) == [f"flat float{size}"]
    path = written(tmp_path / "four.root", threes(random, 4))
    assert assert_taken(path, kind(0, 0, bits, (4,)), nan_bits=False) == [f"jagged float{size}"]


@pytest.mark.parametrize("kind", [uproot.AsFloat16, uproot.AsDouble32])
def test_bits_of_truncated_nans(kind: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "a.root", threes(np.random.default_rng(1), 1))
    assert_taken(path, kind(0, 0, 12))


@pytest.mark.parametrize(("low", "high", "bits"), [(-1, 1, 16), (0.0, 6.3, 12), (-1e30, 1e38, 2), (5, 5.1, 16)])
@pytest.mark.parametrize("kind", [uproot.AsFloat16, uproot.AsDouble32])
def test_floats_of_a_range(kind: Any, low: float, high: float, bits: int, tmp_path: Path) -> None:
    random = np.random.default_rng(bits)
    path = written(tmp_path / "one.root", files.numbers(random, "uint32", ENTRIES))
    assert_taken(path, kind(low, high, bits))
    path = written(tmp_path / "two.root", files.numbers(random, "uint32", (ENTRIES, 2)))
    assert_taken(path, kind(low, high, bits, (2,)))


def test_32_bits_of_a_range(tmp_path: Path) -> None:
    path = written(tmp_path / "a.root", files.numbers(np.random.default_rng(1), "uint32", ENTRIES))
    assert assert_taken(path, uproot.AsDouble32(-3, 1, 32)) == ["flat float64"]


@pytest.mark.parametrize(("stored", "dtype"), [(">f4", "float64"), (">f8", "float32")])
def test_floats_of_another_size(stored: str, dtype: str, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    bits = "uint32" if stored == ">f4" else "uint64"
    path = written(tmp_path / "one.root", files.numbers(random, bits, ENTRIES))
    assert assert_taken(path, uproot.AsDtype(stored, dtype)) == [f"flat {dtype}"]
    path = written(tmp_path / "three.root", files.numbers(random, bits, (ENTRIES, 3)))
    shapes = np.dtype((stored, (3,))), np.dtype((dtype, (3,)))
    assert assert_taken(path, uproot.AsDtype(*shapes)) == [f"jagged {dtype}"]


def test_every_byte_as_a_bool(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    path = written(tmp_path / "one.root", random.integers(0, 256, ENTRIES).astype(np.uint8))
    assert assert_taken(path, uproot.AsDtype("?")) == ["flat bool"]
    path = written(tmp_path / "lists.root", byte_lists(random, 0, 1))
    assert assert_taken(path, uproot.AsJagged(uproot.AsDtype("?"))) == ["jagged bool"]


def test_several_leaves(tmp_path: Path) -> None:
    leaves = np.dtype(
        [("a", ">f4"), ("b", ">i2", (3,)), ("c", "?"), ("d", ">f8"), ("e", "u1", (1,)), ("f", ">u8", (2,)), ("g", "i1")]
    )
    random = np.random.default_rng(5)
    path = written(tmp_path / "a.root", files.numbers(random, "uint8", (ENTRIES, leaves.itemsize)))
    assert assert_taken(path, uproot.AsDtype(leaves)) == [
        "flat float32",
        "jagged int16",
        "flat bool",
        "flat float64",
        "jagged uint8",
        "jagged uint64",
        "flat int8",
    ]


def byte_lists(random: np.random.Generator, header: int, size: int) -> Any:
    counts = random.integers(0, 5, ENTRIES) * size + header
    return ak.unflatten(random.integers(0, 256, counts.sum()).astype(np.uint8), counts)


@pytest.mark.parametrize("dtype", ["?", "i1", ">i2", ">u4", ">i8", ">f4", ">f8"])
def test_vectors(dtype: str, tmp_path: Path) -> None:
    """Ten bytes of anything stand in front of each list."""
    random = np.random.default_rng(7)
    path = written(tmp_path / "a.root", byte_lists(random, 10, np.dtype(dtype).itemsize))
    (found,) = assert_taken(path, uproot.AsJagged(uproot.AsDtype(dtype), header_bytes=10))
    assert found.startswith("jagged ")


@pytest.mark.parametrize("header", [0, 1, 10])
@pytest.mark.parametrize(
    ("content", "size"),
    [
        (uproot.AsFloat16(0, 0, 12), 3),
        (uproot.AsDouble32(0, 0, 12), 3),
        (uproot.AsDouble32(-1, 1, 16), 4),
        (uproot.AsDtype(">f4", "float64"), 4),
        (uproot.AsDtype(">f8", "float32"), 8),
        (uproot.AsDtype(">i2"), 2),
    ],
    ids=repr,
)
def test_packed_lists(content: Any, size: int, header: int, tmp_path: Path) -> None:
    path = written(tmp_path / "a.root", byte_lists(np.random.default_rng(9), header, size))
    assert_taken(path, uproot.AsJagged(content, header_bytes=header), nan_bits=size != 3)


@pytest.mark.parametrize("wrong", [uproot.AsDtype(">i2"), uproot.AsFloat16(0, 0, 12)], ids=repr)
def test_lists_of_broken_numbers(wrong: Any, tmp_path: Path) -> None:
    """Lists end inside a number: the core sees it."""
    counts = np.tile([1, 5, 0], 300)[:ENTRIES]  # six bytes together
    path = written(tmp_path / "a.root", ak.unflatten(np.zeros(counts.sum(), np.uint8), counts))
    source = files.opened(path)
    branch, _ = files.uproots(path, source.tree)["x"]
    (layout,) = layouts_of(uproot.AsJagged(wrong))
    files.describe(source, {"x": UprootBranch(branch, layout)})
    with pytest.raises(OSError, match=r"entries 0 to 300: .*the lengths of its lists do not fit their content"):
        source.read(["x"], 0, 10)
    source.close()
