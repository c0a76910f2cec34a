"""What users write in preproc.json and on the command line: what it means, and what is said of mistakes."""

import hashlib
import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from mlaas4hep.errors import ParamsError
from mlaas4hep.preproc import Cut, NewBranch, Preprocessing

CONTRACT = """
{
  "new_branch": {
    "log_partonE": {"def": "log(partonE)", "type": "jagged", "cut_1": ["log_partonE<6.31", "any"],
                    "cut_2": ["log_partonE>5.85", "all"], "remove": "False", "keys_to_remove": ["partonE"]},
    "nJets_square": {"def": "nJets**2", "type": "flat", "cut": "1<=nJets_square<=16", "remove": "False",
                     "keys_to_remove": ["nJets"]}},
  "flat_cut":   {"nLeptons": {"cut": "0<=nLeptons<=2", "remove": "False"}},
  "jagged_cut": {"partonPt": {"cut": ["partonPt>200", "all"], "remove": "False"}}
}
"""

VARIED: dict[str, Any] = {
    "jagged_cut": {"pt": {"cut": "any(pt>2)", "when": "training"}, "eta": {"cut": ["eta<2", "any"], "remove": True}},
    "new_branch": {
        "a": {"def": "x+1", "type": "flat"},
        "b": {"def": "2*pt", "type": "jagged", "cut_b": "any(b>1)", "cut_a": ["b<9", "all"], "keys_to_remove": ["z"]},
    },
    "flat_cut": {"x": {"cutoff": "x>0", "keys_to_remove": ["y", "b"]}, "\0": {"cut": "x<7", "when": "always"}},
}


def given(values: object) -> Preprocessing:
    return Preprocessing.from_dict(values, "preproc.json")


def refused(values: object) -> str:
    with pytest.raises(ParamsError) as caught:
        given(values)
    return str(caught.value)


def test_the_example_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "preproc.json"
    path.write_text(CONTRACT)
    preproc = Preprocessing.from_json(path)
    assert preproc.new_branches == (
        NewBranch("log_partonE", "log(partonE)", "jagged", ""),
        NewBranch("nJets_square", "nJets**2", "flat", ""),
    )
    assert preproc.cuts == (
        Cut("log_partonE<6.31", "any", False, "", "new_branch", "log_partonE"),
        Cut("log_partonE>5.85", "all", False, "", "new_branch", "log_partonE"),
        Cut("1<=nJets_square<=16", "", False, "", "new_branch", "nJets_square"),
        Cut("0<=nLeptons<=2", "", False, "", "flat_cut", "nLeptons"),
        Cut("partonPt>200", "all", False, "", "jagged_cut", "partonPt"),
    )
    assert preproc.removed == ("nJets", "partonE")
    assert preproc.cut_branches == (
        ("nLeptons", "flat", f"{path}: flat_cut 'nLeptons'"),
        ("partonPt", "jagged", f"{path}: jagged_cut 'partonPt'"),
    )
    assert [new.place for new in preproc.new_branches] == [
        f"{path}: new_branch 'log_partonE'",
        f"{path}: new_branch 'nJets_square'",
    ]
    assert [cut.place for cut in preproc.cuts] == [
        f"{path}: new_branch 'log_partonE', cut_1",
        f"{path}: new_branch 'log_partonE', cut_2",
        f"{path}: new_branch 'nJets_square', cut",
        f"{path}: flat_cut 'nLeptons', cut",
        f"{path}: jagged_cut 'partonPt', cut",
    ]


def test_cuts_stay_in_the_order_of_the_file() -> None:
    assert [cut.name for cut in given(VARIED).cuts] == [
        "any(pt>2) in training",
        "eta<2 (any)",
        "any(b>1)",
        "b<9 (all)",
        "x>0",
        "x<7",
    ]
    assert given(VARIED).removed == ("b", "eta", "y", "z")


