"""How many threads to use."""

import os
from operator import index
from typing import SupportsIndex

from mlaas4hep import _rust
from mlaas4hep.errors import ParamsError

__all__ = ["resolve_threads"]

VARIABLE = "MLAAS4HEP_NUM_THREADS"
MOST = 1024


def resolve_threads(threads: int | None) -> int:
    """Return the number of threads: the one asked for, else the variable's, else the CPUs the process may use."""
    if threads is not None:
        return _checked(threads, f"threads is {threads!r}")
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return _rust.default_threads()
    try:
        return _checked(int(text), f"the variable {VARIABLE} is {text!r}")
    except ValueError:
        raise ParamsError(f"the variable {VARIABLE} is {text!r}; it must be a whole number from 1 to {MOST}") from None


def _checked(threads: object, found: str) -> int:
    if isinstance(threads, bool) or not isinstance(threads, SupportsIndex) or not 1 <= index(threads) <= MOST:
        raise ParamsError(f"{found}; it must be a whole number from 1 to {MOST}")
    return index(threads)
