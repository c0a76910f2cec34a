"""Batches for ``tf.data``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset import Loader
from mlaas4hep.frameworks.fields import Sampler
from mlaas4hep.frameworks.quiet import quiet_start

with quiet_start():
    import tensorflow

__all__ = ["tensorflow_events"]


def tensorflow_events(loader: Loader, inputs: str | list[str]) -> Any:
    """Return the batches of a loader as a ``tf.data.Dataset``."""
    sampler = Sampler(loader, inputs)
    signature = tensorflow.nest.map_structure(_spec, sampler(loader.dataset.no_events()))
    return tensorflow.data.Dataset.from_generator(lambda: map(sampler, loader), output_signature=signature)


def _spec(array: NDArray[np.generic]) -> Any:
    return tensorflow.TensorSpec((None, *array.shape[1:]), array.dtype)
