"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.cli.invoke import MODEL, Invoke, events_file, invoker


@pytest.fixture
def invoke(capfd: pytest.CaptureFixture[str]) -> Invoke:
    """Return what runs the command line with some arguments."""
    return invoker(capfd)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, which holds ``sig.root``, ``bkg.root`` and ``model.py``."""
    events_file(tmp_path / "sig.root", 300, 1)
    events_file(tmp_path / "bkg.root", 200, 0)
    (tmp_path / "model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path
