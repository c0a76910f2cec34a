"""ROC and learning curves as figures of matplotlib, without its global state."""

from collections.abc import Iterator, Sequence
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn import metrics as sk

from mlaas4hep.evaluation.metrics import positive, usable
from mlaas4hep.evaluation.results import Epoch

__all__ = ["learning_figure", "roc_figure", "save"]

_COLORS = ["#0b6e99", "#d9730d", "#4d8b31", "#ad1a72", "#6940a5", "#c9a000", "#64473a", "#37352f"]
_INK, _MUTED, _GRID = "#37352f", "#8a8883", "#e9e8e4"
_LEGEND: dict[str, Any] = {
    "fontsize": 10.5,
    "labelcolor": _INK,
    "facecolor": "white",
    "edgecolor": "none",
    "framealpha": 0.9,
}
_DOT: dict[str, Any] = {"markersize": 8, "markeredgecolor": "white", "markeredgewidth": 1.5}
_TITLE: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
_DPI = 160
_ROOM = 18


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PNG."""
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=_DPI, facecolor="white")


def roc_figure(
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    classes: Sequence[str],
    threshold: float | None = None,
    weights: NDArray[np.floating[Any]] | None = None,
) -> Figure:
    """Draw the ROC curve of the second of two classes, or of each of several classes against the rest.

    The arguments are those of :func:`mlaas4hep.evaluation.metrics.evaluate`. A dot marks ``threshold`` where
    there are two classes. Classes that do not occur, or alone, have no curve.
    """
    scores = positive(scores)
    two, weights = scores.ndim == 1, usable(weights)[0]
    figure, [axes] = _figure(6.4, 6.6)
    axes.plot([0, 1], [0, 1], color=_MUTED, linestyle=(0, (4, 4)), linewidth=1.2, label="chance, AUC = 0.500")
    for color, (name, truth, score) in zip(cycle(_COLORS), _curves(labels, scores, classes), strict=False):
        fpr, tpr, cuts = sk.roc_curve(truth, score, sample_weight=weights)
        label = f"{name}, AUC = {sk.auc(fpr, tpr):.3f}"
        axes.plot(fpr, tpr, color=color, linewidth=2.2, label=label, clip_on=False)
        if two and threshold is not None:
            at = np.searchsorted(-cuts, -threshold, side="right") - 1
            label = f"threshold {threshold:g}"
            axes.plot(fpr[at], tpr[at], "o", color=color, label=label, clip_on=False, zorder=5, **_DOT)
    axes.set_xlabel("False positive rate" + (f": {classes[0]} taken for {classes[1]}" if two else ""))
    axes.set_ylabel("True positive rate" + (f": {classes[1]} found" if two else ""))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    _title(axes, "ROC curve", f"test part, {len(labels):,} events" + (", weighted" if weights is not None else ""))
    handles, texts = axes.get_legend_handles_labels()
    order = [*range(1, len(handles)), 0]
    axes.legend([handles[i] for i in order], [texts[i] for i in order], loc="lower right", **_LEGEND)
    return figure


def learning_figure(history: Sequence[Epoch]) -> Figure:
    """Draw the loss, and the first metric of the model if it has one, of training and validation by epoch.

    Epochs of the procedure *chunk* run on over the chunks, whose limits are marked.
    """
    metrics = [name for name in history[0].values if not name.startswith("val_") and name != "loss"]
    names = ["loss", *metrics[:1]]
    changes = [step for step, (one, two) in enumerate(pairwise(history), 1) if one.chunk != two.chunk]
    limits = [0, *changes, len(history)]
    figure, panels = _figure(7.6, 3.4 * len(names) + 0.6, len(names))
    for axes, name in zip(panels, names, strict=True):
        _learning_panel(axes, history, name)
        _mark_chunks(axes, limits)
    panels[0].legend(loc="best", **_LEGEND)
    _name_chunks(panels[0], limits)
    last = history[-1]
    over = f" on each of {last.chunk} chunks" if last.chunk is not None and last.chunk > 1 else ""
    _title(panels[0], "Learning curves", f"{last.number} epoch{'s' if last.number > 1 else ''}{over}")
    panels[-1].set_xlabel("Epoch" if not over else "Epoch, counted over all chunks")
    return figure


def _learning_panel(axes: Axes, history: Sequence[Epoch], name: str) -> None:
    steps = np.arange(1, len(history) + 1)
    for color, key, label in ((_COLORS[0], name, "training"), (_COLORS[1], f"val_{name}", "validation")):
        values = np.array([epoch.values.get(key, np.nan) for epoch in history])
        if np.isfinite(values).any():
            marker = "o" if len(history) <= 40 else ""
            axes.plot(steps, values, color=color, linewidth=2, marker=marker, markersize=4.5, label=label)
    axes.set_ylabel(name.replace("_", " ").capitalize())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, len(history) + 0.5)
    axes.margins(y=0.08)


def _mark_chunks(axes: Axes, limits: Sequence[int]) -> None:
    """Draw a line where one chunk ends and the next begins."""
    for limit in limits[1:-1]:
        axes.axvline(limit + 0.5, color=_MUTED, linewidth=0.8, linestyle=(0, (2, 3)), zorder=1)


def _name_chunks(axes: Axes, limits: Sequence[int]) -> None:
    """Write the number of every chunk above it, where there is room."""
    if not 2 < len(limits) <= _ROOM:
        return
    for number, (start, stop) in enumerate(pairwise(limits), 1):
        axes.annotate(
            f"chunk {number}" if len(limits) <= _ROOM // 2 else f"{number}",
            ((start + stop) / 2 + 0.5, 1), xycoords=("data", "axes fraction"), xytext=(0, 4),
            textcoords="offset points", ha="center", va="bottom", color=_MUTED, fontsize=9.5,
        )  # fmt: skip


def _curves(
    labels: NDArray[np.int64], scores: NDArray[np.float64], classes: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.float64]]]:
    """Yield the name, the truth and the scores of every curve that can be drawn."""
    present = np.unique(labels)
    if len(present) < 2:
        return
    if scores.ndim == 1:
        yield f"{classes[1]} against {classes[0]}", labels == 1, scores
        return
    for position in present:
        yield f"{classes[position]} against the rest", labels == position, scores[:, position]


def _figure(width: float, height: float, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels below each other in our style."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    panels = [figure.add_subplot(rows, 1, row + 1) for row in range(rows)]
    for axes in panels:
        axes.grid(color=_GRID, linewidth=0.9)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_INK, labelsize=10.5, length=0, pad=6)
        axes.xaxis.label.set(size=11.5, color=_INK)
        axes.yaxis.label.set(size=11.5, color=_INK)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(_MUTED)
    return figure, panels


def _title(axes: Axes, title: str, below: str) -> None:
    """Write a title at the left, with a second, lighter line."""
    axes.annotate(title, (0, 1), xytext=(0, 36), fontsize=15, fontweight="bold", color=_INK, **_TITLE)
    axes.annotate(below, (0, 1), xytext=(0, 20), fontsize=11, color=_MUTED, **_TITLE)
