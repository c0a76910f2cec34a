"""The whole job on a small dataset in memory: what it finds, what it writes, and when it stops."""

import json
import textwrap
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from mlaas4hep import Plan, Specs
from mlaas4hep.config import Params
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import ModelError, Note, OutputError, ParamsError
from mlaas4hep.train import Report, Silent, train

from tests.train.fakes import FakeDataset

keras: Any = pytest.importorskip("keras", reason="Keras is not installed")
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

NETWORK = """
import keras

def model(idim):
    network = keras.Sequential([keras.Input((idim,)), keras.layers.Dense(OUTPUTS, activation=ACTIVATION)])
    COMPILE
    return network
"""
PARAMS = Params(training="standard", chunk_size=250, epochs=2, batch_size=16)
FILES = {
    "learning_curves.png",
    "metrics.json",
    "mlaas4hep.json",
    "model.keras",
    "params.json",
    "plan.json",
    "roc.png",
    "specs.json",
}


def compiled(loss: str) -> str:
    """Return the line that compiles a model with a loss and a high learning rate."""
    return f"network.compile(keras.optimizers.Adam(0.1), loss={loss!r}, metrics=['accuracy'])"


QUICK = compiled("binary_crossentropy")


def network(folder: Path, outputs: int = 1, activation: str = "sigmoid", compiled: str = QUICK) -> Path:
    """Write a model file."""
    text = NETWORK.replace("OUTPUTS", str(outputs)).replace("ACTIVATION", repr(activation))
    return write(folder, text.replace("COMPILE", compiled))


def write(folder: Path, text: str) -> Path:
    """Write a model file with this text."""
    path = folder / "model.py"
    path.write_text(textwrap.dedent(text))
    return path


def run(dataset: FakeDataset, model: Path, params: Params = PARAMS, **options: Any) -> Report:
    """Run the job on a dataset in memory."""
    report = train(dataset.typed, model, params, **options)
    assert dataset.open == 0
    return report


