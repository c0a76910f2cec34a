"""What users write as weights."""

import json

import pytest
from mlaas4hep import Weights
from mlaas4hep.errors import ParamsError

FULL = {
    "by": "genWeight",
    "scale": {"cross_section": [1.5, 2], "luminosity": 10},
    "balanced": True,
    "flatten": {"by": {"pt": [0, 1, 2], "eta": [-1, 1]}, "target": "signal", "method": "sampling"},
    "negative": "abs",
}


def test_what_stands_in_a_file_is_what_is_made_of_it() -> None:
    weights = Weights.of(FULL)
    assert Weights.of(json.loads(json.dumps(weights.to_dict()))) == weights
    assert weights.flatten is not None
    assert weights.flatten.bins == 2
    assert Weights.of(weights) is weights
    assert Weights.of([1, 2]).to_dict() == {"scale": [1.0, 2.0]}


def test_nothing_is_false() -> None:
    assert not Weights.of(None)
    assert not Weights.of({})
    assert Weights.of("balanced")
    assert Weights.of("w") == Weights(by="w")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bye": "w"}, r"weights: unknown key 'bye' \(did you mean 'by'\?\)"),
        ({"by": 3}, "weights: by is 3; it must be the name of a branch, or a formula"),
        (3, "weights is 3; it must be a list with a positive number for each input"),
        ([1, 0], "weights: 0 is no positive number"),
        ([1, True], "weights: True is no positive number"),
        ({"balanced": 1}, "weights: balanced is 1; it must be True or False"),
        ({"negative": "zero"}, "weights: negative is 'zero'; it must be 'keep', 'abs' or 'drop'"),
        ({"scale": "x"}, "weights: scale is 'x'; it must be a list"),
        ({"scale": {"luminosity": 3}}, "weights: scale: cross_section is missing"),
        ({"scale": {"cross_section": -1}}, "weights: scale: cross_section: -1 is no positive number"),
        ({"scale": {"cross_section": 1, "luminosity": 0}}, "weights: scale: luminosity: 0 is no positive number"),
        ({"flatten": 3}, "weights: flatten is 3; it must be an object with by, target and method"),
        ({"flatten": {}}, "weights: flatten: by is missing"),
        ({"flatten": {"by": {}}}, "by must have one or two branches or formulas, each with its edges"),
        ({"flatten": {"by": {"x": [1]}}}, r"the edges of 'x' are \[1\]; they must be numbers that rise"),
        ({"flatten": {"by": {"x": [1, 1]}}}, "they must be numbers that rise"),
        ({"flatten": {"by": {"x": [1, 2]}, "method": "drop"}}, "method is 'drop'; it must be 'weights' or 'sampling'"),
        ({"flatten": {"by": {"x": [1, 2]}, "target": 1.5}}, "target is 1.5; it must be 'flat' or a class"),
        ({"flatten": {"by": {"x": list(range(2000)), "y": list(range(2000))}}}, "3,996,001 bins are too many"),
    ],
)
def test_what_is_wrong_is_said(given: object, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        Weights.of(given)
