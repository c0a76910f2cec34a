"""What uproot's interpretations mean for us."""

from typing import Any

import numpy as np
import pytest
import uproot
from mlaas4hep.sources.root.kinds import Layout, Packing, layouts_of
from uproot.containers import AsString, AsVector

FLOAT = np.dtype(np.float32)
PAIRS = np.dtype((">f4", (2,)))
LEAVES = np.dtype([("a", ">f4"), ("b", ">i4")])


@pytest.mark.parametrize(
    ("interpretation", "layout"),
    [
        (uproot.AsDtype(">f4"), Layout("flat", FLOAT)),
        (uproot.AsDtype("?"), Layout("flat", np.dtype(bool))),
        (uproot.AsDtype(PAIRS), Layout("jagged", FLOAT, 2)),
        (uproot.AsDtype(np.dtype((">f4", (2, 3)))), Layout("other", why_not="nested lists")),
        (uproot.AsDtype(np.dtype((">f4", (0,)))), Layout("other", why_not="arrays of size 0")),
        (uproot.AsDtype(">c8"), Layout("other", why_not="of type complex64")),
        (uproot.AsJagged(uproot.AsDtype(">f4")), Layout("jagged", FLOAT)),
        (uproot.AsJagged(uproot.AsDtype(">f4"), header_bytes=10), Layout("jagged", FLOAT)),
        (uproot.AsJagged(uproot.AsDtype(PAIRS)), Layout("other", why_not="nested lists")),
        (uproot.AsJagged(uproot.AsDtype(LEAVES)), Layout("other", why_not="several leaves")),
        (uproot.AsJagged(uproot.AsFloat16(0, 0, 12)), Layout("jagged", FLOAT)),
        (uproot.AsDouble32(0, 0, 32), Layout("flat", np.dtype(np.float64))),
        (uproot.AsDouble32(0, 1, 16, (4,)), Layout("jagged", np.dtype(np.float64), 4)),
        (uproot.AsStrings(), Layout("string", why_not="strings")),
        (uproot.AsObjects(AsVector(True, AsVector(False, np.dtype(">f4")))), Layout("other", why_not="nested lists")),
        (uproot.AsObjects(AsVector(True, AsString(False))), Layout("other", why_not="objects")),
        (None, Layout("other", why_not="of unknown type")),
    ],
)
def test_layouts_of(interpretation: Any, layout: Layout) -> None:
    (found,) = layouts_of(interpretation)
    assert (found.kind, found.dtype, found.length) == (layout.kind, layout.dtype, layout.length)
    assert found.why_not == layout.why_not


@pytest.mark.parametrize(
    ("interpretation", "layout"),
    [
        (
            uproot.AsDtype(np.dtype((">f4", (2, 3)))),
            Layout("jagged", FLOAT, 6, packing=Packing(stride=24)),
        ),
        (uproot.AsDtype(np.dtype((">f4", (2, 0)))), Layout("other", why_not="arrays of size 0")),
        (uproot.AsJagged(uproot.AsDtype(PAIRS)), Layout("jagged", FLOAT, inner=2, why_uproot="lists of arrays")),
        (
            uproot.AsObjects(AsVector(True, AsVector(False, np.dtype(">f4")))),
            Layout("jagged", FLOAT, inner=0, why_uproot="nested lists"),
        ),
        (uproot.AsObjects(AsVector(True, AsString(False))), Layout("other", why_not="objects")),
        (uproot.AsDtype(">f4"), Layout("flat", FLOAT, packing=Packing(stride=4))),
    ],
)
def test_nested_lists_that_are_flattened(interpretation: Any, layout: Layout) -> None:
    assert list(layouts_of(interpretation, flatten_nested=True)) == [layout]


@pytest.mark.parametrize(
    ("interpretation", "packing"),
    [
        (uproot.AsDtype(">f4"), Packing(stride=4)),
        (uproot.AsDtype("?"), Packing(stride=1)),
        (uproot.AsDtype(">f4", "f8"), Packing("float32", stride=4)),
        (uproot.AsDtype(">f8", "f4"), Packing("float64", stride=8)),
        (uproot.AsDtype(PAIRS), Packing(stride=8)),
        (uproot.AsJagged(uproot.AsDtype(">f4"), header_bytes=10), Packing(stride=4, header=10)),
        (uproot.AsJagged(uproot.AsFloat16(0, 0, 12)), Packing(packed=(0, 0, 12), stride=3)),
        (uproot.AsDouble32(-1, 1, 16, (4,)), Packing(packed=(-1, 1, 16), stride=16)),
    ],
)
def test_what_the_core_reads(interpretation: Any, packing: Packing) -> None:
    (found,) = layouts_of(interpretation)
    assert (found.packing, found.why_uproot) == (packing, "")


@pytest.mark.parametrize(
    ("interpretation", "why"),
    [
        (uproot.AsDtype("<f4"), "numbers stored as <f4"),
        (uproot.AsDtype(">i4", "i8"), "int64 stored as int32"),
        (uproot.AsDtype(">f2"), "numbers stored as >f2"),
        (uproot.AsDouble32(0, 0, 32), "floats packed into 32 bits"),
        (uproot.AsStrings(), "strings"),
    ],
)
def test_what_uproot_reads(interpretation: Any, why: str) -> None:
    (found,) = layouts_of(interpretation)
    assert (found.packing, found.why_uproot) == (None, why)


def test_several_leaves_are_a_column_each() -> None:
    a, b = layouts_of(uproot.AsDtype(LEAVES))
    assert (a.leaf, a.dtype, a.packing) == ("a", FLOAT, Packing(stride=8))
    assert (b.leaf, b.dtype, b.packing) == ("b", np.dtype(np.int32), Packing(stride=8, skip=4))