@pytest.mark.parametrize(
    ("reduce", "training", "name"),
    [
        ("", False, "pt>2"),
        ("any", False, "pt>2 (any)"),
        ("", True, "pt>2 in training"),
        ("all", True, "pt>2 (all) in training"),
    ],
)
def test_the_name_of_a_cut(reduce: str, training: bool, name: str) -> None:
    assert Cut("pt>2", reduce, training, "").name == name


@pytest.mark.parametrize(
    ("remove", "removed"), [(True, ("x",)), ("True", ("x",)), (False, ()), ("False", ()), (None, ())]
)
def test_remove(remove: object, removed: tuple[str, ...]) -> None:
    entry = {"cut": "x>0"} if remove is None else {"cut": "x>0", "remove": remove}
    assert given({"flat_cut": {"x": entry}}).removed == removed


def test_places_are_not_compared() -> None:
    here, there = (Preprocessing.from_dict(VARIED, where) for where in ("here", "there"))
    assert here == there
    assert hash(here) == hash(there)
    assert here.cuts[0].place != there.cuts[0].place
    assert here.cut_branches != there.cut_branches


def test_the_branch_of_a_cut_is_compared() -> None:
    assert given({"flat_cut": {"x": {"cut": "x>y"}}}) != given({"flat_cut": {"y": {"cut": "x>y"}}})


def test_they_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Preprocessing().cuts = ()  # type: ignore[misc]


ENTRY = {"def": "2*x", "type": "flat"}
KEYS = "cut, remove, keys_to_remove, when"
LISTED = 'a text with a formula, or [formula, "any" or "all"]'
ALONE = 'a text with a formula alone ("any" and "all" are for jagged branches)'


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "the preprocessing must be an object {...} of groups"),
        ({"flatcut": {}}, "unknown group 'flatcut' (did you mean 'flat_cut'?)"),
        ({"zzz": {}}, "unknown group 'zzz' (known are new_branch, flat_cut, jagged_cut)"),
        ({3: {}}, "unknown group 3 (known are new_branch, flat_cut, jagged_cut)"),
        ({"new_branch": ["x"]}, 'new_branch must be an object {...} of branches, not ["x"]'),
        ({"flat_cut": None}, "flat_cut must be an object {...} of branches, not null"),
        ({"options": "x>0"}, 'options must be an object {...} of keys and values, not "x>0"'),
        ({"options": {"x": 1}}, "options: unknown key 'x' (known are cut, define)"),
        ({"options": {"define": "a=x"}}, 'options, define must be a list of texts, each "name = formula", not "a=x"'),
        ({"options": {"cut": ["x>0"]}}, f'options, cut must be {ALONE}, not ["x>0"]'),
    ],
)
def test_a_wrong_group(values: object, message: str) -> None:
    assert refused(values) == f"preproc.json: {message}"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("2*x", ' must be an object {...} of keys and values, not "2*x"'),
        (ENTRY | {"removed": True}, ": unknown key 'removed' (did you mean 'remove'?)"),
        (ENTRY | {"Cut": "a>0"}, ": unknown key 'Cut' (did you mean 'cut'?)"),
        (ENTRY | {"zzz": 1}, f": unknown key 'zzz' (known are def, type, normalize, {KEYS})"),
        ({"type": "flat"}, ": def is missing; it must be a text with a formula"),
        ({"def": "2*x"}, ': type is missing; it must be "flat" or "jagged"'),
        (ENTRY | {"def": 3}, ", def must be a text with a formula, not 3"),
        (ENTRY | {"def": ""}, ', def must be a text with a formula, not ""'),
        (ENTRY | {"def": " \t"}, ', def must be a text with a formula, not " \\t"'),
        (ENTRY | {"type": "Flat"}, ', type must be "flat" or "jagged", not "Flat"'),
        (ENTRY | {"type": ["flat"]}, ', type must be "flat" or "jagged", not ["flat"]'),
        (ENTRY | {"cut": ["a>0", "all"]}, f', cut must be {ALONE}, not ["a>0", "all"]'),
        (ENTRY | {"cut": True}, ", cut must be a text with a formula, not true"),
        (ENTRY | {"cut": "a>0", "cut_2": ""}, ', cut_2 must be a text with a formula, not ""'),
        (ENTRY | {"type": "jagged", "cut_1": ["a>0"]}, f', cut_1 must be {LISTED}, not ["a>0"]'),
        (ENTRY | {"remove": "true"}, ', remove must be true, false, "True" or "False", not "true"'),
        (ENTRY | {"remove": 1}, ', remove must be true, false, "True" or "False", not 1'),
        (ENTRY | {"keys_to_remove": "x"}, ', keys_to_remove must be a list of names, such as ["jetPt"], not "x"'),
        (ENTRY | {"keys_to_remove": [1]}, ', keys_to_remove must be a list of names, such as ["jetPt"], not [1]'),
        (ENTRY | {"keys_to_remove": [""]}, ', keys_to_remove must be a list of names, such as ["jetPt"], not [""]'),
        (ENTRY | {"when": "test"}, ', when must be "training" or "always", not "test"'),
        (ENTRY | {"when": True}, ', when must be "training" or "always", not true'),
    ],
)
def test_a_wrong_new_branch(entry: object, message: str) -> None:
    assert refused({"new_branch": {"a": entry}}) == f"preproc.json: new_branch 'a'{message}"


