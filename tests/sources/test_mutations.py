"""Two thousand damaged files: an error of ours or a right answer, never another error, a crash, a hang, much memory."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.sources import files, test_twins
from tests.sources.formats import write_arrow, write_csv, write_parquet
from tests.sources.mutate import mutate

EVENTS = 120
AT_ONCE = 200
"""Mutations of one process."""

KINDS: dict[str, dict[str, Any]] = {
    "a.root": {},
    "zlib.parquet": {"compression": "gzip"},
    "plain.parquet": {"compression": "none", "use_dictionary": False},
    "a.arrow": {},
    "lz4.arrow": {"compression": "lz4"},
    "a.arrows": {},
    "a.csv": {},
}
PROCESSES = {"zlib.parquet": 2, "plain.parquet": 2, "a.csv": 2}
"""Of other files there is one."""


def made(name: str, folder: Path) -> Path:
    path, options = folder / name, KINDS[name]
    columns = test_twins.flat(EVENTS, 1)
    if path.suffix != ".csv":
        columns |= test_twins.jagged(EVENTS, 1)
    if path.suffix == ".root":
        return files.write(path, {"events": columns})
    table = test_twins.as_table(columns)
    write: Any = {".parquet": write_parquet, ".csv": write_csv}.get(path.suffix, write_arrow)
    return Path(write(table, path, 50, **options))


def test_there_are_two_thousand() -> None:
    assert sum(AT_ONCE * PROCESSES.get(name, 1) for name in KINDS) == 2000


@pytest.mark.parametrize("name", KINDS)
def test_mutations(name: str, tmp_path: Path) -> None:
    path = made(name, tmp_path)
    found: Counter[str] = Counter()
    for number in range(PROCESSES.get(name, 1)):
        numbers = [str(number * AT_ONCE), str(AT_ONCE)]
        command = [sys.executable, str(Path(__file__).parent / "mutate.py"), str(path), *numbers]
        found += outcomes(command)
    assert found["read"] < found.total()  # damage is noticed
    assert set(found) <= {"read", "SourceError", "ReadError", "BranchError", "ParamsError", "SpecsError", "ColumnError"}


def outcomes(command: list[str]) -> Counter[str]:
    """What became of each mutation; a failure names the last one."""
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2", "MLAAS4HEP_NUM_THREADS": "1"}
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    last = answer.stdout.splitlines()[-1:] or ["none was reached"]
    assert answer.returncode == 0, (
        f"{command[2]}, mutation {last[0]}: exit {answer.returncode}\n{answer.stderr[-2000:]}"
    )
    return Counter(line.split()[1] for line in answer.stdout.splitlines())


def test_mutations_are_the_same_every_time() -> None:
    data = bytes(range(256)) * 4
    assert [mutate(data, seed) for seed in range(50)] == [mutate(data, seed) for seed in range(50)]
    assert len({mutate(data, seed) for seed in range(50)}) > 45
