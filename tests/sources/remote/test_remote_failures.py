"""Servers that die, hang and come back in the middle of a pass."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from signal import SIGCONT, SIGSTOP

import mlaas4hep as m
import numpy as np
import pytest
from mlaas4hep.errors import ReadError, SourceError
from mlaas4hep.sources import Reading, find, open_source
from numpy.typing import NDArray

from tests.servers import Server

PATIENT = Reading(deadline=2, tries=6, pause=0.1)
HASTY = Reading(deadline=1, tries=2, pause=0.1)

pytestmark = pytest.mark.usefixtures("small_clusters")


def in_pass(server: Server, reading: Reading, happens: Callable[[], None]) -> Iterator[NDArray[np.float32]]:
    """The matrices of a pass over a remote file, in which something happens after the first chunk."""
    dataset = m.Dataset(server.url("events.root"), exclude="text", reading=reading)
    chunks = dataset.chunks(400, shuffle=False)
    yield next(chunks).data
    happens()
    for chunk in chunks:
        yield chunk.data


def assert_whole(server: Server, found: Iterator[NDArray[np.float32]]) -> None:
    wanted = m.Dataset(str(server.folder / "events.root"), exclude="text").chunks(400, shuffle=False)
    for data, chunk in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(data, chunk.data)


def assert_ends(found: Iterator[NDArray[np.float32]], cause: str) -> None:
    """The pass ends with an error that says where and why."""
    with pytest.raises(ReadError, match=rf"events\.root: branches 'x', 'y', 'z', entries \d+ to \d+: {cause}"):
        list(found)


def later(seconds: float, work: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()


def test_killed_and_started_again(fragile: Server) -> None:
    def restart() -> None:
        fragile.kill()
        later(0.4, fragile.start)

    assert_whole(fragile, in_pass(fragile, PATIENT, restart))


def test_killed_for_good(fragile: Server) -> None:
    refused = r"the (server refuses the connection|connection was lost).* \(tried 2 times\)"
    assert_ends(in_pass(fragile, HASTY, fragile.kill), refused)


def test_stopped_and_continued(fragile: Server) -> None:
    def pause() -> None:
        fragile.signal(SIGSTOP)
        later(2.5, lambda: fragile.signal(SIGCONT))

    assert_whole(fragile, in_pass(fragile, PATIENT, pause))


def test_stopped_for_good(fragile: Server) -> None:
    silence = r"the server does not answer within 1 s \(tried 2 times\)"
    assert_ends(in_pass(fragile, HASTY, lambda: fragile.signal(SIGSTOP)), silence)


def test_a_replacement_in_the_middle_of_a_pass(fragile: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlaas4hep.sources.remote.remotefile.LOOK", 0.0)

    def replace() -> None:
        path, other = fragile.folder / "events.root", fragile.folder / "other.root"
        other.write_bytes(path.read_bytes() + b"more")
        other.replace(path)

    assert_ends(in_pass(fragile, HASTY, replace), "the file changed while it was read: it has")


def test_the_first_pass_meets_a_killed_server(fragile: Server) -> None:
    dataset = m.Dataset(fragile.url("events.root"), exclude="text", reading=HASTY)
    dataset.on_events = lambda events: fragile.kill()
    with pytest.raises(ReadError, match=r"entries .* the (server refuses the connection|connection was lost)"):
        dataset.specs()


def test_opened_again_after_the_server_was_away(fragile: Server) -> None:
    url = fragile.url("events.root")
    open_source(url, reading=HASTY).close()
    fragile.kill()
    with pytest.raises(SourceError, match="cannot be opened: the server refuses"):
        open_source(url, reading=HASTY)
    with pytest.raises(SourceError, match="cannot be listed: the server refuses"):
        find(fragile.url("*.root"), HASTY)
    fragile.start()
    open_source(url, reading=HASTY).close()


def test_leaving_a_pass_does_not_wait_for_a_server(fragile: Server) -> None:
    source = open_source(fragile.url("events.root"), reading=Reading(deadline=100))
    first, *_ = source.clusters(["x", "y"], 0, source.entries)
    fragile.signal(SIGSTOP)
    threading.Timer(0.2, source.close).start()
    with pytest.raises(ReadError, match=r"branches 'x', 'y', entries 0 to .*: the file is closed"):
        source.read(["x", "y"], *first)


def test_a_process_ends_though_a_server_hangs(fragile: Server) -> None:
    program = (
        "import sys, os, signal, mlaas4hep as m\n"
        "from mlaas4hep.sources import open_source, Reading\n"
        "source = open_source(sys.argv[1], reading=Reading(deadline=1, tries=2, pause=0.1))\n"
        "os.kill(int(sys.argv[2]), signal.SIGSTOP)\n"
        "try:\n"
        "    source.read(['x', 'text'], 0, source.entries)\n"
        "except m.errors.ReadError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program, fragile.url("events.root"), str(fragile.process)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "does not answer within 1 s" in ended.stdout