@pytest.mark.parametrize(
    ("group", "entry", "message"),
    [
        ("flat_cut", "x>0", ' must be an object {...} of keys and values, not "x>0"'),
        ("flat_cut", {"remove": True}, ": cut is missing; it must be a text with a formula"),
        ("flat_cut", {"cut": "x>0", "def": "x"}, f": unknown key 'def' (known are {KEYS})"),
        ("flat_cut", {"cut": ["x>0", "any"]}, f', cut must be {ALONE}, not ["x>0", "any"]'),
        ("flat_cut", {"cut_1": 0}, ", cut_1 must be a text with a formula, not 0"),
        ("jagged_cut", {}, f": cut is missing; it must be {LISTED}"),
        ("jagged_cut", {"cut": "x>0", "type": "flat"}, f": unknown key 'type' (known are {KEYS})"),
        ("jagged_cut", {"cut": ""}, f', cut must be {LISTED}, not ""'),
        ("jagged_cut", {"cut": ["x>0", "most"]}, f', cut must be {LISTED}, not ["x>0", "most"]'),
        ("jagged_cut", {"cut": ["", "any"]}, f', cut must be {LISTED}, not ["", "any"]'),
        ("jagged_cut", {"cut": [1, "any"]}, f', cut must be {LISTED}, not [1, "any"]'),
        ("jagged_cut", {"cut": ["x>0", "any", 1]}, f', cut must be {LISTED}, not ["x>0", "any", 1]'),
    ],
)
def test_a_wrong_cut(group: str, entry: object, message: str) -> None:
    assert refused({group: {"x": entry}}) == f"preproc.json: {group} 'x'{message}"


@pytest.mark.parametrize("name", ["", 3])
def test_a_wrong_name(name: object) -> None:
    message = f"flat_cut {name!r}: the name of a branch must be a text that is not empty"
    assert refused({"flat_cut": {name: {"cut": "x>0"}}}) == f"preproc.json: {message}"


def test_everything_that_is_wrong_is_named() -> None:
    values = {
        "new_branch": {"a": {"def": ""}, "b": ENTRY | {"when": 0}},
        "flat_cuts": {},
        "flat_cut": {"x": {"cut": 1}},
    }
    assert refused(values).splitlines() == [
        "preproc.json:",
        "  new_branch 'a', def must be a text with a formula, not \"\"",
        '  new_branch \'a\': type is missing; it must be "flat" or "jagged"',
        '  new_branch \'b\', when must be "training" or "always", not 0',
        "  unknown group 'flat_cuts' (did you mean 'flat_cut'?)",
        "  flat_cut 'x', cut must be a text with a formula, not 1",
    ]


def test_a_long_value_is_cut() -> None:
    assert len(refused({"flat_cut": {"x": {"cut": [1] * 1000}}})) < 200


