"""Batches for XGBoost."""

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import numpy as np
from xgboost import DataIter

from mlaas4hep.dataset import Chunk, Loader
from mlaas4hep.frameworks.fields import arrays_of, matrix_only

__all__ = ["XGBoostEvents"]


class XGBoostEvents(DataIter):
    """The batches of one epoch of a loader, as :func:`mlaas4hep.frameworks.to_xgboost` says."""

    def __init__(self, loader: Loader) -> None:
        super().__init__()
        matrix_only(loader.dataset, "XGBoost")
        self._loader, self._epoch = copy(loader), loader.epoch
        self._loader.epochs = 1
        self._names = loader.dataset.names
        self._values = np.asarray(loader.dataset.label_values, np.int64)
        self._batches: Iterator[Chunk] = iter(())

    def reset(self) -> None:
        """Go back to the first batch."""
        self._loader.set_epoch(self._epoch)
        self._batches = iter(self._loader)

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand out the next batch; False: there is none."""
        for chunk in self._batches:
            found = arrays_of(chunk, self._values)
            learned = found.get("labels", found.get("targets"))
            input_data(
                data=np.where(chunk.padding_mask, np.float32("nan"), chunk.data),
                label=learned,
                weight=found.get("weights"),
                feature_names=self._names,
            )
            return True
        return False
