"""``train`` and ``demo`` on good input."""

import json
from pathlib import Path

import pytest
from mlaas4hep import frameworks

from tests.cli.invoke import FILES, TRAIN, Invoke, params

RESULTS = [
    "learning_curves.png",
    "metrics.json",
    "mlaas4hep.json",
    "model.keras",
    "params.json",
    "plan.json",
    "roc.png",
    "specs.json",
]


@pytest.fixture
def keras() -> None:
    """Skip where what training needs is not installed."""
    for name in ("keras", "tensorflow", "sklearn", "matplotlib"):
        pytest.importorskip(name, reason="training needs the extra [keras]")


@pytest.mark.usefixtures("keras")
def test_train(invoke: Invoke, folder: Path) -> None:
    given = params(folder, epochs=3, chunk_size=100, batch_size=16, verbose=2)
    answer = invoke(*TRAIN, *given, "--fout", "out", "--threads", "1")
    assert answer.status == 0, answer.err
    assert answer.err.count(", epoch 3 of 3: ") == 4  # the chunks of procedure "chunk"
    assert "AUC  " in answer.out
    assert "events/s" in answer.out
    assert f"Results in {folder / 'out'}" in answer.out
    assert sorted(path.name for path in (folder / "out").iterdir()) == RESULTS
    assert json.loads((folder / "out" / "params.json").read_text())["training"] == "chunk"


@pytest.mark.usefixtures("keras")
def test_train_as_json_without_a_params_file(invoke: Invoke, folder: Path) -> None:
    before = sorted(folder.iterdir())
    answer = invoke("train", *FILES, "--labels", "signal,background", "--model", "model.py", "--json")
    assert (answer.status, answer.err) == (0, "")
    report = json.loads(answer.out)
    assert report["procedure"] == "standard"
    assert report["classes"] == ["background", "signal"]
    assert 0 <= report["test"]["auc"] <= 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.usefixtures("keras")
def test_quiet(invoke: Invoke, folder: Path) -> None:
    answer = invoke(*TRAIN, *params(folder, epochs=1, verbose=0))
    assert (answer.status, answer.out, answer.err) == (0, "", "")


@pytest.mark.usefixtures("keras")
def test_demo(invoke: Invoke, folder: Path) -> None:
    answer = invoke("demo")
    assert (answer.status, answer.err) == (0, "")
    metrics = json.loads((folder / "mlaas4hep-demo" / "metrics.json").read_text())
    assert metrics["test"]["auc"] > 0.87
    assert metrics["classes"] == ["ttbar", "ttH"]
    assert f"AUC       {metrics['test']['auc']:.4f}" in answer.out
    assert f"Results in {folder / 'mlaas4hep-demo'}" in answer.out


def test_demo_without_a_framework(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "installed", lambda: False)
    before = sorted(folder.iterdir())
    answer = invoke("demo", "--out", "out")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("8,000 events of 2 files, 32 branches, 168 columns\n")
    assert answer.out.count("events/s") == 2
    assert answer.out.endswith("  pip install 'mlaas4hep[keras]'\n")
    assert sorted(folder.iterdir()) == before