def test_a_name_twice_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "preproc.json"
    path.write_text('{"new_branch": {\n"a": {"def": "x", "type": "flat"},\n"a": {"def": "y", "type": "flat"}}}')
    with pytest.raises(ParamsError) as caught:
        Preprocessing.from_json(path)
    assert str(caught.value).startswith(f"{path}, line 3, column 1: key 'a' stands there twice")


def test_options_come_last() -> None:
    preproc = given(VARIED).with_options(["x>3", " any(pt>1) "], ["c=x*2"]).with_options(["x<5"], ["d=c"])
    assert preproc.cuts[-3:] == (Cut("x>3", "", False, ""), Cut("any(pt>1)", "", False, ""), Cut("x<5", "", False, ""))
    assert preproc.new_branches[-2:] == (NewBranch("c", "x*2", "", ""), NewBranch("d", "c", "", ""))
    assert [preproc.cuts[-2].place, preproc.new_branches[-1].place] == ["--cut ' any(pt>1) '", "--define 'd=c'"]
    assert preproc.cut_branches == given(VARIED).cut_branches
    assert given(VARIED).with_options([], []) == given(VARIED)


@pytest.mark.parametrize(
    ("text", "name", "formula"),
    [
        ("a=x", "a", "x"),
        (" a = x ", "a", "x"),
        ("a=x==3", "a", "x==3"),
        ("a=x<=3", "a", "x<=3"),
        ("a=!x", "a", "!x"),
        ("a=-x", "a", "-x"),
        ("x>=3 = y", "x>=3", "y"),
        ("a==b!=c=d=e", "a==b!=c", "d=e"),
        ("a=== b", "a==", "b"),
        ("a< = =b", "a<", "=b"),
        ("jet.pt\0é=1", "jet.pt\0é", "1"),
    ],
)
def test_a_definition(text: str, name: str, formula: str) -> None:
    preproc = Preprocessing().with_options([], [text])
    assert preproc.new_branches == (NewBranch(name, formula, "", ""),)
    assert given(preproc.to_dict()) == preproc


FORM = "must be name=formula, such as 'ratio=met/ht'"


