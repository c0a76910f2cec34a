"""Flattening columns in memory to matrix and mask."""

import mlaas4hep as m
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches import rivals
from benches.data import as_awkward, first_events, generate
from benches.race import Contestant, race

EVENTS = 50_000
FEW = 2_000  # for the event-by-event path


def buffers(events: int, width: int) -> rivals.Out:
    """Return warm buffers: every page has been written to."""
    return np.ones((events, width), np.float32), np.ones((events, width), np.bool_)


@pytest.mark.parametrize("shared", [True, False], ids=["shared offsets", "equal offsets"])
def test_flatten(shared: bool, benchmark: BenchmarkFixture) -> None:
    columns = generate(EVENTS, shared=shared)
    arrays, few = as_awkward(columns), as_awkward(first_events(columns, FEW))
    specs = m.scan(columns)
    plan = m.Plan(specs)
    ours, idiom, loop = (buffers(events, len(plan.names)) for events in (EVENTS, EVENTS, FEW))

    plan(columns, threads=1, out=ours)
    rivals.awkward_idiom(arrays, specs, idiom)
    rivals.event_by_event(few, specs, loop)
    assert np.array_equal(idiom[0], ours[0])
    assert np.array_equal(idiom[1], ours[1])
    assert np.allclose(loop[0], ours[0][:FEW], rtol=1e-6, atol=1e-7)  # doubles round otherwise
    assert np.array_equal(loop[1], ours[1][:FEW])

    contestants = [
        Contestant("mlaas4hep, 1 thread, warm buffers", lambda: plan(columns, threads=1, out=ours), EVENTS),
        Contestant("mlaas4hep, 2 threads, warm buffers", lambda: plan(columns, threads=2, out=ours), EVENTS),
        Contestant("mlaas4hep, 1 thread, fresh buffers", lambda: plan(columns, threads=1), EVENTS),
        Contestant("Awkward idiom", lambda: rivals.awkward_idiom(arrays, specs, idiom), EVENTS),
        Contestant("event by event", lambda: rivals.event_by_event(few, specs, loop), FEW),
        Contestant("filling with a constant", lambda: rivals.fill(idiom), EVENTS),
    ]
    offsets = "one offsets buffer a collection" if shared else "an offsets buffer a branch"
    race(f"flatten, {EVENTS} events, {len(plan.names)} columns, {offsets}", contestants, benchmark)
