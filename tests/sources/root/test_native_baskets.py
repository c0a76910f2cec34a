"""Baskets as ROOT may write them: without offsets, in the tree itself, or fetched by somebody else."""

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mlaas4hep import _rust
from mlaas4hep.errors import ReadError
from mlaas4hep.sources.root.native import NativeBranch
from mlaas4hep.sources.root.ttree import TTreeSource

from tests.sources import files
from tests.sources.root import raw

RANGES = [(0, 50), (0, 20), (20, 31), (31, 50), (3, 47), (10, 10), (0, 50)]
COUNTS = np.arange(50) * 7 % 5


def counter(path: Path, sizes: tuple[int, ...], counts: Any = COUNTS, dtype: str = "int32") -> _rust.BasketBranch:
    stored = np.asarray(counts).astype(np.dtype(dtype).newbyteorder(">"))
    parts = np.split(stored, np.cumsum(sizes)[:-1])
    where = raw.place(path, [raw.basket(part.tobytes()) for part in parts])
    size = stored.itemsize
    return _rust.BasketBranch("n", dtype, raw.edges(sizes), **where, entry=(1, size, 0))


def values(dtype: str = "int64") -> Any:
    return ak.unflatten(np.arange(COUNTS.sum(), dtype=dtype), COUNTS)


def parts(sizes: tuple[int, ...], header: int = 0) -> list[bytes]:
    """The content of baskets, each list behind a header."""
    found = []
    for stop, size in zip(np.cumsum(sizes).tolist(), sizes, strict=True):
        lists = ak.to_list(values()[stop - size : stop])
        found.append(b"".join(b"\xff" * header + np.array(numbers, ">i8").tobytes() for numbers in lists))
    return found


