"""The same work done in other ways, each as well as it can be done that way.

All of them know the specs already and fill a given matrix and mask, so that only the work itself is compared.
"""

from itertools import pairwise
from threading import Thread
from typing import Any

import awkward as ak
import mlaas4hep as m
import numpy as np
from numpy.typing import NDArray

from benches.data import COLLECTIONS, Columns

Out = tuple[NDArray[np.float32], NDArray[np.bool_]]


def affine(specs: m.Specs, name: str) -> tuple[np.floating, np.floating]:
    """Return what to subtract from a branch's values, and what to multiply them by, in its arithmetic."""
    number = np.float32 if specs.types[name] == "float32" else np.float64
    low, high = specs.minv[name], specs.maxv[name]
    assert low is not None
    assert high is not None
    return number(low), number(1) / (number(high) - number(low))


def awkward_idiom(columns: dict[str, ak.Array], specs: m.Specs, out: Out) -> None:
    """Pad, convert and scale one column at a time."""
    data, mask = out
    start = 0
    for name in specs.branches:
        low, scale = affine(specs, name)
        width = specs.jdim.get(name)
        if width is None:
            data[:, start] = (ak.to_numpy(columns[name]) - low) * scale
            mask[:, start] = False
            start += 1
            continue
        padded = ak.to_numpy(ak.pad_none(columns[name], width, clip=True))
        data[:, start : start + width] = ((padded - low) * scale).filled(0)
        mask[:, start : start + width] = padded.mask
        start += width


def event_by_event(columns: dict[str, ak.Array], specs: m.Specs, out: Out) -> None:
    """Build one row after another from Python's numbers, which are doubles, as programs without a kernel do."""
    data, mask = out
    lists = {name: ak.to_list(columns[name]) for name in specs.branches}
    scales = {name: tuple(map(float, affine(specs, name))) for name in specs.branches}
    widths = specs.jdim
    for i in range(len(data)):
        row: list[float] = []
        padding: list[bool] = []
        for name, values in lists.items():
            low, scale = scales[name]
            if name in widths:
                missing = widths[name] - len(values[i])
                row += [(value - low) * scale for value in values[i]] + [0.0] * missing
                padding += [False] * len(values[i]) + [True] * missing
            else:
                row.append((values[i] - low) * scale)
                padding.append(False)
        data[i] = row
        mask[i] = padding


def fill(out: Out, threads: int = 1) -> None:
    """Write a constant everywhere, each thread in its share of the rows."""
    cuts = [len(out[0]) * number // threads for number in range(threads + 1)]

    def part(start: int, stop: int) -> None:
        out[0][start:stop].fill(0.5)
        out[1][start:stop].fill(True)

    others = [Thread(target=part, args=cut) for cut in pairwise(cuts[1:])]
    for other in others:
        other.start()
    part(*cuts[:2])
    for other in others:
        other.join()


class Weaver:
    """weaver-core's fused kernel (Numba): a collection a call, without a mask; flat branches as lists of one.

    What it wants side by side is put there once, outside of the race. Raises ``ImportError`` where it is absent.
    """

    def __init__(self, columns: Columns, specs: m.Specs) -> None:
        """Put the branches of each collection side by side."""
        from weaver.utils.data.tools import _batched_fused_constant_pad

        self._kernel = _batched_fused_constant_pad
        events = specs.events["total"]
        flat = np.arange(events + 1)
        self._collections = [self._arrange(columns, specs, specs.fkeys, flat, 1)]
        for collection in COLLECTIONS:
            names = [name for name in specs.jkeys if name.startswith(collection.name)]
            offsets = columns[names[0]][0]
            self._collections.append(self._arrange(columns, specs, names, offsets, collection.longest))

    @staticmethod
    def _arrange(
        columns: Columns, specs: m.Specs, names: list[str], offsets: NDArray[np.int64], width: int
    ) -> tuple[NDArray[Any], ...]:
        contents = [column[1] if isinstance(column := columns[name], tuple) else column for name in names]
        starts = np.arange(len(names)) * len(contents[0])
        low, scale = (np.array(each, np.float32) for each in zip(*(affine(specs, n) for n in names), strict=True))
        limit = np.full(len(names), np.inf, np.float32)
        standardise, pad = np.ones(len(names), np.bool_), np.zeros(len(names), np.float32)
        out = np.zeros((len(offsets) - 1, len(names), width), np.float32)
        content = np.concatenate(contents).astype(np.float32)
        return content, starts, offsets, low, scale, -limit, limit, standardise, pad, out

    def __call__(self) -> None:
        """Fill a tensor for each collection."""
        for collection in self._collections:
            self._kernel(*collection)

    def matrix(self) -> NDArray[np.float32]:
        """Return the tensors side by side, as our matrix has them."""
        return np.concatenate([tensors[-1].reshape(len(tensors[-1]), -1) for tensors in self._collections], axis=1)


def awkward_scan(columns: dict[str, ak.Array]) -> dict[str, tuple[float, float, int]]:
    """Return minimum, maximum and largest length of every branch."""
    return {
        name: (ak.min(column), ak.max(column), ak.max(ak.num(column)) if column.ndim > 1 else 1)
        for name, column in columns.items()
    }


def numpy_scan(columns: Columns) -> dict[str, tuple[float, float, int]]:
    """Return the same, by NumPy, without a look for missing values."""
    found = {}
    for name, column in columns.items():
        content = column[1] if isinstance(column, tuple) else column
        longest = int(np.diff(column[0]).max()) if isinstance(column, tuple) else 1
        found[name] = (content.min(), content.max(), longest)
    return found
