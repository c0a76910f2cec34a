"""What is finished of a folder of chunks, written down so that an interrupted run can be gone on with."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Finished", "Journal", "draft_of", "sync"]

VERSION = 1
START = {"version", "job", "specs"}
LINE = {"chunk", "events", "bytes"}


@dataclass(frozen=True, slots=True)
class Finished:
    """A chunk that was written: its events, and the bytes of its file."""

    events: int
    bytes: int

    def wrong(self, path: Path) -> str:
        """Say what is wrong with the file, or nothing."""
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return "is missing"
        return "" if size == self.bytes else f"has {size:,} of {self.bytes:,} bytes"


@dataclass(slots=True)
class Journal:
    """A file of JSON lines: the job and the hash of its specs, then a line for every finished chunk.

    A line is on the disk before the next chunk is told to be finished. What a crash left of a last line is no line.
    """

    path: Path
    job: dict[str, Any]
    specs: str = ""
    chunks: dict[str, Finished] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Journal | None":
        """Read a journal; None where it is not one of ours."""
        try:
            first, *lines = path.read_text("utf-8").split("\n")
        except (OSError, ValueError):
            return None
        start = _parsed(first, START)
        if start is None or start["version"] != VERSION or not isinstance(start["job"], dict):
            return None
        journal = cls(path, start["job"], str(start["specs"]))
        for line in lines:
            found = _parsed(line, LINE)
            if found is None or not isinstance(found["events"], int) or not isinstance(found["bytes"], int):
                break
            journal.chunks[str(found["chunk"])] = Finished(found["events"], found["bytes"])
        return journal

    @property
    def begun(self) -> bool:
        """Whether there is something that a later run can use."""
        return bool(self.specs)

    def write(self) -> None:
        """Write it anew, whole or not at all."""
        start = {"version": VERSION, "job": self.job, "specs": self.specs}
        draft = draft_of(self.path)
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            for line in [start, *(_line(name, found) for name, found in self.chunks.items())]:
                file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        sync(self.path.parent)

    def add(self, name: str, finished: Finished) -> None:
        """Write down a finished chunk."""
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(_line(name, finished)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.chunks[name] = finished

    def other(self, job: Mapping[str, Any]) -> list[str]:
        """Return what is not the same in another job, in words; nothing if it is the same job."""
        names = [name for name in [*job, *self.job] if job.get(name) != self.job.get(name)]
        return [_difference(name, self.job.get(name), job.get(name)) for name in dict.fromkeys(names)]


def draft_of(path: Path) -> Path:
    """Return the name that a file has while it is written."""
    return path.with_name(f".{path.name}.part")


def sync(folder: Path) -> None:
    """See that the names in a folder are on the disk, where the system can do that."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _line(name: str, finished: Finished) -> dict[str, Any]:
    return {"chunk": name, "events": finished.events, "bytes": finished.bytes}


def _parsed(line: str, keys: Iterable[str]) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and set(found) == set(keys) else None


def _difference(name: str, before: Any, now: Any) -> str:
    """Name what differs, of files the first that is another."""
    if name != "files" or not isinstance(before, list) or not isinstance(now, list):
        return name
    if [file[0] for file in before] != [file[0] for file in now]:
        return "other files"
    changed = [file[0] for file, old in zip(now, before, strict=True) if file != old]
    return f"{changed[0]} changed" + (f" and {len(changed) - 1} more" if len(changed) > 1 else "")
