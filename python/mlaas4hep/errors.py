"""Every exception that mlaas4hep raises, from Python and from Rust.

All of them are below :class:`MLaaSError`, and each is also the built-in kind that a caller would catch
without knowing us. A message says what was wrong, in which file and branch, and what would be right.
``exit_status`` is what the command line exits with: 2 where the user's input is wrong, 1 for anything else.
"""

import difflib
import sys
import warnings
from collections.abc import Iterable, Sequence

__all__ = [
    "BranchError",
    "ColumnError",
    "ExpressionError",
    "LedgerError",
    "MLaaSError",
    "ModelError",
    "Note",
    "OutputError",
    "ParamsError",
    "ReadError",
    "SourceError",
    "SpecsError",
    "first_line",
    "nearest",
    "note",
    "shortened",
]


class MLaaSError(Exception):
    """The base of all our exceptions."""

    exit_status = 2


class BranchError(MLaaSError, KeyError):
    """A branch is missing, or is not of the kind that is asked for."""

    def __str__(self) -> str:
        """Return the message as it stands; a KeyError would show its repr."""
        return Exception.__str__(self)


class ColumnError(MLaaSError, ValueError):
    """Columns in memory contradict themselves, such as offsets that go backwards."""


class ExpressionError(MLaaSError, ValueError):
    """A formula or cut is wrong, or does not fit the data; the message shows it with a caret under the place."""


class SpecsError(MLaaSError, ValueError):
    """Specs or a plan cannot be read, merged, or do not fit the data."""


class ParamsError(MLaaSError, ValueError):
    """A parameter, option or list that the user wrote is wrong."""


class SourceError(MLaaSError, OSError):
    """A file cannot be found, opened or understood."""


class ReadError(SourceError):
    """A file that could be opened turned out to be corrupt while it was read."""

    exit_status = 1


class LedgerError(MLaaSError, RuntimeError):
    """Events that were counted in two ways do not agree: a mistake of ours, which must not pass unseen."""

    exit_status = 1


class ModelError(MLaaSError, ValueError):
    """The user's model file, or the model it returns, cannot be used.

    ``user_traceback`` is the traceback within the user's file, where its code raised.
    """

    user_traceback: str = ""


class OutputError(MLaaSError, OSError):
    """The output cannot be written where the user wants it."""


class Note(UserWarning):
    """Something that the user should know and that is no error, such as branches left out."""


def note(text: str) -> None:
    """Tell the user ``text``: a warning of category :class:`Note`, which the command line prints as a line.

    It is of the line that called into the package, wherever in the package it comes from.
    """
    frame, level = sys._getframe(1), 2
    ours = ("mlaas4hep", "contextlib")  # whose frames stand between ours
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ours:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, Note, stacklevel=level)


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception of another library says, or its name if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def shortened(names: Sequence[str], most: int) -> str:
    """Return the first names of a list, and how many more there are.

    >>> shortened(["a", "b", "c", "d"], 2)
    'a, b and 2 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name closest to ``name``, or an empty string.

    >>> nearest("jetpt", ["jetPt", "jetEta"])
    " (did you mean 'jetPt'?)"
    """
    names = list(known)
    folded = {candidate.casefold(): candidate for candidate in names}
    match = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f" (did you mean {folded[match[0]]!r}?)" if match else ""
