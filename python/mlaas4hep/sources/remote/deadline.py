"""Work that is given up when it takes too long."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Thread
from typing import Any, TypeVar

__all__ = ["Closed", "Late", "begin", "within"]

Result = TypeVar("Result")


class Late(Exception):
    """The work took longer than its deadline."""


class Closed(Exception):
    """Nobody wants the result any more."""


def begin(work: Callable[[], Result]) -> "Future[Result]":
    """Begin work in a thread that does not keep the process from ending."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    Thread(target=run, name="mlaas4hep-remote", daemon=True).start()
    return future


def within(seconds: float, work: Callable[[], Result], closing: "Future[Any]") -> Result:
    """Return what the work gives.

    After so many seconds it is abandoned with ``Late``, and with ``Closed`` as soon as ``closing`` is done: the thread
    goes on for as long as it hangs, and its result is dropped.

    >>> within(5, lambda: 6 * 7, Future())
    42
    """
    if closing.done():
        raise Closed
    task = begin(work)
    wait([task, closing], seconds, FIRST_COMPLETED)
    if task.done():
        return task.result()
    raise Closed if closing.done() else Late
