"""What is known of the trees of files that were not changed since."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["MOST_REMEMBERED", "Memory"]

Known = TypeVar("Known")

MOST_REMEMBERED = 2**28
"""Bytes of all that a memory holds together."""

USUAL = 2**20
"""Bytes of what is known of a tree, where nobody knows it better: 256 are remembered."""


class Memory(Generic[Known]):
    """What is known, by keys that tell when a file is another; what was used last is kept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._trees: OrderedDict[object, tuple[Known, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: object) -> Known | None:
        """Return what is known under a key."""
        with self._lock:
            found = self._trees.get(key)
            if found is None:
                return None
            self._trees.move_to_end(key)
            return found[0]

    def put(self, key: object, known: Known, size: int = USUAL) -> None:
        """Keep it, which takes about so many bytes."""
        with self._lock:
            self._bytes += size - self._trees.pop(key, (known, 0))[1]
            self._trees[key] = known, size
            while self._bytes > MOST_REMEMBERED:
                self._bytes -= self._trees.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._trees.clear()
            self._bytes = 0
