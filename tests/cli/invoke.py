"""The command line, run in this process, and small files for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from mlaas4hep.cli.commands import cli
from mlaas4hep.cli.edge import run

from tests.sources.files import write

FILES = ("--files", "sig.root,bkg.root")
TRAIN = ("train", *FILES, "--labels", "1,0", "--model", "model.py")
PREFIX = "mlaas4hep: error: "

MODEL = """
import keras

def model(idim):
    return keras.Sequential([keras.Input((idim,)), keras.layers.Dense(1, activation="sigmoid")])
"""


@dataclass(frozen=True)
class Answer:
    """What a run gave: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one message that an error is."""
        assert self.err.count(PREFIX) == 1
        assert "Traceback" not in self.err
        return self.err.partition(PREFIX)[2].rstrip("\n")


Invoke = Callable[..., Answer]


def invoker(capfd: pytest.CaptureFixture[str]) -> Invoke:
    """Return what runs the command line with some arguments."""

    def invoke(*arguments: object) -> Answer:
        capfd.readouterr()
        status = run(cli, [str(argument) for argument in arguments])
        return Answer(status, *capfd.readouterr())

    return invoke


def columns(events: int, seed: int) -> dict[str, Any]:
    """A flat branch that tells seeds apart, and two jagged ones."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 4, events)
    return {
        "run": np.full(events, seed, np.int32),
        "met": random.normal(seed, 0.3, events).astype(np.float32),
        "jetPt": ak.unflatten(random.exponential(50, counts.sum()).astype(np.float32), counts),
        "jetEta": ak.unflatten(random.normal(size=counts.sum()).astype(np.float32), counts),
    }


def events_file(path: Path, events: int = 300, seed: int = 0, **more: Any) -> Path:
    """Write a ROOT file with a tree ``events``."""
    return write(path, {"events": columns(events, seed) | more})


def everything(folder: Path) -> dict[str, bytes]:
    """Return all that is below a folder, hidden files too."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def refused(invoke: Invoke, *arguments: object, status: int = 2) -> str:
    """Return the message of a run that fails, and see that it wrote nothing."""
    before = everything(Path())
    answer = invoke(*arguments)
    assert answer.status == status, answer.err
    assert answer.out == ""
    assert everything(Path()) == before
    return answer.error


def params(folder: Path, **values: object) -> tuple[str, str]:
    """Write parameters, and return the option that names them."""
    (folder / "params.json").write_text(json.dumps(values))
    return "--params", "params.json"
