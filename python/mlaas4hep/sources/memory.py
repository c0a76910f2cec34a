"""What is known of the trees of files that were not changed since."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Memory"]

Known = TypeVar("Known")

MOST_KEPT = 256
"""Trees that are remembered, each by its name and as the only one: those of as many files as are open at a time."""


class Memory(Generic[Known]):
    """What is known, by keys that tell when a file is another; what was used last is kept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._trees: OrderedDict[object, Known] = OrderedDict()

    def get(self, key: object) -> Known | None:
        """Return what is known under a key."""
        with self._lock:
            found = self._trees.pop(key, None)
            if found is not None:
                self._trees[key] = found
            return found

    def put(self, key: object, known: Known) -> None:
        """Keep it."""
        with self._lock:
            self._trees[key] = known
            while len(self._trees) > MOST_KEPT:
                self._trees.popitem(last=False)
