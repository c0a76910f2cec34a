"""Formulas and cuts on columns in memory, and in passes over a ROOT file."""

from collections.abc import Callable
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


def test_a_pass_with_cuts(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    path = root_file(tmp_path, FILE_EVENTS, SMALL)
    plain, cut = m.Dataset(path), m.Dataset(path, preproc=PREPROC)
    plain.specs(), cut.specs()

    def run(dataset: m.Dataset) -> int:
        return sum(len(chunk.data) for chunk in dataset.chunks(CHUNK))

    survivors = run(cut)
    print(f"\n\n{survivors:,} of {FILE_EVENTS:,} events pass")
    contestants = [
        Contestant("two new branches, five cuts", lambda: run(cut), FILE_EVENTS),
        Contestant("without", lambda: run(plain), FILE_EVENTS),
    ]
    race(f"a pass over {FILE_EVENTS} events, per event read", contestants, benchmark, rounds=3)
    contestants = [
        Contestant("first pass with them", lambda: m.Dataset(path, preproc=PREPROC).specs(), FILE_EVENTS),
        Contestant("first pass without", lambda: m.Dataset(path).specs(), FILE_EVENTS),
    ]
    for contestant in contestants:
        contestant.work()
    race(f"a first pass over {FILE_EVENTS} events, per event read", contestants, benchmark, rounds=3)
