"""Work that hangs is given up."""

import threading
from concurrent.futures import Future

import pytest
from mlaas4hep.sources.remote.deadline import Closed, Late, within


def test_what_is_done_in_time_comes() -> None:
    assert within(5, lambda: 7, Future()) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0, Future())


def test_what_takes_too_long_is_late() -> None:
    free = threading.Event()
    with pytest.raises(Late):
        within(0.05, lambda: free.wait(5), Future())
    (left,) = [thread for thread in threading.enumerate() if thread.name == "mlaas4hep-remote"]
    assert left.daemon
    free.set()
    left.join(5)


def test_nothing_is_waited_for_after_a_close() -> None:
    closing: Future[None] = Future()
    free = threading.Event()
    threading.Timer(0.05, lambda: closing.set_result(None)).start()
    with pytest.raises(Closed):
        within(50, lambda: free.wait(5), closing)
    free.set()
    with pytest.raises(Closed):
        within(50, lambda: pytest.fail("nothing is begun"), closing)
