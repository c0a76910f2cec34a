"""Tables of a dataset as texts."""

from collections.abc import Sequence

__all__ = ["aligned", "short"]

LONGEST = 24


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of equal length as lines: the first column to the left, the others to the right.

    >>> print(aligned([["file", "events"], ["a.root", "10"]]))
    file    events
    a.root      10
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    pad = [str.ljust, *([str.rjust] * (len(widths) - 1))]
    lines = ["  ".join(fit(cell, width) for fit, cell, width in zip(pad, row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def short(file: str) -> str:
    """Return the name of a file as a table has room for it."""
    name = file if len(file) <= LONGEST else file.rsplit("/", 1)[-1]
    return name if len(name) <= LONGEST else f"...{name[3 - LONGEST :]}"
