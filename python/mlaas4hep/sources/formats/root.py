"""ROOT files with TTrees and RNTuples."""

from typing import TYPE_CHECKING

from mlaas4hep.sources.branch import TreeInfo
from mlaas4hep.sources.format import Format
from mlaas4hep.sources.reading import Reading

if TYPE_CHECKING:
    from mlaas4hep.sources import Source

__all__ = ["FORMAT"]


def _open(path: str, tree: str | None, threads: int | None, reading: Reading) -> "Source":
    from mlaas4hep.sources.known import known_tree
    from mlaas4hep.sources.rntuple import KnownNTuple, RNTupleSource
    from mlaas4hep.sources.ttree import TTreeSource

    known = known_tree(path, tree, reading)
    if isinstance(known, KnownNTuple):
        return RNTupleSource(path, known, threads, reading)
    return TTreeSource(path, known, threads)


def _list_trees(path: str, reading: Reading) -> list[TreeInfo]:
    from mlaas4hep.sources.known import known_trees

    return [TreeInfo(one.name, one.entries, tuple(one.schema.values())) for one in known_trees(path, reading)]


FORMAT = Format("ROOT", _open, _list_trees, magic=(b"root",))
