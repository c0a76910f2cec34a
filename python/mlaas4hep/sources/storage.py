"""How the branches of ROOT files are stored."""

from typing import Any

from mlaas4hep.sources.branch import Storage

__all__ = ["algorithm", "stored"]

ALGORITHMS = {0: "ZLIB", 1: "ZLIB", 2: "LZMA", 3: "old ROOT", 4: "LZ4", 5: "ZSTD"}
"""ROOT's codes of what compresses; 0 is its default, which has always been ZLIB for branches that have a level."""


def stored(branch: Any) -> Storage:
    """Return how a branch of a TTree is stored, as uproot knows it."""
    packed, size, code = int(branch.compressed_bytes), int(branch.uncompressed_bytes), int(branch.member("fCompress"))
    if code == 0 and packed < size:  # uproot writes no code of a branch
        code = int(branch.file.fCompress)
    return Storage(packed, size, int(branch.num_baskets), algorithm(code))


def algorithm(code: int) -> str:
    """Return the name of ROOT's code of algorithm and level.

    >>> algorithm(101), algorithm(505), algorithm(0)
    ('ZLIB(1)', 'ZSTD(5)', 'none')
    """
    number, level = divmod(code, 100)
    name = ALGORITHMS.get(number, f"algorithm {number}")
    return f"{name}({level})" if level else "none"
