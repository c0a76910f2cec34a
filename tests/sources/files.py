"""ROOT files made for tests, and uproot's own answer about any file."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from mlaas4hep.sources import Plain, Reading, open_source
from mlaas4hep.sources.localfile import LocalFile
from mlaas4hep.sources.root import known
from mlaas4hep.sources.root.kinds import Branches
from mlaas4hep.sources.root.ttree import TTreeSource

NUMBERS = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
)


def opened(path: Path, tree: str | None = None, threads: int | None = 1, reading: Reading | None = None) -> TTreeSource:
    source = open_source(str(path), tree, threads=threads, reading=reading)
    assert isinstance(source, TTreeSource)
    return source


def numbers(random: np.random.Generator, dtype: str, size: int | tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Any bits, so that every value of the type may come; few values often come again, so that they compress."""
    shape = size if isinstance(size, tuple) else (size,)
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    count = int(np.prod(shape))
    if count < 100:
        return np.frombuffer(random.bytes(count * np.dtype(dtype).itemsize), dtype).reshape(shape).copy()
    pool = np.frombuffer(random.bytes(60 * np.dtype(dtype).itemsize), dtype)
    return pool[random.integers(0, len(pool), shape)]


def lists(random: np.random.Generator, dtype: str, entries: int) -> Any:
    counts = random.integers(0, 4, entries)
    return ak.unflatten(numbers(random, dtype, int(counts.sum())), counts)


def write_all_types(path: Path, extends: Sequence[int], compression: Any = None, seed: int = 1) -> Path:
    """A tree ``events`` with a flat, a jagged and a fixed-size branch of every type, and strings."""
    random = np.random.default_rng(seed)
    types: dict[str, Any] = {"text": "string"}
    for dtype in NUMBERS:
        types |= {f"flat_{dtype}": dtype, f"jagged_{dtype}": f"var * {dtype}"}
        types[f"fixed_{dtype}"] = np.dtype((dtype, (3,)))
    with uproot.recreate(path, compression=compression or uproot.ZLIB(1)) as file:
        tree = file.mktree("events", types)
        for size in extends:
            text = ["ü" * int(length) for length in random.integers(0, 300, size)]
            data: dict[str, Any] = {"text": ak.Array([*text, ""])[:-1]}
            for dtype in NUMBERS:
                data[f"flat_{dtype}"] = numbers(random, dtype, size)
                data[f"jagged_{dtype}"] = lists(random, dtype, size)
                data[f"fixed_{dtype}"] = numbers(random, dtype, (size, 3))
            tree.extend(data)
    return path


def write(path: Path, trees: dict[str, dict[str, Any]], **options: Any) -> Path:
    """Write trees, each from its columns."""
    with uproot.recreate(path, **options) as file:
        for name, columns in trees.items():
            types = {key: _type(value) for key, value in columns.items()}
            file.mktree(name, types).extend(columns)
    return path


