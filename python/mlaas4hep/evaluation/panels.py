"""Filled histograms as pictures: a PNG for each branch, and one PDF of all."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from mlaas4hep.evaluation.binning import Binning
from mlaas4hep.evaluation.inputs import Counts, Sample

__all__ = ["Book"]

STEEP = 100
"""The vertical axis is logarithmic where the highest bin has more than 100 times the median of the filled ones."""

COLORS = ("#5790fc", "#e42536", "#f89c20", "#964a8b", "#9c9ca1", "#7a21dd")
"""Six colours that the colour-blind tell apart (M. Petroff, arXiv:2107.02270); more classes get other lines, too."""
LINES = ("-", "--", ":", "-.")

STYLE: Any = {
    **mplhep.style.CMS,
    "figure.figsize": (12, 5.6),
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],  # the second has what the first lacks
    "font.size": 15,
    "axes.linewidth": 1.2,
    "xtick.major.size": 7,
    "xtick.minor.size": 3.5,
    "ytick.major.size": 7,
    "ytick.minor.size": 3.5,
    "xtick.labelsize": 13,
    "ytick.labelsize": 13,
    "legend.fontsize": 13,
    "xtick.minor.visible": False,  # half of the time goes into ticks
    "ytick.minor.visible": False,
}
MUTED = "#6b6b70"
DPI = 110
WIDE, ABOVE, ROW, PANEL, BELOW = 12.0, 0.82, 0.28, 4.1, 0.72
"""Inches: the width of a picture, and from above its title, a row of its legend, its panels, and the room below."""

SUPERSCRIPT = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


class Book:
    """Draws pictures, and binds them into a PDF whose first page says what they are."""

    def __init__(self, path: Path, counts: Sequence[Counts], sample: Sample) -> None:
        self._sample = sample
        with mpl.rc_context(STYLE):
            pages: Any = PdfPages(path, metadata={"Title": "Inputs", "CreationDate": None})
            pages.savefig(_front(counts, sample))
            self._pages = pages

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pages.close()

    def draw(self, counts: Counts, path: Path) -> None:
        """Draw a branch, as PNG and as the next page."""
        with mpl.rc_context(STYLE):
            figure = branch_figure(counts, self._sample)
            FigureCanvasAgg(figure)
            figure.savefig(path, dpi=DPI, facecolor="white")
            self._pages.savefig(figure)


def branch_figure(counts: Counts, sample: Sample) -> Figure:
    """Draw one branch: its original values beside the normalised ones."""
    labels = _labels(counts, sample)
    columns = 1 if max(map(len, labels)) > 52 else 2
    rows = -(-len(labels) // columns)
    height = BELOW + PANEL + ABOVE + ROW * rows
    figure = Figure(figsize=(WIDE, height))
    for number, (values, normal) in enumerate(((counts.original, False), (counts.normalised, True))):
        axes = figure.add_axes((0.075 + 0.485 * number, BELOW / height, 0.415, PANEL / height))
        _panel(axes, values, counts.binning, normal)
    figure.axes[0].set_ylabel("Fraction of values per bin")
    name, left = counts.binning.name, 0.075
    plain: Any = {"parse_math": False, "va": "top"}
    size = min(20.0, 20 * 64 / max(64, len(name)))
    figure.text(left, 1 - 0.12 / height, _short(name, 120), fontsize=max(11.0, size), fontweight="bold", **plain)
    about = f"{counts.binning.kind} {counts.binning.type}; {sample.text}"
    figure.text(left, 1 - 0.47 / height, about, color=MUTED, fontsize=13, **plain)
    legend = figure.legend(
        _handles(len(sample.classes), len(labels)), labels, loc="upper left", bbox_to_anchor=(0.068, 1 - 0.76 / height),
        ncols=columns, borderaxespad=0, labelspacing=0.3, columnspacing=2.5, handlelength=1.6,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _labels(counts: Counts, sample: Sample) -> list[str]:
    """The texts of the legend: values of each class, and missing ones."""
    labels = []
    for position, (name, events) in enumerate(zip(sample.classes, sample.events, strict=True)):
        values = int(counts.original[position].sum())
        text = f"{name}: {values:,} values"
        if counts.binning.kind == "jagged":
            text += f" in {events:,} events"
        elif missing := counts.missing[position]:
            text += f", {missing:,} missing ({_percent(missing / events)})"
        labels.append(text)
    if counts.missing_share:
        labels.append(f"missing, all classes: {_percent(counts.missing_share)}")
    return labels


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "< 0.1%"


def _handles(classes: int, labels: int) -> list[Any]:
    handles: list[Any] = []
    for position, (color, line) in zip(range(classes), _styles(), strict=False):
        if position == 0:
            handles.append(Patch(facecolor=_light(color), edgecolor=color, linewidth=1.8))
        else:
            handles.append(Line2D([], [], color=color, linestyle=line, linewidth=2))
    return handles + [Line2D([], [], linestyle="none")] * (labels - classes)


def _styles() -> Any:
    return ((color, line) for line in cycle(LINES) for color in COLORS)


def _light(color: str) -> tuple[str, float]:
    """The colour of what is filled, and how opaque it is."""
    return color, 0.28


def _panel(axes: Axes, values: Sequence[NDArray[np.int64]], binning: Binning, normal: bool) -> None:
    """Draw one histogram of each class."""
    label = f"{binning.name}, normalised" if normal else binning.name
    if binning.empty:
        axes.text(0.5, 0.5, "no finite value", transform=axes.transAxes, ha="center", color=MUTED)
        axes.set(xticks=[], yticks=[])
        _label(axes, label)
        return
    edges = np.asarray((binning.normalised if normal else binning.original).edges, np.float64)
    log = binning.log and not normal
    flows = [any(counts[0] for counts in values), any(counts[-1] for counts in values)]
    shown = slice(0 if flows[0] else 1, None if flows[1] else -1)
    wide = _with_flows(edges, flows, log)
    heights = [counts[shown] / max(1, int(counts.sum())) for counts in values]
    for position, (height, (color, line)) in enumerate(zip(heights, _styles(), strict=False)):
        first = {"histtype": "fill", "facecolor": _light(color), "edgecolor": color, "linewidth": 1.8}
        other = {"histtype": "step", "color": color, "linestyle": line, "linewidth": 2}
        mplhep.histplot(height, wide, ax=axes, flow="none", **(other if position else first))
    _horizontal(axes, wide, edges, binning, normal, label)
    _vertical(axes, np.concatenate(heights))
    _mark_flows(axes, wide, flows)


def _with_flows(edges: NDArray[np.float64], flows: Sequence[bool], log: bool) -> NDArray[np.float64]:
    """The edges with a bin for underflow and one for overflow, where there is some."""
    positions = np.log(edges) if log else edges
    gap = max((positions[-1] - positions[0]) / 24, positions[1] - positions[0])
    wide = [positions]
    if flows[0]:
        wide.insert(0, positions[:1] - gap)
    if flows[1]:
        wide.append(positions[-1:] + gap)
    joined = np.concatenate(wide)
    return np.exp(joined) if log else joined


def _mark_flows(axes: Axes, wide: NDArray[np.float64], flows: Sequence[bool]) -> None:
    """Shade the bins of under- and overflow, and say what they are."""
    for present, left, right, text in ((flows[0], 0, 1, "underflow"), (flows[1], -2, -1, "overflow")):
        if present:
            axes.axvspan(wide[left], wide[right], color="#d9d9dc", alpha=0.6, zorder=0, linewidth=0)
            middle = (wide[left] + wide[right]) / 2 if axes.get_xscale() != "log" else np.sqrt(wide[left] * wide[right])
            axes.text(
                middle, 0.97, text, transform=axes.get_xaxis_transform(), rotation=90, ha="center", va="top",
                fontsize=10, color=MUTED, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
            )  # fmt: skip


def _horizontal(
    axes: Axes, wide: NDArray[np.float64], edges: NDArray[np.float64], binning: Binning, normal: bool, label: str
) -> None:
    axes.set_xlim(wide[0], wide[-1])
    if binning.log and not normal:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=7))
        _label(axes, label)
        return
    if binning.type == "bool" and len(edges) == 3 and (not normal or binning.unit):
        axes.set_xticks([0, 1], ["0", "1"] if normal else ["false", "true"])
        _label(axes, label)
        return
    if normal and len(edges) > 2 and binning.unit:
        axes.set_xticks(np.linspace(0, 1, 6))
        _label(axes, label)
        return
    centred = binning.whole and not normal
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=centred, min_n_ticks=1))
    power = _power(float(np.abs(edges).max()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 10.0**power:.10g}"))
    _label(axes, f"{_short(label, 70)} / 10{str(power).translate(SUPERSCRIPT)}" if power else label)


def _power(largest: float) -> int:
    """The power of ten that is taken out of the numbers of an axis."""
    if 1e-3 <= largest < 1e6 or largest == 0:
        return 0
    return 3 * int(np.floor(np.log10(largest) / 3))


def _label(axes: Axes, text: str) -> None:
    text = _short(text, 80)
    axes.set_xlabel(text, fontsize=min(15.0, 15 * 48 / max(48, len(text))), parse_math=False)


def _short(name: str, most: int) -> str:
    """The name, a long one without its middle."""
    return name if len(name) <= most else f"{name[: most // 2 - 2]} ... {name[-(most // 2 - 3) :]}"


def _vertical(axes: Axes, heights: NDArray[np.float64]) -> None:
    """Choose the vertical axis: logarithmic where most bins would otherwise not be seen."""
    filled = heights[heights > 0]
    if not len(filled):
        axes.set_ylim(0, 1)
        return
    most = float(filled.max())
    if most > STEEP * float(np.median(filled)):
        axes.set_yscale("log")
        axes.set_ylim(float(filled.min()) / 2, most * 3)
        axes.yaxis.set_major_locator(LogLocator(numticks=7))
        axes.yaxis.set_minor_formatter(NullFormatter())
        return
    axes.set_ylim(0, most * 1.12)
    axes.yaxis.set_major_locator(MaxNLocator(6))


HOW = f"""Each page shows one branch: on the left its original values, on the right what the model gets. All entries of
a jagged branch are taken together. Padding is left out; missing values (null, NaN, infinite) are counted in the
legend. Every class is normalised to its own number of values, under- and overflow included, so that shapes compare.

