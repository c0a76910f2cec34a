"""``inspect`` shows what is in a file, to a pipe and to a terminal."""

import io
import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from mlaas4hep import Specs
from mlaas4hep.cli import tables, trees
from rich.console import Console

from tests.cli.invoke import Answer, Invoke, columns, events_file, params, refused
from tests.sources.files import write


@pytest.fixture
def many(folder: Path) -> Path:
    """Return a file of collections, flat groups, single branches and strings, more than 100 branches."""
    counts = np.arange(50) % 4
    content: dict[str, Any] = {"run": np.arange(50), "name": ak.Array(["a"] * 50)}
    content |= {f"HLT_Path{number}": np.arange(50) % 2 == 0 for number in range(100)}
    content["Muon"] = ak.zip({key: ak.unflatten(np.arange(counts.sum()) * 1.5, counts) for key in ("pt", "eta")})
    content |= {"MET_pt": np.arange(50.0), "MET_phi": np.arange(50.0)}
    return _with_counter(folder / "many.root", content)


def _with_counter(path: Path, content: dict[str, Any]) -> Path:
    """Write records by uproot, which gives them a counter that they share: ``nMuon``."""
    import uproot

    types = {
        key: str(ak.type(value).content) if key != "Muon" else value.type.content for key, value in content.items()
    }
    with uproot.recreate(path) as file:
        file.mktree("events", types).extend(content)
    return path


def rows(answer: Answer) -> dict[str, list[str]]:
    """Return the cells of every line by the first of them."""
    assert (answer.status, answer.err) == (0, "")
    return {line.split()[0]: line.split() for line in answer.out.splitlines() if line.strip()}


def on_terminal(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, width: int, *arguments: object) -> Answer:
    """Run the command as if standard output were a terminal of this width."""
    screen = io.StringIO()

    def console() -> Console:
        return Console(file=screen, width=width, force_terminal=True, no_color=True, highlight=False, markup=False)

    for module in (tables, trees):
        monkeypatch.setattr(module, "console", console)
    answer = invoke("inspect", *arguments)
    text = "".join(part.partition("m")[2] if at else part for at, part in enumerate(screen.getvalue().split("\x1b[")))
    return Answer(answer.status, text, answer.err)


def test_a_pipe_gets_every_branch(invoke: Invoke, folder: Path) -> None:
    found = rows(invoke("inspect", "sig.root"))
    assert found["300"] == ["300", "events,", "6", "branches:", "4", "flat,", "2", "jagged"]
    assert found["Inputs:"][1:] == ["4;", "left", "out:", "2", "counters", "(unless", "selected", "by", "name)"]
    assert found["branch"] == ["branch", "kind", "type", "in", "the", "file", "stored", "ratio", "pieces", "remark"]
    assert found["met"][:4] == ["met", "flat", "float32", "float"]
    assert found["jetPt"][:4] == ["jetPt", "jagged", "float32", "float[]"]
    assert found["njetPt"][-1] == "counter"


def test_a_pipe_folds_no_name(invoke: Invoke, folder: Path) -> None:
    name = "a" * 300 + "[b]:smile:"
    write(folder / "a.root", {"events": {name: np.zeros(3)}})
    assert name in rows(invoke("inspect", "a.root"))


def test_json(invoke: Invoke, folder: Path) -> None:
    found = json.loads(invoke("inspect", "*.root", "--json").out)
    assert list(found) == ["bkg.root", "sig.root"]
    (tree,) = found["bkg.root"]
    assert (tree["name"], tree["entries"]) == ("events", 200)
    assert 0 < tree["stored"] < tree["size"]
    (counter,) = [branch for branch in tree["branches"] if branch["name"] == "njetPt"]
    storage = counter.pop("storage")
    assert 0 < storage["stored"] < storage["size"]
    assert (storage["pieces"], storage["compression"]) == (1, "ZLIB(1)")
    assert counter == {
        "name": "njetPt",
        "kind": "flat",
        "type": "int32",
        "typename": "int32_t",
        "counter": True,
        "why_not": "counter",
        "reader": "mlaas4hep",
        "why_uproot": "",
        "counted_by": "",
        "input": False,
        "specs": None,
    }


def test_one_tree(invoke: Invoke, folder: Path) -> None:
    write(folder / "a.root", {"signal": columns(10, 0), "background": columns(20, 1)})
    every = [tree["name"] for tree in json.loads(invoke("inspect", "a.root", "--json").out)["a.root"]]
    assert every == ["signal", "background"]
    (tree,) = json.loads(invoke("inspect", "a.root:signal", "--json").out)["a.root"]
    assert (tree["name"], tree["entries"]) == ("signal", 10)
    assert tree["stored"] > 0
    assert "did you mean 'signal'?" in invoke("inspect", "a.root:sginal").error


def test_globs_and_kinds(invoke: Invoke, folder: Path) -> None:
    def named(*arguments: str) -> list[str]:
        (tree,) = json.loads(invoke("inspect", "sig.root", *arguments, "--json").out)["sig.root"]
        return [branch["name"] for branch in tree["branches"]]

    assert named("jet*", "met") == ["met", "jetPt", "jetEta"]
    assert named("--kind", "jagged") == ["jetPt", "jetEta"]
    assert named("*Pt", "--kind", "flat") == ["njetPt"]
    assert named("met", "*Pt", "--kind", "flat", "--kind", "jagged") == ["met", "njetPt", "jetPt"]
    assert "300 events, 2 of 6 branches: 2 jagged" in invoke("inspect", "sig.root", "jet*").out


