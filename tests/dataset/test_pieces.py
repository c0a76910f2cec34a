"""Windows cut into pieces: views where a window has them whole, copies of no more than what runs over a border."""

from itertools import pairwise

import mlaas4hep
import numpy as np
import pytest
from mlaas4hep.dataset.chunk import Chunk
from mlaas4hep.dataset.pieces import Share, Window, pieces_of

EVENTS, SIZE = 100, 20


@pytest.fixture(scope="module")
def plan() -> mlaas4hep.Plan:
    return mlaas4hep.Plan(mlaas4hep.scan({"x": np.arange(2.0, dtype=np.float32)}))


def windows(plan: mlaas4hep.Plan, limits: list[int]) -> list[Window]:
    """Windows between these limits, whose entries are their events' positions."""
    made = []
    for start, stop in pairwise(limits):
        target = {name: np.zeros((stop - start, *shape), dtype) for name, (dtype, shape) in plan.fields.items()}
        target |= {"file": np.zeros(stop - start, np.int32), "entry": np.arange(start, stop)}
        made.append(Window(target, np.zeros(0, np.int64), start, Share(EVENTS, EVENTS, 1), plan))
    return made


def in_window(chunk: Chunk, window: Window) -> bool:
    return np.shares_memory(chunk.data, window.target["data"])


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_pieces_are_views_of_the_window_that_has_them_whole(plan: mlaas4hep.Plan, pieces: int) -> None:
    made = windows(plan, [*range(0, EVENTS, pieces * SIZE), EVENTS])
    chunks = list(pieces_of(made, SIZE))
    assert [chunk.entry.tolist() for chunk in chunks] == np.arange(EVENTS).reshape(-1, SIZE).tolist()
    assert all(in_window(chunk, made[number // pieces]) for number, chunk in enumerate(chunks))


def test_pieces_over_a_border_are_copies(plan: mlaas4hep.Plan) -> None:
    made = windows(plan, [0, 30, 35, EVENTS])
    chunks = list(pieces_of(made, SIZE))
    assert [chunk.entry.tolist() for chunk in chunks] == np.arange(EVENTS).reshape(-1, SIZE).tolist()
    views = [any(in_window(chunk, window) for window in made) for chunk in chunks]
    assert views == [True, False, True, True, True]
