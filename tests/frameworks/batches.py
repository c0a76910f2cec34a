"""What the tests of adapters share: a dataset with labels that are no positions, and its batches as they are."""

from pathlib import Path
from typing import Any

import numpy as np
from mlaas4hep import Chunk, Dataset, Loader
from numpy.typing import NDArray

from tests.dataset.files import INPUTS, make_all

LABELS = [5, 7, 5]


def dataset_of(folder: Path, **options: Any) -> Dataset:
    return Dataset(make_all(folder, [60, 41, 97]), LABELS, select=INPUTS, **options)


def copied(arrays: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Copies as NumPy arrays, of such or of tensors."""
    return {name: np.array(array.numpy() if hasattr(array, "numpy") else array) for name, array in arrays.items()}


def plain(loader: Loader) -> list[dict[str, NDArray[Any]]]:
    """The batches of an iteration, labels as positions."""
    return [fields(batch) for batch in loader]


def fields(batch: Chunk) -> dict[str, NDArray[Any]]:
    arrays = {name: getattr(batch, name) for name in ("data", "padding_mask", "file", "entry")}
    assert batch.labels is not None
    return {**copied(arrays), "labels": np.searchsorted([5, 7], batch.labels)}


def same(left: dict[str, Any], right: dict[str, NDArray[Any]]) -> bool:
    arrays = copied(left)
    return arrays.keys() == right.keys() and all(
        arrays[name].dtype == right[name].dtype and np.array_equal(arrays[name], right[name]) for name in right
    )