Axes.  Whole numbers have a bin each, up to 60 of them. The horizontal axis is logarithmic where all values are
positive, the central 98 % of them span more than a factor of 100, and half of them are in the lowest tenth of that
span. It leaves out what is far away, which the shaded bins at the ends count: where the full range is more than 20
times as large as that of the central 99.8 %, and a value at an end that is far from all others, such as -999.
The vertical axis is logarithmic where the highest bin has more than {STEEP} times the median of the filled ones."""


def _front(counts: Sequence[Counts], sample: Sample) -> Figure:
    """The first page of the PDF."""
    figure = Figure(figsize=(WIDE, BELOW + PANEL + ABOVE + 2 * ROW))
    jagged = sum(found.binning.kind == "jagged" for found in counts)
    figure.text(0.075, 0.90, "Inputs of the model, original and normalised", fontsize=22, fontweight="bold")
    branches = f"{len(counts):,} branch{'es' * (len(counts) != 1)}: {len(counts) - jagged:,} flat, {jagged:,} jagged"
    classes = [f"{name}: {events:,} events" for name, events in zip(sample.classes, sample.events, strict=True)]
    lines = [branches, f"Drawn: {sample.text}", _few(classes, "classes"), _few(sample.files, "files")]
    figure.text(0.075, 0.85, "\n".join(lines), fontsize=14, va="top", linespacing=1.5, parse_math=False)
    figure.text(0.075, 0.52, HOW, fontsize=11.5, va="top", color=MUTED, linespacing=1.5)
    return figure


def _few(names: Sequence[str], what: str) -> str:
    """A line of some names."""
    line = ""
    for number, name in enumerate(names):
        if number and len(line) + len(name) > 100:
            return f"{line} and {len(names) - number} more {what}"
        line += f", {name}" if number else name
    return line
