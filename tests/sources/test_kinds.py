"""What uproot's interpretations mean for us."""

from typing import Any

import numpy as np
import pytest
import uproot
from mlaas4hep.sources.kinds import Layout, layout_of
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
        (uproot.AsDtype(LEAVES), Layout("other", why_not="several leaves")),
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
def test_layout_of(interpretation: Any, layout: Layout) -> None:
    assert layout_of(interpretation) == layout
