"""Where exceptions become messages and exit statuses, and notes become lines."""

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TextIO

import click

from mlaas4hep.errors import MLaaSError, ModelError, Note

__all__ = ["run"]

NAME = "mlaas4hep"
WRONG_INPUT, FAILED, INTERRUPTED = 2, 1, 130


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 2 the user's input is wrong, 1 anything else.

    An error is one message on standard error, without a traceback unless ``--debug`` is among the arguments; only an
    exception inside the user's own model file shows that file's traceback.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments
    with warnings.catch_warnings():
        warnings.showwarning = _show_all if debug else _show_notes
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", Note)
        try:
            command.main(args=arguments, prog_name=NAME, standalone_mode=False)
            sys.stdout.flush()
            return 0
        except BrokenPipeError:
            # Whoever reads our output has gone; give the interpreter nothing to flush to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except (KeyboardInterrupt, click.Abort):
            _say("interrupted")
            return INTERRUPTED
        except Exception as error:
            if debug:
                traceback.print_exc()
            return _report(error, debug)


def _report(error: Exception, debug: bool) -> int:
    """Say what went wrong and return the exit status."""
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        _say(f"error: {error.format_message()}")
        if context is not None:
            _say(f"try '{context.command_path} --help'")
        return WRONG_INPUT if isinstance(error, click.UsageError) else FAILED
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


def _say(text: str) -> None:
    print(f"{NAME}: {text}", file=sys.stderr)


def _show_notes(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a note as a line; what libraries warn of is not for the user."""
    if issubclass(category, Note):
        print(f"note: {message}", file=sys.stderr)


def _show_all(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print notes, and the warnings of libraries as Python does."""
    if issubclass(category, Note):
        print(f"note: {message}", file=sys.stderr)
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))
