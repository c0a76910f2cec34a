"""What a pass goes over, and what it is made with."""

from dataclasses import dataclass

from mlaas4hep.dataset.badfiles import BadFiles
from mlaas4hep.dataset.cache import Cached
from mlaas4hep.dataset.found import Found
from mlaas4hep.dataset.tally import Tally
from mlaas4hep.dataset.watch import Watch
from mlaas4hep.plan import Plan

__all__ = ["Asked", "Means"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a pass goes over, and in which order; see ``Dataset.chunks``. ``part`` is a number, None for all parts.

    Up to ``max_open`` files are read beside each other.
    """

    size: int
    part: int | None
    epoch: int
    shuffle: bool
    skip: int
    max_open: int


@dataclass(frozen=True, slots=True)
class Means:
    """What a pass is made with; ``seed`` decides the order."""

    plan: Plan
    found: Found
    seed: int
    threads: int
    bad: BadFiles
    watch: Watch
    tally: Tally
    cached: Cached | None = None
