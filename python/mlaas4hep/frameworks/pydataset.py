"""Batches for Keras."""

import os
from collections.abc import Generator

from mlaas4hep.dataset import Chunk, Loader
from mlaas4hep.frameworks.fields import Sampler, Supervised
from mlaas4hep.frameworks.quiet import quiet_start

with quiet_start():
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

__all__ = ["KerasEvents"]


class KerasEvents(keras.utils.PyDataset):
    """The batches of a loader, epoch by epoch, as :func:`mlaas4hep.frameworks.to_keras` says.

    Keras asks for batches by number, in an order of its own; it gets them in the loader's, which is shuffled already.
    """

    def __init__(self, loader: Loader, inputs: str | list[str]) -> None:
        super().__init__()
        self._loader, self._sampler = loader.of_reader(0, 1), Sampler(loader, inputs)
        self._loader.epochs = 1
        self._epoch = loader.epoch
        self._batches = self._begin()

    def __len__(self) -> int:
        return len(self._loader)

    def __getitem__(self, number: int) -> Supervised:
        """Return the next batch of the epoch."""
        for chunk in self._batches:
            return self._sampler(chunk)
        raise IndexError(f"batch {number}: the epoch has {len(self)} batches, and all were handed out")

    def on_epoch_begin(self) -> None:
        """Begin with the first batch: Keras looks at a few before, to know their types."""
        self._batches.close()
        self._batches = self._begin()

    def on_epoch_end(self) -> None:
        """Go on to the next epoch."""
        self._epoch += 1
        self.on_epoch_begin()

    def _begin(self) -> Generator[Chunk]:
        self._loader.set_epoch(self._epoch)
        return iter(self._loader)
