"""Files of real servers: what is read, and what is said where that cannot be."""

import os
import shutil
import threading
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import mlaas4hep as m
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlaas4hep.errors import ParamsError, ReadError, SourceError
from mlaas4hep.sources import Reading, find, list_trees, open_source
from mlaas4hep.sources.remote.ahead import Ahead
from mlaas4hep.sources.remote.remotefile import RemoteFile
from mlaas4hep.sources.root import known

from tests.servers import HttpServer, Server, XRootDServer, free_port, silent
from tests.sources.conftest import make, needs
from tests.sources.files import assert_equal, opened, write_events

h5py: Any = pytest.importorskip("h5py", reason="needs h5py")
QUICK = Reading(deadline=2, tries=3, pause=0.05)


@pytest.fixture(scope="module")
def web() -> Iterator[HttpServer]:
    server = make("http")
    assert isinstance(server, HttpServer)
    with server:
        write_events(server.folder / "events.root")
        yield server


def message(url: str, reading: Reading = QUICK) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(url, reading=reading).close()
    assert str(caught.value).startswith(url)
    return str(caught.value).removeprefix(url)


@pytest.mark.usefixtures("reader", "small_clusters")
def test_a_tree_is_read_as_from_a_local_file(server: Server) -> None:
    local, remote = opened(server.folder / "events.root"), open_source(server.url("events.root"), reading=QUICK)
    names = ["x", "y", "z", "text"]
    assert remote.schema() == local.schema()
    ranges = remote.clusters(names, 0, remote.entries)
    assert ranges == local.clusters(names, 0, local.entries)
    assert len(ranges) > 5
    for start, stop in [*ranges, (17, 900), (900, 1001), (0, 1), (0, 0)]:
        found, wanted = remote.read(names, start, stop), local.read(names, start, stop)
        for name in names:
            assert_equal(found[name], wanted[name])  # type: ignore[arg-type]
    assert remote.seconds["fetching"] > 0
    remote.close()
    local.close()


@pytest.mark.usefixtures("small_clusters")
def test_a_dataset_is_that_of_local_files(server: Server) -> None:
    local = m.Dataset(str(server.folder / "events.root"), exclude="text", reading=QUICK)
    remote = m.Dataset(f"{server.url('events.root')}:events", exclude="text", reading=QUICK)
    assert remote.specs().minv == local.specs().minv
    for found, wanted in zip(remote.chunks(1000), local.chunks(1000), strict=True):
        np.testing.assert_array_equal(found.data, wanted.data)
    assert list_trees(server.url("events.root"), QUICK)[0].entries == 8000


@pytest.mark.usefixtures("small_clusters")
def test_cuts_change_nothing_but_what_is_read(server: Server) -> None:
    options: dict[str, Any] = {"select": "y,z", "preproc": {"flat_cut": {"x": {"cut": "x > 350"}}}, "reading": QUICK}
    local = m.Dataset(str(server.folder / "events.root"), **options)
    remote = m.Dataset(server.url("events.root"), **options)
    assert remote.cutflow.total.survived == local.cutflow.total.survived == 20 * 49
    for found, wanted in zip(remote.chunks(100), local.chunks(100), strict=True):
        np.testing.assert_array_equal(found.data, wanted.data)


@pytest.mark.usefixtures("small_clusters")
def test_the_next_cluster_comes_while_one_is_used(server: Server) -> None:
    source = open_source(server.url("events.root"), reading=QUICK)
    ranges = source.clusters(["x", "y"], 0, source.entries)
    source.read(["x", "y"], *ranges[0])
    coming = source._ahead._coming  # type: ignore[attr-defined]
    ((_, future),) = coming.values()
    fetched = future.result(5)
    source._place.fetch = None  # type: ignore[attr-defined]
    assert fetched
    source._place.fetch = lambda ranges: [] if not ranges else pytest.fail("it was there")  # type: ignore[attr-defined]
    assert len(source.read(["x", "y"], *ranges[1])["x"]) == ranges[1][1] - ranges[1][0]  # type: ignore[arg-type]
    del source._place.fetch  # type: ignore[attr-defined]
    source.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "mlaas4hep-remote"]


