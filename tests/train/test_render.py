"""The report as text and as strict JSON."""

import json
from dataclasses import replace
from pathlib import Path

from mlaas4hep.dataset import Ledger
from mlaas4hep.evaluation.results import Epoch, Metrics
from mlaas4hep.train import Report, Throughput, render

METRICS = Metrics(
    events=4000,
    classes=["ttbar", "ttH"],
    threshold=0.5,
    weighted=False,
    auc=0.91234,
    accuracy=0.8305,
    confusion_matrix=[[1642, 358], [320, 1680]],
    report={"ttH": {"precision": 0.5}},
    text="              precision\n\n       ttbar      0.837\n",
    notes=[],
)
REPORT = Report(
    procedure="standard",
    columns=168,
    classes=["ttbar", "ttH"],
    parts={
        "train": {"ttbar": 6400, "ttH": 6400},
        "validation": {"ttbar": 1600, "ttH": 1600},
        "test": {"ttbar": 2000, "ttH": 2000},
    },
    bad_files=(),
    cutflow=None,
    ledger=Ledger(()),
    history=[Epoch(1, None, {"loss": 0.5, "val_loss": float("nan")})],
    metrics=METRICS,
    throughput=Throughput(512_345.6, 81_234.5, 1.57, 0.04, 12.3),
    versions={"python": "3.11"},
    folder=Path("results"),
    files=["metrics.json", "model.keras"],
)

TEXT = """\
Part        events  ttbar    ttH
train       12,800  6,400  6,400
validation   3,200  1,600  1,600
test         4,000  2,000  2,000

Test part, 4,000 events
AUC       0.9123
Accuracy  0.8305 at threshold 0.5

True \\ predicted  ttbar    ttH
ttbar             1,642    358
ttH                 320  1,680

              precision

       ttbar      0.837

Reading and flattening  512,346 events/s
Training                81,234 events/s
Time                    12.3 s: 1.6 s training, 0.0 s waiting for data

Results in results: metrics.json, model.keras"""


def test_the_text_of_a_report() -> None:
    assert render(REPORT) == TEXT


def test_the_text_without_test_events_and_folder() -> None:
    throughput = replace(REPORT.throughput, training=None)
    text = render(replace(REPORT, metrics=None, folder=None, files=[], throughput=throughput))
    assert "\n\nTest part: no metrics, because it is empty or none were asked for.\n\n" in text
    assert "Training                not measured" in text
    assert text.endswith("waiting for data")


def test_the_text_of_several_classes_says_what_the_auc_is() -> None:
    assert "AUC       0.9123 (mean over the classes, each" in render(
        replace(REPORT, metrics=replace(METRICS, threshold=None))
    )


def test_the_text_without_auc_says_why() -> None:
    text = render(replace(REPORT, metrics=replace(METRICS, auc=None, notes=["one class"])))
    assert "AUC       not defined\nAccuracy  0.8305 at threshold 0.5\nnote: one class\n" in text


def test_the_json_is_strict(tmp_path: Path) -> None:
    REPORT.to_json(tmp_path / "metrics.json")
    found = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=lambda name: 1 / 0)
    assert found["history"] == [{"epoch": 1, "loss": 0.5, "val_loss": None}]
    assert found["parts"]["train"] == {"events": 12800, "classes": {"ttbar": 6400, "ttH": 6400}}
    assert found["test"]["confusion_matrix"] == [[1642, 358], [320, 1680]]
    assert found["throughput"]["reading"] == 512_345.6
