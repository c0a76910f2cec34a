"""Who reads, the core or uproot, and servers to read from."""

import importlib.util
from collections.abc import Iterator

import pytest
from mlaas4hep.sources import clusters

from tests.servers import HttpServer, Server, XRootDServer
from tests.sources.files import write_events


@pytest.fixture(params=["mlaas4hep", "uproot"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLAAS4HEP_READER", request.param)
    return str(request.param)


@pytest.fixture
def by_uproot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLAAS4HEP_READER", "uproot")


SERVERS: dict[str, type[Server]] = {"root": XRootDServer, "http": HttpServer}


def needs(protocol: str) -> None:
    """Skip where there is no server or no client of a protocol; none is imported: that is the package's own affair."""
    package, extra = {"root": ("fsspec_xrootd", "xrootd"), "http": ("aiohttp", "http")}[protocol]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs mlaas4hep[{extra}]")
    if protocol == "root" and XRootDServer.program is None:
        pytest.skip("needs xrootd, of Debian's xrootd-server")


def make(protocol: str) -> Server:
    """A server, not started; skip where it cannot be."""
    needs(protocol)
    return SERVERS[protocol]()


@pytest.fixture(scope="module", params=["root", "http"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that many tests use, which leave it as it is."""
    with make(request.param) as running:
        write_events(running.folder / "events.root")
        yield running


@pytest.fixture(params=["root", "http"])
def fragile(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of one test, which may kill it."""
    with make(request.param) as running:
        write_events(running.folder / "events.root")
        yield running


@pytest.fixture
def small_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters of some hundred events."""
    monkeypatch.setattr(clusters, "_limits", lambda beside: (2**14, 2**15))
    monkeypatch.setattr(clusters, "MOST", 2**15)
