"""What the texts say is true: their Python runs, their commands and options exist."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "training.md"
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", GUIDE, *sorted((ROOT / "examples").rglob("README.md"))]


def blocks(path: Path, language: str) -> list[str]:
    """Return the blocks of a text that are written in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def shell_lines() -> list[str]:
    """Return every command of the texts, without comments."""
    lines = [line for path in TEXTS for block in blocks(path, "sh") for line in block.splitlines()]
    return sorted({shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))})


@cache
def help_of(command: str) -> str:
    """Return what ``mlaas4hep COMMAND --help`` prints."""
    words = [str(Path(sys.executable).with_name("mlaas4hep")), command, "--help"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("block", [*blocks(ROOT / "README.md", "python"), "\n".join(blocks(GUIDE, "python"))])
def test_python_prints_what_its_comments_say(
    block: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(block, "text", "exec"), {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"^ *print\(.*\)  # (.*)$", block, re.MULTILINE)


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("mlaas4hep ")])
def test_commands_and_options_exist(line: str) -> None:
    _, command, *rest = line.split()
    text = help_of(command)
    for option in (word for word in rest if word.startswith("--")):
        assert re.search(rf"{option}\b", text), f"{command} has no option {option}"
    paths = [path for word in rest for path in word.split(",")]
    for path in (path for path in paths if path.startswith(("examples/", "python/"))):
        assert (ROOT / path).exists(), f"{path} does not exist"


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("make ")])
def test_make_targets_exist(line: str) -> None:
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line.split()[1] in targets
