"""A pass over chunks: which events of which files go to which rows, filled one chunk after the other."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice, pairwise

import numpy as np

from mlaas4hep import _rust
from mlaas4hep.dataset.buffers import Buffers, Field
from mlaas4hep.dataset.chunk import Chunk
from mlaas4hep.dataset.means import Asked, Means
from mlaas4hep.dataset.readahead import OURS
from mlaas4hep.dataset.stream import Stream

__all__ = ["chunks_of"]


def chunks_of(asked: Asked, means: Means) -> Generator[Chunk]:
    """Prepare chunk after chunk."""
    found, part = means.found, asked.part
    groups = found.streams(part, asked.max_open, means.seed)
    counts = [sum(int(np.count_nonzero(events.wanted(part))) for events in group) for group in groups]
    size = max(1, sum(counts)) if asked.size == -1 else asked.size
    schedule = _rust.Schedule(counts, size, means.seed, asked.epoch, asked.shuffle)
    done = _skip(schedule, asked.skip, len(counts))
    means.tally.schedule(groups, done)
    width = (len(means.plan.names),)
    fields: dict[str, Field] = {"data": (np.float32, width), "padding_mask": (np.bool_, width), **found.fields}
    buffers = Buffers(min(size, sum(counts) - sum(done)), fields)
    with ThreadPoolExecutor(1, OURS + "read") as reader, ExitStack() as stack:
        streams = [
            Stream(group, part, means, reader, number, len(groups), skipped)
            for number, (group, skipped) in enumerate(zip(groups, done, strict=True), 1)
        ]
        for stream in streams:
            stack.callback(stream.close)
        for takes in schedule:
            rows = sum(len(take[3]) for take in takes)
            target, lost = buffers.target(rows), []
            for (number, _, _, places), (following, _, _, further) in pairwise([*takes, takes[-1]]):
                streams[following].prepare(len(further))  # reads while this one is flattened
                lost.append(streams[number].fill(places, target))
            means.tally.lose(sum(map(len, lost)))
            yield Chunk.of(target, np.concatenate(lost))
            del target  # so that its arrays can be used again


def _skip(schedule: _rust.Schedule, chunks: int, streams: int) -> list[int]:
    """Go over the first chunks of a schedule, and return how many events of each stream they hold."""
    done = [0] * streams
    for takes in islice(schedule, chunks):
        for number, _, stop, _ in takes:
            done[number] = stop
    return done
