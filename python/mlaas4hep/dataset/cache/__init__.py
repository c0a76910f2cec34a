"""What the first pass has read, kept in a folder: later passes and later runs map it and only flatten.

What is here loads no library that reads or writes files: only who uses a cache needs these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.plan import Plan
from mlaas4hep.sources import Column

if TYPE_CHECKING:
    from mlaas4hep.dataset.cache.kept import Kept

__all__ = ["Cached", "Reader"]


class Reader(Protocol):
    """What reads the events of a file that pass the cuts."""

    @property
    def passed(self) -> NDArray[np.int64]:
        """How many events passed each cut and all before it, so far."""

    def clusters(self, columns: Sequence[str], stop: int) -> list[tuple[int, int]]:
        """Return ranges up to an entry, each good to be read at once."""

    def read(self, columns: Sequence[str], start: int, stop: int) -> tuple[dict[str, Column], NDArray[np.int64]]:
        """Return columns of the events of a range that pass, and the entries of these."""


@dataclass(frozen=True, slots=True)
class Cached:
    """What a pass takes from a cache: ``open`` gives what is kept of the file of a number, and ``plan`` flattens it."""

    plan: Plan
    open: "Callable[[int], Kept | None]"
