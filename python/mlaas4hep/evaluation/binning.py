"""Bins for the values of a branch, original and normalised, chosen from its specs and a sample of its values."""

from dataclasses import dataclass, replace
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from mlaas4hep.evaluation.scale import Scale
from mlaas4hep.specs import Specs

__all__ = ["BINS", "Binning", "choose_bins", "without_bins"]

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

COARSE = 3e-5
"""Values that come back from normalised ones are exact to 1e-7 of their distance from the minimum: much less than a bin
where the central 99.8 % of them span more than this share of it."""

EDGE = 1e-6
"""By this much of its range an axis goes beyond it, so that the largest value is in the last bin."""

ROUNDED = 3e-7
"""And by this much of the largest magnitude, for up to three roundings to float32."""


@dataclass(frozen=True, slots=True)
class Binning:
    """The axes of a branch's two histograms, and the way back from normalised to original values.

    ``whole`` tells that the values are whole numbers, ``log`` that the original axis is logarithmic. The normalised
    axis holds all values as the model gets them; what lies outside an axis is under- and overflow.
    """

    name: str
    kind: str
    type: str
    low: float
    high: float
    scale: Scale
    original: Any
    normalised: Any
    whole: bool = False
    log: bool = False

    @property
    def empty(self) -> bool:
        """Whether the specs know no finite value."""
        return not np.isfinite(self.low)

    @property
    def ends(self) -> tuple[float, float]:
        """What becomes of the smallest and of the largest value."""
        low, high = (min(max(self.scale.image(end), -LARGEST), LARGEST) for end in (self.low, self.high))
        return low, high

    @property
    def unit(self) -> bool:
        """Whether normalised values go from 0 to 1."""
        return self.ends == (0.0, 1.0)

    def originals(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the values that were normalised to these.

        They are exact to 1e-7 of their distance from where 0 comes from (with ``"minmax"`` the minimum), whole numbers
        up to a distance of 2**23 as they were: much finer than a bin, unless they are :meth:`too_coarse`.
        """
        back = values.astype(np.float64) * self.scale.quarter  # the whole range might overflow
        back += self.scale.shift / 4
        back *= 4
        return np.rint(back, out=back) if self.whole else back

    def too_coarse(self, sample: NDArray[np.float64]) -> bool:
        """Whether values do not come back well from normalised ones: clipped ones, or all that became the same.

        The others come back coarse where most lie close together, far from where 0 comes from: a minimum of -1e9 that
        stands for no value does that, where others are small numbers.
        """
        low, high, shift = self.low, self.high, self.scale.shift
        if self.empty:
            return False
        if self.scale.clip is not None or (self.scale.constant and low < high):
            return True
        if self.whole and max(high - shift, shift - low) < 2**23:
            return False
        first, *_, last = _quantiles(_without_defaults(np.sort(sample)))
        away = max(last - shift, shift - first)
        return away * COARSE > last - first and away > 10 * max(abs(first), abs(last))  # float32 has them finer


def without_bins(specs: Specs, name: str, scale: Scale) -> Binning:
    """Return what the specs say of a branch, and its normalisation."""
    least, most = specs.minv[name], specs.maxv[name]
    kind, type_ = ("jagged" if name in specs.jdim else "flat"), specs.types[name]
    low, high = (np.nan, np.nan) if least is None or most is None else (float(least), float(most))
    return Binning(name, kind, type_, low, high, scale, None, None, not type_.startswith("float"))


def choose_bins(plain: Binning, sample: NDArray[np.float64]) -> Binning:
    """Return the bins of a branch; ``sample`` are some of its original values, without padding and missing ones.

    Whole numbers get a bin each, centred, up to 60 of them, and bins of several whole numbers above. Others get 60
    bins. See the constants for when an axis is logarithmic, and when it leaves values far out to under- and overflow.
    """
    low, high, whole = plain.low, plain.high, plain.whole
    if plain.empty:
        return _with(plain, hist.axis.Regular(1, 0, 1), (1, 0, 1))
    if low == high:
        half = max(0.5, abs(low) * 1e-3)
        return _with(plain, hist.axis.Regular(1, low - half, low + half), (1, 0, 1))
    if whole and high - low < BINS:
        count, half = round(high - low) + 1, 0.5 / (high - low)
        return _with(plain, hist.axis.Regular(count, low - 0.5, high + 0.5), (count, -half, 1 + half))
    ordered = np.sort(sample)
    if whole:
        return _with(plain, *_of_whole_numbers(plain, ordered))
    original, log = _axis(low, high, ordered)
    return _with(plain, original, None, log)


Cut = tuple[int, float, float]
"""How many bins of whole numbers, and where they begin and end as shares of the range."""


def _with(plain: Binning, original: Any, cut: Cut | None, log: bool = False) -> Binning:
    return replace(plain, original=original, normalised=_normalised(plain, cut), log=log)


def _normalised(plain: Binning, cut: Cut | None) -> Any:
    """The axis of normalised values: bins that are those of whole numbers, else 60."""
    if plain.empty:
        return hist.axis.Regular(1, 0, 1)
    first, last = plain.ends
    if first == last:
        half = max(0.5, abs(first) * 1e-3)
        return hist.axis.Regular(1, first - half, first + half)
    if cut is not None and plain.scale.clip is None:
        count, left, right = cut
        return hist.axis.Regular(count, first + left * (last - first), first + right * (last - first))
    edge = EDGE * (last / 2 - first / 2) + ROUNDED * max(abs(first), abs(last))
    return hist.axis.Regular(BINS, first - edge, last + edge)


def _of_whole_numbers(plain: Binning, ordered: NDArray[np.float64]) -> tuple[Any, Cut]:
    """Bins of as many whole numbers each, so that none holds more of them than others."""
    scale = 1 / (plain.high - plain.low)
    full, width = _steps(plain.low, plain.high)
    low, high = (float(np.rint(edge)) for edge in _shown(plain.low, plain.high, ordered))
    count, step = _steps(low, high)
    original = hist.axis.Regular(count, low - 0.5, low - 0.5 + count * step)
    return original, (full, -0.5 * scale, (full * width - 0.5) * scale)


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
        if len(rest) and abs(ordered[end] - rest[end]) > DEFAULT * (last - first):
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
