"""Tables: as wide as a terminal, or plain text elsewhere, in which nothing is cut or folded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlaas4hep.specs import Specs

__all__ = ["Cells", "console", "number", "show", "specs_table", "widths_table"]

NAMES, WORDS = 36, 18
"""Widths below which a terminal folds no names, in the first column of a table, and no words in others."""


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of a table: its head and its cells.

    Where a terminal is too narrow for all, columns are left out, the largest ``drop`` first; 0 stays.
    """

    head: str
    cells: Sequence[str]
    right: bool = False
    drop: int = 0

    @property
    def width(self) -> int:
        """The width of the widest cell."""
        return max(map(len, [self.head, *self.cells]))

    def least(self, first: bool) -> int:
        """The width to which it may be folded; numbers are not."""
        return self.width if self.right else min(self.width, NAMES if first else WORDS)


def console() -> Console:
    """Return where tables go; a name may look like markup, or like an emoji."""
    return Console(highlight=False, markup=False, emoji=False)


def show(columns: Sequence[Cells], dim: Sequence[bool] = ()) -> None:
    """Print a table without the columns that have nothing in them; on a terminal some rows may be ``dim``."""
    columns = [column for column in columns if any(column.cells)]
    terminal = console()
    if terminal.is_terminal:
        terminal.print(_rich(_fitting(columns, terminal.width), dim))
        return
    for row in zip(*([column.head, *column.cells] for column in columns), strict=True):
        cells = [
            cell.rjust(column.width) if column.right else cell.ljust(column.width)
            for column, cell in zip(columns, row, strict=True)
        ]
        print("  ".join(cells).rstrip())
    print()


def _fitting(columns: Sequence[Cells], width: int) -> list[Cells]:
    """The columns for which there is room."""
    kept = list(columns)
    while sum(column.least(not at) + 2 for at, column in enumerate(kept)) > width:
        last = max(kept, key=lambda column: column.drop)
        if not last.drop:
            break
        kept.remove(last)
    return kept


def _rich(columns: Sequence[Cells], dim: Sequence[bool]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        least = column.least(column is columns[0])
        table.add_column(Text(column.head), justify=justify, overflow="fold", no_wrap=column.right, min_width=least)
    for at, row in enumerate(zip(*(column.cells for column in columns), strict=True)):
        table.add_row(*map(Text, row), style="dim" if dim and dim[at] else "")
    return table


def specs_table(specs: Specs) -> None:
    """Print what is known of each branch."""
    names, longest, counts = specs.branches, specs.jdim, specs.counts
    minimum, maximum, types = specs.minv, specs.maxv, specs.types
    mean, std = specs.mean, specs.std
    every = [counts.get(name) for name in names]
    show(
        [
            Cells("branch", names),
            Cells("kind", ["jagged" if name in longest else "flat" for name in names]),
            Cells("type", [types[name] for name in names]),
            Cells("minimum", [number(minimum[name]) for name in names], right=True),
            Cells("maximum", [number(maximum[name]) for name in names], right=True),
            Cells("mean", [number(mean[name]) if name in mean else "" for name in names], right=True, drop=2),
            Cells("std", [number(std[name]) if name in std else "" for name in names], right=True, drop=3),
            Cells("longest", [str(longest.get(name, "")) for name in names], right=True),
            Cells("values", [f"{count['values']:,}" if count else "" for count in every], right=True),
            Cells("missing", [_missing(count) for count in every], right=True),
        ]
    )


def widths_table(specs: Specs) -> None:
    """Print what the width that holds all entries in 99 % of the events means for each jagged branch."""
    report = specs.width_report(specs.widths(0.99))
    if report.rows:
        cells = report.cells()
        show([Cells(head, column, right=head != "branch") for head, column in cells.items()])


def _missing(count: dict[str, int] | None) -> str:
    return "" if count is None else f"{count['nulls'] + count['nan'] + count['inf']:,}"


def number(value: float | None) -> str:
    """Return a number as a table shows it."""
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
