"""Which branches become inputs."""

from pathlib import Path
from typing import Any

import pytest
from mlaas4hep.errors import BranchError, ParamsError, SourceError
from mlaas4hep.sources import Branch, Choice, choose_branches

BRANCHES = [
    Branch("runNo", "flat", "int64", "int64_t"),
    Branch("isSignal", "flat", "bool", "bool"),
    Branch("process", "string", "", "char*", why_not="strings"),
    Branch("met", "flat", "float32", "float"),
    Branch("njetPt", "flat", "int32", "int32_t", counter=True, why_not="counter"),
    Branch("jetPt", "jagged", "float32", "float[]"),
    Branch("jetEta", "jagged", "float32", "float[]"),
    Branch("lep[0]", "flat", "float32", "float"),
    Branch("tracks", "other", "", "std::vector<std::vector<float>>", why_not="nested lists"),
    Branch("muon", "other", "", "Muon", why_not="a group of other branches"),
]
SCHEMA = {branch.name: branch for branch in BRANCHES}
NUMBERS = ["isSignal", "jetEta", "jetPt", "lep[0]", "met", "runNo"]


def without(*names: str) -> dict[str, Branch]:
    return {name: branch for name, branch in SCHEMA.items() if name not in names}


def choose(select: Any = None, exclude: Any = None, schema: Any = SCHEMA, **options: Any) -> Choice:
    return choose_branches([("a.root", SCHEMA), ("b.root", schema)], select, exclude, **options)


def names(choice: Choice) -> list[str]:
    return [branch.name for branch in choice.inputs]