@pytest.mark.parametrize("training", ["standard", "chunk"])
def test_the_job_learns_and_writes_everything(tmp_path: Path, training: str) -> None:
    dataset = FakeDataset(train=1000, validation=200, test=400)
    params = replace(PARAMS, training=training)
    report = run(dataset, network(tmp_path), params, fout=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert report.folder == tmp_path / "out"
    assert set(report.files) == FILES - {"mlaas4hep.json"}
    assert report.metrics is not None
    assert report.metrics.auc is not None
    assert report.metrics.auc > 0.8
    assert report.parts == {
        "train": {"background": 500, "signal": 500},
        "validation": {"background": 100, "signal": 100},
        "test": {"background": 200, "signal": 200},
    }
    assert len(report.history) == (2 if training == "standard" else 8)
    assert all({"loss", "accuracy", "val_loss", "val_accuracy"} == set(epoch.values) for epoch in report.history)
    assert json.loads((tmp_path / "out/metrics.json").read_text()) == report.to_dict()
    assert json.loads((tmp_path / "out/params.json").read_text())["training"] == training
    assert [pass_[0] for pass_ in dataset.passes].count("test") == 1
    assert dataset.passes[-1][0] == "test"
    again = keras.models.load_model(tmp_path / "out/model.keras")
    test = dataset.whole("test")
    accuracy = ((again.predict(test.data, verbose=0)[:, 0] >= 0.5) == test.labels).mean()
    assert accuracy == pytest.approx(report.metrics.accuracy)


@pytest.mark.parametrize("training", ["standard", "chunk"])
def test_the_job_on_files(tmp_path: Path, training: str) -> None:
    sample = Path(mlaas4hep.__file__).parent / "sample"
    files = [sample / "ttH.root", sample / "ttbar.root"]
    dataset = Dataset(files, labels=["ttH", "ttbar"], classes=["ttbar", "ttH"], exclude=["genWeight"], nevts=1500)
    params = replace(PARAMS, training=training, chunk_size=400, epochs=4)
    report = train(dataset, sample / "model.py", params, fout=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert {part: sum(counts.values()) for part, counts in report.parts.items()} == {
        part: dataset.count(part) for part in ("train", "validation", "test")
    }
    assert report.metrics is not None
    assert report.metrics.auc is not None
    assert report.metrics.auc > 0.75
    ledger = json.loads((tmp_path / "out/metrics.json").read_text())["ledger"]
    passes = {one["part"]: one["delivered"] / one["passes"] for one in ledger["passes"]}
    assert passes == {part: dataset.count(part) for part in ("train", "validation", "test")}
    assert ledger["complete"]
    assert ledger["total"]["entries"] == ledger["total"]["unused"] + 1500
    assert Plan.from_json(tmp_path / "out/plan.json") == dataset.plan
    assert Specs.from_json(tmp_path / "out/specs.json") == dataset.specs()


def test_the_same_seed_gives_the_same_result(tmp_path: Path) -> None:
    model = network(tmp_path)
    one, two, other = (
        run(FakeDataset(), model, replace(PARAMS, seed=seed), fout=tmp_path / f"out{number}")
        for number, seed in enumerate((3, 3, 4))
    )
    assert one.history == two.history
    assert one.metrics == two.metrics
    assert one.history != other.history


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = run(FakeDataset(), network(tmp_path), progress=Silent())
    assert report.folder is None
    assert report.files == []
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]


def test_integer_labels_reach_the_model_as_positions(tmp_path: Path) -> None:
    dataset = FakeDataset(train=1000, values=(-1, 5), classes=("-1", "5"))
    report = run(dataset, network(tmp_path))
    assert report.metrics is not None
    assert report.metrics.auc is not None
    assert report.metrics.auc > 0.8
    assert report.metrics.classes == ["-1", "5"]


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_three_classes(tmp_path: Path, loss: str) -> None:
    dataset = FakeDataset(train=1500, values=(0, 1, 2), classes=("qcd", "ttbar", "ttH"))
    report = run(dataset, network(tmp_path, 3, "softmax", compiled(loss)), fout=tmp_path / "out")
    assert report.metrics is not None
    assert report.metrics.auc is not None
    assert report.metrics.auc > 0.7
    assert np.shape(report.metrics.confusion_matrix) == (3, 3)


def test_metrics_that_are_not_asked_for_leave_the_test_part_unread(tmp_path: Path) -> None:
    dataset = FakeDataset()
    report = run(dataset, network(tmp_path), replace(PARAMS, metrics=False))
    assert report.metrics is None
    assert set(report.parts) == {"train", "validation"}
    assert "test" not in {pass_[0] for pass_ in dataset.passes}


def test_without_test_events_there_are_no_metrics(tmp_path: Path) -> None:
    with pytest.warns(Note, match="there are no test events"):
        report = run(FakeDataset(test=0), network(tmp_path), fout=tmp_path / "out")
    assert report.metrics is None
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES - {"roc.png"}
    assert json.loads((tmp_path / "out/metrics.json").read_text())["test"] is None


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (FakeDataset(values=(1,), classes=("signal",)), ParamsError, "all events are of class signal"),
        (
            FakeDataset(values=(), classes=(), train=0, validation=0, test=0),
            ParamsError,
            "there are no labels",
        ),
        (
            FakeDataset(train=0),
            ParamsError,
            "the train part is empty: 350 events were split 0.64 : 0.16 : 0.2",
        ),
        (
            FakeDataset(values=(0, 1, 2), classes=("a", "b", "c")),
            ModelError,
            "expected 3 outputs for 3 classes",
        ),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is_read(
    tmp_path: Path, dataset: FakeDataset, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(dataset, network(tmp_path), fout=tmp_path / "out")
    assert dataset.passes == []
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]


def test_a_layout_that_training_cannot_take_is_an_error(tmp_path: Path) -> None:
    sample = [f"{files('mlaas4hep')}/sample/{name}.root" for name in ("ttH", "ttbar")]
    dataset = Dataset(sample, [1, 0], select=["met", "jetPt"], layout="collections", nevts=100)
    message = r"^train takes the matrix only, .* of jetPt: the dataset has layout='collections'; make it with layout="
    with pytest.raises(ParamsError, match=message):
        train(dataset, network(tmp_path), PARAMS)


def test_a_folder_in_the_way_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    dataset = FakeDataset()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").touch()
    with pytest.raises(OutputError, match="is not one of our output folders"):
        run(dataset, network(tmp_path), fout=tmp_path / "out")
    assert dataset.passes == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("network.compile(optimizer=keras.optimizers.SGD(0.0), loss='mse')", "training changed no weight"),
        ("network.compile(optimizer=keras.optimizers.SGD(1e30), loss='mse')", "the loss became (nan|inf)"),
        ("network.set_weights([w * float('nan') for w in network.get_weights()])", "the loss became nan"),
    ],
)
def test_a_training_that_leads_nowhere_ends_in_an_error(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        run(FakeDataset(), network(tmp_path, 1, "linear", line), fout=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]


def test_scores_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    dataset = FakeDataset()
    dataset.whole("test").data[3:5] = np.nan
    with pytest.raises(ModelError, match="the scores of 2 of 200 test events are not finite"):
        run(dataset, network(tmp_path), fout=tmp_path / "out")


class Interrupt(Silent):
    """Presses Ctrl-C in the second epoch."""

    def epoch(self, epoch: object, epochs: int) -> None:
        """Press it."""
        raise KeyboardInterrupt


@pytest.mark.parametrize("training", ["standard", "chunk"])
def test_an_interrupt_leaves_what_was_there(tmp_path: Path, training: str) -> None:
    model = network(tmp_path)
    run(FakeDataset(), model, fout=tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(KeyboardInterrupt):
        run(
            FakeDataset(),
            model,
            replace(PARAMS, training=training),
            fout=tmp_path / "out",
            progress=Interrupt(),
        )
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"model.py", "out"}


def test_an_exception_in_a_layer_shows_the_user_s_frames(tmp_path: Path) -> None:
    model = write(
        tmp_path,
        """
        import keras

        class Broken(keras.layers.Layer):
            def call(self, data):
                return data.no_such_thing

        def model(idim):
            return keras.Sequential([Broken(), keras.layers.Dense(1, activation="sigmoid")])
        """,
    )
    with pytest.raises(ModelError, match="cannot be applied to a matrix of 4 columns") as caught:
        run(FakeDataset(), model)
    assert 'model.py", line 6, in call\n    return data.no_such_thing' in caught.value.user_traceback
    assert "keras/src" not in caught.value.user_traceback


def test_an_object_of_another_framework_is_refused(tmp_path: Path) -> None:
    model = write(tmp_path, "import sklearn.svm\ndef model(): return sklearn.svm.SVC()")
    with pytest.raises(ModelError, match=r"model\.py: model\(\) returns sklearn.*; this version trains Keras"):
        run(FakeDataset(), model)
