"""How the branches of ROOT files are stored."""

from typing import Any

from mlaas4hep.sources.branch import Storage
from mlaas4hep.sources.root.kinds import Branches

__all__ = ["storage"]

ALGORITHMS = {0: "ZLIB", 1: "ZLIB", 2: "LZMA", 3: "old ROOT", 4: "LZ4", 5: "ZSTD"}
"""ROOT's codes of what compresses; 0 is its default, which has always been ZLIB for branches that have a level."""


def storage(branches: Branches) -> dict[str, Storage]:
    """Return how each branch is stored; of one with several leaves the first says it, so that sums are right."""
    found = {id(branch): (name, branch) for name, (branch, _) in reversed(branches.items())}
    return {name: _stored(branch) for name, branch in reversed(found.values())}


def _stored(branch: Any) -> Storage:
    """How one branch is stored; nothing is known of one that is damaged, of which its reader tells."""
    try:
        packed, size = int(branch.compressed_bytes), int(branch.uncompressed_bytes)
        code, pieces = int(branch.member("fCompress")), int(branch.num_baskets)
    except Exception:
        return Storage()
    if code == 0 and packed < size:  # uproot writes no code of a branch
        code = int(branch.file.fCompress)
    return Storage(packed, size, pieces, _algorithm(code))


def _algorithm(code: int) -> str:
    """The name of ROOT's code of algorithm and level."""
    number, level = divmod(code, 100)
    name = ALGORITHMS.get(number, f"algorithm {number}")
    return f"{name}({level})" if level else "none"
