"""Formulas and cuts on columns in memory, and in passes over a ROOT file."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import mlaas4hep as m
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benches.data import Columns, as_awkward, generate
from benches.files import SMALL, root_file
from benches.race import Contestant, race

EVENTS = 500_000
FILE_EVENTS, CHUNK = 200_000, 50_000

TEN = "(a*b + c - 2*a) / (abs(b) + 1) - (c + 3*a) * 0.5"


def hypot(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.sqrt(x**2 + y**2)
    return found


def wide(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return float32 content as float64, which is what a formula computes in."""
    return x.astype(np.float64)


def same(found: ak.Array, expected: object) -> None:
    """Assert equal values, up to the last digits of elementary functions."""
    content = ak.to_numpy(ak.flatten(found, axis=None))
    np.testing.assert_allclose(content, np.asarray(ak.flatten(expected, axis=None)), rtol=1e-15)


CASES: dict[str, tuple[str, str, Callable[..., object]]] = {
    "sqrt(x**2+y**2)": ("sqrt(x**2+y**2)", "NumPy", lambda c: hypot(wide(c["x"]), wide(c["y"]))),
    "log(x)": ("log(x)", "NumPy", lambda c: np.log(wide(c["x"]))),
    "any and all": (
        "any(a>70) & all(b<90)",
        "Awkward",
        lambda c: ak.any(c["a"] > 70, axis=1) & ak.all(c["b"] < 90, axis=1),
    ),
    "ten operations": (
        TEN,
        "Awkward",
        lambda c: (c["a"] * c["b"] + c["c"] - 2 * c["a"]) / (abs(c["b"]) + 1) - (c["c"] + 3 * c["a"]) * 0.5,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_formula(case: tuple[str, str, Callable[..., object]], benchmark: BenchmarkFixture) -> None:
    formula, rival, work = case
    names = {"x": "jet00", "y": "jet01", "a": "jet02", "b": "jet03", "c": "jet04"}
    whole = generate(EVENTS)
    columns: Columns = {}
    for short, name in names.items():
        offsets, content = whole[name]
        columns[short] = offsets, np.abs(content) + np.float32(1)
    arrays = as_awkward(columns)
    # Awkward gets float64 as it stands; NumPy has only content to convert.
    of_rival: dict[str, Any] = {name: ak.values_astype(array, np.float64) for name, array in arrays.items()}
    if rival == "NumPy":
        of_rival = {name: column[1] for name, column in columns.items() if isinstance(column, tuple)}
    same(m.evaluate(formula, columns), work(of_rival))
    contestants = [
        Contestant("mlaas4hep, 1 thread", lambda: m.evaluate(formula, columns, threads=1), EVENTS),
        Contestant("mlaas4hep, 2 threads", lambda: m.evaluate(formula, columns, threads=2), EVENTS),
        Contestant(f"{rival}, float64", lambda: work(of_rival), EVENTS),
    ]
    race(f"{formula}, {EVENTS} events", contestants, benchmark)


PREPROC = {
    "new_branch": {
        "log_parton": {
            "def": "log(parton00)",
            "type": "jagged",
            "cut_1": ["log_parton<6.31", "any"],
            "cut_2": ["log_parton>0.05", "all"],
            "keys_to_remove": ["parton00"],
        },
        "njet_square": {"def": "njet**2", "type": "flat", "cut": "0<=njet_square<=64", "keys_to_remove": ["njet"]},
    },
    "flat_cut": {"nlepton": {"cut": "0<=nlepton<=2"}},
    "jagged_cut": {"parton01": {"cut": ["parton01>-20", "all"]}},
}
"""The contract's example, on the branches that are generated."""


@pytest.mark.parametrize("which", ["a pass", "a first pass"])
def test_with_cuts(which: str, tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    path = root_file(tmp_path, FILE_EVENTS, SMALL)
    plain, cut = m.Dataset(path), m.Dataset(path, preproc=PREPROC)
    plain.specs()
    print(f"\n\n{cut.cutflow.total.survived:,} of {FILE_EVENTS:,} events pass")

    def chunks(dataset: m.Dataset) -> int:
        return sum(len(chunk.data) for chunk in dataset.chunks(CHUNK))

    works: list[Callable[[], object]]
    if which == "a pass":
        works = [lambda: chunks(cut), lambda: chunks(plain)]
    else:
        works = [lambda: m.Dataset(path, preproc=PREPROC).specs(), lambda: m.Dataset(path).specs()]
    names = ["two new branches, five cuts", "without"]
    contestants = [Contestant(name, work, FILE_EVENTS) for name, work in zip(names, works, strict=True)]
    race(f"{which} over {FILE_EVENTS} events, per event read", contestants, benchmark, rounds=5)


def copied(source: NDArray[np.float64], target: NDArray[np.float64], threads: int) -> None:
    """Copy with NumPy, in as many threads."""
    with ThreadPoolExecutor(threads) as executor:
        edges = np.linspace(0, len(source), threads + 1).astype(int)
        list(executor.map(lambda cut: np.copyto(target[cut[0] : cut[1]], source[cut[0] : cut[1]]), pairwise(edges)))


def test_two_threads(benchmark: BenchmarkFixture) -> None:
    events = 4 * EVENTS
    offsets, content = generate(events)["jet00"]
    columns: Columns = {"a": (offsets, content)}
    source = content.astype(np.float64)
    target = np.empty_like(source)
    formula = "sum(sqrt(abs(a) + 1) * 2 - a)"
    contestants = [
        Contestant("mlaas4hep, 2 threads", lambda: m.evaluate(formula, columns, threads=2), events),
        Contestant("mlaas4hep, 1 thread", lambda: m.evaluate(formula, columns, threads=1), events),
        Contestant("copying, 2 threads", lambda: copied(source, target, 2), events),
        Contestant("copying, 1 thread", lambda: copied(source, target, 1), events),
    ]
    race(f"{formula}, {events} events", contestants, benchmark, rounds=15)


MEMORY = f"""
import re
from pathlib import Path
import mlaas4hep as m, numpy as np, awkward

def resident(what):
    return 1024 * int(re.search(what + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

random = np.random.default_rng(1)
offsets = np.concatenate([[0], np.cumsum(random.integers(0, 5, 3_000_000))])
columns = {{name: (offsets, random.random(offsets[-1], np.float32)) for name in "abc"}}
m.evaluate("count(a)", {{"a": (offsets[:2], columns["a"][1])}}, threads=2)
Path("/proc/self/clear_refs").write_text("5")
before = resident("VmRSS")
out = m.evaluate("sum({TEN})", columns, threads=2)
print((resident("VmHWM") - before - out.nbytes) / 1e6)
"""


def test_memory() -> None:
    found = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True).stdout
    print(f"\n\ntemporary memory of sum({TEN}), 3,000,000 events, 2 threads: {float(found):.1f} MB")
