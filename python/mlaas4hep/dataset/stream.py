"""A pass over the files of one stream: their clusters in order, and from them the events that are wanted."""

import os
from collections.abc import Generator, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import keep_all
from mlaas4hep.dataset.buffers import Target
from mlaas4hep.dataset.events import Events
from mlaas4hep.dataset.means import Means
from mlaas4hep.errors import ColumnError, ExpressionError, ReadError, SourceError
from mlaas4hep.plan import Flat, Plan
from mlaas4hep.sources import Reading, Source, Turn, open_source

if TYPE_CHECKING:
    from mlaas4hep.dataset.cache.kept import Kept

__all__ = ["Stream", "open_again"]


def open_again(path: str, tree: str, entries: int, state: object, threads: int, reading: Reading) -> Source:
    """Open a file whose schema was read before; it must be as it was then."""
    source = open_source(path, tree, threads=threads, reading=reading)
    if source.state == state:
        return source
    source.close()
    what = "it was written again since it was opened first; start anew"
    if source.entries != entries:
        what = f"it has {source.entries} entries now and had {entries} before"
    raise ReadError(f"{path}: the file changed: {what}")


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """A decoded cluster: its columns as its plan holds them, the entries of its events, and which are wanted.

    Without columns these are events that are lost.
    """

    events: Events
    entries: NDArray[np.int64]
    wanted: NDArray[np.int64]
    columns: _rust.Held | None
    plan: Plan


