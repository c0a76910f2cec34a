"""What a branch of a TTree holds, decided from the way in which uproot would read it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import uproot

from mlaas4hep.sources.branch import GROUP

__all__ = ["UNKNOWN", "Layout", "layout_of"]

UNKNOWN = "of unknown type"


@dataclass(frozen=True, slots=True)
class Layout:
    """How the entries of a branch lie in its baskets.

    ``length`` is that of a fixed-size array, which is a jagged branch of constant length, else 0.
    ``why_not`` says why this is no column of numbers.
    """

    kind: Literal["flat", "jagged", "string", "other"]
    dtype: np.dtype[Any] | None = None
    length: int = 0
    why_not: str = ""


def layout_of(interpretation: object) -> Layout:
    """Return what uproot's interpretation of a branch means for us."""
    match interpretation:
        case uproot.AsJagged(content=content):
            inner = layout_of(content)
            if inner.kind == "flat":
                return Layout("jagged", inner.dtype)
            return Layout("other", why_not=inner.why_not or "nested lists")
        case uproot.AsDtype() | uproot.AsDouble32() | uproot.AsFloat16():
            return _numbers(interpretation)
        case uproot.AsStrings():
            return Layout("string", why_not="strings")
        case uproot.AsGrouped():
            return Layout("other", why_not=GROUP)
        case uproot.AsObjects(typename=typename):
            nested = typename.startswith("std::vector<std::vector<")
            return Layout("other", why_not="nested lists" if nested else "objects")
        case _:
            return Layout("other", why_not=UNKNOWN)


def _numbers(interpretation: Any) -> Layout:
    """The layout of numbers: one an entry, or an array of fixed size."""
    dtype = interpretation.to_dtype
    base, shape = dtype.subdtype or (dtype, ())
    if base.names is not None:
        return Layout("other", why_not="several leaves")
    if base.kind not in "biuf" or base.itemsize > 8:
        return Layout("other", why_not=f"of type {base.name}")
    if not shape:
        return Layout("flat", base.newbyteorder("="))
    if len(shape) > 1 or shape[0] == 0:
        return Layout("other", why_not="nested lists" if len(shape) > 1 else "arrays of size 0")
    return Layout("jagged", base.newbyteorder("="), shape[0])
