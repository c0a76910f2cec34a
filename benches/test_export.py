"""Chunks as files, against making them alone."""

from functools import partial
from pathlib import Path

import mlaas4hep as m
from mlaas4hep.export import FORMATS, export
from pytest_benchmark.fixture import BenchmarkFixture

from benches.files import LARGE, root_file
from benches.race import Contestant, race
from benches.test_pass import CHUNK, EVENTS, run, scanned


def test_formats(folder: Path, tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    path = root_file(folder, EVENTS, LARGE)
    specs = scanned(path)

    def write(form: str) -> int:
        return export(m.Dataset(path, specs=specs), tmp_path / form, form=form, size=CHUNK).events

    assert [write(form) for form in FORMATS] == [run(path, specs)] * len(FORMATS)
    contestants = [
        Contestant("ROOT to chunks in memory", lambda: run(path, specs), EVENTS),
        *(Contestant(f"ROOT to chunks as {form}", partial(write, form), EVENTS) for form in FORMATS),
    ]
    race(f"a pass over {EVENTS} events, chunks of {CHUNK} as files", contestants, benchmark, rounds=3)
