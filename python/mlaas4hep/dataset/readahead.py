"""Preparing the next item of an iterator while the caller works on this one."""

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from threading import current_thread
from typing import TypeVar

__all__ = ["OURS", "read_ahead"]

OURS = "mlaas4hep-"
"""The names of all our threads begin so."""

Item = TypeVar("Item")


def read_ahead(items: Generator[Item]) -> Generator[Item]:
    """Yield the items of a generator, each made in a background thread while the caller has the one before.

    At most one item is ready or being made at a time. An exception in the thread is raised where its item would have
    come. However the loop is left (to its end, early, by an exception, or by garbage collection), the item being made
    is waited for, the generator is closed and the thread ends.

    Examples
    --------
    >>> list(read_ahead(number**2 for number in range(4)))
    [0, 1, 4, 9]
    """
    end, owner = object(), os.getpid()
    thread = ThreadPoolExecutor(1, OURS + "read-ahead")
    coming = thread.submit(next, items, end)
    try:
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]  # next gives an item or the end
            del item
    finally:
        # Garbage is collected in any thread. One of ours must not wait for itself: it goes on, and what it makes is
        # dropped together with the generator. A forked process has none of our threads, and waits for nothing.
        waits = os.getpid() == owner and not current_thread().name.startswith(OURS)
        thread.shutdown(wait=waits, cancel_futures=True)
        if waits:
            items.close()
        del coming  # which may hold an exception, whose traceback holds this frame
