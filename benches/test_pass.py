"""Passes over ROOT files: the scan is done, chunks are made."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlaas4hep as m
import numpy as np
import pytest
import uproot
from mlaas4hep.bytesize import parse_bytes
from pytest_benchmark.fixture import BenchmarkFixture

from benches.data import Columns, generate
from benches.files import LARGE, SMALL, linked, root_file
from benches.race import Contestant, race

EVENTS, CHUNK, FILES = 200_000, 100_000, 100
BASKETS = {"small baskets": SMALL, "large baskets": LARGE}


def scanned(path: Path) -> m.Specs:
    """Return the specs of a file for files of any number of events."""
    text = json.loads(m.Dataset(path).specs().to_text())
    bare = path.with_suffix(".json")
    bare.write_text(json.dumps({key: value for key, value in text.items() if key not in ("events", "selected")}))
    return m.Specs.from_json(bare)


def run(paths: Path | list[Path], specs: m.Specs) -> int:
    """Make a pass, and return the number of events."""
    return sum(len(chunk.data) for chunk in m.Dataset(paths, specs=specs).chunks(CHUNK))


@pytest.mark.parametrize("basket", BASKETS.values(), ids=BASKETS.keys())
def test_against_reading_alone(basket: int, folder: Path, benchmark: BenchmarkFixture) -> None:
    path = root_file(folder, EVENTS, basket)
    specs = scanned(path)
    threads = ThreadPoolExecutor(2)

    def read() -> None:
        with uproot.open({str(path): "events"}) as tree:
            tree.arrays(specs.branches, decompression_executor=threads, interpretation_executor=threads)

    assert run(path, specs) == EVENTS
    contestants = [
        Contestant("mlaas4hep, ROOT to chunks, 2 threads", lambda: run(path, specs), EVENTS),
        Contestant("uproot, ROOT to arrays, 2 threads", read, EVENTS),
    ]
    race(f"a pass over {EVENTS} events, ZLIB level 1, baskets of {basket} events", contestants, benchmark, rounds=5)


def test_many_files(folder: Path, benchmark: BenchmarkFixture) -> None:
    many = linked(root_file(folder, EVENTS // 4, SMALL), 20)
    one = root_file(folder, 5 * EVENTS, SMALL)
    specs = scanned(many[0])
    events = 5 * EVENTS
    contestants = [
        Contestant("20 files of 50,000 events, mixed", lambda: run(many, specs), events),
        Contestant("1 file of as many events", lambda: run(one, specs), events),
    ]
    race("a pass over many files", contestants, benchmark, rounds=3)


def test_a_slow_consumer_does_not_wait(folder: Path) -> None:
    path = root_file(folder, EVENTS, SMALL)
    dataset = m.Dataset(path, specs=scanned(path))
    waited, begin = 0.0, time.perf_counter()
    for number, _ in enumerate(dataset.chunks(20_000)):
        if number == 0:
            first = dataset.last_pass.waiting
        time.sleep(0.2)
        waited = dataset.last_pass.waiting - first
    share = waited / (time.perf_counter() - begin)
    print(f"\n\na consumer that takes 0.2 s for each 20,000 events waits {100 * share:.1f} % of the time")


MEMORY = """
import json, re, sys, warnings
from pathlib import Path
import mlaas4hep as m, uproot, awkward, pyarrow

def most_resident():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

warnings.simplefilter("ignore")
specs, chunk, most, *paths = sys.argv[1:]
base = most_resident()
seen = 0
wanted = {"size": int(chunk)} if chunk.isdecimal() else {"memory": chunk}
for got in m.Dataset(paths, specs=m.Specs.from_json(specs)).chunks(**wanted):
    seen += len(got.data)
    size = got.data.nbytes + got.padding_mask.nbytes if seen == len(got.data) else size
    if seen >= int(most):
        break
print(json.dumps({"peak": most_resident() - base, "chunk": size}))
"""


def arrays_of(columns: Columns) -> list[np.ndarray]:
    """Return the arrays of columns, those that several share once."""
    arrays = [array for column in columns.values() for array in (column if isinstance(column, tuple) else (column,))]
    return list({id(array): array for array in arrays}.values())


def measured(folder: Path, files: int, events: int, basket: int, wanted: str, most: int) -> dict[str, int]:
    """Return what a pass over up to so many events of files with so many each takes at most, and a chunk's size."""
    path = root_file(folder, events, basket)
    paths = [path] if files == 1 else linked(path, files)
    scanned(path)
    command = [sys.executable, "-c", MEMORY, str(path.with_suffix(".json")), wanted, str(most), *map(str, paths)]
    found: dict[str, int] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


@pytest.mark.parametrize("basket", BASKETS.values(), ids=BASKETS.keys())
@pytest.mark.parametrize(("files", "events"), [(1, 1_000_000), (1, 4_000_000), (FILES, LARGE)])
def test_memory(files: int, events: int, basket: int, folder: Path) -> None:
    found = measured(folder, files, events, basket, str(CHUNK), events if files == 1 else 1_000_000)
    columns = CHUNK * sum(array.nbytes for array in arrays_of(generate(LARGE))) / LARGE
    print(
        f"\n\npeak memory of a pass over {files} file(s) of {events} events, baskets of {basket}, chunks of {CHUNK}: "
        f"{found['peak'] / 1e6:.0f} MB; matrix and mask of a chunk {found['chunk'] / 1e6:.0f} MB, "
        f"its columns {columns / 1e6:.0f} MB"
    )


@pytest.mark.parametrize("budget", ["1 GB", "2 GB"])
@pytest.mark.parametrize("basket", BASKETS.values(), ids=BASKETS.keys())
@pytest.mark.parametrize(("files", "events"), [(1, 4_000_000), (FILES, LARGE)])
def test_budget(files: int, events: int, basket: int, budget: str, folder: Path) -> None:
    found = measured(folder, files, events, basket, budget, 4_000_000)
    print(
        f"\n\na pass over {files} file(s) of {events} events, baskets of {basket}, with a budget of {budget}: "
        f"{found['peak'] / 1e6:.0f} MB at the peak; matrix and mask of a chunk {found['chunk'] / 1e6:.0f} MB"
    )
    assert found["peak"] < 1.2 * parse_bytes("budget", budget)
