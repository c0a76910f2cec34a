"""Branches that the Rust core reads: where their baskets lie, told by uproot once."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.errors import ReadError, first_line
from mlaas4hep.sources.root.kinds import Layout, layouts_of

__all__ = ["NativeBranch", "basket_edges", "counters_of", "describe"]


@dataclass(frozen=True, slots=True, eq=False)
class NativeBranch:
    """A branch for the core's reader, the entries at which its baskets begin, and what an entry takes in memory.

    ``length`` is that of an array of fixed size, else 0.
    """

    branch: _rust.BasketBranch
    edges: NDArray[np.int64]
    event_bytes: float
    length: int = 0


Counters = dict[int, _rust.BasketBranch | None]
"""Branches that count the entries of others, by the identity of uproot's object: many branches share one."""


def counters_of(branch: Any) -> Iterator[Any]:
    """Yield the branches that count the entries of this one; they are told by identity, since names collide."""
    for leaf in branch.member("fLeaves"):
        count = leaf.member("fLeafCount")
        if count is not None and count.parent is not branch:
            yield count.parent


def basket_edges(branch: Any, where: str) -> list[int]:
    """Return the entries at which baskets begin, and the number of entries; ``ReadError`` if they make no sense."""
    try:
        edges = [int(edge) for edge in branch.entry_offsets]  # old files have floats
        _ = branch.embedded_baskets
    except Exception as error:
        raise ReadError(
            f"{where}: its list of baskets is damaged: the data are damaged ({first_line(error)})"
        ) from error
    if edges[0] != 0 or any(stop < start for start, stop in pairwise(edges)):
        raise ReadError(f"{where}: its list of baskets is damaged: they do not begin at 0 or go back")
    return edges


def describe(branch: Any, name: str, layout: Layout, path: str, counters: Counters) -> NativeBranch:
    """Return what the core needs to know of a branch that has a packing; ``ReadError`` if that makes no sense."""
    where = f"{path}: branch {name!r}"
    edges = basket_edges(branch, where)
    assert layout.dtype is not None
    size = float(layout.dtype.itemsize * max(1, layout.length))
    try:
        made = _branch(branch, name, layout, edges, path, counters)
        if layout.kind == "jagged" and not layout.length:
            size = float(branch.uncompressed_bytes) / max(1, edges[-1]) * _growth(layout)
    except (ReadError, MemoryError):
        raise
    except Exception as error:  # numbers that cannot be positions or sizes
        raise ReadError(f"{where}: its list of baskets is damaged: {error}") from error
    return NativeBranch(made, np.asarray(edges, np.int64), size, layout.length)


def _growth(layout: Layout) -> float:
    """How much larger a number is in memory than in its basket."""
    assert layout.dtype is not None
    assert layout.packing is not None
    return layout.dtype.itemsize / (layout.packing.stride or layout.dtype.itemsize)


def _branch(
    branch: Any, name: str, layout: Layout, edges: list[int], path: str, counters: Counters
) -> _rust.BasketBranch:
    assert layout.dtype is not None
    assert layout.packing is not None
    packing, lists = layout.packing, layout.kind == "jagged" and not layout.length
    embedded = branch.embedded_baskets
    stored = len(edges) - 1 - len(embedded)
    counter = next(counters_of(branch), None) if lists else None
    return _rust.BasketBranch(
        name,
        layout.dtype.name,
        edges,
        branch.member("fBasketSeek")[:stored].tolist(),
        branch.member("fBasketBytes")[:stored].tolist(),
        stored=packing.stored,
        packed=packing.packed,
        entry=None if lists else (max(1, layout.length), packing.stride, packing.skip),
        header=packing.header if lists else None,
        counter=None if counter is None else _counter(counter, path, counters),
        held=[(bytes(basket.data), _starts(basket)) for basket in embedded],
    )


def _starts(basket: Any) -> list[int] | None:
    return None if basket.byte_offsets is None else np.asarray(basket.byte_offsets).tolist()


def _counter(counter: Any, path: str, counters: Counters) -> _rust.BasketBranch | None:
    """The branch that counts the entries of others, if it is one of whole numbers."""
    if id(counter) not in counters:
        layout = next(layouts_of(counter.interpretation))
        whole = layout.kind == "flat" and layout.packing and layout.dtype is not None and layout.dtype.kind in "iu"
        made = describe(counter, counter.name, layout, path, counters).branch if whole else None
        counters[id(counter)] = made
    return counters[id(counter)]
