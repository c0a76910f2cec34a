"""ROOT files with TTrees."""

from typing import TYPE_CHECKING

from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import TreeInfo
from mlaas4hep.sources.format import Format

if TYPE_CHECKING:
    from mlaas4hep.sources import Source

__all__ = ["FORMAT"]


def _open(path: str, tree: str | None, threads: int | None, reading: Reading) -> "Source":
    from mlaas4hep.sources import ttree

    return ttree.open_tree(path, tree, threads, reading)


def _list_trees(path: str, reading: Reading) -> list[TreeInfo]:
    from mlaas4hep.sources import ttree

    return ttree.list_trees(path, reading)


FORMAT = Format("ROOT", _open, _list_trees, magic=(b"root",))
