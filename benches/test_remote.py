"""ROOT files of servers to columns: our reader against uproot, both with what they do by default."""

import shutil
from collections.abc import Callable, Iterator
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

from benches.files import SMALL, root_file
from benches.race import Contestant, race
from tests.servers import HttpServer, Server, XRootDServer

EVENTS, THREADS = 200_000, 2
SERVERS: dict[str, Callable[[], Server]] = {"root": XRootDServer, "http": HttpServer}


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Serve the file of 78 branches from this machine."""
    if request.param == "root" and XRootDServer.program is None:
        pytest.skip("needs xrootd, of Debian's xrootd-server")
    with SERVERS[request.param]() as server:
        shutil.copy(root_file(folder, EVENTS, SMALL), server.folder / "events.root")
        yield server.url("events.root")


def read(url: str, names: list[str]) -> list[Any]:
    """Open, ask for what is there, read and verify everything, cluster by cluster."""
    known._MEMORY.clear()
    source = open_source(url, threads=THREADS)
    columns = [source.read(names, start, stop) for start, stop in source.clusters(names, 0, source.entries)]
    source.close()
    return columns


def assert_equal(url: str, names: list[str]) -> None:
    """Our columns are uproot's."""
    ours = read(url, names)
    with uproot.open({url: "events"}) as tree:
        for name in (names[0], names[-1]):
            parts = [part[name] for part in ours]
            content = np.concatenate([part[1] if isinstance(part, tuple) else part for part in parts])
            assert content.tobytes() == ak.to_numpy(ak.flatten(tree[name].array(), axis=None)).tobytes()


def test_open_and_read(url: str, folder: Path, benchmark: BenchmarkFixture) -> None:
    local = str(root_file(folder, EVENTS, SMALL))
    names = [branch.name for branch in open_source(local).schema().values() if not branch.why_not]
    assert_equal(url, names)

    def by_uproot() -> None:
        with uproot.open({url: "events"}) as tree:
            tree.arrays(names, array_cache=None)

    def scan() -> None:
        known._MEMORY.clear()
        m.Dataset(url, threads=THREADS).specs()

    contestants = [
        Contestant("mlaas4hep, everything verified", lambda: read(url, names), EVENTS),
        Contestant("uproot", by_uproot, EVENTS),
        Contestant("mlaas4hep, the same of a local file", lambda: read(local, names), EVENTS),
        Contestant("mlaas4hep, scan pass to specs", scan, EVENTS),
    ]
    race(f"open and read over {url.partition(':')[0]}, ZLIB, baskets of {SMALL}", contestants, benchmark, rounds=5)
