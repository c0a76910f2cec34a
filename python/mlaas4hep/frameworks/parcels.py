"""Tensors that go from one process to another in shared memory, which is used again.

New memory costs many times what is written there, for the system clears it page by page; in shared memory twice that.
"""

import multiprocessing
import os
from multiprocessing.reduction import ForkingPickler
from typing import Any
from weakref import finalize

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["Batch"]

ALIGNED = 64
"""Tensors begin at multiples of so many bytes. The first ones tell whether somebody holds what stands behind them."""

Key = tuple[int, int]
"""The process that made a piece of memory, and which of its pieces it is."""

Place = tuple[str, str, tuple[int, ...], int]
"""Name, type and shape of a tensor, and where it begins."""


class Batch(dict[str, torch.Tensor]):
    """Tensors by name, which are sent to another process together, in one piece of memory whatever their number."""


_OURS: dict[Key, torch.Tensor] = {}
"""What this process sends in."""
_THEIRS: dict[Key, torch.Tensor] = {}
"""What it receives in."""


def _send(batch: Batch) -> tuple[Any, ...]:
    """Put the tensors where another process finds them; it is told of new memory once."""
    places: list[Place] = []
    end = ALIGNED
    for name, tensor in batch.items():
        places.append((name, tensor.numpy().dtype.str, tuple(tensor.shape), end))
        end += -(-tensor.nbytes // ALIGNED) * ALIGNED
    free = (
        key for key, memory in _OURS.items() if key[0] == os.getpid() and len(memory) >= end and not _held(memory)[0]
    )
    key = next(free, None)
    new = key is None
    if key is None:
        key = os.getpid(), len(_OURS)
        _OURS[key] = torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(end))
    memory = _OURS[key]
    for place, tensor in zip(places, batch.values(), strict=True):
        np.copyto(_at(memory.numpy(), place), tensor.numpy())
    _held(memory)[0] = 1
    return _receive, (key, memory if new else None, places)


def _receive(key: Key, memory: torch.Tensor | None, places: list[Place]) -> Batch:
    """Return tensors in the memory of another process, which uses it again when nobody holds any of them."""
    if memory is not None:
        alive = {key[0], *(process.pid for process in multiprocessing.active_children())}
        for gone in [other for other in _THEIRS if other[0] not in alive]:
            del _THEIRS[gone]
        _THEIRS[key] = memory
    whole = _THEIRS[key].numpy()  # an array of this batch, which all its tensors hold
    finalize(whole, _held(_THEIRS[key]).fill, 0).atexit = False
    return Batch({place[0]: torch.from_numpy(_at(whole, place)) for place in places})


def _held(memory: torch.Tensor) -> NDArray[np.uint8]:
    """The byte of a piece of memory that tells whether somebody holds what is there."""
    return memory.numpy()[:1]


def _at(memory: NDArray[np.uint8], place: Place) -> NDArray[Any]:
    """The array at a place in memory."""
    _, dtype, shape, start = place
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return memory[start : start + size].view(dtype).reshape(shape)


ForkingPickler.register(Batch, _send)
