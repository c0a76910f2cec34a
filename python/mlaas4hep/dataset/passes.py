"""A pass over windows: which events of which files go to which rows, filled one window after the other."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice, pairwise

import numpy as np

from mlaas4hep import _rust
from mlaas4hep.dataset.buffers import Buffers
from mlaas4hep.dataset.means import Asked, Means
from mlaas4hep.dataset.pieces import Share, Window
from mlaas4hep.dataset.readahead import OURS
from mlaas4hep.dataset.stream import Stream
from mlaas4hep.sources import Turn

__all__ = ["empty", "windows_of"]


def windows_of(asked: Asked, means: Means) -> Generator[Window]:
    """Prepare window after window; at least one comes, which has no events where there are none."""
    found, part = means.found, asked.part
    groups = found.streams(part, means.max_open, means.seed)
    counts = [sum(int(np.count_nonzero(events.scheduled(part))) for events in group) for group in groups]
    ranges = _rust.shard(counts, *asked.shard)
    share = Share(sum(stop - start for start, stop in ranges), sum(counts), asked.shard[1])
    size = min(share.size(asked.size) * max(1, asked.window), share.size(-1))
    schedule = _rust.Schedule([stop - start for start, stop in ranges], size, means.seed, asked.epoch, asked.window > 0)
    done = _skip(schedule, share.limit(asked.skip, asked.piece, asked.full) // size, len(counts))
    position = sum(done)
    means.tally.schedule(groups, ranges, done)
    buffers = _buffers(min(size, share.events - position), means)
    if position == share.events:
        yield Window(buffers.target(0), np.zeros(0, np.int64), position, share, means.plan)
    with ThreadPoolExecutor(1, OURS + "read") as reader, ExitStack() as stack:
        streams = [
            Stream(group, part, means, reader, Turn(number, len(groups)), start + skipped, stop)
            for number, (group, (start, stop), skipped) in enumerate(zip(groups, ranges, done, strict=True), 1)
        ]
        for stream in streams:
            stack.callback(stream.close)
        for takes in schedule:
            rows = sum(len(take[3]) for take in takes)
            target, lost = buffers.target(rows), []
            for (number, _, _, places), (following, _, _, further) in pairwise([*takes, takes[-1]]):
                streams[following].prepare(len(further))  # reads while this one is flattened
                lost.append(streams[number].fill(places, target))
            window = Window(target, np.sort(np.concatenate(lost)), position, share, means.plan)
            means.tally.leave(window.outside(asked.piece, asked.skip, asked.full))
            yield window
            position += rows
            del target, window  # so that its arrays can be used again


def empty(means: Means) -> Window:
    """Return a window without events."""
    return Window(_buffers(0, means).target(0), np.zeros(0, np.int64), 0, Share(0, 0, 1), means.plan)


def _buffers(rows: int, means: Means) -> Buffers:
    """The arrays of windows of up to so many events."""
    return Buffers(rows, {**means.plan.fields, **means.found.fields})


def _skip(schedule: _rust.Schedule, windows: int, streams: int) -> list[int]:
    """Go over the first windows of a schedule, and return how many events of each stream they hold."""
    done = [0] * streams
    for takes in islice(schedule, windows):
        for number, _, stop, _ in takes:
            done[number] = stop
    return done
