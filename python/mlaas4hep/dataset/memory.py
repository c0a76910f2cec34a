"""How many events a chunk may hold within a budget of memory, and whether all files can be open at once.

What a pass needs is told by a model: it follows from the specs, the files and the budget alone, so that the same
chunks come on every machine.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from mlaas4hep.bytesize import bytes_text
from mlaas4hep.dataset.events import CUT, Events
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.found import Found
from mlaas4hep.errors import ParamsError, SourceError, note
from mlaas4hep.plan import Plan
from mlaas4hep.sources import Reading, TreeInfo, list_trees
from mlaas4hep.sources.clusters import most_bytes
from mlaas4hep.sources.memory import MOST_REMEMBERED
from mlaas4hep.specs import Specs

__all__ = ["Fit", "Model", "event_bytes", "piece_entries", "pieces_of"]

CHUNKS = 3
"""Chunks that are there at once: the loop's, one that is made, and one more where the loop lets go of its own late."""

BASE = 2**27
"""What is needed whatever is read: libraries at work, threads, what the allocator does not give back."""

FILE = 2**19
"""What is remembered of a file besides its events."""

ORDER = 40
"""What an event of a chunk takes while it is told which row is its own."""

LEAST = 1000
"""Events of the smallest chunk that is worth its while."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Chunks that fit: their events, and up to how many files are open at a time."""

    size: int
    max_open: int


@dataclass(frozen=True, slots=True)
class Model:
    """What a pass over a part takes in memory.

    ``pieces`` has for each file, by its number, the bytes of the columns of its largest piece (basket, row group),
    0 where the columns are mapped from a cache.
    """

    plan: Plan
    found: Found
    part: int | None
    seed: int
    pieces: Mapping[int, int]

    @property
    def row(self) -> int:
        """Bytes for each event of a chunk."""
        each = {**self.plan.fields, **self.found.fields}.values()
        return ORDER + CHUNKS * sum(np.dtype(dtype).itemsize * int(np.prod(shape, dtype=int)) for dtype, shape in each)

    def streams(self, max_open: int) -> list[list[Events]]:
        """Return the files that are read beside each other, and those that are read behind each other."""
        return self.found.streams(self.part, max_open, self.seed)

    def fixed(self, streams: Sequence[Sequence[Events]]) -> int:
        """Return the bytes that a pass in such streams takes besides its chunks.

        Each has a decoded cluster, the piece that it ends in, and one byte for each event of the file; one more is
        being read, compressed and decompressed.
        """
        largest = [max((self.pieces[events.number] for events in stream), default=0) for stream in streams]
        open_ = [most_bytes(piece, len(streams)) + piece for piece in largest]
        masks = sum(max((len(events.parts) for events in stream), default=0) for stream in streams)
        return BASE + self._known() + masks + sum(open_) + 2 * max(open_, default=0)

    def fit(self, budget: int, max_open: int) -> Fit:
        """Return what chunks fit into so many bytes; ``ParamsError`` says what the smallest possible budget is.

        All files are open where that leaves half of the budget to the chunks; otherwise those of a label are read one
        after the other.
        """
        events = max(1, sum(int(np.count_nonzero(one.wanted(self.part))) for one in self.found.events))
        together, chained = self.streams(max_open), self.streams(1)
        fixed, less = self.fixed(together), self.fixed(chained)
        chains = less < fixed and fixed > budget // 2
        size, least = (budget - (less if chains else fixed)) // self.row, min(LEAST, events)
        if size < least:
            smallest = bytes_text(1.01 * (min(fixed, less) + least * self.row))
            raise ParamsError(
                f"memory is {bytes_text(budget)}; the smallest possible is {smallest}: {bytes_text(min(fixed, less))} "
                f"to read, and {bytes_text(self.row)} for each of at least {least} events of a chunk"
            )
        if chains:
            note(
                f"{len(together)} files that are open at a time need {bytes_text(fixed)}, more than half of the memory "
                f"of {bytes_text(budget)}: files are read one after the other (those of each label by themselves), so "
                "a chunk does not hold events of every file"
            )
        return Fit(min(size, events), 1 if chains else max_open)

    def _known(self) -> int:
        """Bytes of what is known of all files and their events."""
        return min(MOST_REMEMBERED, FILE * len(self.found.events)) + sum(
            value.nbytes
            for events in self.found.events
            for value in (getattr(events, name) for name in events.__slots__)
            if isinstance(value, np.ndarray)
        )


def pieces_of(files: Iterable[File], found: Found, specs: Specs, plan: Plan, reading: Reading) -> dict[int, int]:
    """Return for each file, by its number, what the columns of its largest piece (basket, row group) take."""
    names, pieces = [*plan.reads, *plan.cut_reads], {}
    each = event_bytes(specs, names, sum(int(np.count_nonzero(events.parts < CUT)) for events in found.events))
    for file in files:
        entries = 0
        with suppress(SourceError):  # what cannot be read the pass finds out, too
            trees = list_trees(file.input.path, reading)
            entries = max(piece_entries(tree, names) for tree in trees if tree.name == file.tree)
        pieces[file.input.number] = round(each * min(entries, file.used))
    return pieces


def event_bytes(specs: Specs, columns: Iterable[str], events: int) -> float:
    """Return what the columns of an event take in memory, on average over the events of specs.

    Of a branch that only formulas read nothing but its kind and type is known: its lists are as long as others.
    """
    kinds = {name: "jagged" for name in specs.jkeys} | {name: "flat" for name in specs.fkeys}
    branches = specs.reads | {name: (kinds[name], specs.types[name]) for name in kinds}
    lengths = {name: float(specs.jdim[name]) for name in specs.jkeys}
    for name in specs.jkeys:
        if name in specs.counts and events:
            lengths[name] = specs.counts[name]["values"] / events
    longest = max(lengths.values(), default=1.0)
    total = 0.0
    for name in columns:
        kind, type_ = branches.get(name, ("flat", "float64"))
        size = np.dtype(type_).itemsize
        total += size if kind == "flat" else 8 + size * lengths.get(name, longest)
    return total


def piece_entries(tree: TreeInfo, columns: Iterable[str]) -> int:
    """Return how many entries the largest piece of some columns has, about; 0 where the format does not tell."""
    pieces = [tree.storage[name].pieces for name in columns if name in tree.storage]
    fewest = min((number for number in pieces if number), default=0)
    return -(-tree.entries // fewest) if fewest else 0
