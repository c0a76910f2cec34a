"""Parameters: what is accepted, and what is said of the rest."""

import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from mlaas4hep.config import CHECKS, Params
from mlaas4hep.errors import Note, ParamsError

DEFAULTS = {
    "nevts": -1,
    "chunk_size": 100000,
    "memory": "",
    "epochs": 10,
    "batch_size": 256,
    "shuffle": True,
    "branch": "",
    "identifier": [],
    "selected_branches": "",
    "exclude_branches": "",
    "classes": None,
    "redirector": "",
    "hist": "",
    "training": "standard",
    "split": [0.64, 0.16, 0.2],
    "metrics": True,
    "seed": 21,
    "verbose": 1,
    "sentinels": None,
    "common_branches": False,
    "on_bad_file": "error",
    "reading": {},
    "weights": None,
    "flatten": {},
    "cache": "",
    "cache_limit": "20 GB",
}


def given(**values: object) -> Params:
    return Params.from_dict(values, "params.json")


def refused(values: object) -> str:
    with pytest.raises(ParamsError) as caught:
        Params.from_dict(values, "params.json")
    return str(caught.value)


def test_defaults() -> None:
    assert Params().to_dict() == DEFAULTS
    assert given().to_dict() == DEFAULTS | {"training": "chunk"}
    assert set(CHECKS) == set(DEFAULTS)


def test_they_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Params().seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        {"nevts": 1, "chunk_size": -1, "epochs": 1, "batch_size": 1, "shuffle": False, "verbose": 0},
        {"seed": 2**64 - 1, "split": [1, 0, 0], "metrics": False, "training": "standard", "verbose": 2},
        {"identifier": ["run", "event"], "selected_branches": ["jet*"], "exclude_branches": "x,y", "branch": "events"},
        {"sentinels": {"met": [-999]}, "common_branches": True, "on_bad_file": "skip", "reading": {"deadline": 5}},
        {"sentinels": -999},
        {"classes": ["qcd", "ttH"], "redirector": "root://host/", "metrics": {"threshold": 0.7}},
    ],
)
def test_what_is_given_is_kept(values: dict[str, Any], tmp_path: Path) -> None:
    params = given(**values)
    assert params.to_dict() == DEFAULTS | {"training": "chunk"} | values
    (tmp_path / "params.json").write_text(json.dumps(params.to_dict()))
    assert Params.from_json(tmp_path / "params.json") == params


def test_identifiers_may_be_a_text() -> None:
    assert given(identifier="run, event").identifier == ("run", "event")
    assert given(identifier="").identifier == ()


@pytest.mark.parametrize(("metrics", "threshold"), [(True, 0.5), ({}, 0.5), ({"threshold": 0.2}, 0.2)])
def test_the_threshold(metrics: object, threshold: float) -> None:
    assert given(metrics=metrics).threshold == threshold


