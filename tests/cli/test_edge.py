"""What becomes of exceptions and warnings at the edge."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest
from mlaas4hep import errors
from mlaas4hep.cli.edge import run


def outcome(error: BaseException, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return status and standard error of a command that raises."""

    @click.command()
    @click.option("--debug", is_flag=True)
    def command(debug: bool) -> None:
        raise error

    return run(command, arguments), capsys.readouterr().err


def with_traceback(error: errors.ModelError, text: str) -> errors.ModelError:
    error.user_traceback = text
    return error


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (errors.ParamsError("seed is 'x'"), 2, "mlaas4hep: error: seed is 'x'\n"),
        (errors.BranchError("no 'x'"), 2, "mlaas4hep: error: no 'x'\n"),
        (errors.ReadError("a.root: corrupt"), 1, "mlaas4hep: error: a.root: corrupt\n"),
        (
            with_traceback(errors.ModelError("m.py: raises"), "Traceback\nValueError: x\n"),
            2,
            "Traceback\nValueError: x\nmlaas4hep: error: m.py: raises\n",
        ),
        (MemoryError(), 1, "mlaas4hep: error: there is not enough memory; smaller chunks (chunk_size) need less\n"),
        (KeyError("x"), 1, "mlaas4hep: error: KeyError: 'x'; run the command with --debug for more\n"),
        (KeyboardInterrupt(), 130, "\nmlaas4hep: interrupted\n"),
    ],
)
def test_status_and_message(error: BaseException, status: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(error, capsys) == (status, text)


@pytest.mark.parametrize("error", [errors.OutputError("full"), KeyboardInterrupt(), ValueError("x")])
def test_what_is_added_to_an_exception_is_said(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    error.add_note("two chunks are kept")
    lines = outcome(error, capsys)[1].splitlines()
    assert lines[-1] == "note: two chunks are kept"
    assert outcome(error, capsys, "--debug")[1].count("two chunks are kept") == 1


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = outcome(KeyError("x"), capsys, "--debug")
    assert status == 1
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("mlaas4hep: error: KeyError: 'x'\n")


@click.command()
@click.option("--debug", is_flag=True)
def warn(debug: bool) -> None:
    errors.note("two files")
    errors.note("two files")
    warnings.warn("too old", DeprecationWarning, stacklevel=1)


def test_notes_are_lines_and_libraries_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(warn, []) == 0
    assert capsys.readouterr() == ("", "note: two files\n")


def test_debug_shows_the_warnings_of_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(warn, ["--debug"]) == 0
    assert capsys.readouterr().err.startswith("note: two files\n" + __file__)


def mlaas4hep(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("mlaas4hep")), *map(str, arguments)]


def test_the_program(sample: Path) -> None:
    done = subprocess.run(mlaas4hep("inspect", sample / "x"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"mlaas4hep: error: {sample / 'x'}: there is no such file\n"


def test_a_reader_that_leaves_is_no_error(sample: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        done = subprocess.run(
            mlaas4hep("inspect", sample / "ttH.root", "--json"), stdout=gone, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")


WAITING = """
import signal
from pathlib import Path
import click
from mlaas4hep.cli.edge import leave_by_signals, run
from mlaas4hep.output import OutputFolder

@click.command()
def wait():
    with OutputFolder("out") as folder:
        (folder / "half").touch()
        Path("fifo").read_text()

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests themselves run under nohup
signal.signal(signal.SIGINT, signal.default_int_handler)  # or in the background
leave_by_signals()
raise SystemExit(run(wait, []))
"""


@pytest.mark.parametrize(
    ("number", "status", "message"),
    [
        (signal.SIGINT, 130, "\nmlaas4hep: interrupted\n"),
        (signal.SIGTERM, 143, "mlaas4hep: ended by SIGTERM\n"),
        (signal.SIGHUP, 129, "mlaas4hep: ended by SIGHUP\n"),
    ],
)
def test_signals_leave_nothing_behind(number: signal.Signals, status: int, message: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    command = [sys.executable, "-c", WAITING]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    with process, (tmp_path / "fifo").open("w"):  # opens as soon as the command reads it
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(number)
        _, text = process.communicate(timeout=30)
    assert (process.returncode, text) == (status, message)
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


def test_help_loads_no_framework_and_no_reader() -> None:
    code = "import sys; sys.argv[1:] = ['--help']; from mlaas4hep.cli import main\ntry: main()\nfinally: " + (
        "print(*(name for name in ('awkward', 'keras', 'pyarrow', 'rich', 'uproot') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""
