"""Whatever is wrong with the input: status 2, one message that says what, where and what would be right."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from tests.cli.invoke import FILES, TRAIN, Invoke, columns, events_file, params, refused
from tests.sources.files import basket_range, damage, write


@pytest.fixture(autouse=True)
def here(folder: Path) -> None:
    """Work in a folder with two good files and a model."""


# Files


def test_a_missing_file(invoke: Invoke) -> None:
    assert (
        refused(invoke, "specs", "--files", "sgi.root") == "sgi.root: there is no such file (did you mean 'sig.root'?)"
    )


def test_a_missing_list(invoke: Invoke) -> None:
    assert refused(invoke, "specs", "--files", "files.txt") == "files.txt: there is no such list"


def test_a_missing_file_of_a_list(invoke: Invoke, folder: Path) -> None:
    (folder / "files.txt").write_text("# signal\nsig.root\nbgk.root\n")
    message = refused(invoke, "specs", "--files", "files.txt")
    assert message == "files.txt, line 3: bgk.root: there is no such file (did you mean 'bkg.root'?)"


def test_an_empty_list(invoke: Invoke, folder: Path) -> None:
    (folder / "files.txt").write_text("# nothing\n")
    assert refused(invoke, "specs", "--files", "files.txt") == "files.txt: the list has no inputs; write a file a line"


def test_a_glob_without_files(invoke: Invoke) -> None:
    assert refused(invoke, "specs", "--files", "data/*.root") == "data/*.root: no file matches this pattern"


def test_a_remote_file(invoke: Invoke) -> None:
    message = refused(invoke, "specs", "--files", "rot://host//a.root")
    assert message.startswith(
        "rot://host//a.root: nothing is known of rot:// (did you mean 'root'?); root://, https://"
    )


def test_not_a_root_file(invoke: Invoke, folder: Path) -> None:
    (folder / "a.root").write_text("jetPt,jetEta\n1,2\n")
    message = refused(invoke, "specs", "--files", "a.root")
    assert message.startswith("a.root: this is ROOT by its name, but not by its content; formats that can be read are")


def test_an_empty_file(invoke: Invoke, folder: Path) -> None:
    (folder / "a.root").touch()
    message = refused(invoke, "specs", "--files", "a.root")
    assert message.startswith("a.root: the file is empty; it should be one of ")


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_a_truncated_file(share: float, invoke: Invoke, folder: Path) -> None:
    os.truncate("sig.root", int((folder / "sig.root").stat().st_size * share))
    message = refused(invoke, "specs", *FILES)
    assert message.startswith("sig.root: ")
    assert "truncated" in message


def test_a_file_without_a_tree(invoke: Invoke) -> None:
    with uproot.recreate("a.root") as file:
        file["h"] = np.histogram([1.0, 2.0])
    assert refused(invoke, "specs", "--files", "a.root") == "a.root: the file holds no tree; it holds h (TH1D)"


def test_several_trees(invoke: Invoke, folder: Path) -> None:
    write(folder / "a.root", {"signal": columns(10, 0), "background": columns(10, 1)})
    message = refused(invoke, "specs", "--files", "a.root")
    assert message == "a.root: the file holds several trees; name one of them: background, signal"


@pytest.mark.parametrize("named", ["behind the file", "as a parameter"])
def test_an_unknown_tree(named: str, invoke: Invoke, folder: Path) -> None:
    given: tuple[str, ...] = ("--files", "sig.root:event")
    if named == "as a parameter":
        given = ("--files", "sig.root", *params(folder, branch="event"))
    message = refused(invoke, "specs", *given)
    assert message == "sig.root: there is no tree 'event' (did you mean 'events'?); the file holds events"


def test_no_events(invoke: Invoke, folder: Path) -> None:
    events_file(folder / "a.root", 0)
    message = refused(invoke, "specs", "--files", "a.root")
    assert message == "there are no events: every file has 0 entries: a.root"


# Branches


@pytest.mark.parametrize(
    ("key", "role"),
    [("selected_branches", "selected"), ("exclude_branches", "excluded"), ("identifier", "identifier")],
)
def test_an_unknown_branch(key: str, role: str, invoke: Invoke, folder: Path) -> None:
    message = refused(invoke, "specs", *FILES, *params(folder, **{key: ["jetpt"]}))
    where = "sig.root and 1 more file"
    assert message == f"{role}: there is no branch 'jetpt' in {where} (did you mean 'jetPt'?)"


def test_an_unknown_branch_of_labels(invoke: Invoke) -> None:
    message = refused(invoke, "train", *FILES, "--labels", "rum", "--model", "model.py")
    known = "label: there is no branch 'rum' in sig.root and 1 more file (did you mean 'run'?)"
    assert message == f"{known}; it is no formula of branches either"


def test_a_branch_that_one_file_lacks(invoke: Invoke, folder: Path) -> None:
    events_file(folder / "sig.root", ht=np.zeros(300))
    message = refused(invoke, "specs", *FILES)
    assert message.startswith("input: branch 'ht' is missing in bkg.root, sig.root has it")
    assert message.endswith("every input must be in all files: exclude it, or select others")


def test_jagged_in_one_file_and_flat_in_another(invoke: Invoke, folder: Path) -> None:
    events_file(folder / "sig.root", jetPt=np.zeros(300, np.float32))
    assert refused(invoke, "specs", *FILES) == "input: branch 'jetPt' is flat in sig.root and jagged in bkg.root"


# Labels


@pytest.mark.parametrize("given", ["1,0,0", "labels.txt"])
def test_labels_and_files_of_different_number(given: str, invoke: Invoke, folder: Path) -> None:
    (folder / "labels.txt").write_text("1 # signal\n0\n0\n")
    message = refused(invoke, "train", *FILES, "--labels", given, "--model", "model.py")
    where = given if given.endswith(".txt") else "labels"
    assert message == f"{where}: 3 labels for 2 inputs; give each input one label"


def test_labels_of_both_kinds(invoke: Invoke) -> None:
    message = refused(invoke, "train", *FILES, "--labels", "1,qcd", "--model", "model.py")
    assert "1 is an integer, 'qcd' a name; labels are all integers or all names" in message


@pytest.mark.parametrize("labels", ["1,1", "run"])
def test_training_with_one_class(labels: str, invoke: Invoke, folder: Path) -> None:
    events_file(folder / "sig.root", 100, 0)
    message = refused(invoke, "train", *FILES, "--labels", labels, "--model", "model.py", "--fout", "out")
    assert message.startswith("training needs two classes or more, all events are of class ")


def test_classes_that_do_not_fit(invoke: Invoke, folder: Path) -> None:
    message = refused(invoke, *TRAIN, *params(folder, classes=["a", "b", "c"]))
    assert message == "classes: 3 names for 2 labels (0, 1); give each label one name"


# JSON


def test_broken_parameters(invoke: Invoke, folder: Path) -> None:
    (folder / "params.json").write_text('{\n  "epochs": 3\n  "seed": 4\n}\n')
    message = refused(invoke, *TRAIN, "--params", "params.json")
    assert message == "params.json, line 3, column 3: Expecting ',' delimiter\n    \"seed\": 4\n    ^"


def test_broken_specs(invoke: Invoke, folder: Path) -> None:
    (folder / "specs.json").write_text('{\n  "fkeys": [,]\n}\n')
    message = refused(invoke, *TRAIN, "--specs", "specs.json")
    assert message.splitlines()[0] == "specs.json, line 2, column 13: Expecting value"


def test_an_unknown_parameter(invoke: Invoke, folder: Path) -> None:
    message = refused(invoke, *TRAIN, *params(folder, epoch=3))
    assert message == "params.json: unknown key 'epoch' (did you mean 'epochs'?)"


def test_wrong_parameters_are_all_named(invoke: Invoke, folder: Path) -> None:
    message = refused(invoke, *TRAIN, *params(folder, epochs="ten", split=[0.5, 0.5, 0.5]))
    assert message.splitlines() == [
        "params.json:",
        '  epochs must be a whole number of at least 1, not "ten"',
        "  split must be three fractions (train, validation, test) that add up to 1, or "
        '{"by": ..., "validation": [...], "test": [...]}, not [0.5, 0.5, 0.5]',
    ]


@pytest.mark.parametrize(("option", "status"), [("--params", 2), ("--specs", 2)])
def test_a_missing_json_file(option: str, status: int, invoke: Invoke) -> None:
    message = refused(invoke, *TRAIN, option, "nothing.json", status=status)
    assert re.match("nothing.json: (there is no such file|No such file or directory)", message)


# Specs


def made_specs(invoke: Invoke, *arguments: object) -> tuple[str, str]:
    assert invoke("specs", *arguments, "--out", "made.json").status == 0
    return "--specs", "made.json"


def test_specs_that_lack_a_branch(invoke: Invoke, folder: Path) -> None:
    specs = made_specs(invoke, *FILES, *params(folder, exclude_branches="met"))
    message = refused(invoke, *TRAIN, *specs, *params(folder, exclude_branches="run"))
    assert message.startswith("made.json: the specs do not fit: they lack branch 'met'")
    assert message.endswith("scan the files again")


def test_specs_of_another_kind_of_branch(invoke: Invoke, folder: Path) -> None:
    events_file(folder / "flat.root", jetPt=np.zeros(300, np.float32))
    specs = made_specs(invoke, "--files", "flat.root")
    message = refused(invoke, *TRAIN, *specs)
    assert "branch 'jetPt' is flat there and jagged in the files" in message


def test_specs_of_files_that_have_changed(invoke: Invoke, folder: Path) -> None:
    specs = made_specs(invoke, *FILES)
    made = json.loads((folder / "made.json").read_text())
    del made["parts"]
    (folder / "made.json").write_text(json.dumps(made))
    events_file(folder / "sig.root", 301, 1)
    message = refused(invoke, *TRAIN, *specs)
    assert "they were made from 300 events of sig.root, which has 301" in message


# Output


@pytest.mark.parametrize("command", ["train", "flatten"])
def test_an_output_folder_that_is_something_else(command: str, invoke: Invoke, folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").touch()
    given = (*TRAIN, "--fout", "mine") if command == "train" else ("flatten", *FILES, "--out", "mine")
    message = refused(invoke, *given)
    assert message.startswith(f"{folder / 'mine'}: exists, is not empty, and is not one of our output folders")


def test_an_output_folder_that_is_a_file(invoke: Invoke, folder: Path) -> None:
    message = refused(invoke, *TRAIN, "--fout", "sig.root")
    assert message.startswith(f"{folder / 'sig.root'}: exists and is no folder")


@pytest.mark.parametrize(
    ("out", "wanted"),
    [
        (".", "this is a folder; name a file"),
        ("nowhere/specs.json", "there is no folder 'nowhere'"),
        ("sig.root", "exists and holds no specs, so it is not replaced"),
    ],
)
def test_specs_that_cannot_be_written(out: str, wanted: str, invoke: Invoke) -> None:
    assert wanted in refused(invoke, "specs", *FILES, "--out", out)


# The command itself


def test_an_unknown_command(invoke: Invoke) -> None:
    message = refused(invoke, "trian")
    assert message.startswith("there is no command 'trian' (did you mean 'train'?)")


def test_an_unknown_option(invoke: Invoke) -> None:
    assert "'--lables'" in (message := refused(invoke, "train", "--lables", "1,0"))
    assert "--labels" in message


def test_a_missing_option(invoke: Invoke) -> None:
    message = refused(invoke, "train", *FILES, "--model", "model.py")
    assert message == "Missing option '--labels'; see 'mlaas4hep train --help'"


def test_no_command(invoke: Invoke) -> None:
    answer = invoke()
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("Usage: mlaas4hep")


# A file that turns out corrupt


@pytest.fixture
def corrupt(folder: Path) -> str:
    """Damage a basket of jetPt in the middle of a file, and return the branch's name."""
    path = folder / "sig.root"
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        types: dict[str, Any] = {"run": "int32", "met": "float32", "jetPt": "var * float32", "jetEta": "var * float32"}
        tree = file.mktree("events", types)
        for _ in range(3):
            tree.extend(columns(1000, 1))
    start, stop = basket_range(path, "events", "jetPt", 1)
    damage(path, start + 20, size=stop - start - 20)
    return "jetPt"


@pytest.mark.parametrize("command", ["specs", "flatten"])
def test_a_file_that_is_corrupt_in_the_middle(command: str, corrupt: str, invoke: Invoke) -> None:
    message = refused(invoke, command, *FILES, "--out", "out", status=1)
    assert message.startswith("sig.root: ")
    assert f"branch {corrupt!r}" in message
    assert re.search(r"entries 1000 to 2000", message), message
