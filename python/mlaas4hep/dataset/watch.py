"""Where the time of a pass goes, and what it counts."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

__all__ = ["Watch"]


@dataclass(slots=True)
class Watch:
    """Seconds that passes spent, and what was cut off and missing, by branch.

    ``reading`` is the time until clusters were there; ``fetching`` (bytes from the file), ``decompression`` and
    ``decoding`` are what threads did for that, added up over them. ``scanning`` is the first pass's work on columns,
    ``flattening`` the second's; ``waiting`` is the time for which the loop over the chunks had nothing to do.
    """

    events: int = 0
    reading: float = 0.0
    fetching: float = 0.0
    decompression: float = 0.0
    decoding: float = 0.0
    scanning: float = 0.0
    flattening: float = 0.0
    waiting: float = 0.0
    truncated: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Generator[None]:
        """Add the time that the block takes to one of the seconds."""
        begin = perf_counter()
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) + perf_counter() - begin)

    def add_seconds(self, seconds: Mapping[str, float]) -> None:
        """Add what a source spent."""
        for what, more in seconds.items():
            setattr(self, what, getattr(self, what) + more)

    def count(self, truncated: Mapping[str, int], missing: Mapping[str, int]) -> None:
        """Add what one run counted."""
        for counts, more in ((self.truncated, truncated), (self.missing, missing)):
            for name, number in more.items():
                counts[name] = counts.get(name, 0) + number

    def add(self, other: "Watch") -> None:
        """Add another pass."""
        self.events += other.events
        self.add_seconds({what: getattr(other, what) for what in SECONDS})
        self.count(other.truncated, other.missing)

    def table(self) -> str:
        """Return the seconds as a text, a line each."""
        lines = [f"  {what:<13} {getattr(self, what):8.2f} s  {meaning}" for what, meaning in SECONDS.items()]
        return "\n".join([f"Where the time went, {self.events:,} events in chunks", *lines])


SECONDS = {
    "reading": "until clusters were there, of which, added up over threads:",
    "fetching": "  bytes from the files",
    "decompression": "  of baskets",
    "decoding": "  baskets to columns",
    "scanning": "columns in the first pass",
    "flattening": "columns to matrix and mask",
    "waiting": "for chunks; the rest of the time was the consumer's",
}
"""The seconds of a watch, and what they mean."""