def assert_lists(path: Path, branch: _rust.BasketBranch) -> None:
    for reader in (raw.local(path), raw.local(path)):
        for start, stop in RANGES:
            (column,) = reader.read([branch], start, stop)
            files.assert_column(column, values()[start:stop])
            column = raw.fetched(_rust.BasketReader(str(path), path.stat().st_size), path, [branch], start, stop)[0]
            files.assert_column(column, values()[start:stop])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_a_counter_tells_the_lengths(dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    counts = counter(path, (50,), dtype=dtype)
    where = raw.place(path, [raw.basket(part) for part in parts((20, 0, 30))])
    branch = _rust.BasketBranch("x", "int64", [0, 20, 20, 50], **where, header=0, counter=counts)
    assert_lists(path, branch)


@pytest.mark.parametrize("sizes", [(10,) * 5, (1, 24, 25), (20, 30), (49, 0, 1), (1,) * 50])
@pytest.mark.parametrize("header", [0, 10])
def test_a_counter_with_other_baskets(header: int, sizes: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    where = raw.place(path, [raw.basket(part) for part in parts((20, 30), header)])
    counts = counter(path, sizes)
    branch = _rust.BasketBranch("x", "int64", [0, 20, 50], **where, header=header, counter=counts)
    assert_lists(path, branch)


def test_some_baskets_have_offsets(tmp_path: Path) -> None:
    """Those are taken, the others' come from the counter; it may be held by the tree."""
    path = tmp_path / "a.raw"
    first, second = parts((20, 30))
    starts = (np.cumsum(COUNTS[:20]) - COUNTS[:20]) * 8
    where = raw.place(path, [raw.basket(first, starts.tolist()), raw.basket(second)])
    counts = _rust.BasketBranch("n", "int32", [0, 50], [], [], entry=(1, 4, 0), held=[(_big(COUNTS, ">i4"), None)])
    branch = _rust.BasketBranch("x", "int64", [0, 20, 50], **where, header=0, counter=counts)
    assert_lists(path, branch)


def _big(numbers: Any, dtype: str) -> bytes:
    return np.asarray(numbers).astype(dtype).tobytes()


@pytest.mark.parametrize(
    ("at", "count"), [(30, 5), (49, 0), (49, 4), (25, -1), (20, 2**31 - 1), (20, -(2**31))], ids=str
)
def test_a_counter_that_lies(at: int, count: int, tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    where = raw.place(path, [raw.basket(part) for part in parts((20, 30))])
    assert COUNTS[at] != count
    counts = COUNTS.copy()
    counts[at] = count
    branch = _rust.BasketBranch("x", "int64", [0, 20, 50], **where, header=0, counter=counter(path, (50,), counts))
    reader = raw.local(path)
    files.assert_column(reader.read([branch], 0, 20)[0], values()[:20])
    with pytest.raises(ReadError, match=r"a\.raw: branch 'x', entries 20 to 50: the data are damaged \(the lengths"):
        reader.read([branch], 0, 50)


def test_a_counter_that_is_short_or_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    where = raw.place(path, [raw.basket(part) for part in parts((20, 30))])
    counts = counter(path, (20, 29), COUNTS[:49])
    branch = _rust.BasketBranch("x", "int64", [0, 20, 50], **where, header=0, counter=counts)
    with pytest.raises(ReadError, match="branch 'x', entries 20 to 50: the data are damaged"):
        raw.local(path).read([branch], 20, 21)
    branch = _rust.BasketBranch("x", "int64", [0, 20, 50], **where, header=0)
    with pytest.raises(ReadError, match=r"entries 0 to 20: .*it has neither offsets nor a counter"):
        raw.local(path).read([branch], 0, 20)
    floats = _rust.BasketBranch("n", "float32", [0, 50], [], [], entry=(1, 4, 0), held=[(_big(COUNTS, ">f4"), None)])
    branch = _rust.BasketBranch("x", "int64", [0, 20, 50], **where, header=0, counter=floats)
    with pytest.raises(ReadError, match=r"entries 0 to 20: .*the lengths of its lists"):
        raw.local(path).read([branch], 0, 20)


def test_held_baskets(tmp_path: Path) -> None:
    """Lists with starts, lists by a counter, and numbers: in the file first, then held."""
    path = tmp_path / "a.raw"
    first, second = parts((20, 30))
    starts = [0, *(np.cumsum(COUNTS[20:]) * 8).tolist()]
    where = raw.place(path, [raw.basket(first, (np.cumsum(COUNTS[:20]) * 8 - COUNTS[:20] * 8).tolist())])
    lists = _rust.BasketBranch("x", "int64", [0, 20, 50], **where, header=0, held=[(second, starts)])
    assert_lists(path, lists)
    counted = _rust.BasketBranch(
        "y", "int64", [0, 20, 50], **where, header=0, held=[(second, None)], counter=counter(path, (10, 40))
    )
    assert_lists(path, counted)
    held: list[tuple[bytes, list[int] | None]] = [
        (_big(np.arange(20) - 3, ">i2"), None),
        (_big(np.arange(20, 50) - 3, ">i2"), None),
    ]
    numbers = _rust.BasketBranch("z", "int16", [0, 20, 50], [], [], entry=(1, 2, 0), held=held)
    for start, stop in RANGES:
        x, y, z = raw.local(path).read([lists, counted, numbers], start, stop)
        assert x[0] is y[0]
        files.assert_numbers(x[1], y[1])
        files.assert_numbers(np.asarray(z), np.arange(start - 3, stop - 3, dtype=np.int16))


@pytest.mark.parametrize("starts", [[0], [0, 8, 4, 16], [4, 8, 12, 16], [0, 8, 24, 32], [0, 3, 8, 16]], ids=str)
def test_held_baskets_that_are_damaged(starts: list[int], tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.touch()
    branch = _rust.BasketBranch("x", "int64", [0, 3], [], [], header=0, held=[(bytes(16), starts)])
    wrong = r"branch 'x', entries 0 to 3: the data are damaged .*(lists do not fit|offsets for 1)"
    with pytest.raises(ReadError, match=wrong):
        raw.local(path).read([branch], 0, 3)


def test_embedded_baskets_of_a_file(tmp_path: Path) -> None:
    """As uproot tells of them, though uproot writes none: the last basket of each branch is moved into the tree."""
    path = files.write_all_types(tmp_path / "a.root", (40, 20))
    wanted = dict(files.branches(path, "events"))
    source = files.opened(path)
    branches = files.uproots(path, "events")
    with uproot.open({str(path): "events"}) as tree:
        for name, (branch, _) in branches.items():
            branch._embedded_baskets, branch._num_normal_baskets = [tree[name].basket(1)], 1
        files.describe(source, branches)
        for name in files.readable(source):
            assert source.schema()[name].reader == ("uproot" if name == "text" else "mlaas4hep")
            for start, stop in [(0, 60), (0, 45), (45, 60), (30, 50)]:
                files.assert_column(source.read([name], start, stop)[name], wanted[name][start:stop])
    source.close()


def natives(source: TTreeSource, names: list[str]) -> list[_rust.BasketBranch]:
    found = [source._reader(name, source.entries) for name in names]
    return [reader.branch for reader in found if isinstance(reader, NativeBranch)]


def test_fetched_bytes(tmp_path: Path) -> None:
    path = files.write_all_types(tmp_path / "a.root", (300, 0, 400, 5))
    source = files.opened(path)
    names = [name for name, branch in source.schema().items() if branch.reader == "mlaas4hep"]
    branches = natives(source, names)
    reader, here = _rust.BasketReader("a remote file", path.stat().st_size), raw.local(path)
    for start, stop in [(0, 705), (0, 100), (100, 310), (310, 310), (310, 704), (704, 705), (50, 60)]:
        pairs = zip(raw.fetched(reader, path, branches, start, stop), here.read(branches, start, stop), strict=True)
        for found, wanted in pairs:
            files.assert_equal(found, wanted)
    flat = natives(source, [name for name in names if "jagged" not in name])
    assert reader.ranges(flat, 62, 68) == []  # a rest is there
    source.close()


def test_bytes_that_were_not_fetched(tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.root", {"t": {"x": np.arange(5000.0), "y": np.arange(5000)}})
    source = files.opened(path)
    branches = natives(source, ["x", "y"])
    reader = _rust.BasketReader("a remote file", path.stat().st_size)
    ((begin, end),) = reader.ranges(branches, 0, 5000)
    for fetched in ([], [(begin, b"")], [(begin, bytes(end - begin - 1))], [(begin + 1, bytes(end - begin))]):
        with pytest.raises(ReadError) as caught:
            reader.read(branches, 0, 5000, fetched=fetched)
        assert str(caught.value) == (
            f"a remote file: branch 'x', entries 0 to 5000: bytes {begin} to {end} of the file were not fetched"
        )
    small = _rust.BasketReader("a remote file", end - 1)
    with pytest.raises(ReadError, match=f"branch 'y', entries 0 to 5000: .* it has {end - 1} bytes"):
        small.read(branches, 0, 5000, fetched=[])
    source.close()


def test_fetched_bytes_of_large_baskets_with_a_counter(tmp_path: Path) -> None:
    """What is asked for is enough, also where 2 MB, the most of a piece, end at another basket with the counter."""
    path = tmp_path / "a.raw"
    counts = counter(path, (7,), [37_432] * 7)
    content = [np.full(37_432, number, ">i8").tobytes() for number in range(7)]
    where = raw.place(path, [bytes(10_000)])
    where = raw.place(path, [raw.basket(part) for part in content])
    branch = _rust.BasketBranch("x", "int64", list(range(8)), **where, header=0, counter=counts)
    reader = _rust.BasketReader(str(path), path.stat().st_size)
    (found,) = raw.fetched(reader, path, [branch], 0, 7)
    files.assert_equal(found, raw.local(path).read([branch], 0, 7)[0])


def test_fetched_bytes_of_lists_that_seemed_equal(tmp_path: Path) -> None:
    """Rests of both are there, and then comes a basket in which their lists differ."""
    path = tmp_path / "a.raw"
    baskets = {"x": ([0, 8], [0, 8]), "y": ([0, 8], [0, 16])}
    branches = []
    for name, starts in baskets.items():
        where = raw.place(path, [raw.basket(bytes(24), start) for start in starts], gap=20_000)
        branches.append(_rust.BasketBranch(name, "int64", [0, 2, 4], **where, header=0))
    reader = _rust.BasketReader(str(path), path.stat().st_size)
    raw.fetched(reader, path, branches, 0, 1)
    found, here = raw.fetched(reader, path, branches, 1, 4), raw.local(path).read(branches, 1, 4)
    for column, wanted in zip(found, here, strict=True):
        files.assert_equal(column, wanted)
