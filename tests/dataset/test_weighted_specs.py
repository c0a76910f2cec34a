"""Specs of events that have weights."""

from pathlib import Path

import numpy as np
import pytest
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import Note

from tests.dataset.test_weights import weighed


def test_the_mean_counts_events_with_their_weights(tmp_path: Path) -> None:
    weights, y = [[1.0, 3.0, -2.0], [5.0, 0.5]], [[1.0, 2.0, 3.0], [4.0, 5.0]]
    paths = weighed(tmp_path, weights, y=y)
    given = {"by": "w", "negative": "abs", "scale": [10, 20], "balanced": True}
    w, x = np.abs(np.concatenate([np.array(of) for of in weights])), np.concatenate([np.array(of) for of in y])
    specs = Dataset(paths, labels=[1, 0], weights=given).specs()
    assert specs.mean["y"] == pytest.approx(np.average(x, weights=w))
    plain = Dataset(paths, labels=[1, 0], weights="balanced").specs()
    assert plain.mean["y"] == pytest.approx(x.mean())


def test_events_that_are_dropped_count_nothing(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1.0, 3.0, -2.0]], y=[[1.0, 2.0, 100.0]])
    with pytest.warns(Note, match="negative"):
        specs = Dataset(paths, weights={"by": "w", "negative": "drop"}).specs()
    assert specs.mean["y"] == pytest.approx(7 / 4)


def test_specs_made_with_other_weights_are_not_used_again(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1.0, 3.0, 2.0]], y=[[1.0, 2.0, 3.0]])
    first = Dataset(paths, weights="w").specs()
    assert len(Dataset(paths, weights="w").reuse(first)) == 1
    assert Dataset(paths, weights="w * 2").reuse(first) == []
    assert Dataset(paths, weights={"by": "w", "balanced": True}, exclude="").reuse(first) != []
    assert Dataset(paths, weights="w", targets="y").reuse(first) == []
