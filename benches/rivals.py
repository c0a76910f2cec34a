"""The same work done in other ways, each as well as it can be done that way.

All of them know the specs already and fill a given matrix and mask, so that only the work itself is compared.
"""

import awkward as ak
import mlaas4hep as m
import numpy as np
from numpy.typing import NDArray

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


def fill(out: Out) -> None:
    """Write a constant everywhere: what no way of filling both buffers can beat."""
    data, mask = out
    data.fill(0.5)
    mask.fill(True)


def awkward_scan(columns: dict[str, ak.Array]) -> dict[str, tuple[float, float, int]]:
    """Return minimum, maximum and largest length of every branch."""
    return {
        name: (ak.min(column), ak.max(column), ak.max(ak.num(column)) if column.ndim > 1 else 1)
        for name, column in columns.items()
    }