def _type(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.dtype((value.dtype, value.shape[1:]))
    return str(value.type).partition(" * ")[2]


def write_events(path: Path, extends: int = 20, seed: int = 1) -> Path:
    """A tree ``events`` of so many baskets of 400 events: a flat and two jagged branches, and strings."""
    random = np.random.default_rng(seed)
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        tree = file.mktree("events", {"x": "float32", "y": "var * float32", "z": "var * int16", "text": "string"})
        for _ in range(extends):
            y = ak.unflatten(random.normal(size=4000).astype(np.float32), np.full(400, 10))
            text = ak.Array([str(number) for number in random.integers(0, 10**9, 400)])
            tree.extend({"x": np.arange(400, dtype=np.float32), "y": y, "z": lists(random, "int16", 400), "text": text})
    return path


def branches(path: Path, tree: str) -> Iterator[tuple[str, Any]]:
    """Uproot's arrays of every branch of a tree, by short name."""
    with uproot.open({str(path): None}) as file:
        for branch in file[tree].values(recursive=True):
            if not branch.branches:
                yield branch.name, branch.array(library="ak")


def uproots(path: Path, tree: str) -> Branches:
    """Uproot's objects of the branches of a tree, and what they hold, by the names of columns."""
    place = LocalFile(str(path))
    with known._open(place) as file:
        found = dict(known._columns(file[tree], Reading()))
    place.close()
    return found


def describe(source: TTreeSource, branches: Branches) -> None:
    """Let a source read these branches, taken for what they are said to be."""
    source._readers.clear()
    source._known.readers.update(known._readers(source.path, branches))


def add(source: TTreeSource, other: TTreeSource) -> None:
    """Let the branches of two trees stand for those of one."""
    source._known.schema.update(other._known.schema)
    source._known.readers.update(other._known.readers)


def assert_column(found: Plain, wanted: Any) -> None:
    """Compare a column with uproot's array of the same entries, bit for bit."""
    if isinstance(found, tuple):
        offsets, content = found
        assert offsets[0] == 0
        np.testing.assert_array_equal(np.diff(offsets), ak.to_numpy(ak.num(wanted)))
        assert_numbers(content, ak.to_numpy(ak.flatten(wanted)))
    elif found.dtype == object:
        assert found.tolist() == wanted.tolist()
    else:
        assert_numbers(found, ak.to_numpy(wanted))


def assert_numbers(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> None:
    assert found.dtype == wanted.dtype
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    assert found.tobytes() == wanted.tobytes()


def damage(path: Path, at: int, bits: int = 0xFF, size: int = 1) -> None:
    """Change some bytes of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        old = file.read(size)
        file.seek(at)
        file.write(bytes(byte ^ bits for byte in old))


def shorten(path: Path, size: int) -> None:
    """Cut a file off and let its header say that this is its length."""
    os.truncate(path, size)
    with path.open("r+b") as file:
        file.seek(12)
        file.write(size.to_bytes(4, "big"))


def assert_same(path: Path, tree: str) -> None:
    """The whole, ranges of odd lengths in order, and some at random equal uproot's arrays, also when read again."""
    source = opened(path, tree)
    entries = source.entries
    random = np.random.default_rng(entries)
    step = max(1, entries // 7)
    ranges = [(start, min(start + step, entries)) for start in range(0, entries, step)]
    ranges += [(0, entries), (entries, entries), (0, entries)]
    ranges += [tuple(sorted(random.integers(0, entries + 1, 2).tolist())) for _ in range(5)]
    wanted = dict(branches(path, tree))
    names = readable(source)
    for start, stop in ranges:
        found = source.read(names, start, stop)
        assert list(found) == names
        for name in names:
            assert_column(found[name], wanted[name.rpartition("/")[2]][start:stop])
    source.close()


def readable(source: TTreeSource) -> list[str]:
    return [name for name, branch in source.schema().items() if branch.kind != "other"]


def assert_equal(found: Plain, wanted: Plain) -> None:
    """Compare two columns, bit for bit."""
    assert type(found) is type(wanted)
    if isinstance(found, tuple):
        assert_numbers(found[0], wanted[0])
        assert_numbers(found[1], wanted[1])
    elif found.dtype == object:
        assert found.tolist() == np.asarray(wanted).tolist()
    else:
        assert_numbers(found, np.asarray(wanted))


def forget() -> None:
    """Nothing is known of any file."""
    known._MEMORY.clear()


def basket_range(path: Path, tree: str, branch: str, number: int) -> tuple[int, int]:
    """Where the compressed data of a basket lie in the file."""
    with uproot.open({str(path): None}) as file:
        found = file[tree][branch]
        chunk, _ = found.basket_chunk_cursor(number)
        return chunk.start + found.basket_key(number).fKeylen, chunk.stop


def spoil(path: Path) -> None:
    """Damage what a basket of each branch holds."""
    with uproot.open(path) as file:
        (tree,) = file.values(filter_classname="TTree")
        ends = [int(one.member("fBasketSeek")[0]) + int(one.member("fBasketBytes")[0]) for one in tree.branches]
    content = bytearray(path.read_bytes())
    for end in ends:
        content[end - 20 : end] = bytes(20)
    path.write_bytes(content)
