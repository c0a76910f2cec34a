"""What a width of jagged branches cuts off, and what its padding costs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["WidthReport", "WidthRow"]

PADDED = 5
"""Bytes of a padded value: a float32 and its mask."""


@dataclass(frozen=True, slots=True)
class WidthRow:
    """One jagged branch at one width, over all events.

    ``cut_values`` of its ``values`` are cut off, in ``cut_events`` of the ``events``; ``padding_bytes`` of matrix and
    mask hold padding. Beyond a length of 1024 lists count as up to 0.2 % longer.
    """

    branch: str
    longest: int
    width: int
    events: int
    values: int
    cut_values: int
    cut_events: int
    padding_bytes: int

    @property
    def cut_share(self) -> float:
        """The share of the events in which values are cut off."""
        return self.cut_events / self.events if self.events else 0.0

    @classmethod
    def of(cls, branch: str, longest: int, width: int, lengths: Mapping[int, int]) -> "WidthRow":
        """Return what a width means for so many lists of each length."""
        return cls(
            branch,
            longest,
            width,
            events=sum(lengths.values()),
            values=sum(length * count for length, count in lengths.items()),
            cut_values=sum((length - width) * count for length, count in lengths.items() if length > width),
            cut_events=sum(count for length, count in lengths.items() if length > width),
            padding_bytes=PADDED * sum((width - length) * count for length, count in lengths.items() if length < width),
        )


@dataclass(frozen=True, slots=True)
class WidthReport:
    """What widths mean for every jagged branch whose lengths are known.

    Examples
    --------
    >>> report = WidthReport((WidthRow.of("jetPt", 3, 2, {0: 1, 2: 2, 3: 1}),))
    >>> report.rows[0].cut_values, report.rows[0].padding_bytes
    (1, 10)
    >>> print(report.table())
    branch  longest  width  cut values  cut events  padding bytes
    jetPt         3      2           1   1 (25.0%)             10
    """

    rows: Sequence[WidthRow]

    def cells(self) -> dict[str, list[str]]:
        """Return the columns of a table by their heads."""
        return {
            "branch": [row.branch for row in self.rows],
            "longest": [f"{row.longest:,}" for row in self.rows],
            "width": [f"{row.width:,}" for row in self.rows],
            "cut values": [f"{row.cut_values:,}" for row in self.rows],
            "cut events": [f"{row.cut_events:,} ({row.cut_share:.1%})" for row in self.rows],
            "padding bytes": [f"{row.padding_bytes:,}" for row in self.rows],
        }

    def table(self) -> str:
        """Return the table as a text."""
        columns = [[head, *cells] for head, cells in self.cells().items()]
        widths = [max(map(len, column)) for column in columns]
        pads = [str.ljust, *([str.rjust] * (len(columns) - 1))]
        rows = zip(*columns, strict=True)
        lines = [
            "  ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)) for row in rows
        ]
        return "\n".join(line.rstrip() for line in lines)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return it as JSON has it: an object of each branch."""
        return [asdict(row) | {"cut_share": row.cut_share} for row in self.rows]
