"""What cuts did to the events of every file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlaas4hep.dataset.badfiles import BadFiles
from mlaas4hep.dataset.events import DROPPED, Events
from mlaas4hep.dataset.table import aligned, short
from mlaas4hep.errors import ParamsError, SourceError

__all__ = ["CutFlow", "FileFlow", "check_survivors", "with_dropped"]

FILES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class FileFlow:
    """The events of one file.

    ``read`` were looked at, ``passed`` has for each cut how many passed it and all before it, ``left_out`` of those
    that passed all cuts have no label or lack a target, ``dropped`` are left out for their weights.
    """

    file: str
    read: int
    passed: tuple[int, ...]
    left_out: int = 0
    dropped: int = 0

    @property
    def survived(self) -> int:
        """The number of events that passed every cut."""
        return self.passed[-1] if self.passed else self.read


@dataclass(frozen=True, slots=True)
class CutFlow:
    """The events of all files, cut by cut; read = passed + cut.

    Examples
    --------
    >>> flow = CutFlow(("met > 50",), (FileFlow("sig.root", 100, (40,)), FileFlow("bkg.root", 300, (20,))))
    >>> flow.total.read, flow.total.survived
    (400, 60)
    """

    cuts: tuple[str, ...]
    files: tuple[FileFlow, ...]

    @property
    def total(self) -> FileFlow:
        """All files together."""
        passed = tuple(sum(file.passed[number] for file in self.files) for number in range(len(self.cuts)))
        left_out = sum(file.left_out for file in self.files)
        dropped = sum(file.dropped for file in self.files)
        return FileFlow("all files", sum(file.read for file in self.files), passed, left_out, dropped)

    def rows(self) -> list[list[str]]:
        """Return the lines of a table: events read, and those that pass each cut, in all and of few files by file."""
        columns = [self.total, *self.files] if 1 < len(self.files) <= FILES_SHOWN else [self.total]
        lines = [
            ["Cut", *(short(column.file) for column in columns)],
            ["read", *(f"{column.read:,}" for column in columns)],
        ]
        for number, cut in enumerate(self.cuts):
            lines.append([cut, *(_share(column.passed[number], column.read) for column in columns)])
        return lines

    def table(self) -> str:
        """Return the table as a text."""
        return aligned(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"total": _as_dict(self.total, self.cuts), "files": [_as_dict(file, self.cuts) for file in self.files]}


def with_dropped(flow: FileFlow, events: Events) -> FileFlow:
    """Return it with the events of the file that are left out for their weights."""
    return replace(flow, dropped=int(np.count_nonzero(events.parts == DROPPED)))


def check_survivors(flow: CutFlow, labels: Sequence[object], bad: BadFiles) -> None:
    """Raise where cuts and skipped files leave nothing, of all files or of those of one label.

    ``labels`` has the label of each file, None where files have none.
    """
    if bad.found and not flow.total.read:
        raise SourceError(f"no file can be read: {bad}")
    if flow.cuts and not flow.total.survived:
        raise ParamsError(f"no event passes the cuts:\n{flow.table()}")
    for label in dict.fromkeys(labels) if flow.cuts or bad.found else ():
        of_label = [one for one, label_of in zip(flow.files, labels, strict=True) if label_of == label]
        if label is None:
            continue
        if not any(one.read for one in of_label):
            raise ParamsError(f"label {label!r} has no events: its files were skipped: {bad}")
        if not any(one.survived for one in of_label):
            raise ParamsError(f"label {label!r} has no event that passes the cuts:\n{flow.table()}")


def _share(passed: int, read: int) -> str:
    return f"{passed:,} ({passed / read:.1%})" if read else f"{passed:,}"


def _as_dict(file: FileFlow, cuts: Sequence[str]) -> dict[str, Any]:
    steps = [
        {"cut": cut, "passed": passed, "fraction": passed / file.read if file.read else None}
        for cut, passed in zip(cuts, file.passed, strict=True)
    ]
    found: dict[str, Any] = {"file": file.file, "read": file.read, "cuts": steps, "passed": file.survived}
    return found | {"cut": file.read - file.survived, "left_out": file.left_out, "dropped": file.dropped}
