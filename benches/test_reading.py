"""ROOT files to columns: our reader against uproot, and both passes against reading alone."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import awkward as ak
import mlaas4hep as m
import numpy as np
import pytest
import uproot
from mlaas4hep.sources import open_source
from mlaas4hep.sources.root import known
from pytest_benchmark.fixture import BenchmarkFixture

from benches.files import LARGE, SMALL, nano_file, root_file
from benches.race import Contestant, race

EVENTS, THREADS = 200_000, 2
BASKETS = {"small baskets": SMALL, "large baskets": LARGE}
ORIGINAL = 28_500_000
"""Events of the workload for which the original took 7 to 8 hours."""


def inputs(path: Path) -> list[str]:
    """The 78 branches: the counters that uproot writes beside jagged ones are left out."""
    return [branch.name for branch in open_source(str(path)).schema().values() if not branch.why_not]


def read(path: Path, names: list[str], keep: bool = False) -> list[Any]:
    """Read with our reader, cluster by cluster, and keep the columns or let them go."""
    source = open_source(str(path), threads=THREADS)
    kept = []
    for start, stop in source.clusters(names, 0, source.entries):
        columns = source.read(names, start, stop)
        if keep:
            kept.append(columns)
    source.close()
    return kept


def forget() -> None:
    """Forget what is known of files, as a new process would not know it."""
    known._MEMORY.clear()


def first_read(path: Path, names: list[str], keep: bool = False) -> Callable[[], object]:
    """Open, ask uproot for what is there, read and verify everything."""

    def work() -> None:
        forget()
        read(path, names, keep)

    return work


def rivals(path: Path, names: list[str], tree: Any = None) -> list[Contestant]:
    """Give uproot's reading, with each library for ZLIB that it knows; of an opened tree if one is given."""
    threads = ThreadPoolExecutor(THREADS)

    def by(library: str) -> Callable[[], object]:
        def work() -> None:
            uproot.ZLIB.library = library
            options = {"decompression_executor": threads, "interpretation_executor": threads, "array_cache": None}
            if tree is not None:
                tree.arrays(names, **options)
                return
            with uproot.open({str(path): "events"}) as opened:
                opened.arrays(names, **options)

        return work

    libraries = ["zlib", "isal", "deflate"] if "ZLIB" in path.name else ["zlib"]
    return [
        Contestant(f"uproot, {library if len(libraries) > 1 else 'its best'}", by(library), EVENTS)
        for library in libraries
    ]


def assert_equal(path: Path, names: list[str]) -> None:
    """Our columns are uproot's."""
    ours = read(path, names, keep=True)
    with uproot.open({str(path): "events"}) as tree:
        for name in (names[0], names[-1]):
            parts = [part[name] for part in ours]
            content = np.concatenate([part[1] if isinstance(part, tuple) else part for part in parts])
            assert content.tobytes() == ak.to_numpy(ak.flatten(tree[name].array(), axis=None)).tobytes()


@pytest.mark.parametrize("basket", BASKETS.values(), ids=BASKETS.keys())
def test_open_and_read(basket: int, folder: Path, benchmark: BenchmarkFixture) -> None:
    path = root_file(folder, EVENTS, basket)
    names = inputs(path)
    assert_equal(path, names)
    ours = Contestant("mlaas4hep, everything verified", first_read(path, names, keep=True), EVENTS)
    race(f"open and read, ZLIB, baskets of {basket}, 2 threads", [ours, *rivals(path, names)], benchmark, rounds=5)


@pytest.mark.parametrize("codec", ["ZSTD", "LZ4"])
def test_other_codecs(codec: str, folder: Path, benchmark: BenchmarkFixture) -> None:
    path = root_file(folder, EVENTS, SMALL, codec=codec)
    names = inputs(path)
    assert_equal(path, names)
    with uproot.open({str(path): "events"}) as tree:
        ours = Contestant("mlaas4hep, read again", lambda: read(path, names, keep=True), EVENTS)
        race(f"read, {codec}, opened before, 2 threads", [ours, *rivals(path, names, tree)], benchmark, rounds=5)


def test_lz4_against_none(folder: Path, benchmark: BenchmarkFixture) -> None:
    paths = {codec: root_file(folder, EVENTS, SMALL, codec=codec) for codec in ("LZ4", "none")}
    names = inputs(paths["LZ4"])

    def again(path: Path) -> Callable[[], object]:
        return lambda: read(path, names)

    contestants = [Contestant(f"read, {codec}", again(path), EVENTS) for codec, path in paths.items()]
    race("LZ4 against uncompressed, buffers used again", contestants, benchmark)


def test_both_passes(folder: Path, benchmark: BenchmarkFixture) -> None:
    """The scan against the read that it makes, and a pass against the decompression of everything."""
    events = 5 * EVENTS
    path = root_file(folder, events, SMALL)
    names = inputs(path)
    dataset = m.Dataset(path, threads=THREADS)
    dataset.specs()

    def scan() -> None:
        forget()
        m.Dataset(path, threads=THREADS).specs()

    def second() -> None:
        assert sum(len(chunk.data) for chunk in dataset.chunks(20_000)) == events

    contestants = [
        Contestant("the read of everything alone", first_read(path, names), events),
        Contestant("scan pass, ROOT to specs", scan, events),
        Contestant("second pass, ROOT to chunks", second, events),
    ]
    results = race("both passes, ZLIB, small baskets, 2 threads", contestants, benchmark, rounds=5)
    alone = THREADS * events / decompression(path, names)
    print(f"decompression of everything on 2 threads: {alone / 1e3:.0f}; a pass {results[2].median / alone:.2f} x")


def decompression(path: Path, names: list[str]) -> float:
    """Seconds that one thread takes for the decompression of everything, by the reader's own count."""
    forget()
    source = open_source(str(path), threads=1)
    for start, stop in source.clusters(names, 0, source.entries):
        source.read(names, start, stop)
    return source.seconds["decompression"]


def test_nano(folder: Path, benchmark: BenchmarkFixture) -> None:
    path = nano_file(folder)
    names = [f"Jet{number}" for number in range(40)] + [f"flag{number}" for number in range(10)]
    read(path, names)

    def by_uproot() -> None:
        with uproot.open({str(path): "Events"}) as tree:
            tree.arrays(names)

    contestants = [
        Contestant("mlaas4hep, second read", lambda: read(path, names), 1000),
        Contestant("uproot", by_uproot, 1000),
    ]
    race("50 of 1,479 branches, 1,000 events, LZMA", contestants, benchmark)


def test_the_workload_of_the_original(folder: Path) -> None:
    path = root_file(folder, 4_000_000, SMALL)
    forget()
    begin = time.perf_counter()
    dataset = m.Dataset(path, threads=THREADS)
    dataset.specs()
    scanning = time.perf_counter() - begin
    events = sum(len(chunk.data) for chunk in dataset.chunks(100_000))
    seconds = time.perf_counter() - begin
    print(f"\n\n4 million events, both passes: {seconds:.1f} s, of which {scanning:.1f} s scanning")
    print(f"{ORIGINAL / 1e6} million: {seconds * ORIGINAL / events:.0f} s; the original took 7 to 8 hours")