NUMBER = "must be a whole number of at least"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("nevts", 0, f"{NUMBER} 1, or -1 for all events, not 0"),
        ("nevts", -2, f"{NUMBER} 1, or -1 for all events, not -2"),
        ("chunk_size", 1e5, f"{NUMBER} 1, or -1 for all events, not 100000.0"),
        ("chunk_size", 2**60, "must be a whole number of at most 281474976710656, or -1 for all events, not"),
        ("epochs", "ten", f'{NUMBER} 1, not "ten"'),
        ("epochs", True, f"{NUMBER} 1, not true"),
        ("batch_size", 0, f"{NUMBER} 1, not 0"),
        ("batch_size", -1, f"{NUMBER} 1, not -1"),
        ("shuffle", 0, "must be true, false, or how many neighbouring chunks are shuffled together, not 0"),
        ("branch", None, "must be a text, not null"),
        ("identifier", ["run", ""], 'must be a list of names, or a text with commas, not ["run", ""]'),
        ("selected_branches", {"jetPt": 1}, 'must be a list of names, or a text with commas, not {"jetPt": 1}'),
        ("exclude_branches", [1], "must be a list of names, or a text with commas, not [1]"),
        ("classes", "a,b", 'must be a list of names, not "a,b"'),
        ("redirector", 1, "must be a text, not 1"),
        ("hist", False, "must be a text, not false"),
        ("training", "both", 'must be "standard" or "chunk", not "both"'),
        ("split", [0.8, 0.2], "must be three fractions (train, validation, test) that add up to 1, or {"),
        ("split", [0.8, 0.3, -0.1], "must be three fractions (train, validation, test) that add up to 1, or {"),
        (
            "split",
            {"by": "evtNo % 5"},
            "must be values of a branch or formula (split: there are no values of validation",
        ),
        ("flatten", {"normalize": "standrad"}, "must be an object of ways of flattening (normalize is 'standrad'; it"),
        ("flatten", {"normalize": {"x": 3}}, "must be an object of ways of flattening (normalize: branch 'x' is 3; it"),
        ("flatten", {"width_quantile": "a"}, "must be an object of ways of flattening (width_quantile is 'a'; it must"),
        ("weights", {"bye": "w"}, "must be what weighs events (weights: unknown key 'bye' (did you mean 'by'?)"),
        ("flatten", {"normalise": "standard"}, "must be without 'normalise' (did you mean 'normalize'?); there are "),
        ("flatten", {"layout": "collections"}, "must be without 'layout': a model file gets the matrix"),
        ("memory", "2 XB", "must be a number of bytes, as \"2 GB\" (memory is '2 XB'"),
        ("cache_limit", 0, "must be a number of bytes"),
        ("split", True, "must be three fractions (train, validation, test) that add up to 1, or {"),
        ("metrics", {"treshold": 0.5}, 'must be true, false, or {"threshold": t} with t from 0 to 1, not {"tresh'),
        ("metrics", {"threshold": 2}, 'must be true, false, or {"threshold": t} with t from 0 to 1, not {"thresh'),
        ("metrics", 1, 'must be true, false, or {"threshold": t} with t from 0 to 1, not 1'),
        ("seed", -1, f"{NUMBER} 0, not -1"),
        ("seed", 2**64, "must be a whole number of at most 18446744073709551615, not 18446744073709551616"),
        ("verbose", 3, "must be 0, 1 or 2, not 3"),
        ("verbose", True, "must be 0, 1 or 2, not true"),
    ],
)
def test_a_wrong_value(key: str, value: object, message: str) -> None:
    assert refused({key: value}).startswith(f"params.json: {key} {message}")


def test_an_unknown_key_names_the_nearest() -> None:
    assert refused({"Epoch": 3}) == "params.json: unknown key 'Epoch' (did you mean 'epochs'?)"
    assert refused({"zzz": 3}) == "params.json: unknown key 'zzz'"


def test_everything_that_is_wrong_is_named() -> None:
    assert refused({"epochs": 0, "seed": None, "verbos": 1}).splitlines() == [
        "params.json:",
        "  unknown key 'verbos' (did you mean 'verbose'?)",
        f"  epochs {NUMBER} 1, not 0",
        f"  seed {NUMBER} 0, not null",
    ]


def test_a_long_value_is_cut() -> None:
    assert len(refused({"classes": [1] * 1000})) < 120


@pytest.mark.parametrize("values", [[], 3, None, "epochs"])
def test_no_object(values: object) -> None:
    assert refused(values) == "params.json: the parameters must be an object {...} of keys and values"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"nan": -999.0, "dtype": "float64"}, 'nan = -999.0, dtype = "float64"'),
        ({"split": 0.3}, "split = 0.3"),
    ],
)
def test_keys_of_the_original_have_no_effect(values: dict[str, Any], named: str) -> None:
    with pytest.warns(Note, match=f"^params.json: without effect: {named}$"):
        assert given(**values) == given()