@pytest.mark.parametrize(
    ("cuts", "defines", "message"),
    [
        ([""], [], "--cut '' must be a formula, such as 'nJets>=4'"),
        ([" "], [], "--cut ' ' must be a formula, such as 'nJets>=4'"),
        ([], [""], f"--define '' {FORM}"),
        ([], ["x"], f"--define 'x' {FORM}"),
        ([], ["x=="], f"--define 'x==' {FORM}"),
        ([], ["x<=3"], f"--define 'x<=3' {FORM}"),
        ([], ["x= "], f"--define 'x= ' {FORM}"),
        ([], [" =x"], f"--define ' =x' {FORM}"),
        ([], ["a=1"], "--define 'a=1': there is a new branch 'a' already (preproc.json: new_branch 'a')"),
        ([], ["c=1", "c=2"], "--define 'c=2': there is a new branch 'c' already (--define 'c=1')"),
        ([""], ["x"], f"--cut '' must be a formula, such as 'nJets>=4'\n--define 'x' {FORM}"),
    ],
)
def test_a_wrong_option(cuts: list[str], defines: list[str], message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        given(VARIED).with_options(cuts, defines)
    assert str(caught.value) == message


def test_the_canonical_form() -> None:
    assert given(VARIED).with_options(["x<5", "x>1"], ["d=c==1"]).to_dict() == {
        "jagged_cut": {
            "pt": {"cut": "any(pt>2)", "when": "training", "keys_to_remove": ["y", "z"]},
            "eta": {"cut": ["eta<2", "any"], "remove": True},
        },
        "new_branch": {
            "a": {"def": "x+1", "type": "flat"},
            "b": {"def": "2*pt", "type": "jagged", "cut_1": "any(b>1)", "cut_2": ["b<9", "all"], "remove": True},
        },
        "flat_cut": {"x": {"cut": "x>0"}, "\0": {"cut": "x<7"}},
        "options": {"cut_1": "x<5", "cut_2": "x>1", "define": ["d = c==1"]},
    }
    assert Preprocessing().to_dict() == {}


@pytest.mark.parametrize("values", [{}, VARIED, json.loads(CONTRACT), {"new_branch": VARIED["new_branch"]}])
@pytest.mark.parametrize("options", [([], []), (["x<5"], []), (["x<5", "any(pt>2)"], ["d=c", "e=d>=2"])])
def test_the_canonical_form_means_the_same(values: object, options: tuple[list[str], list[str]]) -> None:
    preproc = given(values).with_options(*options)
    form = preproc.to_dict()
    again = given(json.loads(json.dumps(form)))
    assert again == preproc
    assert again.cut_branches == preproc.cut_branches
    assert again.hash == preproc.hash
    assert json.dumps(again.to_dict()) == json.dumps(form)


def turned(value: Any) -> Any:
    """The same with the keys of all objects in reverse order."""
    return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value


def test_the_hash_does_not_depend_on_the_order() -> None:
    assert given(VARIED) != given(turned(VARIED))
    assert given(VARIED).hash == given(turned(VARIED)).hash


def test_the_hash_is_that_of_a_text() -> None:
    preproc = given({"jagged_cut": {"pt": {"cut": ["pt>2", "all"], "when": "training"}}}).with_options([], ["é=x*2"])
    text = r'{"cuts":[["pt>2","all",true]],"new_branches":[["\u00e9","x*2"]]}'
    assert preproc.hash == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "entry",
    [
        {"def": "2*pt+0", "type": "jagged", "cut": ["b>1", "any"]},
        {"def": "2*pt", "type": "jagged", "cut": ["b>2", "any"]},
        {"def": "2*pt", "type": "jagged", "cut": ["b>1", "all"]},
        {"def": "2*pt", "type": "jagged", "cut": "b>1"},
        {"def": "2*pt", "type": "jagged", "cut": ["b>1", "any"], "when": "training"},
        {"def": "2*pt", "type": "jagged"},
    ],
)
def test_the_hash_of_something_else(entry: object) -> None:
    same = {"def": "2*pt", "type": "jagged", "cut": ["b>1", "any"]}
    assert given({"new_branch": {"b": entry}}).hash != given({"new_branch": {"b": same}}).hash
    assert given({"new_branch": {"c": same}}).hash != given({"new_branch": {"b": same}}).hash


def test_the_hash_ignores_what_is_removed() -> None:
    entry = {"cut": "x>0", "remove": True, "keys_to_remove": ["y"]}
    assert given({"flat_cut": {"x": entry}}).hash == given({"flat_cut": {"x": {"cut": "x>0"}}}).hash


@pytest.mark.parametrize("values", [{}, {"new_branch": {}, "flat_cut": {}, "jagged_cut": {}, "options": {}}])
def test_nothing_is_false(values: object) -> None:
    assert not given(values)


@pytest.mark.parametrize(
    "preproc",
    [
        given({"new_branch": {"a": ENTRY}}),
        Preprocessing().with_options(["x>0"], []),
        Preprocessing().with_options([], ["a=x"]),
        Preprocessing(removed=("x",)),
    ],
)
def test_something_is_true(preproc: Preprocessing) -> None:
    assert preproc


def test_what_preproc_may_be(tmp_path: Path) -> None:
    path = tmp_path / "preproc.json"
    path.write_text(json.dumps(VARIED))
    preproc = Preprocessing.of(path)
    assert preproc == Preprocessing.of(str(path)) == Preprocessing.of(VARIED) == given(VARIED)
    assert Preprocessing.of(preproc) is preproc
    assert Preprocessing.of(None) == Preprocessing()
    assert Preprocessing.of(VARIED).cuts[0].place == "preproc: jagged_cut 'pt', cut"


@pytest.mark.parametrize(("value", "shown"), [(3, "3"), (["x>0"], '["x>0"]')])
def test_what_preproc_may_not_be(value: object, shown: str) -> None:
    with pytest.raises(ParamsError) as caught:
        Preprocessing.of(value)
    assert str(caught.value) == f"preproc must be the path of a file, a dict, a Preprocessing or None, not {shown}"
