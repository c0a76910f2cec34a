"""Files that cannot be read and are left out, where that is what the user wants."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlaas4hep.errors import SourceError, note

__all__ = ["BadFile", "BadFiles", "lost"]


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that was left out: why, and how many of its events are lost; None where nobody knows."""

    file: str
    reason: str
    lost: int | None

    def __str__(self) -> str:
        """Return it as a line."""
        lost = "nobody knows how many" if self.lost is None else f"{self.lost:,}"
        return f"{self.file} ({lost} events): {self.reason}"


@dataclass(slots=True)
class BadFiles:
    """The files that were left out; without ``skip`` there are none, since the first one is an error."""

    skip: bool
    found: dict[str, BadFile] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return all of them in a line."""
        return "; ".join(map(str, self.found.values()))

    def add(self, file: str, error: SourceError, lost: int | None) -> None:
        """Take note of a file that cannot be read, and tell the user; or raise the error, if no file may be skipped.

        ``lost`` events are added to those that were lost of the file before; None: nobody knows how many.
        """
        if not self.skip:
            raise error
        before = self.found.get(file)
        if before is not None:
            lost = None if lost is None or before.lost is None else lost + before.lost
        reason = str(error).removeprefix(f"{file}: ")
        self.found[file] = BadFile(file, reason, lost)
        note(f"skipped {self.found[file]}")


def lost(files: Sequence[BadFile]) -> str:
    """Return in a line what was lost with files that were skipped."""
    known = sum(bad.lost or 0 for bad in files)
    more = "at least " if any(bad.lost is None for bad in files) else ""
    many = f"{len(files)} files were" if len(files) > 1 else "1 file was"
    return f"{many} skipped and {more}{known:,} events are lost: {', '.join(bad.file for bad in files)}"
