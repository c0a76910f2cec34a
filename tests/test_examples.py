"""The examples that train on collections run, and a run that was killed ends as one that was not."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
TORCH, KERAS = "examples.particles.train_torch", "examples.particles.train_keras"
FEW = ("--events", "2500", "--epochs", "2")
"""Seven batches an epoch."""

DYING = """
import os, runpy, signal, torch

step, left = torch.optim.Adam.step, 12

def dying(*arguments, **options):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments, **options)

torch.optim.Adam.step = dying
runpy.run_module("examples.particles.train_torch", run_name="__main__")
"""
"""A training that is killed in its second epoch, at the fifth of seven batches."""


def run(*words: str | Path, ends: int = 0) -> str:
    """Run Python in the folder of the repository and return what it prints."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == ends, done.stderr
    return done.stdout


def auc_of(text: str) -> float:
    found = re.search(r"^AUC of the test part: (0\.\d+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three files."""
    found: Path = tmp_path_factory.mktemp("particles")
    run("-m", "examples.particles.make_files", found)
    return found


def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(folder: Path, tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch", reason="needs the extra [torch]")
    pytest.importorskip("sklearn", reason="needs the extra [keras]")
    whole, broken = tmp_path / "whole.pt", tmp_path / "broken.pt"
    assert 0.6 < auc_of(run("-m", TORCH, folder, *FEW, "--every", "3", "--checkpoint", whole)) < 1
    again = (folder, *FEW, "--every", "3", "--checkpoint", broken)
    run("-c", DYING, *again, ends=-signal.SIGKILL)
    assert run("-m", TORCH, *again).startswith("going on in epoch 1 behind batch 3\n")
    one, other = (torch.load(file, weights_only=True) for file in (whole, broken))
    assert one["events"] == other["events"]
    assert one["model"].keys() == other["model"].keys()
    assert all(torch.equal(one["model"][name], other["model"][name]) for name in one["model"])


def test_keras_trains_on_the_same_events(folder: Path) -> None:
    pytest.importorskip("keras", reason="needs the extra [keras]")
    text = run("-m", KERAS, folder, *FEW)
    assert 0.6 < auc_of(text) < 1
    assert "7/7" in text
