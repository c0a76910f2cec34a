"""Notes tell whose line they are about."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlaas4hep import Loader, flatten
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import Note

SAMPLE = files("mlaas4hep") / "sample" / "ttH.root"


def test_a_note_is_of_the_line_that_called_the_package() -> None:
    jets = (np.array([0, 2, 3]), np.array([90.0, 40.0, 120.0]))
    with pytest.warns(Note, match="width 0") as found:
        flatten({"met": np.ones(2), "jetPt": jets}, widths={"jetPt": 0})
    assert [one.filename for one in found] == [__file__]


def test_a_note_of_a_damaged_cache_is_of_that_line_too(tmp_path: Path) -> None:
    kept: dict[str, Any] = {"select": ["met"], "cache": tmp_path}
    Dataset(str(SAMPLE), **kept).specs()
    for file in tmp_path.glob("*.arrow"):
        file.write_bytes(b"ARROW1")
    dataset = Dataset(str(SAMPLE), **kept)
    with pytest.warns(Note, match="is damaged") as found:
        dataset.specs()
    assert [one.filename for one in found] == [__file__]


def test_that_of_a_pass_is_of_the_loop_over_it() -> None:
    dataset = Dataset(str(SAMPLE), select=["met", "jetPt"], widths={"jetPt": 1})
    with pytest.warns(Note, match="values were cut off") as found:
        list(Loader(dataset))
    assert [one.filename for one in found] == [__file__]