class Stream:
    """The wanted events of one file, or of a chain of files, in order.

    At any time one file is open and one cluster decoded, which is kept until a chunk has used its last event; the one
    behind it is decoded in the thread of ``reader`` as soon as it is known that the chunk at work needs it. ``turn``
    says which of the streams that are read beside each other this is. Of the wanted events it gives those from
    ``start`` to ``stop``; a cluster that holds no others is not read.
    """

    def __init__(
        self,
        files: Sequence[Events],
        part: int | None,
        means: Means,
        reader: Executor,
        turn: Turn,
        start: int,
        stop: int,
    ) -> None:
        self._plan, self._threads, self._watch = means.plan, means.threads, means.watch
        self._part, self._turn = part, turn
        self._bad, self._tally, self._cached = means.bad, means.tally, means.cached
        self._clusters = self._read(files, start, stop)
        self._cluster: Cluster | None = None
        self._done = 0
        self._reader = reader
        self._coming: Future[Cluster | None] | None = None
        self._owner = os.getpid()

    def prepare(self, events: int) -> None:
        """Begin to read the next cluster, if so many events are more than what is left of this one."""
        left = len(self._cluster.wanted) - self._done if self._cluster else 0
        if events > left and self._coming is None:
            self._coming = self._reader.submit(next, self._clusters, None)

    def fill(self, rows: NDArray[np.int64], target: Target) -> NDArray[np.int64]:
        """Put the next events into these rows, one each; return the rows whose events are lost."""
        lost = [rows[:0]]
        while len(rows):
            if self._cluster is None:
                self._cluster, self._done = self._next(), 0
            assert self._cluster is not None  # a schedule asks for as many events as there are
            self.prepare(len(rows))
            wanted = self._cluster.wanted[self._done : self._done + len(rows)]
            if self._cluster.columns is None:
                lost.append(rows[: len(wanted)])
                self._tally.lose(self._cluster.events.number, len(wanted))
            else:
                self._place(self._cluster, self._cluster.columns, wanted, rows[: len(wanted)], target)
            self._done, rows = self._done + len(wanted), rows[len(wanted) :]
            if self._done == len(self._cluster.wanted):
                self._cluster = None
        return np.concatenate(lost)

    def close(self) -> None:
        """Close the file that is open, but in a forked process, which has no thread that reads."""
        if os.getpid() != self._owner:
            return
        if self._coming is not None:
            wait([self._coming])
        self._clusters.close()

    def _next(self) -> Cluster | None:
        """The next cluster, read by now or waited for; None at the end of the stream."""
        self.prepare(1)
        assert self._coming is not None
        coming, self._coming = self._coming, None
        return coming.result()

    def _place(
        self,
        cluster: Cluster,
        columns: _rust.Held,
        wanted: NDArray[np.int64],
        rows: NDArray[np.int64],
        target: Target,
    ) -> None:
        """Flatten events, given by their positions in the cluster, into rows."""
        events = cluster.events
        with self._watch.timed("flattening"):
            first, stop = int(wanted[0]), int(wanted[-1]) + 1
            places = np.full(stop - first, -1, np.int64)
            places[wanted - first] = rows
            flat = self._flatten(cluster, columns, first, places, target)
            self._watch.count(flat.truncated, flat.missing)
            events.fill(target, rows, cluster.entries[wanted])

    def _flatten(
        self, cluster: Cluster, columns: _rust.Held, first: int, places: NDArray[np.int64], target: Target
    ) -> Flat:
        """Flatten events from a position in the cluster on."""
        out, entries = self._plan.out(target), cluster.entries[first : first + len(places)]
        try:
            return cluster.plan.place(columns, places, out, threads=self._threads, entries=entries, start=first)
        except (ColumnError, ExpressionError) as error:
            raise type(error)(f"{cluster.events.path}: {error}") from None

    def _read(self, files: Sequence[Events], start: int, stop: int) -> Generator[Cluster]:
        """Yield every cluster that has wanted events. Lost events keep their places, so that others stay in theirs."""
        for events in files:
            here, done = int(np.count_nonzero(events.scheduled(self._part))), 0
            wanted = events.scheduled_between(self._part, max(0, start), max(0, min(stop, here)))
            start, stop = start - here, stop - here
            if not wanted.any():
                continue
            try:
                for cluster, behind in self._clusters_of(events, wanted):
                    yield cluster
                    done = behind
                    del cluster  # before the next one is read
            except SourceError as error:
                lost = done + np.flatnonzero(wanted[done:])
                self._lose(events, lost, error)
                yield Cluster(events, lost, np.arange(len(lost)), None, self._plan)

    def _lose(self, events: Events, lost: NDArray[np.int64], error: SourceError) -> None:
        """Take note of events that cannot be read, or raise the error; a pass before may have said so."""
        if not self._bad.skip:
            raise error
        if new := events.lose(lost):
            self._bad.add(events.name, error, new)

    def _clusters_of(self, events: Events, wanted: NDArray[np.bool_]) -> Generator[tuple[Cluster, int]]:
        """Yield the clusters of one file, each with the entry behind its last one."""
        kept = self._cached.open(events.number) if self._cached else None
        if self._cached and kept:
            yield from self._kept_clusters(events, wanted, kept, self._cached.plan)
            return
        with self._watch.timed("reading"):
            source = self._open(events)
        try:
            for start, stop in source.clusters(self._plan.reads, 0, len(wanted), self._turn):
                if wanted[start:stop].any():
                    with self._watch.timed("reading"):
                        cluster = self._cluster_of(events, source, start, wanted[start:stop])
                    yield cluster, stop
                    del cluster  # before the next one is read
        finally:
            self._watch.add_seconds(source.seconds)
            source.close()

    def _kept_clusters(
        self, events: Events, wanted: NDArray[np.bool_], kept: "Kept", plan: Plan
    ) -> Generator[tuple[Cluster, int]]:
        """Yield the clusters of one file as a cache has them: the new branches are there, and what was cut is not."""
        for start, stop in kept.clusters(plan.reads, len(wanted)):
            if wanted[start:stop].any():
                with self._watch.timed("reading"):
                    columns, entries = kept.read(plan.reads, start, stop, new=True)
                    held = plan.hold(columns)
                yield Cluster(events, entries, np.flatnonzero(wanted[entries]), held, plan), stop

    def _open(self, events: Events) -> Source:
        return open_again(events.path, events.tree, events.entries, events.state, self._threads, events.reading)

    def _cluster_of(self, events: Events, source: Source, start: int, wanted: NDArray[np.bool_]) -> Cluster:
        """Read a cluster; after cuts only the events that are wanted are kept of it."""
        columns = dict(source.read(self._plan.reads, start, start + len(wanted)))
        positions = np.flatnonzero(wanted)
        if not self._plan.cuts:
            return Cluster(
                events, np.arange(start, start + len(wanted)), positions, self._plan.hold(columns), self._plan
            )
        held = self._plan.hold(keep_all(columns, wanted))
        return Cluster(events, start + positions, np.arange(len(positions)), held, self._plan)