def message(*args: Any, kind: type[Exception] = BranchError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        choose(*args, **options)
    return str(caught.value)


def test_all_numbers_without_a_restriction() -> None:
    restrictions: tuple[Any, ...] = (None, "", [])
    for select in restrictions:
        choice = choose(select)
        assert names(choice) == NUMBERS
        assert choice.left_out == {"process": "strings", "tracks": "nested lists"}
        assert choice.note == "branches left out: tracks (nested lists); process (strings)"


def test_the_note_is_empty_or_short() -> None:
    assert choose("met").note == ""
    many = {f"s{i:02}": Branch(f"s{i:02}", "string", "", "char*", why_not="strings") for i in range(30)}
    note = choose_branches([("a.root", SCHEMA | many)]).note
    assert "process, s00, s01, s02, s03, s04, s05, s06, s07, s08 and 21 more (strings)" in note


@pytest.mark.parametrize(
    ("select", "exclude", "wanted"),
    [
        ("met,jetPt", None, ["jetPt", "met"]),
        (["jet*"], None, ["jetEta", "jetPt"]),
        ("jet*, met", "jetEta", ["jetPt", "met"]),
        (["met", "njetPt"], None, ["met", "njetPt"]),
        ("*", None, NUMBERS),
        ("*jet*", None, ["jetEta", "jetPt"]),
        ("lep[0]", None, ["lep[0]"]),
        (None, "*Pt,process,tracks", ["isSignal", "jetEta", "lep[0]", "met", "runNo"]),
        (("met",), ("met", "jet*"), []),
    ],
)
def test_select_and_exclude(select: Any, exclude: Any, wanted: list[str]) -> None:
    if wanted:
        assert names(choose(select, exclude)) == wanted
    else:
        assert "no branch of a.root and 1 more file is left to be an input" in message(select, exclude)


def test_a_text_file_of_names(tmp_path: Path) -> None:
    path = tmp_path / "inputs.txt"
    path.write_text("# inputs\nmet\n\njet*  # all jets\n")
    assert names(choose(str(path))) == ["jetEta", "jetPt", "met"]
    assert names(choose(None, str(path))) == ["isSignal", "lep[0]", "runNo"]
    assert "there is no such list (did you mean 'inputs.txt'?)" in message(
        str(tmp_path / "input.txt"), kind=SourceError
    )


def test_a_long_text_is_no_path() -> None:
    assert names(choose(",".join(["met"] * 2000))) == ["met"]


def test_a_name_that_is_no_text() -> None:
    assert "selected branches: 3 is no name" in message(["met", 3], kind=ParamsError)


def test_identifiers_and_the_label_are_no_inputs() -> None:
    choice = choose(alone={"isSignal": "label"}, identifier=["runNo"])
    assert names(choice) == ["jetEta", "jetPt", "lep[0]", "met"]
    assert names(choose(["met", "runNo", "process"], identifier=["runNo"], alone={"process": "label"})) == ["met"]
    assert "process" not in choose(alone={"process": "label"}).left_out
    assert names(choose("met,njetPt", identifier="runNo,njetPt")) == ["met"]


def test_what_labels_and_identifiers_must_be() -> None:
    assert "label: branch 'jetPt' of a.root is jagged; it must be flat or a string" in message(alone={"jetPt": "label"})
    assert "identifier: branch 'process' of a.root is a string; it must be flat" in message(identifier=["process"])
    assert "label: there is no branch 'issignal' in a.root and 1 more file (did you mean 'isSignal'?)" in message(
        alone={"issignal": "label"}
    )
    assert "identifier: branch 'runNo' is missing in b.root, a.root has it" in message(
        identifier=["runNo"], schema=without("runNo")
    )


def test_names_that_match_nothing() -> None:
    assert message("jetpt") == "selected: there is no branch 'jetpt' in a.root and 1 more file (did you mean 'jetPt'?)"
    assert message(None, "tau*") == "excluded: there is no branch 'tau*' in a.root and 1 more file"
    assert "selected: 'n*' matches no branch that can be an input" in message("n*, met")


def test_selecting_what_cannot_be_an_input() -> None:
    assert message(["tracks"]) == "branch 'tracks' of a.root cannot be an input: nested lists"
    assert message(["process"]) == "branch 'process' of a.root cannot be an input: strings"
    assert message(["muon"]) == "branch 'muon' of a.root cannot be an input: a group of other branches"


def test_a_branch_that_only_some_files_have() -> None:
    schema = without("jetPt") | {"jetPT": SCHEMA["jetPt"]}
    text = message(schema=schema)
    assert "input: branch 'jetPT' is missing in a.root, b.root has it (did you mean 'jetPt'?)" in text
    assert names(choose("met", schema=schema)) == ["met"]
    assert names(choose(None, "jetP[tT]", schema=schema)) == ["isSignal", "jetEta", "lep[0]", "met", "runNo"]
    assert names(choose(schema=without("process"))) == NUMBERS


def test_kinds_that_differ() -> None:
    schema = SCHEMA | {"jetPt": Branch("jetPt", "flat", "float32", "float")}
    assert message(schema=schema) == "input: branch 'jetPt' is jagged in a.root and flat in b.root"
    schema = SCHEMA | {"met": Branch("met", "string", "", "char*", why_not="strings")}
    assert message(schema=schema) == "input: branch 'met' is flat in a.root and a string in b.root"


def test_types_may_differ_and_a_counter_of_one_file_is_one() -> None:
    schema = SCHEMA | {
        "met": Branch("met", "flat", "float64", "double"),
        "runNo": Branch("runNo", "flat", "int64", "int64_t", counter=True, why_not="counter"),
    }
    choice = choose(schema=schema)
    assert "runNo" not in names(choice)
    assert SCHEMA["met"] in choice.inputs


@pytest.mark.parametrize("role", ["select", "exclude", "identifier"])
def test_what_is_no_name_and_no_list(role: str) -> None:
    assert message(kind=ParamsError, **{role: 5}).endswith("5 is no name, nor a list of names")


def test_where_no_input_is_left_the_reasons_are_told() -> None:
    words = {"a": Branch("a", "string", "", "string", why_not="strings: 'x' in line 3 is no number")}
    with pytest.raises(BranchError, match=r"is left to be an input, .*; left out: a \(strings: 'x' in line 3"):
        choose_branches([("a.csv", words)])


def test_an_uncommon_branch_is_told_as_what_it_is() -> None:
    schema = SCHEMA | {"met": Branch("met", "string", "", "char*", why_not="strings")}
    assert choose(schema=schema, common=True).left_out["met"] == "flat in some files and a string in others"
