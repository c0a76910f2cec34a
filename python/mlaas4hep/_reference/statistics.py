"""Moments, quantiles and lengths: exact sums, and counts by bin."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mlaas4hep._reference.column import Column

__all__ = ["bin_of", "bins_of_text", "merged_bins", "middle_of", "quantile_of", "statistics"]

LARGEST = 1e100
"""Magnitude from which on values have no moments."""

LIMIT = np.finfo(np.float32).max


def statistics(columns: Mapping[str, Column], weights: Sequence[float] | None) -> dict[str, dict[str, Any]]:
    """Return the statistics of columns as they stand in ``specs.json``, but for ``moments``."""
    moments = {name: _moments(column, weights) for name, column in columns.items()}
    jagged = {name: column for name, column in columns.items() if column.kind == "jagged"}
    found: dict[str, dict[str, Any]] = {
        "mean": {name: mean for name, (mean, _) in moments.items()},
        "std": {name: deviation for name, (_, deviation) in moments.items()},
        "quantiles": {name: _text(Counter(map(bin_of, _finite(column)[0]))) for name, column in columns.items()},
        "lengths": {name: _text(Counter(_counted_as(len(at)) for at in each.lists())) for name, each in jagged.items()},
    }
    return {key: by_name for key, by_name in found.items() if by_name}


def merged_bins(parts: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return quantiles and lengths of all parts together."""
    merged = {}
    for key in ("quantiles", "lengths"):
        of_branches = {
            name: sum((bins_of_text(part[key][name]) for part in parts), Counter[int]())
            for name in names
            if name in parts[0].get(key, {})
        }
        merged[key] = {name: _text(bins) for name, bins in of_branches.items()}
    return {key: by_name for key, by_name in merged.items() if by_name}


def quantile_of(bins: Mapping[int, int], q: float) -> int:
    """Return the bin of rank ceil(q n) among n, at least the first."""
    rank, below = max(1, math.ceil(q * sum(bins.values()))), 0
    for bin_ in sorted(bins):
        below += bins[bin_]
        if below >= rank:
            return bin_
    raise ValueError("there is nothing in the bins")


def bin_of(value: float) -> int:
    """Return the bin of a finite value: sign, exponent and six bits of the mantissa of a float32."""
    with np.errstate(over="ignore", under="ignore"):
        narrow = np.clip(np.float32(value), -LIMIT, LIMIT)
    magnitude = int(np.abs(narrow).view(np.uint32)) >> 17
    return -magnitude if narrow < 0 else magnitude


def middle_of(bin_: int) -> float:
    """Return the middle of a bin; that of zero is 0."""
    if bin_ == 0:
        return 0.0
    lower, upper = (float(np.uint32(edge << 17).view(np.float32)) for edge in (abs(bin_), abs(bin_) + 1))
    middle = (lower + min(upper, 2.0**128)) / 2
    return math.copysign(middle, bin_)


def bins_of_text(text: str) -> Counter[int]:
    """Return the counts that ``first:count,count ...`` stands for."""
    bins = Counter[int]()
    for run in text.split():
        first, counts = run.split(":")
        for bin_, count in enumerate(counts.split(","), int(first)):
            bins[bin_] = int(count)
    return bins


def _text(bins: Mapping[int, int]) -> str:
    """Counts as ``first:count,count ...``, a run for each stretch of neighbouring bins."""
    runs: list[tuple[int, list[str]]] = []
    for bin_ in sorted(bins):
        count = str(bins[bin_])
        if runs and runs[-1][0] + len(runs[-1][1]) == bin_:
            runs[-1][1].append(count)
        else:
            runs.append((bin_, [count]))
    return " ".join(f"{first}:{','.join(counts)}" for first, counts in runs)


def _counted_as(length: int) -> int:
    """The length as which one counts: beyond 1024 it is rounded up to ten binary digits."""
    step = 1 << max(0, length.bit_length() - 10)
    return -(-length // step) * step


def _finite(column: Column) -> tuple[list[float], list[int]]:
    """The finite values as float64, and of each its event."""
    values, null = column.flattened()
    events = np.repeat(np.arange(len(column)), [len(at) for at in column.lists()])
    kept = ~null & np.isfinite(values)
    return values[kept].astype(np.float64).tolist(), events[kept].tolist()


def _moments(column: Column, weights: Sequence[float] | None) -> tuple[float | None, float | None]:
    """Mean and standard deviation, from exact sums."""
    values, events = _finite(column)
    if not values or max(map(abs, values)) >= LARGEST:
        return None, None
    each = [Fraction(1 if weights is None else float(weights[event])) for event in events]
    exact = list(map(Fraction, values))
    weight = sum(each)
    if weight == 0:
        return None, None
    mean = sum(w * x for w, x in zip(each, exact, strict=True)) / weight
    variance = sum(w * (x - mean) ** 2 for w, x in zip(each, exact, strict=True)) / weight
    return float(mean), math.sqrt(variance) if variance >= 0 else None
