"""The weights of events: taken cluster by cluster in the first pass, and made what the user wants behind it."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.byclass import ByClass, Positions
from mlaas4hep.dataset.events import DROPPED
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.labels import Labels
from mlaas4hep.dataset.learned import Learned
from mlaas4hep.dataset.quantities import Quantities
from mlaas4hep.dataset.spectrum import Spectrum, factors, probabilities
from mlaas4hep.dataset.sums import exact_sums, pieces
from mlaas4hep.errors import ParamsError, note, shortened
from mlaas4hep.inputs import Input
from mlaas4hep.sources import Column
from mlaas4hep.weights import CrossSections, Weights

__all__ = ["Weigher", "check_lines"]


class Weigher:
    """Takes weights and spectra from columns, and makes the weights of all events of them."""

    def __init__(self, weights: Weights, quantities: Quantities, files: Sequence[File]) -> None:
        self._weights, self._by, self._files = weights, quantities.weight, files
        self._spectrum = Spectrum(weights.flatten, quantities.spectrum) if weights.flatten else None
        self._lines = [file.input.line for file in files]

    @property
    def before_cuts(self) -> list[str]:
        """The branches that are read of all entries, of those too that do not pass the cuts."""
        scaled = isinstance(self._weights.scale, CrossSections)
        return self._by.reads if self._by is not None and scaled else []

    def take_all(self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], learned: Learned) -> None:
        """Note the weights of entries before any cut."""
        self._take(file, columns, entries, np.ones(len(entries), np.bool_), learned)

    def take(
        self,
        file: File,
        columns: Mapping[str, Column],
        entries: NDArray[np.int64],
        used: NDArray[np.bool_],
        learned: Learned,
    ) -> NDArray[np.bool_]:
        """Note weights and spectra of the events that are ``used``; return which of these are used in spite of them."""
        if self._by is not None and not self.before_cuts:
            self._take(file, columns, entries, used, learned)
        if self._weights.negative == "drop":
            used = used & ~(learned.weights[entries] < 0)
        if self._spectrum is None:
            return used
        bins = self._spectrum.bins(columns, entries, file.input.path)
        learned.outside += int(np.count_nonzero(used & (bins < 0)))
        learned.bins[entries] = bins
        return used & (bins >= 0)

    def _take(
        self,
        file: File,
        columns: Mapping[str, Column],
        entries: NDArray[np.int64],
        used: NDArray[np.bool_],
        learned: Learned,
    ) -> None:
        assert self._by is not None
        values, missing = self._by.numbers(columns, entries, file.input.path)
        if (lacking := used & missing).any():
            entry = entries[int(np.argmax(lacking))]
            raise ParamsError(
                f"{file.input.path}: weights: {self._by} is missing or not finite in entry {entry}; every event must "
                "have a weight"
            )
        learned.negative += int(np.count_nonzero(used & (values < 0)))
        learned.weights[entries] = np.abs(values) if self._weights.negative == "abs" else values

    def finish(self, file: File, learned: Learned) -> None:
        """Raise where a file has negative weights of which nothing was said."""
        if learned.negative and self._weights.negative is None:
            raise ParamsError(
                f"{file.input.path}: weights: {self._by} is negative in {learned.negative:,} of {file.used:,} events; "
                "say what becomes of them: negative must be 'keep', 'abs' or 'drop'"
            )

    def weigh(
        self, labels: Labels, positions: Positions, learned: Sequence[Learned]
    ) -> list[NDArray[np.float32] | None]:
        """Return the weights of the events of all files, 0 for those that are not used; sampling drops some of them."""
        if not self._weights:
            return [None] * len(learned)
        events = ByClass(labels, positions, learned)
        self._scale(learned)
        if self._spectrum is not None:
            self._flatten(self._spectrum, events)
        events.check()
        if self._weights.balanced:
            sums = events.checked_sums()
            factor = events.counts().sum() / (len(sums) * sums)
            for classes, entries, one in events.used():
                one.weights[entries] *= factor[classes]
        return [self._float32(file, one) for file, one in zip(self._files, learned, strict=True)]

    def _scale(self, learned: Sequence[Learned]) -> None:
        """Give every input what it weighs in all, or a factor."""
        scale, inputs = self._weights.scale, max(self._lines) + 1
        if scale is None:
            return
        given = scale.cross_section if isinstance(scale, CrossSections) else scale
        by_line = np.full(inputs, given) if isinstance(given, float) else np.array(given)
        if isinstance(scale, CrossSections):
            by_line = by_line * scale.luminosity / self._sums_of_inputs(inputs, learned)
        for line, one in zip(self._lines, learned, strict=True):
            one.weights *= by_line[line]

    def _sums_of_inputs(self, inputs: int, learned: Sequence[Learned]) -> NDArray[np.float64]:
        """The sums of all weights that were read, of each input."""
        drops = self._weights.negative == "drop"

        def groups() -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
            for line, one in zip(self._lines, learned, strict=True):
                for piece in pieces(0 if one.lost else len(one.weights)):
                    weights = one.weights[piece]
                    yield np.full(len(weights), line), np.maximum(weights, 0) if drops else weights

        sums = exact_sums(groups, inputs)
        read = {line for line, one in zip(self._lines, learned, strict=True) if len(one.parts) and not one.lost}
        for line in sorted(read):
            if not sums[line] > 0:
                names = [str(file.input) for file in self._files if file.input.line == line]
                raise ParamsError(
                    f"weights: those of {shortened(names, 3)} sum to {sums[line]:g}; a cross-section is divided by "
                    "that sum, so it must be positive"
                )
        sums[[line for line in range(inputs) if line not in read]] = 1
        return sums

    def _flatten(self, spectrum: Spectrum, events: ByClass) -> None:
        """Give every class the same spectrum; events where its train part has none weigh nothing, or are not drawn."""
        events.checked_sums()
        sums, counts = events.sums(spectrum.count), events.counts(spectrum.count)
        shape = spectrum.shape(events.names, sums)
        for name, of_class, count in zip(events.names, sums, counts, strict=True):
            spectrum.check(name, of_class, count, events.over)
        make = probabilities if spectrum.samples else factors
        found, alone = np.stack([make(of_class, shape) for of_class in sums]), 0
        for classes, entries, one in events.used():
            at, none = found[classes, one.bins[entries]], counts[classes, one.bins[entries]] == 0
            alone += int(np.count_nonzero(none))
            if spectrum.samples:
                one.parts[entries[one.uniforms[entries] >= at]] = DROPPED
            else:
                one.weights[entries] *= at
        if alone:
            what = "are left out" if spectrum.samples else "weigh nothing"
            note(
                f"{alone:,} events {what}, because the train part has none of their class in their bins of the spectrum"
            )

    def _float32(self, file: File, learned: Learned) -> NDArray[np.float32]:
        """The weights as chunks hold them."""
        used = learned.used_of(slice(None))
        with np.errstate(over="ignore"):
            weights = np.where(used, learned.weights, 0).astype(np.float32)
        learned.weights = learned.weights[:0]
        if not np.isfinite(weights).all():
            entry = int(np.argmin(np.isfinite(weights)))
            raise ParamsError(f"{file.input.path}: weights: that of entry {entry} is not finite as float32")
        return weights


def check_lines(weights: Weights, inputs: Sequence[Input]) -> None:
    """Raise unless there is a number for each input, where there are some."""
    scale, lines = weights.scale, inputs[-1].line + 1
    given = scale.cross_section if isinstance(scale, CrossSections) else scale
    if isinstance(given, tuple) and len(given) != lines:
        what = "cross-sections" if isinstance(scale, CrossSections) else "numbers"
        raise ParamsError(f"weights: {len(given)} {what} for {lines} inputs; each input needs one, a glob is one input")
