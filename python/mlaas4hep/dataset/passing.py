"""Passes over a dataset: its events as chunks, and what they cost."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import closing
from copy import copy
from time import perf_counter
from typing import Self

from mlaas4hep.bytesize import parse_bytes
from mlaas4hep.dataset.checks import part_number, shard_of, whole, window_of
from mlaas4hep.dataset.chunk import Chunk
from mlaas4hep.dataset.firstpass import FirstPass
from mlaas4hep.dataset.found import Found
from mlaas4hep.dataset.means import Asked, Means
from mlaas4hep.dataset.memory import Model
from mlaas4hep.dataset.passes import empty, windows_of
from mlaas4hep.dataset.pieces import Window, pieces_of
from mlaas4hep.dataset.readahead import read_ahead
from mlaas4hep.dataset.tally import Tally
from mlaas4hep.dataset.watch import Watch
from mlaas4hep.errors import ParamsError, note
from mlaas4hep.plan import Plan

__all__ = ["Passes"]


class Passes(ABC):
    """What goes over the events of a dataset, once it is known which there are."""

    _first_pass: FirstPass
    _watches: list[Watch]
    _tallies: list[Tally]
    _told: set[int | None]
    _max_open: int
    _seed: int
    _threads: int

    @property
    @abstractmethod
    def plan(self) -> Plan:
        """The plan that every chunk is made with."""

    @property
    @abstractmethod
    def _found(self) -> Found:
        """The events."""

    def arrays(self, part: str | None = None) -> Chunk:
        """Return all events of a part at once, in the order of mixing.

        Raises
        ------
        ParamsError
            There is no part of this name.
        ReadError
            A file is corrupt; the message names file, branch and entries.

        Examples
        --------
        >>> import mlaas4hep
        >>> from importlib.resources import files
        >>> sample = files("mlaas4hep") / "sample"
        >>> dataset = mlaas4hep.Dataset([f"{sample}/ttH.root", f"{sample}/ttbar.root"], labels=[1, 0])
        >>> test = dataset.arrays("test")
        >>> len(test.data) == len(test.labels) == dataset.count("test")
        True
        """
        found = list(self.pieces(Asked(-1, part_number(part), 0, 0, -1, 0)))
        return found[0] if found else self.no_events()

    def no_events(self) -> Chunk:
        """Return a chunk without events, which tells what arrays chunks have, and of what types and shapes."""
        nothing = Asked(-1, None, 0, 0, -1, 0)
        return empty(self._means(nothing, Watch())).chunk()

    @property
    def last_pass(self) -> Watch:
        """Where the time of the last pass over chunks goes, or went."""
        return self._watches[-1]

    @property
    def spent(self) -> Watch:
        """The same, and what was counted, of all passes together, the first one too."""
        total = Watch()
        for watch in self._watches:
            total.add(watch)
        return total

    def within(self, memory: int | str, part: str | None = None) -> tuple[Self, int]:
        """Return this dataset with as many files open as a budget of memory allows, and how large its chunks may be.

        Parameters
        ----------
        memory
            What reading and flattening may take, a number of bytes or a text as ``"2 GB"``: chunks are as large as
            fits, and where too little is left for them by files that are open together, those of one label are read
            one after the other, which is said. It depends on files and specs alone, not on the machine or a cache;
            what is mapped from a cache is not counted.
        part
            The part whose chunks these are.

        Raises
        ------
        ParamsError
            The budget is none, or below the smallest possible, which the message tells.

        Examples
        --------
        >>> import mlaas4hep
        >>> from importlib.resources import files
        >>> dataset = mlaas4hep.Dataset(files("mlaas4hep") / "sample" / "ttH.root", select=["met", "jetPt"])
        >>> dataset, size = dataset.within("1 GB")
        >>> size
        4000
        """
        model = Model(self.plan, self._found, part_number(part), self._seed, self._first_pass.pieces(self.plan))
        fit, other = model.fit(parse_bytes("memory", memory), self._max_open), copy(self)
        other._max_open = fit.max_open
        return other, fit.size

    def chunks(
        self,
        size: int | None = None,
        part: str | None = None,
        *,
        memory: int | str | None = None,
        epoch: int = 0,
        shuffle: bool | int = True,
        skip: int = 0,
        shard: tuple[int, int] | None = None,
    ) -> Generator[Chunk]:
        """Make a pass over a part, in chunks; the next one is prepared in the background.

        Every chunk takes its share of events of each file, and every event comes once. The order is the same for
        any number of threads; leaving the loop early ends the pass. Events of files that are skipped are missing in
        the chunks that they belong to, of which some may be empty then.

        Parameters
        ----------
        size
            Events of a chunk, the last one may be smaller; -1: one chunk with everything.
        part
            ``"train"``, ``"validation"``, ``"test"``, or None for all events.
        memory
            In place of a size what reading and flattening may take in memory, as for :meth:`within`.
        epoch
            With the seed it decides the order within chunks.
        shuffle
            True shuffles within chunks, False keeps the order of mixing. A whole number n shuffles n neighbouring
            chunks together, as one of n times the size; up to two times n chunks are in memory then.
        skip
            So many chunks are left out at the beginning, without being read or flattened: an interrupted pass goes on
            where it was, with the same bits. There may be fewer: then nothing comes.
        shard
            ``(rank, world)``: of ``world`` readers this one is number ``rank``, from 0, and gets its own contiguous
            range of each file's events. The readers' events are disjoint and complete, their numbers differ by at most
            one, and all get the same number of chunks: the last is empty where there are fewer events than chunks.

        Raises
        ------
        ParamsError
            An argument is wrong.
        ReadError
            A file is corrupt; the message names file, branch and entries.
        """
        window = window_of(shuffle)
        if (size is None) == (memory is None):
            raise ParamsError("chunks: give either their size or a budget of memory")
        if memory is not None:
            dataset, most = self.within(memory, part)
            size = max(1, most // max(1, window))
            return dataset.chunks(size, part, epoch=epoch, shuffle=shuffle, skip=skip, shard=shard)
        size = -1 if size == -1 else whole("chunk size", size, 1, 2**48)
        epoch = whole("epoch", epoch, 0, 2**63)
        skip = whole("skip", skip, 0, 2**62)
        return self.pieces(Asked(size, part_number(part), epoch, window, size, skip, shard_of(shard)))

    def pieces(self, asked: Asked) -> Generator[Chunk]:
        """Hand out the pieces of what a background thread prepares, and watch the time."""
        watch = Watch()
        self._watches.append(watch)
        tallies: list[Tally] = []  # one, from when the pass is scheduled
        begin = perf_counter()
        try:
            with closing(read_ahead(self._prepare(asked, watch, tallies))) as windows:
                for chunk in pieces_of(windows, asked.piece, asked.skip, asked.full):
                    watch.waiting += perf_counter() - begin
                    watch.events += len(chunk.data)
                    tallies[0].deliver(chunk.file)
                    yield chunk
                    begin = perf_counter()
            tallies[0].check()
        finally:
            for tally in tallies:
                tally.end()
        if watch.truncated and asked.part not in self._told:
            self._told.add(asked.part)  # other passes over the part would say nearly the same
            cut = ", ".join(f"{number} of {name}" for name, number in watch.truncated.items())
            where = " (in what was left of the pass)" if asked.skip else ""
            note(f"values were cut off, because lists are longer than their width: {cut}{where}")

    def _prepare(self, asked: Asked, watch: Watch, tallies: list[Tally]) -> Generator[Window]:
        """Prepare windows, in the background; the plan is compiled there too, since that may take a scan."""
        means = self._means(asked, watch)
        tallies.append(means.tally)
        self._tallies.append(means.tally)
        yield from windows_of(asked, means)

    def _means(self, asked: Asked, watch: Watch) -> Means:
        """What a pass is made with."""
        plan, found, bad = self.plan, self._found, self._first_pass.bad
        tally, cached = Tally(asked.part, found.events), self._first_pass.cached(plan)
        return Means(plan, found, self._max_open, self._seed, self._threads, bad, watch, tally, cached)