def test_trees_without_a_match_are_not_shown(invoke: Invoke, folder: Path) -> None:
    write(folder / "a.root", {"one": {"x": np.zeros(2)}, "two": {"y": np.zeros(3)}})
    assert "a.root:one" not in invoke("inspect", "a.root", "y").out
    assert "a.root:two" in invoke("inspect", "a.root", "y").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jte*"], "sig.root: no branch matches 'jte*' (did you mean 'jetEta'?)"),
        (["met", "jetpt"], "sig.root: no branch matches 'jetpt' (did you mean 'jetPt'?)"),
        (["met", "--kind", "jagged"], "sig.root: no branch that matches is of kind jagged"),
        (["--kind", "strings"], "'strings' is not one of 'flat', 'jagged', 'string', 'other'"),
        (["--specs", "none.json"], "none.json: there is no such file"),
    ],
)
def test_what_is_wrong(arguments: list[str], message: str, invoke: Invoke, folder: Path) -> None:
    assert message in refused(invoke, "inspect", "sig.root", *arguments)


def test_specs_add_their_numbers(invoke: Invoke, folder: Path) -> None:
    assert invoke("specs", "--files", "sig.root").status == 0
    found = rows(invoke("inspect", "sig.root", "--specs", "specs.json"))
    specs = Specs.from_json("specs.json")
    mean = specs.counts["jetPt"]["values"] / 300
    assert found["jetPt"][4:9] == [f"{specs.minv['jetPt']:.4g}", f"{specs.maxv['jetPt']:.4g}", "3", f"{mean:.1f}", "0"]
    (tree,) = json.loads(invoke("inspect", "sig.root", "jetPt", "--specs", "specs.json", "--json").out)["sig.root"]
    numbers = tree["branches"][0]["specs"]
    assert numbers["mean_length"] == pytest.approx(mean)
    assert (numbers["longest"], numbers["missing"]) == (3, 0)


def test_specs_of_other_files(invoke: Invoke, folder: Path) -> None:
    write(folder / "a.root", {"events": {"other": np.zeros(3)}})
    assert invoke("specs", "--files", "a.root").status == 0
    message = refused(invoke, "inspect", "sig.root", "--specs", "specs.json")
    assert message == "the specs do not fit: sig.root has none of their branches, such as ['other']"


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_shows_groups_of_many_branches(
    width: int, invoke: Invoke, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = on_terminal(invoke, monkeypatch, width, many)
    found = rows(answer)
    assert max(map(len, answer.out.splitlines()[1:])) <= width
    assert found["Muon_*"][:4] == ["Muon_*", "jagged", "2", "float64"]
    assert found["HLT_*"][:4] == ["HLT_*", "flat", "100", "bool"]
    assert found["MET_*"][:3] == ["MET_*", "flat", "2"]
    assert found["name"][:3] == ["name", "string", "1"]
    assert "nMuon" not in found
    assert "counter nMuon" in answer.out
    assert answer.out.rstrip().endswith("To see the branches: --all, or names and globs as in 'Muon_*'")


def test_specs_of_groups_fit_a_terminal(invoke: Invoke, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert invoke("specs", "--files", many).status == 0
    answer = on_terminal(invoke, monkeypatch, 60, many, "--specs", "specs.json")
    assert max(len(line.rstrip()) for line in answer.out.splitlines()[4:-2]) <= 60
    assert rows(answer)["branches"] == ["branches", "kind", "number", "longest", "mean", "stored", "share"]
    assert rows(answer)["Muon_*"][2:5] == ["2", "3", "1.5"]


def test_a_terminal_shows_branches_that_are_asked_for(
    invoke: Invoke, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "HLT_Path99" in rows(invoke("inspect", many))
    assert "HLT_Path99" not in rows(on_terminal(invoke, monkeypatch, 80, many))
    assert "HLT_Path99" in rows(on_terminal(invoke, monkeypatch, 80, many, "--all"))
    assert "HLT_Path99" in rows(on_terminal(invoke, monkeypatch, 80, many, "HLT_*"))


def test_a_terminal_that_is_narrow_has_fewer_columns(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "in the file" not in on_terminal(invoke, monkeypatch, 60, "sig.root").out
    assert "in the file" in on_terminal(invoke, monkeypatch, 100, "sig.root").out


def test_a_file_without_events(invoke: Invoke, folder: Path) -> None:
    events_file(folder / "none.root", 0)
    assert "0 events, 6 branches" in invoke("inspect", "none.root").out
    (tree,) = json.loads(invoke("inspect", "none.root", "--json").out)["none.root"]
    assert (tree["entries"], len(tree["branches"])) == (0, 6)


def test_the_head_of_nanoaod(invoke: Invoke, shared_data: Path) -> None:
    out = invoke("inspect", shared_data / "formats/unroot_NanoAODv5_sample.root").out
    assert "1,000 events, 1,479 branches: 1,119 flat, 360 jagged" in out
    assert "ZLIB(1), 1 piece a branch" in out
    assert "Inputs: 1,455; left out: 24 counters" in out


def test_how_files_are_read(invoke: Invoke, folder: Path) -> None:
    write(folder / "deep.root", {"events": {"grid": np.zeros((5, 2, 3), np.float32), "x": np.arange(5)}})
    for flatten_nested, kind in ((False, "other"), (True, "jagged")):
        reading = params(folder, reading={"flatten_nested": flatten_nested})
        answer = invoke("inspect", "deep.root", "--json", *reading)
        assert answer.status == 0, answer.err
        (tree,) = json.loads(answer.out)["deep.root"]
        assert {branch["name"]: branch["kind"] for branch in tree["branches"]} == {"grid": kind, "x": "flat"}
