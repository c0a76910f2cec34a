"""Preparing the next item of an iterator while the caller works on this one."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["read_ahead"]

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
    end = object()
    with ThreadPoolExecutor(1, "mlaas4hep-read-ahead") as thread:
        try:
            coming = thread.submit(next, items, end)
            while (item := coming.result()) is not end:
                coming = thread.submit(next, items, end)
                yield item  # type: ignore[misc]  # next gives an item or the end
        finally:
            thread.shutdown(wait=True, cancel_futures=True)
            items.close()
