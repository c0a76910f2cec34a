"""ROOT files with TTrees and RNTuples."""

from typing import TYPE_CHECKING

from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import TreeInfo
from mlaas4hep.sources.format import Format
from mlaas4hep.sources.place import open_place, place_of_source

if TYPE_CHECKING:
    from mlaas4hep.sources import Source

__all__ = ["FORMAT"]


def _open(path: str, tree: str | None, threads: int | None, reading: Reading) -> "Source":
    from mlaas4hep.sources.root.known import known_tree
    from mlaas4hep.sources.root.rntuple import KnownNTuple, RNTupleSource
    from mlaas4hep.sources.root.ttree import TTreeSource

    with place_of_source(path, reading) as place:
        known = known_tree(place, tree, reading)
        if isinstance(known, KnownNTuple):
            return RNTupleSource(place, known, threads)
        return TTreeSource(place, known, threads)


def _list_trees(path: str, reading: Reading) -> list[TreeInfo]:
    from mlaas4hep.sources.root.known import known_trees

    place = open_place(path, reading)
    try:
        trees = known_trees(place, reading)
    finally:
        place.close()
    return [TreeInfo(one.name, one.entries, tuple(one.schema.values()), one.storage) for one in trees]


FORMAT = Format("ROOT", _open, _list_trees, magic=(b"root",))
