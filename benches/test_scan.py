"""The first pass over columns in memory."""

import mlaas4hep as m
from pytest_benchmark.fixture import BenchmarkFixture

from benches import rivals
from benches.data import as_awkward, generate
from benches.race import Contestant, race

EVENTS = 50_000


def test_scan(benchmark: BenchmarkFixture) -> None:
    columns = generate(EVENTS)
    arrays = as_awkward(columns)
    specs = m.scan(columns)
    learned = {name: (specs.minv[name], specs.maxv[name], specs.jdim.get(name, 1)) for name in columns}
    assert rivals.awkward_scan(arrays) == learned
    assert rivals.numpy_scan(columns) == learned

    contestants = [
        Contestant("mlaas4hep, 1 thread", lambda: m.scan(columns, threads=1), EVENTS),
        Contestant("mlaas4hep, 2 threads", lambda: m.scan(columns, threads=2), EVENTS),
        Contestant("Awkward min, max, num", lambda: rivals.awkward_scan(arrays), EVENTS),
        Contestant("NumPy min, max, diff", lambda: rivals.numpy_scan(columns), EVENTS),
    ]
    race(f"scan, {EVENTS} events, {len(columns)} branches", contestants, benchmark)
