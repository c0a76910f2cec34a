"""ROC and learning curves: what they show, and that they leave matplotlib's global state alone."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")
import matplotlib as mpl
from matplotlib._pylab_helpers import Gcf
from mlaas4hep.evaluation.curves import learning_figure, roc_figure, save
from mlaas4hep.evaluation.results import Epoch

LABELS = np.array([0, 0, 0, 1, 1, 1])
SCORES = np.array([0.1, 0.5, 0.3, 0.4, 0.8, 0.9])


def history(chunks: int | None, epochs: int, *names: str) -> list[Epoch]:
    """Return epochs whose values fall; without ``chunks`` of the procedure standard."""
    return [
        Epoch(epoch, None if chunks is None else chunk, dict.fromkeys(names, 1 / (chunk * epochs + epoch)))
        for chunk in range(1, (chunks or 1) + 1)
        for epoch in range(1, epochs + 1)
    ]


def legend(axes: object) -> list[str]:
    """Return the texts of a legend."""
    return [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[attr-defined]


def texts(axes: object) -> list[str]:
    """Return what is written on the axes."""
    return [text.get_text() for text in axes.texts]  # type: ignore[attr-defined]


def test_a_roc_curve_names_the_classes_and_the_auc() -> None:
    [axes] = roc_figure(LABELS, SCORES, ["ttbar", "ttH"], 0.5).axes
    assert legend(axes) == ["ttH against ttbar, AUC = 0.889", "threshold 0.5", "chance, AUC = 0.500"]
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 1))
    assert axes.get_xlabel() == "False positive rate: ttbar taken for ttH"
    assert texts(axes) == ["ROC curve", "test part, 6 events"]


@pytest.mark.parametrize(
    ("threshold", "point"),
    [
        (0.5, (1 / 3, 2 / 3)),
        (0.45, (1 / 3, 2 / 3)),
        (0.0, (1.0, 1.0)),
        (1.0, (0.0, 0.0)),
        (0.9, (0.0, 1 / 3)),
    ],
)
def test_the_dot_stands_at_the_rates_of_the_threshold(threshold: float, point: tuple[float, float]) -> None:
    [axes] = roc_figure(LABELS, SCORES, ["b", "s"], threshold).axes
    dot = next(line for line in axes.lines if line.get_marker() == "o")
    assert np.concatenate(dot.get_data()).tolist() == pytest.approx(point)


def test_several_classes_have_a_curve_each() -> None:
    scores = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    [axes] = roc_figure(np.array([0, 1, 2, 0, 1, 2]), scores, ["a", "b", "c"]).axes
    assert legend(axes)[:3] == [f"{name} against the rest, AUC = 1.000" for name in "abc"]


def test_a_single_class_has_no_curve() -> None:
    [axes] = roc_figure(np.ones(6, np.int64), SCORES, ["b", "s"], 0.5).axes
    assert legend(axes) == ["chance, AUC = 0.500"]


def test_learning_curves_show_loss_and_first_metric() -> None:
    names = ("accuracy", "loss", "val_accuracy", "val_loss")
    loss, metric = learning_figure(history(None, 5, *names)).axes
    assert (loss.get_ylabel(), metric.get_ylabel()) == ("Loss", "Accuracy")
    assert legend(loss) == ["training", "validation"]
    assert texts(loss) == ["Learning curves", "5 epochs"]
    assert loss.get_xlim() == (0.5, 5.5)


def test_chunks_follow_each_other_and_are_marked() -> None:
    [axes] = learning_figure(history(3, 4, "loss", "val_loss")).axes
    assert axes.get_xlim() == (0.5, 12.5)
    limits = {np.asarray(line.get_xdata()).tolist()[0] for line in axes.lines if np.size(line.get_xdata()) == 2}
    assert limits == {4.5, 8.5}
    assert {"chunk 1", "chunk 2", "chunk 3", "4 epochs on each of 3 chunks"} <= set(texts(axes))


def test_epochs_without_validation_leave_a_gap() -> None:
    epochs = [*history(1, 2, "loss"), *history(2, 2, "loss", "val_loss")[2:]]
    [axes] = learning_figure(epochs).axes
    line = next(line for line in axes.lines if line.get_label() == "validation")
    assert np.isnan(np.asarray(line.get_ydata())).tolist() == [True, True, False, False]


@pytest.mark.parametrize("chunks", [None, 1, 12, 40])
def test_figures_are_written_without_global_state(tmp_path: Path, chunks: int | None) -> None:
    before = dict(mpl.rcParams)
    save(learning_figure(history(chunks, 1, "loss")), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before
    assert Gcf.get_all_fig_managers() == []
