"""Compares what mlaas4hep gives with the oracle, bit for bit."""

import json
from collections.abc import Mapping
from typing import Any

import mlaas4hep
import numpy as np
from mlaas4hep import _reference as reference
from mlaas4hep.tensors import Collection

from tests.strategies import Table

APPROXIMATE = {"mean", "std", "moments"}
"""What depends in its last digits on the order of events; ``test_statistics.py`` compares it."""


def canonical(specs: Mapping[str, Any]) -> str:
    """Specs as a text that tells 1 from 1.0, and 0.0 from -0.0, without moments."""
    mixed = {name: sorted(types) for name, types in specs.get("mixed", {}).items()}
    exact = {key: value for key, value in specs.items() if key not in APPROXIMATE}
    return json.dumps({**exact, "mixed": mixed}, sort_keys=True)


def specs_text(specs: mlaas4hep.Specs) -> str:
    return canonical(json.loads(specs.to_text()))


def expected(plan: mlaas4hep.Plan, table: Table) -> reference.Result:
    return reference.run(json.loads(plan.to_text()), table)


def assert_same(flat: mlaas4hep.Flat, result: reference.Result) -> None:
    assert flat.data.dtype == np.float32
    assert flat.padding_mask.dtype == np.bool_
    assert flat.data.shape == flat.padding_mask.shape == result.data.shape
    assert flat.data.flags.c_contiguous
    assert flat.padding_mask.flags.c_contiguous
    np.testing.assert_array_equal(flat.padding_mask, result.padding_mask)
    # As bits: -0 is not +0, and the place of a difference is shown.
    np.testing.assert_array_equal(flat.data.view(np.uint32), result.data.view(np.uint32))
    assert flat.collections.keys() == result.tensors.keys()
    for name, (data, mask) in result.tensors.items():
        found = Collection.of((data, mask), ())
        np.testing.assert_array_equal(flat.collections[name].mask, mask)
        np.testing.assert_array_equal(flat.collections[name].data.view(np.uint32), found.data.view(np.uint32))
    assert flat.truncated == result.truncated
    assert flat.missing == result.missing
