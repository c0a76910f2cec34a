"""Bins for the values of a branch, original and normalised, chosen from its specs and a sample of its values."""

from dataclasses import dataclass, replace
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from mlaas4hep.specs import Specs

__all__ = ["BINS", "Binning", "choose_bins"]

BINS = 60
"""The most bins of a histogram."""

DECADES, CROWDED = 100, 0.1
"""The horizontal axis is logarithmic where all values are positive, the central 98 % of them span more than a factor of
100, and half of them are crowded into the lowest tenth of that span."""

FAR = 20
"""The axis shows the central 99.8 % and as much again where the full range is more than 20 times as large."""

DEFAULT = 3
"""A value at an end that is so many times as far from all others as these are from each other, such as -999, stands for
none: it becomes under- or overflow."""

EDGE = 1e-6
"""By this much of its range an axis goes beyond it, so that the largest value is in the last bin."""


@dataclass(frozen=True, slots=True)
class Binning:
    """The axes of a branch's two histograms, and the way back from normalised to original values.

    ``whole`` tells that the values are whole numbers, ``log`` that the original axis is logarithmic. The normalised
    axis always goes from 0 to 1, as the model gets the values; what lies outside an axis is under- and overflow.
    """

    name: str
    kind: str
    type: str
    low: float
    high: float
    original: Any
    normalised: Any
    whole: bool = False
    log: bool = False

    @property
    def empty(self) -> bool:
        """Whether the specs know no finite value."""
        return not np.isfinite(self.low)

    def originals(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the values that were normalised to these.

        Floats keep their precision relative to the distance from the minimum, whole numbers are exact up to a range
        of 2**23: much finer than a bin, and a second pass over the files is not needed.
        """
        back = values.astype(np.float64) * (self.high / 4 - self.low / 4)  # the whole range might overflow
        back += self.low / 4
        back *= 4
        return np.rint(back, out=back) if self.whole else back


def choose_bins(specs: Specs, name: str, sample: NDArray[np.float32]) -> Binning:
    """Return the bins of a branch; ``sample`` are some of its normalised values, without padding and missing ones.

    Whole numbers get a bin each, centred, up to 60 of them, and bins of several whole numbers above. Others get 60
    bins. See the constants for when an axis is logarithmic, and when it leaves values far out to under- and overflow.
    """
    least, most = specs.minv[name], specs.maxv[name]
    kind, type_ = ("jagged" if name in specs.jdim else "flat"), specs.types[name]
    if least is None or most is None:
        nothing = hist.axis.Regular(1, 0, 1)
        return Binning(name, kind, type_, np.nan, np.nan, nothing, nothing)
    low, high = float(least), float(most)
    whole = not type_.startswith("float")
    plain = Binning(name, kind, type_, low, high, None, None, whole)
    if low == high:
        half = max(0.5, abs(low) * 1e-3)
        return _with(plain, hist.axis.Regular(1, low - half, low + half), hist.axis.Regular(1, -0.5, 0.5))
    if whole and high - low < BINS:
        count, half = round(high - low) + 1, 0.5 / (high - low)
        centred = hist.axis.Regular(count, low - 0.5, high + 0.5)
        return _with(plain, centred, hist.axis.Regular(count, -half, 1 + half))
    ordered = np.sort(plain.originals(sample))
    if whole:
        return _with(plain, *_of_whole_numbers(plain, ordered))
    original, log = _axis(low, high, ordered)
    return _with(plain, original, hist.axis.Regular(BINS, -EDGE, 1 + EDGE), log)


def _with(plain: Binning, original: Any, normalised: Any, log: bool = False) -> Binning:
    return replace(plain, original=original, normalised=normalised, log=log)


def _of_whole_numbers(plain: Binning, ordered: NDArray[np.float64]) -> tuple[Any, Any]:
    """Bins of as many whole numbers each, so that none holds more of them than others."""
    scale = 1 / (plain.high - plain.low)
    full, width = _steps(plain.low, plain.high)
    normalised = hist.axis.Regular(full, -0.5 * scale, (full * width - 0.5) * scale)
    low, high = (float(np.rint(edge)) for edge in _shown(plain.low, plain.high, ordered))
    count, width = _steps(low, high)
    return hist.axis.Regular(count, low - 0.5, low - 0.5 + count * width), normalised


def _steps(low: float, high: float) -> tuple[int, float]:
    """How many bins, and of how many whole numbers."""
    width = float(np.ceil((high - low + 1) / BINS))
    return max(1, int(np.ceil((high - low + 1) / width))), width


def _axis(low: float, high: float, ordered: NDArray[np.float64]) -> tuple[Any, bool]:
    """The axis of original floats, and whether it is logarithmic."""
    first, left, middle, right, last = _quantiles(ordered)
    if low > 0 and right / DECADES > left > 0 and middle - left < CROWDED * (right - left):
        low, high = max(low, first / 10), min(high, last * 10)
        return hist.axis.Regular(BINS, low * (1 - EDGE), high * (1 + EDGE), transform=hist.axis.transform.log), True
    low, high = _shown(low, high, ordered)
    edge = EDGE * (high / 2 - low / 2)
    return hist.axis.Regular(BINS, max(low - edge, -LARGEST), min(high + edge, LARGEST)), False


def _shown(low: float, high: float, ordered: NDArray[np.float64]) -> tuple[float, float]:
    """The range that a linear axis shows."""
    body = _without_defaults(ordered)
    first, *_, last = _quantiles(body)
    if last > first and (high / FAR - low / FAR > last - first or len(body) < len(ordered)):
        return max(low, first - (last - first) / 2), min(high, last + (last - first) / 2)
    return low, high


def _without_defaults(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values without one at an end, such as -999, that stands for no value: all others are far from it."""
    for end, rest in ((0, ordered[ordered > ordered[:1]]), (-1, ordered[ordered < ordered[-1:]])):
        if len(rest) < len(ordered) / 10:
            continue
        first, *_, last = _quantiles(rest)
        if last > first and abs(ordered[end] - rest[end]) > DEFAULT * (last - first):
            return rest
    return ordered


LARGEST = float(np.finfo(np.float64).max) / 4
"""Axes end here, so that their length is a number."""


def _quantiles(ordered: NDArray[np.float64]) -> tuple[float, ...]:
    """The values at 0.1, 1, 50, 99 and 99.9 %; zeros where there are none."""
    if not len(ordered):
        return (0.0,) * 5
    at = (np.array([0.001, 0.01, 0.5, 0.99, 0.999]) * (len(ordered) - 1)).round().astype(np.int64)
    return tuple(ordered[at].tolist())
