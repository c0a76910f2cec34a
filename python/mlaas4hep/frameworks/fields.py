"""The arrays of a batch by name, as every adapter hands them to a model."""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset import Chunk, Dataset, Loader
from mlaas4hep.errors import ParamsError, nearest

__all__ = ["Arrays", "Sampler", "Supervised", "arrays_of", "matrix_only"]

Arrays = dict[str, NDArray[Any]]

Supervised = tuple[Any, ...]
"""Inputs; or inputs and what is learned; or these and weights."""


def arrays_of(chunk: Chunk, values: NDArray[np.int64]) -> Arrays:
    """Return what a batch has: its own arrays, and of a collection ``jet`` the arrays ``jet`` and ``jet_mask``.

    Labels become positions in ``values``, the sorted distinct ones, as a model wants them.
    """
    found: dict[str, Any] = {field.name: getattr(chunk, field.name) for field in fields(chunk)}
    for name, collection in (found.pop("collections", None) or {}).items():
        for key, array in ((name, collection.data), (f"{name}_mask", collection.mask)):
            if key in found:
                raise ParamsError(f"collection {name!r}: batches have a field {key!r} already; give it another name")
            found[key] = array
    if chunk.labels is not None:
        found["labels"] = np.searchsorted(values, chunk.labels)
    return {name: array for name, array in found.items() if array is not None}


def matrix_only(dataset: Dataset, who: str) -> None:
    """Raise where a dataset makes more than the matrix, which is all that somebody takes."""
    if names := list(dataset.plan.collections):
        raise ParamsError(
            f"{who} takes the matrix only, which would lack the branches of {', '.join(names)}: the dataset has "
            f"layout={dataset.plan.layout!r}; make it with layout='matrix'"
        )


class Sampler:
    """Turns the batches of a loader into inputs, what is learned (labels, else targets), and weights if there are some.

    ``inputs`` is the name of a field, or several, which come as a dict.
    """

    def __init__(self, loader: Loader, inputs: str | list[str]) -> None:
        self._values = np.asarray(loader.dataset.label_values, np.int64)
        self._inputs = inputs
        known = arrays_of(loader.dataset.no_events(), self._values)
        for name in [inputs] if isinstance(inputs, str) else inputs:
            if name not in known:
                raise ParamsError(
                    f"inputs: batches have no field {name!r}{nearest(name, known)}; they have {', '.join(known)}"
                )

    def __call__(self, chunk: Chunk) -> Supervised:
        """Return the arrays of a batch."""
        found, wanted = arrays_of(chunk, self._values), self._inputs
        inputs = found[wanted] if isinstance(wanted, str) else {name: found[name] for name in wanted}
        learned = found.get("labels", found.get("targets"))
        if learned is None:
            return (inputs,)
        return (inputs, learned, found["weights"]) if "weights" in found else (inputs, learned)
