"""``--preproc``, ``--cut`` and ``--define``."""

import json
from pathlib import Path

import pytest

from tests.cli.invoke import FILES, TRAIN, Invoke

PREPROC = {
    "new_branch": {"log_pt": {"def": "log(jetPt)", "type": "jagged", "cut_1": ["log_pt>0", "any"]}},
    "flat_cut": {"met": {"cut": "met>=0", "remove": "True"}},
}


@pytest.fixture
def preproc(folder: Path) -> tuple[str, str]:
    (folder / "preproc.json").write_text(json.dumps(PREPROC))
    return "--preproc", "preproc.json"


def test_specs(invoke: Invoke, folder: Path, preproc: tuple[str, str]) -> None:
    answer = invoke("specs", *FILES, *preproc, "--cut", "njetPt >= 1", "--define", "twice = 2*met")
    assert answer.status == 0, answer.err
    assert "log_pt>0 (any)" in answer.out
    assert "njetPt >= 1" in answer.out
    specs = json.loads((folder / "specs.json").read_text())
    assert "twice" in specs["fkeys"]
    assert "met" not in specs["fkeys"]
    assert specs["jkeys"].count("log_pt") == 1
    answer = invoke("specs", *FILES, *preproc, "--json")
    flow = json.loads(answer.out)["cutflow"]
    assert [step["cut"] for step in flow["total"]["cuts"]] == ["log_pt>0 (any)", "met>=0"]
    assert flow["total"]["read"] == flow["total"]["passed"] + flow["total"]["cut"]


def test_flatten(invoke: Invoke, folder: Path, preproc: tuple[str, str]) -> None:
    answer = invoke("flatten", *FILES, *preproc, "--out", "chunks", "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert found["events"] == found["cutflow"]["total"]["passed"]
    about = json.loads((folder / "chunks" / "chunks.json").read_text())
    assert about["cutflow"] == found["cutflow"]
    assert (folder / "chunks" / "preproc.json").exists()
    again = invoke(
        "flatten", *FILES, "--preproc", "chunks/preproc.json", "--specs", "chunks/specs.json", "--out", "more"
    )
    assert again.status == 0, again.err
    assert (folder / "more" / "plan.json").read_text() == (folder / "chunks" / "plan.json").read_text()


def test_train(invoke: Invoke, folder: Path, preproc: tuple[str, str]) -> None:
    for name in ("keras", "tensorflow", "sklearn", "matplotlib"):
        pytest.importorskip(name, reason="training needs the extra [keras]")
    answer = invoke(*TRAIN, *preproc, "--fout", "out")
    assert answer.status == 0, answer.err
    assert answer.out.startswith("Cut ")
    report = json.loads((folder / "out" / "metrics.json").read_text())
    events = sum(part["events"] for part in report["parts"].values())
    assert events == report["cutflow"]["total"]["passed"]
    assert json.loads((folder / "out" / "preproc.json").read_text())["flat_cut"]["met"]["cut"] == "met>=0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--cut", "njetP >= 2"),
            "--cut 'njetP >= 2': there is no branch 'njetP' (did you mean 'njetPt'?)\n  njetP >= 2\n  ^^^^^",
        ),
        (("--cut", "jetPt > 2"), "--cut 'jetPt > 2': the cut is jagged: say whether any or all"),
        (("--cut", ""), "--cut '' must be a formula, such as 'nJets>=4'"),
        (("--define", "2*met"), "--define '2*met' must be name=formula, such as 'ratio=met/ht'"),
        (("--define", "met=2"), "--define 'met=2': there is a branch 'met' already; a new one needs a name of its own"),
        (("--cut", "met < -1"), "no event passes the cuts:\n"),
        (("--preproc", "nothing.json"), "nothing.json: "),
    ],
)
def test_mistakes(invoke: Invoke, folder: Path, arguments: tuple[str, str], message: str) -> None:
    answer = invoke("specs", *FILES, *arguments)
    assert answer.status == 2
    assert answer.error.startswith(message), answer.error
    assert not (folder / "specs.json").exists()
