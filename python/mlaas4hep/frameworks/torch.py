"""Batches for PyTorch."""

from collections.abc import Generator, Mapping
from copy import copy
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from mlaas4hep.dataset import Loader
from mlaas4hep.errors import ParamsError
from mlaas4hep.frameworks.fields import arrays_of
from mlaas4hep.frameworks.parcels import Batch

__all__ = ["TorchEvents"]


class TorchEvents(IterableDataset[Batch]):
    """The batches of one epoch of a loader, as :func:`mlaas4hep.frameworks.to_torch` says.

    Every iteration gives those of the epoch that was set, from the batch that was set on. Worker i of n is reader i of
    n, with an n-th of the threads and of the events of a chunk; ``DataLoader`` takes a batch of each in turn, and after
    a restart the one whose turn it was begins.
    """

    def __init__(self, loader: Loader) -> None:
        super().__init__()
        if loader.shard == (0, 1) and torch.distributed.is_available() and torch.distributed.is_initialized():
            loader = loader.of_reader(torch.distributed.get_rank(), torch.distributed.get_world_size())
        self._loader = copy(loader)
        self._loader.epochs = 1
        self._values = np.asarray(loader.dataset.label_values, np.int64)
        loader.dataset.no_events()  # the first pass is made once, before there are workers
        # Epoch, batch, and how many workers are or were at work; workers that stay see what is set later, too.
        self._position = torch.tensor([loader.epoch, loader.batch, 0, -1]).share_memory_()

    @property
    def epoch(self) -> int:
        """The epoch that iterations give."""
        return int(self._position[0])

    @property
    def batch(self) -> int:
        """The batch of this epoch that an iteration begins with."""
        return int(self._position[1])

    def batches(self, workers: int = 0) -> int:
        """Return the number of batches of a whole epoch, over all workers of a ``DataLoader``."""
        return len(self._loader.of_reader(0, max(1, workers))) * max(1, workers)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; one that a state began with goes on where it was."""
        if epoch != self.epoch:
            self._position[:2] = torch.tensor([epoch, 0])

    def state_dict(self, batch: int) -> dict[str, Any]:
        """Return the position behind the first ``batch`` batches of the epoch, as values of JSON."""
        workers = int(self._position[2])
        if batch >= self.batches(workers):
            return {**self._state(), "epoch": self.epoch + 1, "batch": 0, "workers": workers}
        return {**self._state(), "epoch": self.epoch, "batch": batch, "workers": workers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the position of a state; with the same number of workers, the same batches follow.

        Raises ``ParamsError`` that says what differs, where the state is not one of such batches.
        """
        loader = copy(self._loader)
        loader.load_state_dict(state)
        workers = state.get("workers", 0) if loader.batch else -1
        self._position[:] = torch.tensor([loader.epoch, loader.batch, 0, workers])

    def _state(self) -> dict[str, Any]:
        return self._loader.state_dict()

    def __iter__(self) -> Generator[Batch]:
        info = get_worker_info()
        number, workers = (info.id, info.num_workers) if info else (0, 0)
        self._position[2] = workers
        wanted = int(self._position[3])
        if wanted not in (workers, -1) and self.batch:
            raise ParamsError(f"the state is one of {wanted} workers, and there are {workers}; use as many")
        turn = self.batch + number
        loader = self._loader
        if workers:
            loader = loader.of_reader(turn % workers, workers, max(1, loader.dataset.threads // workers))
            turn //= workers
        loader.set_epoch(self.epoch, turn)
        for chunk in loader:
            yield Batch({name: torch.from_numpy(array) for name, array in arrays_of(chunk, self._values).items()})
