"""Specs and trees as tables: as wide as a terminal, or plain text elsewhere."""

from collections.abc import Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table

from mlaas4hep.sources import TreeInfo
from mlaas4hep.specs import Specs

__all__ = ["specs_table", "trees_table"]

FILE_WIDTH = 10_000
"""Columns of a table that goes into a file or a pipe, where nothing is cut or folded."""


def _console() -> Console:
    # A name may look like markup, or like an emoji.
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    return console


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Return a table whose first column is folded where the terminal is too narrow."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column in right)
    return table


def specs_table(specs: Specs) -> None:
    """Print what is known of each branch."""
    numbers = ("minimum", "maximum", "longest", "values", "missing")
    table = _table("branch", "kind", "type", *numbers, right=numbers)
    minimum, maximum, counts = specs.minv, specs.maxv, specs.counts
    for name in specs.branches:
        jagged = name in specs.jdim
        count = counts.get(name, {})
        table.add_row(
            name,
            "jagged" if jagged else "flat",
            specs.types[name],
            _number(minimum[name]),
            _number(maximum[name]),
            str(specs.jdim[name]) if jagged else "",
            f"{count['values']:,}" if count else "",
            f"{count['nulls'] + count['nan'] + count['inf']:,}" if count else "",
        )
    _console().print(table)


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def trees_table(path: str, trees: Sequence[TreeInfo]) -> None:
    """Print the trees of a file and their branches."""
    console = _console()
    for tree in trees:
        console.print(f"{path}:{tree.name}  {tree.entries:,} events, {len(tree.branches):,} branches", style="bold")
        table = _table("branch", "kind", "type", "type in the file", "read by", "no input because")
        for branch in tree.branches:
            reader = f"uproot: {branch.why_uproot}" if branch.reader == "uproot" else branch.reader
            table.add_row(branch.name, branch.kind, branch.type, branch.typename, reader, branch.why_not)
        console.print(table)
