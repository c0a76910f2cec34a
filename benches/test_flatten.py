"""Flattening columns in memory to matrix and mask."""

from collections.abc import Callable
from functools import partial

import mlaas4hep as m
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benches import rivals
from benches.data import COLLECTIONS, Columns, as_awkward, first_events, generate
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


def tensors(plan: m.Plan, events: int) -> dict[str, rivals.Out]:
    """Return warm buffers for every tensor of a plan."""
    shapes = {name: ((events, *shape), (events, *shape[1:])) for name, shape in plan.shapes.items()}
    made = {name: (np.ones(data, np.float32), np.ones(mask, np.bool_)) for name, (data, mask) in shapes.items()}
    return {"matrix": buffers(events, len(plan.names)), **made}


@pytest.mark.parametrize("placed", [False, True], ids=["in order", "shuffled"])
def test_layouts(placed: bool, benchmark: BenchmarkFixture) -> None:
    """The same branches as a matrix, and as a tensor for each collection."""
    columns = generate(EVENTS)
    specs = m.scan(columns)
    groups = {collection.name: [f"{collection.name}*"] for collection in COLLECTIONS}
    matrix, layout = m.Plan(specs), m.Plan(specs, layout="collections", collections=groups)
    out, outs = buffers(EVENTS, len(matrix.names)), tensors(layout, EVENTS)
    order = np.random.default_rng(1).permutation(EVENTS) if placed else np.arange(EVENTS)
    held = matrix.hold(columns), layout.hold(columns)

    def fill_matrix() -> object:
        return matrix.place(held[0], order, out, threads=1)

    def fill_tensors() -> object:
        return layout.place(held[1], order, outs, threads=1)

    fill_matrix(), fill_tensors()
    for collection in COLLECTIONS:
        columns_of = [at for at, name in enumerate(matrix.names) if name.startswith(collection.name)]
        data, mask = outs[collection.name]
        assert np.array_equal(data.reshape(EVENTS, -1), out[0][:, columns_of])
        assert np.array_equal(mask, out[1][:, columns_of[: collection.longest]])
    contestants = [
        Contestant("collections, 1 thread, warm buffers", fill_tensors, EVENTS),
        Contestant("matrix, 1 thread, warm buffers", fill_matrix, EVENTS),
    ]
    race(
        f"layouts, {EVENTS} events, {len(COLLECTIONS)} collections, {'shuffled' if placed else 'in order'}",
        contestants,
        benchmark,
    )


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
