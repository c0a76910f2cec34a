"""Flattening columns in memory to matrix and mask."""

from collections.abc import Callable
from functools import partial

import mlaas4hep as m
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benches import rivals
from benches.data import Columns, as_awkward, first_events, generate
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
        *weaver(columns, specs, ours[0]),
        Contestant("mlaas4hep, 1 thread, fresh buffers", lambda: plan(columns, threads=1), EVENTS),
        Contestant("Awkward idiom", lambda: rivals.awkward_idiom(arrays, specs, idiom), EVENTS),
        Contestant("event by event", lambda: rivals.event_by_event(few, specs, loop), FEW),
        Contestant("filling with a constant, 1 thread", lambda: rivals.fill(idiom), EVENTS),
        Contestant("mlaas4hep, 2 threads, warm buffers", lambda: plan(columns, threads=2, out=ours), EVENTS),
        Contestant("filling with a constant, 2 threads", lambda: rivals.fill(idiom, 2), EVENTS),
    ]
    offsets = "one offsets buffer a collection" if shared else "an offsets buffer a branch"
    race(f"flatten, {EVENTS} events, {len(plan.names)} columns, {offsets}", contestants, benchmark)


def weaver(columns: Columns, specs: m.Specs, ours: NDArray[np.float32]) -> list[Contestant]:
    """Return weaver-core as a contestant, where it is installed."""
    try:
        rival = rivals.Weaver(columns, specs)
    except ImportError:
        return []
    rival()
    assert np.allclose(rival.matrix(), ours, rtol=1e-6, atol=1e-7)  # Numba multiplies and adds in another order
    return [Contestant("weaver-core's kernel, 1 thread, no mask", rival, EVENTS)]


def changed(columns: Columns, change: Callable[[NDArray[np.generic]], NDArray[np.generic]]) -> Columns:
    """Return the columns with other numbers."""
    return {
        name: (column[0], change(column[1])) if isinstance(column, tuple) else change(column)
        for name, column in columns.items()
    }


def test_kinds_of_numbers(benchmark: BenchmarkFixture) -> None:
    random = np.random.default_rng(1)

    def riddled(numbers: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.where(random.random(len(numbers)) < 0.05, np.nan, numbers).astype(np.float32)

    columns = generate(EVENTS)
    variants = {
        "float32": changed(columns, lambda numbers: numbers.astype(np.float32)),
        "float64": changed(columns, lambda numbers: numbers.astype(np.float64)),
        "int32": changed(columns, lambda numbers: numbers.astype(np.int32)),
        "float32, 5 % missing": changed(columns, riddled),
    }
    out = buffers(EVENTS, len(m.Plan(m.scan(columns)).names))
    contestants = []
    for name, variant in variants.items():
        plan = m.Plan(m.scan(variant))
        contestants.append(Contestant(name, partial(plan, variant, threads=1, out=out), EVENTS))
    race("flatten, 1 thread, warm buffers, by the type of all branches", contestants, benchmark)


def test_one_event(benchmark: BenchmarkFixture) -> None:
    columns = generate(EVENTS)
    plan = m.Plan(m.scan(columns))
    one, out = first_events(columns, 1), buffers(EVENTS, len(plan.names))
    assert np.array_equal(plan(one).data, plan(columns).data[:1])
    contestants = [
        Contestant("one event, 78 branches, plan ready", lambda: [plan(one) for _ in range(100)], 100),
        Contestant("filling with a constant, 1 thread", lambda: rivals.fill(out), EVENTS),
    ]
    race("a small call (1000 / rate is its time in us)", contestants, benchmark)
