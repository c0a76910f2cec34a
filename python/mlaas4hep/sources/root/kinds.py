"""What a branch of a TTree holds, decided from the way in which uproot would read it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import uproot

from mlaas4hep.sources.branch import GROUP
from mlaas4hep.sources.root.nested import nested_type

__all__ = ["UNKNOWN", "Branches", "Layout", "Packing", "UprootBranch", "layouts_of"]

UNKNOWN = "of unknown type"


@dataclass(frozen=True, slots=True)
class Packing:
    """How a basket holds the numbers of an entry, for the reader of the Rust core.

    An entry takes ``stride`` bytes, of which ``skip`` come before its numbers; each list of a jagged branch has
    ``header`` bytes in front. ``stored`` is the type in the basket where that is not the column's; ``packed`` are
    range and bits of a ``Double32_t`` or ``Float16_t``, whose range is 0 to 0 where only the mantissa is cut.
    """

    stored: str | None = None
    packed: tuple[float, float, int] | None = None
    stride: int = 0
    skip: int = 0
    header: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """How the entries of a branch lie in its baskets.

    ``length`` is that of a fixed-size array, which is a jagged branch of constant length, else 0. ``leaf`` is the one
    that is meant of a branch that has several. ``inner`` is how many numbers each element of its lists has, where these
    are flattened: 0 if the elements are lists. ``why_not`` says why this is no column of numbers, ``why_uproot`` why
    uproot reads it and not the Rust core, which goes by ``packing``.
    """

    kind: Literal["flat", "jagged", "string", "other"]
    dtype: np.dtype[Any] | None = None
    length: int = 0
    why_not: str = ""
    leaf: str = ""
    inner: int = 1
    packing: Packing | None = None
    why_uproot: str = ""


class UprootBranch(NamedTuple):
    """Uproot's branch of a column, and what it holds; it keeps all that uproot made of its tree."""

    branch: Any
    layout: Layout


Branches = dict[str, UprootBranch]
"""By the names of columns."""


def layouts_of(interpretation: object, flatten_nested: bool = False) -> Iterator[Layout]:
    """Yield what uproot's interpretation of a branch means for us: one layout, or one for each of several leaves.

    ``flatten_nested``: lists of lists and arrays of several dimensions are lists of their numbers.
    """
    dtype = interpretation.from_dtype if isinstance(interpretation, uproot.AsDtype) else None
    if dtype is None or dtype.names is None or dtype.subdtype is not None:
        yield _layout_of(interpretation, flatten_nested)
        return
    for leaf in dtype.names:
        of_leaf = _numbers(uproot.AsDtype(dtype[leaf]), flatten_nested, dtype.itemsize, dtype.fields[leaf][1])
        yield replace(of_leaf, leaf=leaf)


def _layout_of(interpretation: object, flatten_nested: bool) -> Layout:
    match interpretation:
        case uproot.AsJagged(content=content):
            return _lists(interpretation, _layout_of(content, flatten_nested), flatten_nested)
        case uproot.AsDtype() | uproot.AsDouble32() | uproot.AsFloat16():
            return _numbers(interpretation, flatten_nested)
        case uproot.AsStrings():
            return Layout("string", why_not="strings", why_uproot="strings")
        case uproot.AsGrouped():
            return Layout("other", why_not=GROUP)
        case uproot.AsObjects(model=model, typename=typename):
            dtype = nested_type(model) if flatten_nested else None
            if dtype is not None:
                return Layout("jagged", dtype, inner=0, why_uproot="nested lists")
            nested = typename.startswith("std::vector<std::vector<")
            return Layout("other", why_not="nested lists" if nested else "objects")
        case _:
            return Layout("other", why_not=UNKNOWN)


def _lists(interpretation: Any, inner: Layout, flatten_nested: bool) -> Layout:
    if flatten_nested and inner.kind == "jagged" and inner.length:
        return Layout("jagged", inner.dtype, inner=inner.length, why_uproot="lists of arrays")
    if inner.kind != "flat":
        return Layout("other", why_not=inner.why_not or "nested lists")
    packing = inner.packing and replace(inner.packing, header=interpretation.header_bytes)
    return Layout("jagged", inner.dtype, packing=packing, why_uproot=inner.why_uproot)


def _numbers(interpretation: Any, flatten_nested: bool, stride: int = 0, skip: int = 0) -> Layout:
    """The layout of numbers: one an entry, or an array of fixed size."""
    if type(interpretation) is uproot.AsDtype:
        return _plain(interpretation.from_dtype, interpretation.to_dtype, flatten_nested, stride, skip)
    return _sized(interpretation, flatten_nested, stride, skip)


@lru_cache(1024)
def _plain(stored: np.dtype[Any], dtype: np.dtype[Any], flatten_nested: bool, stride: int, skip: int) -> Layout:
    """Of thousands of branches, in as many files, all but a few have one of some ten types."""
    return _sized(uproot.AsDtype(stored, dtype), flatten_nested, stride, skip)


def _sized(interpretation: Any, flatten_nested: bool, stride: int, skip: int) -> Layout:
    dtype = interpretation.to_dtype
    base, shape = dtype.subdtype or (dtype, ())
    if base.names is not None:
        return Layout("other", why_not="several leaves")
    if base.kind not in "biuf" or base.itemsize > 8:
        return Layout("other", why_not=f"of type {base.name}")
    if 0 in shape:
        return Layout("other", why_not="arrays of size 0")
    if len(shape) > 1 and not flatten_nested:
        return Layout("other", why_not="nested lists")
    native = base.newbyteorder("=")
    length = int(np.prod(shape)) if shape else 0
    packing, why_uproot = _packing(interpretation, native, stride, skip)
    return Layout("jagged" if shape else "flat", native, length, packing=packing, why_uproot=why_uproot)


def _packing(interpretation: Any, dtype: np.dtype[Any], stride: int, skip: int) -> tuple[Packing | None, str]:
    """How the numbers are stored, or why the Rust core does not read them."""
    count = int(np.prod(interpretation.to_dtype.shape))
    if not isinstance(interpretation, uproot.AsDtype):
        low, high, bits = float(interpretation.low), float(interpretation.high), int(interpretation.num_bits)
        if bits > (23 if low == high == 0 else 32):
            return None, f"floats packed into {bits} bits"
        return Packing(packed=(low, high, bits), stride=count * interpretation.itemsize), ""
    stored = (interpretation.from_dtype.subdtype or (interpretation.from_dtype,))[0]
    if dtype.name not in NUMBERS or (stored.itemsize > 1 and stored != stored.newbyteorder(">")):
        return None, f"numbers stored as {stored.str}"
    if count != int(np.prod(interpretation.from_dtype.shape)):
        return None, "arrays stored in another shape"
    name = None if stored.newbyteorder("=") == dtype else stored.newbyteorder("=").name
    if name is not None and {name, dtype.name} != {"float32", "float64"}:
        return None, f"{dtype.name} stored as {name}"
    return Packing(name, stride=stride or count * stored.itemsize, skip=skip), ""


NUMBERS = {"bool", "float32", "float64"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
"""Types that the Rust core reads."""
