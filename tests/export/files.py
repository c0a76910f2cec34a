"""A dataset to export, and what is in a folder afterwards."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mlaas4hep import Dataset

from tests.cli.invoke import events_file


class Stop(KeyboardInterrupt):
    """What a user's Ctrl-C is in these tests."""


class StopAfter:
    """Progress that interrupts a run when so many chunks are written and told of."""

    def __init__(self, chunks: int, error: type[BaseException] = Stop) -> None:
        self.left, self.error = chunks, error

    def start(self, stage: str, total: int) -> None:
        assert stage == "flattening"

    def advance(self, events: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error

    def finish(self) -> None:
        assert self.left > 0, "there was nothing to interrupt"


def write_inputs(folder: Path) -> list[Path]:
    """Write two files of 300 and 200 events."""
    met = np.where(np.arange(300) % 7, np.arange(300), np.nan)
    return [
        events_file(folder / "sig.root", 300, 1, ht=met),
        events_file(folder / "bkg.root", 200, 0, ht=np.ones(200)),
    ]


def make_dataset(folder: Path, **given: Any) -> Dataset:
    """Return the dataset of these files, opened anew."""
    return Dataset([folder / "sig.root", folder / "bkg.root"], given.pop("labels", ["ttH", "qcd"]), **given)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder, hidden files too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of every chunk in a folder."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("chunk-*")}


def in_child(action: Callable[[], object]) -> int:
    """Do something in a forked process, and return its exit status: negative if a signal ended it."""
    child = os.fork()
    if not child:
        status = 1
        try:
            action()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
