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
    """What a pass goes over, and in which order; see ``Dataset.chunks``.

    ``part`` is a number, None for all parts. ``window`` is how many chunks of ``size`` events are permuted together,
    0 where nothing is. The pass is cut into pieces of ``piece`` events, of which the first ``skip`` are left out, and
    with ``full`` those that are smaller.
    """

    size: int
    part: int | None
    epoch: int
    window: int
    piece: int
    skip: int
    shard: tuple[int, int] = (0, 1)
    full: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """What a pass is made with: up to ``max_open`` files are read beside each other, ``seed`` decides the order."""

    plan: Plan
    found: Found
    max_open: int
    seed: int
    threads: int
    bad: BadFiles
    watch: Watch
    tally: Tally
    cached: Cached | None = None
