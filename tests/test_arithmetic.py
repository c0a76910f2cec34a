"""Conversion and normalisation by hand: the oracle is asked nothing here."""

import json
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from mlaas4hep import Plan


def plan_of(values: list[Any], dtype: str, normalize: str = "minmax") -> Plan:
    return Plan(mlaas4hep.scan({"x": np.array(values, dtype)}), normalize=normalize)


F32 = float(np.finfo(np.float32).max)
F64 = float(np.finfo(np.float64).max)
TINY = 2.0**-149  # the smallest float32

ARITHMETIC = {
    # 41 * (1 / 41) is 1 in float64, and one step below it in float32.
    "narrow in float32": ([0, 41], "uint8", [0.0, 1.0 - 2.0**-24]),
    "wide in float64": ([0, 41], "int32", [0.0, 1.0]),
    "float32 denormals in float64": ([TINY, 2 * TINY, 3 * TINY], "float32", [0.0, 0.5, 1.0]),
    "float32 range overflows": ([-F32, 0.0, F32], "float32", [0.0, 0.5, 1.0]),
    "float32 scale is denormal": ([0.0, 2.0**127], "float32", [0.0, 1.0]),
    "float64 range overflows": ([-F64, 0.0, F64], "float64", [0.0, 0.5, 1.0]),
    "float64 scale overflows": ([0.0, 5e-324], "float64", [0.0, 0.0]),
    "constant": ([-3.5, -3.5], "float64", [0.0, 0.0]),
    "constant zero": ([-0.0, -0.0], "float32", [0.0, 0.0]),
    "beyond 2**53": ([2**53, 2**53 + 1, 2**53 + 2], "int64", [0.0, 0.0, 1.0]),
    "constant after conversion": ([2**53, 2**53 + 1], "int64", [0.0, 0.0]),
    "uint64": ([0, 2**63, 2**64 - 1], "uint64", [0.0, 0.5, 1.0]),
    "bool": ([False, True], "bool", [0.0, 1.0]),
    "missing": ([np.nan, 1.0, np.inf, 3.0], "float64", [0.0, 0.0, 0.0, 1.0]),
}


@pytest.mark.parametrize(("numbers", "dtype", "wanted"), ARITHMETIC.values(), ids=ARITHMETIC.keys())
def test_minmax_by_hand(numbers: list[Any], dtype: str, wanted: list[float]) -> None:
    found = plan_of(numbers, dtype)({"x": np.array(numbers, dtype)}).data[:, 0]
    assert found.view(np.uint32).tolist() == np.array(wanted, np.float32).view(np.uint32).tolist()


def test_nothing_is_clipped() -> None:
    plan = plan_of([0.0, 2.0], "float64")
    flat = plan({"x": np.array([-4.0, 6.0, 1e300])})
    assert flat.data.tolist() == [[-2.0], [3.0], [np.inf]]
    assert not flat.padding_mask.any()


def test_without_a_range_every_value_becomes_0() -> None:
    plan = plan_of([np.nan], "float64")
    flat = plan({"x": np.array([5.0, -5.0, np.nan])})
    assert flat.data.view(np.uint32).tolist() == [[0], [0], [0]]
    assert flat.padding_mask.tolist() == [[False], [False], [True]]


CONVERSIONS = {
    "towards zero": ("int16", [2.9, -2.9], "float64", [2.0, -2.0]),
    "to the limits": ("int8", [1e300, -1000.0], "float64", [127.0, -128.0]),
    "of integers to the limits": ("uint8", [-1, 2**63 - 1], "int64", [0.0, 255.0]),
    "of unsigned integers": ("int64", [2**64 - 1], "uint64", [2.0**63]),
    "to bool": ("bool", [0.0, -0.0, 0.25, -7.0], "float64", [0.0, 0.0, 1.0, 1.0]),
    # Rounded once: by way of float64 this would be a tie, and go the other way.
    "to float32 directly": ("float32", [2**60 + 2**36 + 1, 2**60 + 2**36], "int64", [2.0**60 + 2**37, 2.0**60]),
    "float64 to float32": ("float32", [0.1, 16777217.0], "float64", [float(np.float32(0.1)), 16777216.0]),
    "of -0": ("float32", [-0.0], "float64", [-0.0]),
}


@pytest.mark.parametrize(("to", "numbers", "dtype", "wanted"), CONVERSIONS.values(), ids=CONVERSIONS.keys())
def test_columns_are_converted_to_the_type_of_the_specs(
    to: str, numbers: list[Any], dtype: str, wanted: list[float]
) -> None:
    found = plan_of([0, 1], to, "none")({"x": np.array(numbers, dtype)}).data[:, 0]
    assert found.view(np.uint32).tolist() == np.array(wanted, np.float32).view(np.uint32).tolist()


def test_what_float32_cannot_hold_is_missing_where_the_specs_say_float32() -> None:
    flat = plan_of([0, 1], "float32", "none")({"x": np.array([1e300, 1.0])})
    assert (flat.data.tolist(), flat.padding_mask.tolist(), flat.missing) == ([[0], [1]], [[True], [False]], {"x": 1})
    wide = plan_of([0, 1], "float64", "none")({"x": np.array([1e300, 1.0])})
    assert (wide.data.tolist(), wide.missing) == ([[np.inf], [1.0]], {})


def test_a_number_from_json_ends_as_the_same_bits() -> None:
    training = np.array([0.1, 0.7, 123.456], np.float32)
    plan = Plan(mlaas4hep.scan({"x": training}))
    served = np.array(json.loads(json.dumps(training.tolist())))
    assert plan({"x": served}).data.tobytes() == plan({"x": training}).data.tobytes()
