"""Locks: one process at a time, however the one before ended."""

import errno
import os
import signal
from pathlib import Path

import pytest
from mlaas4hep import lock as module
from mlaas4hep.errors import Note, OutputError
from mlaas4hep.lock import Lock


def test_a_lock_keeps_others_out_until_it_is_given_back(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "out"), Lock(tmp_path / "out")
    first.take()
    assert first.held
    with pytest.raises(OutputError, match=rf"out: another process \({os.getpid()} on .*\) is writing there; wait"):
        second.take()
    assert not second.held
    Lock(tmp_path / "other").take()
    first.give_back()
    second.take()
    second.give_back()
    assert [path.name for path in tmp_path.iterdir()] == [".other.lock"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_killed_process_holds_nobody_up(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        Lock(tmp_path / "out").take()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / ".out.lock").read_text().startswith(f"mlaas4hep {child} on ")
    lock = Lock(tmp_path / "out")
    lock.take()
    assert (tmp_path / ".out.lock").read_text().startswith(f"mlaas4hep {os.getpid()} on ")
    lock.give_back()


def test_a_file_that_is_removed_just_then_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, inner, calls = Lock(tmp_path / "out"), module._lock, list[int]()

    def slow(number: int) -> None:
        inner(number)
        calls.append(number)
        if len(calls) == 1:
            (tmp_path / ".out.lock").unlink()

    monkeypatch.setattr(module, "_lock", slow)
    lock.take()
    assert len(calls) == 2
    assert (tmp_path / ".out.lock").exists()
    lock.give_back()


def test_a_file_of_its_name_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / ".out.lock").write_text("mine")
    with pytest.raises(OutputError, match=r"\.out\.lock: exists and is not ours, but has the name of the lock of"):
        Lock(tmp_path / "out").take()
    assert (tmp_path / ".out.lock").read_text() == "mine"


def test_a_link_of_its_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".out.lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match=r"\.out\.lock"):
        Lock(tmp_path / "out").take()
    assert not (tmp_path / "mine").exists()


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(number: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module, "_lock", none)
    lock = Lock(tmp_path / "out")
    with pytest.warns(Note, match="out: its file system knows no locks; take care that no other process writes there"):
        lock.take()
    lock.give_back()
    assert not list(tmp_path.iterdir())
