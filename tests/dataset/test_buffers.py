"""Arrays of chunks are used again only where nobody can see it."""

import numpy as np
import pytest
from mlaas4hep.dataset.buffers import Buffers, Field
from numpy.typing import NDArray

FIELDS: dict[str, Field] = {
    "data": (np.float32, (5,)),
    "padding_mask": (np.bool_, (5,)),
    "labels": (np.int64, ()),
    "file": (np.int32, ()),
}


def address(array: NDArray[np.generic]) -> int:
    return int(array.ctypes.data)


def test_arrays_that_nobody_holds_are_used_again() -> None:
    buffers = Buffers(100, FIELDS)
    places = set()
    for _ in range(5):
        target = buffers.target(100)
        places.add(address(target["data"]))
        del target
    assert len(places) == 1


@pytest.mark.parametrize("what", FIELDS)
@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[3:], lambda a: a.T, memoryview, lambda a: a.reshape(-1)[1:]])
def test_what_somebody_holds_stays(what: str, view: object) -> None:
    buffers = Buffers(100, FIELDS)
    target = buffers.target(90)
    array = target[what]
    array[...] = 1
    held = view(array)  # type: ignore[operator]
    del target, array
    for _ in range(4):
        target = buffers.target(100)
        target[what][...] = 0
        del target
    assert np.asarray(held).all()


def test_two_chunks_at_once_have_two_places() -> None:
    buffers = Buffers(10, FIELDS)
    first, second, third = (buffers.target(10) for _ in range(3))
    assert len({address(target["data"]) for target in (first, second, third)}) == 3
    del first
    assert address(buffers.target(4)["data"]) not in {address(second["data"]), address(third["data"])}
