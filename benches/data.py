"""Generated columns of the shape of MLaaS4HEP's own performance test.

22 flat branches, 4 counters and 52 jagged branches in four collections; lengths are Poisson numbers, cut at the
largest length. The matrix is 346 columns wide.
"""

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

FLAT = 22

Jagged = tuple[NDArray[np.int64], NDArray[Any]]
Columns = dict[str, "NDArray[Any] | Jagged"]


@dataclass(frozen=True, slots=True)
class Collection:
    """Jagged branches that share their lengths."""

    name: str
    branches: int
    longest: int
    mean: float


COLLECTIONS = (
    Collection("jet", 20, 8, 1.8),
    Collection("lepton", 12, 4, 0.6),
    Collection("parton", 12, 6, 1.5),
    Collection("vertex", 8, 5, 0.8),
)


def generate(events: int, *, shared: bool = True, seed: int = 1) -> Columns:
    """Return columns; ``shared``: the branches of a collection share one offsets buffer, else they have equal ones."""
    rng = np.random.default_rng(seed)
    columns: Columns = {f"flat{i:02}": rng.normal(50, 20, events).astype(np.float32) for i in range(FLAT)}
    for collection in COLLECTIONS:
        lengths = np.minimum(rng.poisson(collection.mean, events), collection.longest)
        lengths[0] = collection.longest  # so that the width does not depend on luck
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        columns[f"n{collection.name}"] = lengths.astype(np.int32)
        for i in range(collection.branches):
            content = rng.normal(50, 20, offsets[-1]).astype(np.float32)
            columns[f"{collection.name}{i:02}"] = (offsets if shared else offsets.copy(), content)
    return columns


def as_awkward(columns: Columns) -> dict[str, ak.Array]:
    """Return the same columns as Awkward arrays, without a copy."""
    return {
        name: ak.Array(
            ak.contents.ListOffsetArray(ak.index.Index64(column[0]), ak.contents.NumpyArray(column[1]))
            if isinstance(column, tuple)
            else column
        )
        for name, column in columns.items()
    }


def first_events(columns: Columns, events: int) -> Columns:
    """Return the first events only, without a copy."""
    return {
        name: (column[0][: events + 1], column[1]) if isinstance(column, tuple) else column[:events]
        for name, column in columns.items()
    }
