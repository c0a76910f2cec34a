"""A report as plain text."""

from collections.abc import Sequence

from mlaas4hep.evaluation.results import Metrics
from mlaas4hep.train.report import Report, Throughput

__all__ = ["render"]

_GAP = "  "


def render(report: Report) -> str:
    """Return what the command line prints after a training: parts, metrics, throughput, and where it all is.

    The text has no colours and ends without a line feed.
    """
    blocks = [report.cutflow.table()] if report.cutflow else []
    blocks.append(_parts(report))
    if report.metrics is None:
        blocks.append("Test part: no metrics, because it is empty or none were asked for.")
    else:
        blocks += [_quality(report.metrics), _confusion(report.metrics), report.metrics.text.strip("\n")]
    blocks.append(_throughput(report.throughput))
    if report.folder is not None:
        blocks.append(f"Results in {report.folder}: {', '.join(report.files)}")
    return "\n\n".join(blocks)


def _parts(report: Report) -> str:
    head = ["Part", "events", *report.classes]
    rows = [(name, [sum(events.values()), *events.values()]) for name, events in report.parts.items()]
    return _table(head, rows)


def _quality(metrics: Metrics) -> str:
    auc = "not defined" if metrics.auc is None else f"{metrics.auc:.4f}"
    kind = " (mean over the classes, each against the rest)" if metrics.threshold is None else ""
    at = "" if metrics.threshold is None else f" at threshold {metrics.threshold:g}"
    lines = [f"AUC       {auc}{kind}", f"Accuracy  {metrics.accuracy:.4f}{at}"]
    notes = [f"note: {text}" for text in metrics.notes]
    weighted = ", weighted" if metrics.weighted else ""
    return "\n".join([f"Test part, {metrics.events:,} events{weighted}", *lines, *notes])


def _confusion(metrics: Metrics) -> str:
    rows = zip(metrics.classes, metrics.confusion_matrix, strict=True)
    return _table(["True \\ predicted", *metrics.classes], list(rows))


def _throughput(throughput: Throughput) -> str:
    whole, training, waiting = throughput.seconds, throughput.training_seconds, throughput.waiting_seconds
    lines = [
        f"Reading and flattening  {_rate(throughput.reading)}",
        f"Training                {_rate(throughput.training)}",
        f"Time                    {whole:.1f} s: {training:.1f} s training, {waiting:.1f} s waiting for data",
    ]
    return "\n".join(lines)


def _rate(events: float | None) -> str:
    return "not measured" if events is None else f"{events:,.0f} events/s"


def _table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Return a table: names to the left, numbers to the right."""
    cells = [list(head), *([name, *(f"{number:,}" for number in numbers)] for name, numbers in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (_GAP.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells)
    return "\n".join(lines)
