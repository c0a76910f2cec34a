"""Reads mutations of a file: a program that ends with the number of each, so that a crash is seen and its seed known.

    python mutate.py FILE FIRST COUNT

Every mutation must give an error of ours, or columns of the right shape; anything else ends the program with a
traceback behind the number of the mutation.
"""

import os
import resource
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

MEMORY = 2**30
"""Most bytes that a mutation may take beside what the imports take."""


def mutate(data: bytes, seed: int) -> bytes:
    """Flip bits, set bytes, cut, double or swap parts of a file."""
    random = np.random.default_rng(seed)
    changed = bytearray(data)
    kind = seed % 5
    at = int(random.integers(len(data)))
    if kind == 0:
        return bytes(changed[:at])
    if kind == 1:
        width = int(random.integers(1, 200))
        return bytes(changed[:at] + changed[at + width :])
    if kind == 2:  # a number of 1, 2, 4 or 8 bytes becomes another: a length, an offset, a count
        width = int(random.choice([1, 2, 4, 8]))
        number = int(random.choice([0, 1, 255, 2**31 - 1, 2**63 - 1, 2**40]))
        changed[at : at + width] = (number % 256**width).to_bytes(width, "little" if random.random() < 0.5 else "big")
        return bytes(changed[: len(data)])
    for _ in range(int(random.integers(1, 4 if kind == 3 else 20))):
        changed[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    return bytes(changed)


def check(path: Path) -> str:
    """Read everything in two ranges and as chunks; return what came of it."""
    from mlaas4hep import Dataset
    from mlaas4hep.errors import MLaaSError
    from mlaas4hep.sources import open_source

    try:
        source = open_source(str(path))
        names = [name for name, branch in source.schema().items() if branch.kind != "other"]
        middle = source.entries // 2
        for start, stop in ((0, middle), (middle, source.entries)):
            for name, column in source.read(names, start, stop).items():
                assert length(column) == stop - start, (name, start, stop)
        source.close()
        events = sum(len(chunk.data) for chunk in Dataset(str(path)).chunks(100))
    except MLaaSError as error:
        return type(error).__name__
    assert events == source.entries
    return "read"


def length(column: Any) -> int:
    if hasattr(column, "mask"):
        assert len(column.mask) == length(column.values)
        return len(column.mask)
    if isinstance(column, tuple):
        offsets, content = column
        assert offsets[0] == 0
        assert (np.diff(offsets) >= 0).all()
        assert offsets[-1] == length(content)
        return len(offsets) - 1
    return len(column)


def main(path: Path, first: int, count: int) -> None:
    import fsspec  # noqa: F401 (before memory is limited)
    from mlaas4hep.sources.root import ttree  # noqa: F401
    from mlaas4hep.sources.tables import arrow, csv, parquet  # noqa: F401

    check(path)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MEMORY, resource.RLIM_INFINITY))
    data = path.read_bytes()
    folder = Path(tempfile.mkdtemp())
    try:
        for seed in range(first, first + count):
            print(seed, end=" ", flush=True)
            changed = folder / f"{seed}{path.suffix}"
            changed.write_bytes(mutate(data, seed))
            found = check(changed)
            print(found, flush=True)
            changed.unlink()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
