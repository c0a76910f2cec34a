"""What the core reads is what uproot reads, bit for bit, whatever was read before."""

from itertools import permutations
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mlaas4hep.errors import ParamsError
from mlaas4hep.sources import open_source
from mlaas4hep.sources.root.native import NativeBranch

from tests.sources import files

CODECS = [uproot.ZLIB(1), uproot.LZ4(1), uproot.ZSTD(1), uproot.LZMA(1), uproot.ZLIB(0)]


def codec_name(codec: Any) -> str:
    return type(codec).__name__.lower() if codec.level else "none"


@pytest.mark.parametrize("extends", [(9, 0, 1, 40), (1500, 300)], ids=["small", "large"])
@pytest.mark.parametrize("codec", CODECS, ids=codec_name)
def test_every_type(codec: Any, extends: tuple[int, ...], tmp_path: Path) -> None:
    path = files.write_all_types(tmp_path / "a.root", extends, codec)
    schema = files.opened(path).schema()
    assert {name for name, branch in schema.items() if branch.reader == "uproot"} == {"text"}
    files.assert_same(path, "events")


def test_many_baskets(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    path = files.write_all_types(tmp_path / "a.root", random.integers(0, 30, 25).tolist())
    files.assert_same(path, "events")


@pytest.mark.parametrize("threads", [1, 4, None])
def test_threads(threads: int | None, tmp_path: Path) -> None:
    path = files.write_all_types(tmp_path / "a.root", (200, 300, 250))
    wanted = dict(files.branches(path, "events"))
    source = files.opened(path, threads=threads)
    for start, stop in [(0, 750), (0, 123), (123, 480), (480, 750), (0, 750)]:
        for name, column in source.read(list(wanted), start, stop).items():
            files.assert_column(column, wanted[name][start:stop])
    source.close()


@pytest.mark.parametrize("codec", CODECS[:3], ids=codec_name)
def test_baskets_of_several_blocks(codec: Any, tmp_path: Path) -> None:
    """Also when only the content of the second branch of a collection is decompressed."""
    random = np.random.default_rng(4)
    counts = random.integers(0, 4, 1_200_000)
    columns = {name: ak.unflatten(random.integers(0, 9, counts.sum()), counts) for name in "ab"}
    path = files.write(tmp_path / "a.root", {"t": {**columns, "flat": np.arange(2.4e6)[: len(counts)] // 7}})
    with uproot.open({str(path): "t"}) as tree:
        assert tree["a"].basket_key(0).fObjlen > 0xFFFFFF
    source = files.opened(path)
    for start, stop in [(0, 1_200_000), (0, 1_200_000), (1000, 900_000), (900_000, 1_000_000)]:
        found = source.read(["a", "b", "flat"], start, stop)
        assert found["a"][0] is found["b"][0]
        for name, values in columns.items():
            files.assert_column(found[name], values[start:stop])
        files.assert_column(found["flat"], ak.Array(np.arange(start, stop) // 7.0))
    source.close()


def collection(path: Path, codec: Any = None) -> dict[str, Any]:
    """Three baskets of jagged branches with equal lengths, and one that has others."""
    random = np.random.default_rng(6)
    columns: dict[str, list[Any]] = {}
    with uproot.recreate(path, compression=codec or uproot.ZLIB(1)) as file:
        types = {"a": "int8", "b": "float64", "c": "float32", "d": "uint16", "other": "int32", "flat": "int64"}
        tree = file.mktree("t", {key: kind if key == "flat" else f"var * {kind}" for key, kind in types.items()})
        for size in (400, 1, 600):
            counts = random.integers(0, 5, size)
            basket = {key: ak.unflatten(files.numbers(random, types[key], int(counts.sum())), counts) for key in "abcd"}
            basket |= {"other": files.lists(random, "int32", size), "flat": files.numbers(random, "int64", size)}
            tree.extend(basket)
            for key, values in basket.items():
                columns.setdefault(key, []).append(values)
    return {key: ak.concatenate(parts) for key, parts in columns.items()}


@pytest.mark.parametrize("codec", CODECS, ids=codec_name)
def test_a_collection_has_its_offsets_once(codec: Any, tmp_path: Path) -> None:
    """The first read compares them, later ones, also of other sources, know."""
    wanted = collection(tmp_path / "a.root", codec)
    for _ in range(2):
        source = files.opened(tmp_path / "a.root")
        for start, stop in [(0, 1001), (0, 100), (100, 450), (450, 1001), (0, 1001), (7, 7), (401, 1001)]:
            found = source.read(list(wanted), start, stop)
            assert all(found[name][0] is found["a"][0] for name in "bcd")
            assert found["other"][0] is not found["a"][0]
            for name, column in found.items():
                files.assert_column(column, wanted[name][start:stop])
        source.close()


def test_columns_in_other_orders(tmp_path: Path) -> None:
    """Any branch of a collection may come first, and with any others."""
    wanted = collection(tmp_path / "a.root")
    random = np.random.default_rng(8)
    orders = [list(order) for size in (1, 2, 3) for order in permutations(["a", "b", "c", "d", "other"], size)]
    source = files.opened(tmp_path / "a.root")
    at = 0
    for position in random.permutation(len(orders)).tolist():
        stop = min(at + int(random.integers(1, 400)), 1001)
        found = source.read(orders[position], at, stop)
        assert list(found) == orders[position]
        for name, column in found.items():
            files.assert_column(column, wanted[name][at:stop])
        at = 0 if stop == 1001 else stop
    for order in orders:  # from the begin of a basket, where nothing is left of it
        found = source.read(order, 401, 1001)
        assert len({id(column[0]) for name, column in found.items() if name != "other"}) <= 1
    source.close()


@pytest.mark.parametrize("first", [(0, 20), (0, 5), (3, 17), (12, 13)])
@pytest.mark.parametrize("order", ["xyz", "zyx", "yxz"])
def test_equal_counts_of_other_lists(order: str, first: tuple[int, int], tmp_path: Path) -> None:
    """As many numbers in each basket are not the same lists; in the first basket they are."""
    lengths = {"x": [1, 2] * 10, "y": [1, 2] * 5 + [2, 1] * 5, "z": [1, 2] * 10}
    wanted = {
        name: ak.unflatten(np.arange(30) + 100 * position, lengths[name]) for position, name in enumerate(lengths)
    }
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("t", dict.fromkeys(lengths, "var * int64"))
        for start in (0, 10):
            tree.extend({name: values[start : start + 10] for name, values in wanted.items()})
    source = files.opened(path)
    for start, stop in [first, (5, 15), (15, 20), (0, 20), (0, 5), (5, 20), (0, 20)]:
        found = source.read(list(order), start, stop)
        for name, column in found.items():
            files.assert_column(column, wanted[name][start:stop])
        assert stop <= 10 or found["x"][0] is not found["y"][0]
    source.close()


@pytest.mark.parametrize(
    "order",
    [
        "xyz",
        "yxz",
    ],
)
def test_a_stranger_does_not_divide_a_collection(order: str, tmp_path: Path) -> None:
    """Another branch has as many numbers in one basket by chance; x and z still have the same offsets."""
    lengths = {"x": [1, 2, 3, 4], "y": [2, 1, 3, 3], "z": [1, 2, 3, 4]}
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("t", dict.fromkeys(lengths, "var * int64"))
        for start in (0, 2):
            counts = {name: values[start : start + 2] for name, values in lengths.items()}
            tree.extend({name: ak.unflatten(np.arange(sum(size)), size) for name, size in counts.items()})
    source = files.opened(path)
    source.read(list(order), 0, 2)
    for _ in range(2):
        found = source.read(list(order), 0, 4)
        assert found["x"][0] is found["z"][0]
        assert found["x"][0] is not found["y"][0]
    source.close()


def test_baskets_that_begin_at_other_entries(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    lists = ak.Array([[i] * (i % 3) for i in range(60)])
    with uproot.recreate(path) as file:
        for name, sizes in {"x": (10, 20, 30), "y": (25, 5, 30), "z": (60,)}.items():
            tree = file.mktree(name, {name: "var * int64"})
            for stop, size in zip(np.cumsum(sizes).tolist(), sizes, strict=True):
                tree.extend({name: lists[stop - size : stop]})
    source = files.opened(path, "x")
    for name in "yz":
        files.add(source, files.opened(path, name))
    for _ in range(2):
        for start, stop in [(0, 60), (0, 10), (10, 12), (12, 29), (29, 30), (30, 60)]:
            for column in source.read(["x", "y", "z"], start, stop).values():
                files.assert_column(column, lists[start:stop])
    source.close()


def test_columns_outlive_their_source(tmp_path: Path) -> None:
    """Memory is used again only when nobody has it."""
    wanted = collection(tmp_path / "a.root")
    source = files.opened(tmp_path / "a.root")
    kept = [source.read(list(wanted), start, start + 200) for start in range(0, 1000, 50) if start <= 800]
    source.close()
    for position, found in enumerate(kept):
        for name, column in found.items():
            files.assert_column(column, wanted[name][50 * position : 50 * position + 200])


def test_columns_that_are_part_of_a_basket_cannot_be_written(tmp_path: Path) -> None:
    """Later reads take what is in it again, in any order."""
    path = files.write_all_types(tmp_path / "a.root", (200, 300))
    wanted = {name: values for name, values in files.branches(path, "events") if name != "text"}
    source = files.opened(path)
    for start, stop in [(0, 50), (50, 90), (20, 60), (60, 260), (210, 220), (205, 400), (0, 200)]:
        for name, column in source.read(list(wanted), start, stop).items():
            files.assert_column(column, wanted[name][start:stop])
            content = column[1] if isinstance(column, tuple) else column
            inside = start // 200 == (stop - 1) // 200 and (start, stop) != (0, 200)
            assert np.asarray(content).flags.writeable is not inside
    source.close()


def test_the_variable_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.write(tmp_path / "a.root", {"t": {"x": np.arange(3)}})
    for value, native in [("", True), ("uproot", False), ("mlaas4hep", True)]:
        monkeypatch.setenv("MLAAS4HEP_READER", value)
        source = files.opened(path)
        assert isinstance(source._reader("x", 3), NativeBranch) == native
        assert source.schema()["x"].reader == ("mlaas4hep" if native else "uproot")
    monkeypatch.setenv("MLAAS4HEP_READER", "root")
    with pytest.raises(ParamsError, match="MLAAS4HEP_READER is 'root'; it must be 'mlaas4hep', 'uproot' or empty"):
        open_source(str(path))


def test_seconds_are_counted(tmp_path: Path) -> None:
    source = files.opened(files.write_all_types(tmp_path / "a.root", (500,)))
    assert set(source.seconds.values()) == {0.0}
    source.read(["jagged_float64"], 0, 500)
    assert all(seconds > 0 for seconds in source.seconds.values())
    source.close()


def test_a_file_from_before_1970(tmp_path: Path) -> None:
    import os

    path = files.write(tmp_path / "a.root", {"t": {"x": np.arange(3)}})
    os.utime(path, ns=(-(10**9), -(10**9)))
    files.assert_column(files.opened(path).read(["x"], 0, 3)["x"], ak.Array(np.arange(3)))