@pytest.mark.usefixtures("small_clusters")
def test_files_beside_each_other_come_ahead_too(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the first cluster of each file."""
    shutil.copy(server.folder / "events.root", server.folder / "other.root")
    expected, get = [], Ahead.get

    def counted(ahead: Ahead, cluster: tuple[int, int], group: Hashable, ranges: Any) -> Any:
        expected.append(any(coming == cluster for coming, _ in ahead._coming.values()))
        return get(ahead, cluster, group, ranges)

    monkeypatch.setattr(Ahead, "get", counted)
    urls = [server.url(f"{name}.root") for name in ("events", "other")]
    dataset = m.Dataset(urls, select="x,y", reading=QUICK)
    dataset.specs()
    expected.clear()
    assert sum(len(chunk.data) for chunk in dataset.chunks(1000)) == 16000
    assert len(expected) > 10
    assert expected.count(False) == 2


def test_a_tree_is_asked_for_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.url("events.root")
    open_source(url, reading=QUICK).close()
    monkeypatch.setattr(known, "_open", None)
    source = open_source(url, reading=QUICK)
    assert source.entries == 8000
    text = source._known.readers["text"]  # type: ignore[attr-defined]
    assert text.branch.file.source.closed
    source.close()


def test_a_pattern(server: Server) -> None:
    for name in ("part-2.root", "part-1.root", "other.txt"):
        (server.folder / name).write_bytes(b"x")
    assert find(server.url("part-*.root"), QUICK) == [server.url("part-1.root"), server.url("part-2.root")]
    assert find(server.url("nothing-*.root"), QUICK) == []
    with pytest.raises(SourceError, match=r"part-7\*\.root: no file matches this pattern"):
        m.Dataset(server.url("part-7*.root"), reading=QUICK)


def test_a_pattern_of_a_folder_that_is_not_there(server: Server) -> None:
    with pytest.raises(SourceError, match="cannot be listed: there is no such file"):
        find(server.url("none/x*.root"), QUICK)


def test_a_redirector(server: Server) -> None:
    redirector = server.url("")
    dataset = m.Dataset("events.root:events", exclude="text", redirector=redirector, reading=QUICK)
    assert dataset.entries == 8000


def test_ranges(server: Server) -> None:
    content = bytes(range(256)) * 20_000
    (server.folder / "large.bin").write_bytes(content)
    place = RemoteFile(server.url("large.bin"), QUICK)
    ranges = [(0, 10), (100, 100), (5_000_000, 5_000_007), (3, 4_500_000), (0, 0)]
    assert place.fetch(ranges) == [content[start:stop] for start, stop in ranges]
    assert place.fetch([]) == []
    with pytest.raises(Exception, match="the file ends too early: it has 5120000 bytes"):
        place.read(5_119_999, 2)
    place.close()
    with pytest.raises(ReadError, match=r"large\.bin: the file is closed"):
        place.read(0, 1)


def test_what_is_large_comes_in_several_requests(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlaas4hep.sources.remote.remotefile.PIECES", {"root": 1000, "http": 1000})
    monkeypatch.setattr("mlaas4hep.sources.remote.remotefile.AT_ONCE", 2500)
    content = bytes(range(256)) * 40
    (server.folder / "several.bin").write_bytes(content)
    place = RemoteFile(server.url("several.bin"), QUICK)
    asked: list[int] = []
    get = place._get

    def counted(ranges: list[tuple[int, int]], system: Any, name: str, fresh: bool) -> list[bytes]:
        asked.append(len(ranges))
        return get(ranges, system, name, fresh)

    monkeypatch.setattr(place, "_get", counted)
    ranges = [(0, 2100), (5000, 5001), (100, 10_000)]
    assert place.fetch(ranges) == [content[start:stop] for start, stop in ranges]
    assert sum(asked) == 3 + 1 + 10
    assert max(asked) <= 4
    place.close()


def test_a_file_object(server: Server) -> None:
    content = bytes(range(251)) * 9_000
    (server.folder / "object.bin").write_bytes(content)
    place = RemoteFile(server.url("object.bin"), QUICK)
    with place.file() as file:
        assert file.read(5) == content[:5]
        assert file.seek(-7, os.SEEK_END) == len(content) - 7
        assert file.read() == content[-7:]
        assert file.read(1) == b""
        file.seek(262_140)
        assert file.read(1_000_000) == content[262_140:1_262_140]
        assert file.tell() == 1_262_140
        with pytest.raises(ValueError, match="before the beginning"):
            file.seek(-1)
    place.close()


def test_parquet_and_hdf5(server: Server) -> None:
    wanted = np.arange(100_000)
    pq.write_table(pa.table({"x": wanted, "y": wanted}), server.folder / "a.parquet", row_group_size=10_000)
    with h5py.File(server.folder / "a.h5", "w") as file:
        file["x"] = wanted
    place = RemoteFile(server.url("a.parquet"), QUICK)
    with place.file() as opened_file:
        np.testing.assert_array_equal(pq.read_table(opened_file)["x"].to_numpy(), wanted)
    place.close()
    place = RemoteFile(server.url("a.h5"), QUICK)
    with place.file() as opened_file, h5py.File(opened_file, "r") as hdf5:
        np.testing.assert_array_equal(hdf5["x"][:], wanted)
    place.close()


def test_a_missing_file_is_asked_for_once(server: Server) -> None:
    slow = Reading(deadline=2, tries=5, pause=100)
    assert message(server.url("nothing.root"), slow).startswith(": cannot be opened: there is no such file")


def test_nobody_listens(server: Server) -> None:
    url = server.url("events.root").replace(str(server.port), str(free_port()))
    assert ": cannot be opened: the server refuses the connection" in message(url)


@pytest.mark.parametrize("protocol", ["root", "http"])
def test_a_server_that_does_not_answer(protocol: str) -> None:
    needs(protocol)
    with silent() as port:
        url = f"{protocol}://127.0.0.1:{port}//x.root"
        text = message(url, Reading(deadline=1, tries=2, pause=0.05))
        assert text == ": cannot be opened: the server does not answer within 1 s (tried 2 times)"


def test_a_truncated_file(server: Server) -> None:
    whole = (server.folder / "events.root").read_bytes()
    (server.folder / "short.root").write_bytes(whole[:-5000])
    assert "the ROOT file is truncated" in message(server.url("short.root"))


def test_a_folder(server: Server) -> None:
    (server.folder / "folder").mkdir()
    url = server.url("folder") + "/" * (not isinstance(server, XRootDServer))
    assert message(url) == f": this is a folder; name its files, as in '{server.url('folder')}/*.root'"


def test_an_empty_file(server: Server) -> None:
    (server.folder / "empty.root").write_bytes(b"")
    assert message(server.url("empty.root")).startswith(": the file is empty")


def test_a_file_that_changes_while_it_is_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlaas4hep.sources.remote.remotefile.LOOK", 0.0)
    path = write_events(server.folder / "changing.root")
    source = open_source(server.url("changing.root"), reading=QUICK)
    assert len(source.read(["x"], 0, 400)["x"]) == 400  # type: ignore[arg-type]
    write_events(path, extends=3)
    with pytest.raises(ReadError, match=r"branch 'x', entries 400 to 800: the file changed while it was read: it has"):
        source.read(["x"], 400, 800)
    source.close()


def test_a_file_of_the_same_size_that_changes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlaas4hep.sources.remote.remotefile.LOOK", 0.0)
    path = server.folder / "same.bin"
    path.write_bytes(b"abcd")
    os.utime(path, (1, 1))
    place = RemoteFile(server.url("same.bin"), QUICK)
    assert place.read(0, 2) == b"ab"
    path.write_bytes(b"ABCD")
    with pytest.raises(ReadError, match=r"same\.bin: the file changed while it was read: its time or tag"):
        place.read(0, 2)
    place.close()


def test_a_file_replaced_between_passes(server: Server) -> None:
    path = write_events(server.folder / "replaced.root")
    dataset = m.Dataset(server.url("replaced.root"), exclude="text", reading=QUICK)
    dataset.specs()
    assert dataset.entries == 8000
    write_events(path, extends=2)
    with pytest.raises(ReadError, match="the file changed: it has 800 entries now and had 8000 before"):
        next(dataset.chunks(100))


def test_a_file_replaced_by_as_many_events(server: Server) -> None:
    path = write_events(server.folder / "same.root")
    dataset = m.Dataset(server.url("same.root"), exclude="text", reading=QUICK)
    dataset.specs()
    write_events(path, seed=2)
    os.utime(path, (1, 1))
    with pytest.raises(ReadError, match=r"same\.root: the file changed: it was written again since it was opened"):
        next(dataset.chunks(100))


def test_permission_denied(web: HttpServer) -> None:
    assert message(web.url("forbidden/events.root")) == ": cannot be opened: permission denied (HTTP 403)"


def test_options_come_from_the_configuration_of_fsspec(web: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fsspec.config.conf, "http", {"headers": {"Authorization": "Bearer open"}})
    source = open_source(web.url("forbidden/events.root"), reading=QUICK)
    assert source.entries == 8000
    source.close()


def test_a_server_without_ranges(web: HttpServer) -> None:
    assert ": cannot be opened: the server gives whole files only" in message(web.url("whole/events.root"))


def test_a_connection_that_ends_in_the_middle(web: HttpServer) -> None:
    url = web.url("broken/events.root")
    place = RemoteFile(url, QUICK)
    with pytest.raises(ReadError, match=r"broken/events\.root: the connection was lost \(tried 3 times\)"):
        place.read(0, 1000)
    with place.file() as file, pytest.raises(ReadError, match="the connection was lost"):
        pq.ParquetFile(file)
    with place.file() as file, pytest.raises(ReadError, match="the connection was lost"):
        h5py.File(file, "r")
    place.close()


def test_a_folder_without_permission(tmp_path: Path) -> None:
    server = make("root")
    assert isinstance(server, XRootDServer)
    with server:
        path = write_events(server.folder / "mine.root")
        path.chmod(0)
        if os.access(path, os.R_OK) and os.getuid() != 0:
            pytest.skip("permissions do not hold for this user")
        text = message(server.url("mine.root"))
    assert "permission denied: the X.509 proxy " in text


def test_unknown_protocols() -> None:
    assert message("rot://host//x.root").startswith(": nothing is known of rot:// (did you mean 'root'?)")
    assert message("roots://host//x.root").endswith("write root://, which is encrypted where the server wants it")


def test_urls_without_a_host() -> None:
    assert message("root://") == ": there is no host in this URL"
    assert message("https:///x.root") == ": there is no host in this URL"
    assert message("s3:///x.root") == ": there is no bucket in this URL"


def test_other_file_systems_of_fsspec(tmp_path: Path) -> None:
    path = write_events(tmp_path / "a.root", extends=2)
    fsspec.filesystem("memory").pipe("/test-remote/a.root", path.read_bytes())
    for url in ("memory://test-remote/a.root", f"FILE://{path}"):
        source = open_source(url, reading=QUICK)
        assert source.read(["x"], 0, 800)["x"].tolist() == [*range(400)] * 2  # type: ignore[union-attr]
        source.close()
    assert find(f"file://{tmp_path}/*.root", QUICK) == [f"file://{path}"]


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(protocol: str) -> None:
        raise ImportError(f"please install it for {protocol}") from ModuleNotFoundError(name="gcsfs.core")

    monkeypatch.setattr("fsspec.get_filesystem_class", without)
    assert message("s3://bucket/x.root") == ": to read s3://, install mlaas4hep[s3]"
    assert message("root://host//x.root") == ": to read root://, install mlaas4hep[xrootd]"
    assert message("gs://bucket/x.root") == ": to read gs://, install the Python package gcsfs"
    monkeypatch.setitem(__import__("sys").modules, "mlaas4hep.sources.remote.http", None)
    assert message("https://host/x.root") == ": to read https://, install mlaas4hep[http]"


def test_a_protocol_that_cannot_list(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.data import DataFileSystem

    assert DataFileSystem.protocol == "data"
    with pytest.raises(SourceError, match=r"data:// cannot list files; name each of them"):
        find("data://folder/*.root", QUICK)


def test_readings_are_checked() -> None:
    with pytest.raises(ParamsError, match="deadline"):
        Reading(deadline=0)
