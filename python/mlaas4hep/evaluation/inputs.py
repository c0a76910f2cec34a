"""Histograms of every input, original and normalised, class by class."""

import importlib.util
import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset import Chunk, Dataset
from mlaas4hep.errors import ParamsError
from mlaas4hep.export import Progress
from mlaas4hep.output import OutputFolder

__all__ = ["MOST", "Counts", "Drawn", "Sample", "check_drawing", "draw_inputs"]

INSTALL = "pip install 'mlaas4hep[hist]'"
NEEDED = ("hist", "matplotlib", "mplhep")

MOST = 1_000_000
"""Events that are drawn at most."""

BLOCK = 2**24
"""Values of the matrix that are worked on at once, about."""

SAMPLED = 5_000
"""Events of the first chunk from which axes are chosen; events of all files are in it."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn: the folder, how many events of how many, and the picture of each branch."""

    folder: str
    events: int
    of: int
    pictures: dict[str, str]


@dataclass(frozen=True, slots=True)
class Counts:
    """The filled histograms of one branch, an array of each for every class, under- and overflow at its ends.

    ``missing`` are the missing values of each class of a flat branch; of a jagged one ``missing_share`` is that of all
    classes, since in the matrix a missing value looks like padding; None where it is not known.
    """

    binning: Any
    original: list[NDArray[np.int64]]
    normalised: list[NDArray[np.int64]]
    missing: list[int]
    missing_share: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Which events were drawn: ``events`` of each class, ``of`` so many of the part."""

    part: str
    classes: Sequence[str]
    events: Sequence[int]
    of: int
    files: Sequence[str]

    @property
    def text(self) -> str:
        """Say it in a few words."""
        drawn = sum(self.events)
        some = f"{drawn:,} events" if drawn == self.of else f"the first {drawn:,} of {self.of:,} events"
        return f"{self.part}, {some}"


def check_drawing(out: str | os.PathLike[str]) -> None:
    """Raise, before any work, where the packages are not installed or the folder may not be written.

    ``ParamsError`` names the line that installs what is missing, ``OutputError`` says what is wrong with the folder.
    """
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise ParamsError(f"histograms need the package {name!r}, which is not installed: {INSTALL}")
    OutputFolder(out).check()


def draw_inputs(
    dataset: Dataset,
    out: str | os.PathLike[str],
    *,
    part: str | None = None,
    most: int = MOST,
    progress: Progress | None = None,
) -> Drawn:
    """Draw every input of a dataset, original and normalised, class by class.

    The values are those that a model gets, whatever options the dataset has: after cuts, of new branches too, all
    entries of a jagged branch together that have a place. Padding is left out. Each class is normalised to its own
    number of values.

    Parameters
    ----------
    dataset
        With labels or without.
    out
        The folder; written whole or not at all, in place of an older one of ours: a PNG for each branch, named like
        it as far as a file may be, and ``inputs.pdf`` with all of them.
    part
        ``"train"``, ``"validation"``, ``"test"``, or None for all events.
    most
        Events to draw at most: the first ones of the pass, in which all files are mixed in proportion.
    progress
        Is told how far it is.

    Raises
    ------
    ParamsError
        A package is missing, or no event is in the part.
    OutputError
        ``out`` is something else, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from importlib.resources import files
    >>> path = files("mlaas4hep") / "sample" / "ttH.root"
    >>> dataset = Dataset([str(path)], select=["met", "nJets"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw_inputs(dataset, f"{folder}/plots", most=1000)
    >>> drawn.events, drawn.of, drawn.pictures
    (1000, 4000, {'met': 'met.png', 'nJets': 'nJets.png'})
    """
    check_drawing(out)
    dataset = dataset.as_matrix()
    target = OutputFolder(out)
    with target as folder:
        total = dataset.count(part)
        if not total:
            raise ParamsError(f"there is nothing to draw: no event is in part {part!r}")
        filled = _fill(dataset, part, min(total, most), progress)
        counts = filled.counts()
        where = "all events used" if part is None else f"{part} part"
        classes = dataset.classes or ["all events"]
        sample = Sample(where, classes, filled.events, total, [str(given) for given in dataset.inputs])
        pictures = _names([found.binning.name for found in counts])
        _draw(folder, counts, sample, pictures, progress)
    return Drawn(str(target.path), sum(filled.events), total, pictures)


def _draw(
    folder: Path, counts: Sequence[Counts], sample: Sample, pictures: Mapping[str, str], progress: Progress | None
) -> None:
    from mlaas4hep.evaluation.panels import Book

    if progress:
        progress.start("drawing", len(counts))
    with Book(folder / "inputs.pdf", counts, sample) as book:
        for found in counts:
            book.draw(found, folder / pictures[found.binning.name])
            if progress:
                progress.advance(1)
    if progress:
        progress.finish()


def _fill(dataset: Dataset, part: str | None, most: int, progress: Progress | None) -> "_Filler":
    """Fill the histograms in one pass over chunks, the first of which says where the axes end; rarely in two."""
    filler: _Filler | None = None
    for chunk in _chunks(dataset, part, most, progress):
        filler = filler or _Filler(dataset, chunk)
        filler.add(chunk)
    if filler is None:
        raise ParamsError("there is nothing to draw: all events are lost with files that were skipped")
    if most == dataset.count(part):
        filler.absent = dict(dataset.last_pass.missing)
    if any(branch.coarse for branch in filler.branches):
        for number, chunk in enumerate(_chunks(dataset.unnormalised(), part, most, progress)):
            filler.add_coarse(chunk, number == 0)
    return filler


def _chunks(dataset: Dataset, part: str | None, most: int, progress: Progress | None) -> Generator[Chunk]:
    """Yield the first ``most`` events of a part in chunks; where these are all, the pass goes to its end."""
    size = max(1000, min(100_000, BLOCK // max(1, len(dataset.names))))
    left = most
    if progress:
        progress.start("histograms", most)
    with closing(dataset.chunks(min(size, most), part, shuffle=False)) as chunks:
        for chunk in chunks:
            if not len(chunk.data):  # its events are lost, with files that were skipped
                continue
            yield chunk.rows(slice(0, left))
            left -= min(left, len(chunk.data))
            if progress:
                progress.advance(len(chunk.data))
            if not left and most < dataset.count(part):
                break
    if progress:
        progress.finish()


@dataclass(slots=True)
class _Branch:
    """One branch: its columns in the matrix, and its histograms, one for each class."""

    places: slice
    binning: Any
    coarse: bool
    original: list[Any]
    normalised: list[Any]

    def sample(self, chunk: Chunk) -> NDArray[np.float32]:
        """Return some of its values in the matrix."""
        data, mask = chunk.data[:SAMPLED, self.places], chunk.padding_mask[:SAMPLED, self.places]
        return data[~mask]


class _Filler:
    """The histograms of all branches while they are filled."""

    def __init__(self, dataset: Dataset, first: Chunk) -> None:
        from mlaas4hep.evaluation.binning import without_bins
        from mlaas4hep.evaluation.scale import Scale

        self._specs, plan = dataset.specs(), dataset.plan
        scales = Scale.all_of(plan, self._specs)
        self._values = np.asarray(dataset.label_values or [0], np.int64)
        self.events = [0] * len(self._values)
        self.absent: Mapping[str, int] | None = None
        self.branches: list[_Branch] = []
        column = 0
        for name in plan.branches:
            places = slice(column, column + plan.widths.get(name, 1))
            column = places.stop
            if places.start < places.stop:
                branch = _Branch(places, without_bins(self._specs, name, scales[name]), False, [], [])
                sample = branch.binning.originals(branch.sample(first))
                branch.coarse = branch.binning.too_coarse(sample)
                self._begin(branch, sample)
                self.branches.append(branch)

    def _begin(self, branch: _Branch, sample: NDArray[np.float64]) -> None:
        """Choose the bins of a branch."""
        from mlaas4hep.evaluation.binning import choose_bins

        binning = branch.binning = choose_bins(branch.binning, sample)
        branch.original = [_histogram(binning.original) for _ in self._values]
        branch.normalised = branch.normalised or [_histogram(binning.normalised) for _ in self._values]

    def add(self, chunk: Chunk) -> None:
        """Fill in the events of a chunk."""
        for position, rows in self._classes(chunk):
            self.events[position] += len(rows)
            for branch, values in _by_branch(self.branches, chunk, rows):
                branch.normalised[position].fill(values)
                if not branch.coarse:
                    branch.original[position].fill(branch.binning.originals(values))

    def add_coarse(self, chunk: Chunk, first: bool) -> None:
        """Fill in values as they were, of those branches where they do not come back from normalised ones."""
        branches = [branch for branch in self.branches if branch.coarse]
        if first:
            for branch in branches:
                self._begin(branch, branch.sample(chunk).astype(np.float64))
        for position, rows in self._classes(chunk):
            for branch, values in _by_branch(branches, chunk, rows):
                branch.original[position].fill(values)

    def _classes(self, chunk: Chunk) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield the position of every class and the rows of its events."""
        labels = np.zeros(len(chunk.data), np.int64) if chunk.labels is None else chunk.labels
        for position, value in enumerate(self._values):
            yield position, np.flatnonzero(labels == value)

    def counts(self) -> list[Counts]:
        """Return what was counted."""
        found = []
        for branch in self.branches:
            sums = [int(one.sum(flow=True)) for one in branch.original]
            flat = branch.binning.kind == "flat"
            missing = [events - values for events, values in zip(self.events, sums, strict=True)] if flat else []
            share = None if flat else self._share(branch.binning.name, sum(sums))
            histograms = _counted(branch.original), _counted(branch.normalised)
            found.append(Counts(branch.binning, *histograms, missing, share))
        return found

    def _share(self, name: str, values: int) -> float | None:
        """The share of missing values of a jagged branch: of what was drawn, else as the first pass found it."""
        if self.absent is not None:
            absent = self.absent.get(name, 0)
            return absent / (absent + values) if absent + values else 0.0
        count = self._specs.counts.get(name)
        if not count or not count["values"]:
            return None
        return min(1.0, (count["nulls"] + count["nan"] + count["inf"]) / count["values"])


def _by_branch(
    branches: Sequence[_Branch], chunk: Chunk, rows: NDArray[np.int64]
) -> Iterator[tuple[_Branch, NDArray[np.float32]]]:
    """Yield the values of each branch in some rows, without padding and missing ones."""
    # Column by column, so that the values of a branch lie together.
    turned, there = chunk.data[rows].T.copy(), ~chunk.padding_mask[rows].T
    for branch in branches:
        yield branch, turned[branch.places][there[branch.places]]


def _histogram(axis: Any) -> Any:
    import hist

    return hist.Hist(axis, storage=hist.storage.Int64())


def _counted(histograms: Sequence[Any]) -> list[NDArray[np.int64]]:
    return [np.asarray(one.values(flow=True), np.int64) for one in histograms]


def _names(branches: Sequence[str]) -> dict[str, str]:
    """The file of each branch's picture: its name with ``_`` for what a file name cannot have, numbered if taken."""
    taken: set[str] = set()
    names = {}
    for branch in branches:
        plain = re.sub(r"[^A-Za-z0-9_.+-]", "_", branch).lstrip(".")[:100] or "_"
        name, number = plain, 1
        while name.casefold() in taken:  # on some systems letters differ by more than their case
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        names[branch] = f"{name}.png"
    return names
