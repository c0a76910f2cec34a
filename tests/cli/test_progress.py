"""The bar on a terminal, drawn without one."""

import io
import re

import pytest
from mlaas4hep.cli import progress
from mlaas4hep.cli.progress import Bar
from mlaas4hep.evaluation.results import Epoch
from rich.console import Console


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what a terminal of 80 columns receives."""
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=80, color_system=None, legacy_windows=False)
    monkeypatch.setattr(progress, "Console", lambda stderr: terminal)
    return text


def last(screen: io.StringIO) -> list[str]:
    """Return the lines that stay on the terminal."""
    frame = re.split(r"(?:\r|\x1b\[1A|\x1b\[2K)+", screen.getvalue())[-1]
    return [line for line in re.sub(r"\x1b\[\?25[hl]", "", frame).splitlines() if line.strip()]


def test_stages(screen: io.StringIO) -> None:
    with Bar() as bar:
        scan = bar.scan(100)
        scan(60)
        scan(40)
        bar.start("training", 200)
        bar.advance(100, 0.25)
        bar.advance(100, 0.125)
        bar.finish()
    scanning, training = last(screen)
    assert scanning.startswith("  scanning ")
    assert training.startswith("  training ")
    assert "100 %" in scanning
    assert training.rstrip().endswith("loss 0.1250")
    assert "preparing" in screen.getvalue()


def test_pictures_are_no_events(screen: io.StringIO) -> None:
    with Bar() as bar:
        bar.start("drawing", 2)
        bar.advance(2)
        bar.finish()
    (drawing,) = last(screen)
    assert "plots/s" in drawing
    assert "events/s" not in drawing


def test_it_fits_the_terminal(screen: io.StringIO) -> None:
    with Bar() as bar:
        bar.start("flattening", 10**12)
        bar.advance(10**9, 0.1234)
    assert len(last(screen)) == 1
    assert len(last(screen)[0].rstrip()) <= 80


def test_quiet(screen: io.StringIO) -> None:
    with Bar(verbose=0) as bar:
        bar.start("training", 1)
        bar.advance(1)
        bar.finish()
    assert screen.getvalue() == ""


def test_nothing_outside_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar() as bar:
        bar.start("training", 1)
        bar.advance(1)
        bar.finish()
    assert capsys.readouterr() == ("", "")


def test_epochs_are_details(capsys: pytest.CaptureFixture[str]) -> None:
    epoch = Epoch(number=2, chunk=1, values={"loss": 0.5, "val_loss": 0.25})
    for verbose in (1, 2):
        with Bar(verbose) as bar:
            bar.epoch(epoch, 3)
    assert capsys.readouterr().err == "chunk 1, epoch 2 of 3: loss 0.5000, val_loss 0.2500\n"
