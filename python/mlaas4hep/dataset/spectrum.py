"""The spectrum of one or two variables, which is made the same for every class."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.quantities import Quantity
from mlaas4hep.errors import ParamsError, nearest
from mlaas4hep.sources import Column
from mlaas4hep.weights import FLAT, Flatten

__all__ = ["OUTSIDE", "Spectrum", "factors", "probabilities"]

OUTSIDE = -1
"""The bin of events that are outside the edges, or have no value."""


class Spectrum:
    """Bins of one or two quantities, numbered one after the other, the second one's within each of the first."""

    def __init__(self, flatten: Flatten, quantities: Sequence[Quantity]) -> None:
        self._flatten, self._quantities = flatten, quantities
        self._edges = [np.array(edges) for _, edges in flatten.by]
        self.count, self.samples = flatten.bins, flatten.method == "sampling"

    def bins(self, columns: Mapping[str, Column], entries: NDArray[np.int64], path: str) -> NDArray[np.int32]:
        """Return the bin of each event; the lower edge is in a bin, and the upper edge of the last one."""
        place = np.zeros(len(entries), np.int64)
        outside = np.zeros(len(entries), np.bool_)
        for quantity, edges in zip(self._quantities, self._edges, strict=True):
            values, missing = quantity.numbers(columns, entries, path)
            values = np.where(missing, edges[0], values)
            outside |= missing | (values < edges[0]) | (values > edges[-1])
            of_one = np.searchsorted(edges, values, "right") - 1
            place = place * (len(edges) - 1) + np.clip(of_one, 0, len(edges) - 2)
        return np.where(outside, OUTSIDE, place).astype(np.int32)

    def shape(self, classes: Sequence[str], sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the spectrum that is wanted: the same in all bins, or that of a class, whose sums are given."""
        target, known = str(self._flatten.target), [name for name in classes if name]
        if target == FLAT:
            return np.ones(self.count)
        if target not in known:
            listed = f"classes are {', '.join(known)}" if known else "there are no labels"
            raise ParamsError(f"weights: flatten: there is no class {target!r}{nearest(target, known)}; {listed}")
        shape: NDArray[np.float64] = sums[known.index(target)]
        return shape

    def check(self, name: str, sums: NDArray[np.float64], counts: NDArray[np.int64], over: str) -> None:
        """Raise where a bin has events of a class, and they weigh nothing or less."""
        wrong = (counts > 0) & ~(sums > 0)
        if wrong.any():
            at = int(np.argmax(wrong))
            of_class = f" of class {name!r}" if name else ""
            raise ParamsError(
                f"weights: flatten: the weights{of_class} sum to {sums[at]:g} where {self._where(at)}, over {over}; a "
                "spectrum is divided by that, so it must be positive: take wider bins"
            )

    def _where(self, at: int) -> str:
        """The edges of a bin as a text."""
        sizes = [len(edges) - 1 for edges in self._edges]
        places = np.unravel_index(at, sizes)
        found = zip(self._quantities, self._edges, places, strict=True)
        return " and ".join(f"{edges[at]:g} <= {one.text} < {edges[at + 1]:g}" for one, edges, at in found)


def factors(sums: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by what the weights of a class in each bin are multiplied to have a shape; their sum stays.

    >>> factors(np.array([1.0, 3.0, 0.0]), np.ones(3)).tolist()
    [2.0, 0.6666666666666666, 0.0]
    """
    there = sums > 0
    wanted = math.fsum(shape[there])
    found = np.zeros(len(sums))
    if wanted > 0:
        found[there] = shape[there] * (math.fsum(sums) / wanted) / sums[there]
    return found


def probabilities(sums: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return with which probability events of a class in each bin are kept to have a shape; the largest is 1.

    >>> probabilities(np.array([1.0, 3.0, 0.0]), np.ones(3)).tolist()
    [1.0, 0.3333333333333333, 0.0]
    """
    there = sums > 0
    found = np.zeros(len(sums))
    found[there] = shape[there] / sums[there]
    largest = found.max(initial=0)
    return found / largest if largest > 0 else found
