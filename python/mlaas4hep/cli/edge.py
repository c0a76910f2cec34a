"""Where exceptions become messages and exit statuses, and notes become lines."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn, TextIO

import click
from click.exceptions import NoArgsIsHelpError

from mlaas4hep.errors import MLaaSError, ModelError, Note

__all__ = ["leave_by_signals", "run"]

NAME = "mlaas4hep"
DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 2 the user's input is wrong, 1 anything else.

    An error is one message on standard error, without a traceback unless ``--debug`` is among the arguments; only an
    exception inside the user's own model file shows that file's traceback.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments
    with warnings.catch_warnings():
        warnings.showwarning = _Notes(debug)
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", Note)
        try:
            _check_text(arguments)
            command.main(args=arguments, prog_name=NAME, standalone_mode=False)
            sys.stdout.flush()
            return DONE
        except BrokenPipeError:
            # Whoever reads our output has gone; give the interpreter nothing to flush to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except (KeyboardInterrupt, click.Abort) as error:
            _say("interrupted")
            _tell_notes(error.__cause__ or error)  # click raises its Abort from a KeyboardInterrupt
            return INTERRUPTED
        except SystemExit as error:
            _tell_notes(error)
            raise
        except Exception as error:
            if debug:
                traceback.print_exc()
            status = _report(error, debug)
            if not debug:  # a traceback has them, too
                _tell_notes(error)
            return status


def leave_by_signals() -> None:
    """Let the signals that end a process unwind it, so that half-written output is removed."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    _say(f"ended by {signal.Signals(number).name}")
    raise SystemExit(128 + number)


def _check_text(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no text: names go into JSON."""
    for argument in arguments:
        if not argument.isascii() and argument != argument.encode("utf-8", "replace").decode():
            raise click.UsageError(f"the argument {argument!r} is not UTF-8 text")


def _report(error: Exception, debug: bool) -> int:
    """Say what went wrong and return the exit status."""
    if isinstance(error, NoArgsIsHelpError):
        print(error.format_message(), file=sys.stderr)
        return WRONG_INPUT
    if isinstance(error, click.UsageError):
        hint = f"; see '{error.ctx.command_path} --help'" if error.ctx else ""
        _say(f"error: {error.format_message().rstrip('.')}{hint}")
        return WRONG_INPUT
    if isinstance(error, ModelError) and error.user_traceback:
        print(error.user_traceback.rstrip("\n"), file=sys.stderr)
    if isinstance(error, MLaaSError):
        _say(f"error: {error}")
        return error.exit_status
    if isinstance(error, MemoryError):
        _say("error: there is not enough memory; smaller chunks (chunk_size) need less")
        return FAILED
    hint = "" if debug else "; run the command with --debug for more"
    _say(f"error: {type(error).__name__}: {error}{hint}")
    return FAILED


def _tell_notes(error: BaseException) -> None:
    """Print what was added to an exception on its way, such as what is kept for another run."""
    for text in getattr(error, "__notes__", ()):
        print(f"note: {text}", file=sys.stderr)


def _say(text: str) -> None:
    print(f"{NAME}: {text}", file=sys.stderr)


class _Notes:
    """Prints each note once, as a line; the warnings of libraries, as Python does, where they are wanted."""

    def __init__(self, libraries: bool) -> None:
        self._libraries = libraries
        self._said: set[str] = set()

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = str(message)
        if issubclass(category, Note):
            if text not in self._said:
                print(f"note: {text}", file=sys.stderr)
            self._said.add(text)
        elif self._libraries:
            sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))
