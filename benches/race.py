"""Let several ways of doing the same work run in turn, and compare their medians."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles

from pytest_benchmark.fixture import BenchmarkFixture


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do the work, for so many events a call."""

    name: str
    work: Callable[[], object]
    events: int


@dataclass(frozen=True, slots=True)
class Result:
    """Quartiles of the rate of a contestant, in events a second."""

    name: str
    low: float
    median: float
    high: float


def race(title: str, contestants: list[Contestant], benchmark: BenchmarkFixture, rounds: int = 7) -> list[Result]:
    """Run all contestants in turn, ``rounds`` times after one that does not count; print and keep the rates.

    The first contestant is ours: the others are given as ratios to it, and pytest-benchmark times it as well, so
    that its JSON holds the whole table.
    """
    rates: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds + 1):
        for contestant in contestants:
            start = time.perf_counter()
            contestant.work()
            seconds = time.perf_counter() - start
            if number > 0:
                rates[contestant.name].append(contestant.events / seconds)
    results = [Result(name, *quantiles(values, n=4)) for name, values in rates.items()]
    show(title, results)
    benchmark.extra_info["events_per_second"] = {
        result.name: [result.low, result.median, result.high] for result in results
    }
    benchmark.pedantic(contestants[0].work, rounds=rounds)
    return results


def show(title: str, results: list[Result]) -> None:
    """Print the table."""
    ours = results[0].median
    print(f"\n\n{title}\n{'thousand events/s':>50} {'quartiles':>19} {'we are':>9}")
    for result in results:
        spread = f"{result.low / 1e3:.1f} - {result.high / 1e3:.1f}"
        print(f"{result.name:<38}{result.median / 1e3:>12.1f} {spread:>19} {ours / result.median:>8.2f}x")
