"""``specs --hist`` and the key ``hist`` of parameters draw every input."""

import importlib.util
import json
from pathlib import Path

import pytest
from mlaas4hep import Dataset

from tests.cli.invoke import FILES, TRAIN, Invoke, params, refused

PICTURES = ["inputs.pdf", "jetEta.png", "jetPt.png", "met.png", "mlaas4hep.json", "run.png"]


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def packages() -> None:
    """Skip where what histograms need is not installed."""
    for name in ("hist", "matplotlib", "mplhep"):
        pytest.importorskip(name, reason="histograms need the extra [hist]")


def test_specs_with_histograms(invoke: Invoke, folder: Path) -> None:
    answer = invoke("specs", *FILES, "--labels", "signal,background", "--hist", "plots")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.endswith(f"Histograms of 4 branches, 500 events in {folder / 'plots'}\n")
    assert names(folder / "plots") == PICTURES
    assert (folder / "specs.json").exists()


def test_specs_take_the_folder_from_the_parameters(invoke: Invoke, folder: Path) -> None:
    given = params(folder, hist="plots", selected_branches="met")
    answer = invoke("specs", *FILES, *given, "--json")
    assert (answer.status, answer.err) == (0, "")
    assert json.loads(answer.out)["fkeys"] == ["met"]
    assert names(folder / "plots") == ["inputs.pdf", "met.png", "mlaas4hep.json"]
    assert invoke("specs", *FILES, *given, "--hist", "others").status == 0  # the option is stronger
    assert names(folder / "others") == names(folder / "plots")


def test_labels_alone_change_no_specs(invoke: Invoke, folder: Path) -> None:
    with_labels = invoke("specs", *FILES, "--labels", "1,0", "--json").out
    assert with_labels == invoke("specs", *FILES, "--json", "--rescan").out
    by_branch = json.loads(invoke("specs", *FILES, "--labels", "run", "--json").out)
    assert by_branch["fkeys"] == ["met"]
    assert "3 labels for 2 inputs" in refused(invoke, "specs", *FILES, "--labels", "1,0,1")


def test_classes_name_the_labels(invoke: Invoke, folder: Path) -> None:
    given = params(folder, classes=["background", "signal"], hist="plots", selected_branches="met")
    assert invoke("specs", *FILES, "--labels", "1,0", *given).status == 0


@pytest.mark.parametrize("command", [("specs", *FILES), (*TRAIN, "--fout", "out")])
def test_a_missing_package_ends_the_command_before_any_work(
    command: tuple[str, ...], invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    given = params(folder, hist="plots")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mplhep" else there(name))
    monkeypatch.setattr(Dataset, "specs", lambda self: pytest.fail("the files were scanned"))
    message = refused(invoke, *command, *given)
    assert message == ("histograms need the package 'mplhep', which is not installed: pip install 'mlaas4hep[hist]'")


def test_a_folder_that_is_not_ours(invoke: Invoke, folder: Path) -> None:
    message = refused(invoke, "specs", *FILES, "--hist", ".")
    assert message == f"{folder}: is or holds the working directory; nothing was written, name a new or an empty folder"


@pytest.mark.parametrize("hist", ["out", "out/plots", "."])
def test_histograms_and_results_do_not_mix(hist: str, invoke: Invoke, folder: Path) -> None:
    message = refused(invoke, *TRAIN, *params(folder, hist=hist), "--fout", "out")
    wanted = (
        "is or holds the working directory" if hist == "." else "must not be, hold or be in the folder of the results"
    )
    assert wanted in message


def test_training_draws_the_train_part(invoke: Invoke, folder: Path) -> None:
    for name in ("keras", "tensorflow", "sklearn"):
        pytest.importorskip(name, reason="training needs the extra [keras]")
    given = params(folder, hist="plots", epochs=1, selected_branches="met,jetPt")
    answer = invoke(*TRAIN, *given, "--fout", "out", "--json")
    assert (answer.status, answer.err) == (0, "")
    assert names(folder / "plots") == ["inputs.pdf", "jetPt.png", "met.png", "mlaas4hep.json"]
    assert "metrics.json" in names(folder / "out")
    assert json.loads((folder / "out" / "params.json").read_text())["hist"] == "plots"
