"""The frameworks that train a model: one file each with the same verbs (:class:`Network`), and one with its batches.

Importing this package imports no framework: :func:`start` does, when a run needs one, and so do :func:`to_torch` and
its like (:mod:`mlaas4hep.frameworks.feed`).
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import ModelError
from mlaas4hep.frameworks.feed import to_arrow, to_keras, to_tensorflow, to_torch, to_xgboost

__all__ = [
    "INSTALL",
    "Network",
    "Part",
    "adapt",
    "installed",
    "start",
    "to_arrow",
    "to_keras",
    "to_tensorflow",
    "to_torch",
    "to_xgboost",
]

INSTALL = "pip install 'mlaas4hep[keras]'"


class Part(NamedTuple):
    """Events as a model gets them.

    ``data`` is a matrix of shape (events, width), ``labels`` the classes of its events as positions, ``weights`` their
    weights, both of shape (events,); None without weights.
    """

    data: NDArray[np.float32]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None


_OTHERS = {"torch": "PyTorch", "sklearn": "scikit-learn", "xgboost": "XGBoost", "tensorflow": "TensorFlow"}
_NEEDED = ("keras", "tensorflow", "sklearn", "matplotlib")


class Network(Protocol):
    """What a run asks of a model, whatever its framework."""

    def prepare(self, width: int, classes: Sequence[str]) -> None:
        """Check the model against the width of the matrix and the classes, and make it ready to be trained.

        Raises :class:`~mlaas4hep.errors.ModelError` that tells what was expected and what was found.
        """

    def fit(
        self,
        part: Part,
        validation: Part | None,
        *,
        epochs: int,
        batch_size: int,
        shuffle: bool,
        on_batch: Callable[[int, float], None],
        on_epoch: Callable[[Mapping[str, float]], None],
    ) -> None:
        """Train on ``part``.

        ``on_batch`` is called after every batch with the number of its events and the mean loss of the
        epoch so far, ``on_epoch`` after every epoch with its ``loss`` and metrics, and with both of
        ``validation`` as ``val_...``.
        """

    def evaluate(self, part: Part, *, batch_size: int) -> dict[str, float]:
        """Return the loss and the metrics of the model on ``part``; the loss of an event counts with its weight."""

    def predict(self, data: NDArray[np.float32], *, batch_size: int) -> NDArray[np.float64]:
        """Return probabilities: shape (events,) of the positive class, or (events, classes)."""

    def weights(self) -> list[NDArray[np.float32]]:
        """Return a copy of everything that training may change."""

    def save(self, folder: Path) -> Path:
        """Write the model into ``folder`` and return the file."""

    def versions(self) -> dict[str, str]:
        """Return the versions of the framework's packages."""


def installed() -> bool:
    """Whether the packages that training needs are there; imports none of them."""
    return all(importlib.util.find_spec(name) is not None for name in _NEEDED)


def start(seed: int) -> None:
    """Import the framework and set every random generator to ``seed``.

    Raises :class:`~mlaas4hep.errors.ModelError` with the line that installs what is missing.
    """
    try:
        importlib.import_module("matplotlib.figure")
        importlib.import_module("sklearn.metrics")
        from mlaas4hep.frameworks import keras
    except ImportError as error:
        name = error.name or str(error)
        raise ModelError(f"training needs the package {name!r}, which is not installed: {INSTALL}") from error
    keras.seed(seed)


def adapt(model: object, where: str) -> Network:
    """Return the adapter of the framework that ``model``, made by the file ``where``, belongs to."""
    from mlaas4hep.frameworks.keras import KerasNetwork, is_keras

    if is_keras(model):
        return KerasNetwork(model, where)
    kind = type(model)
    roots = [base.__module__.split(".")[0] for base in kind.__mro__]
    family = next((f", an object of {_OTHERS[root]}" for root in roots if root in _OTHERS), "")
    what = "nothing (None)" if model is None else f"{kind.__module__}.{kind.__qualname__}{family}"
    raise ModelError(f"{where}: model() returns {what}; this version trains Keras models only")
