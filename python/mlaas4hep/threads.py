"""How many threads to use."""

import os
from operator import index

from mlaas4hep import _rust
from mlaas4hep.errors import ParamsError

__all__ = ["asked_threads", "resolve_threads"]

VARIABLE = "MLAAS4HEP_NUM_THREADS"
MOST = 1024


def resolve_threads(threads: int | None) -> int:
    """Return the number of threads: the one asked for, else the variable's, else the CPUs the process may use."""
    return asked_threads(threads) or _rust.default_threads()


def asked_threads(threads: int | None) -> int | None:
    """Return the number of threads asked for by argument or variable, else None.

    Which CPUs the process may use takes the system longer to tell than a small call takes, so the extension module asks
    only where the data are worth it.
    """
    if threads is not None:
        return _checked(threads, f"threads is {threads!r}")
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        return _checked(int(text), f"the variable {VARIABLE} is {text!r}")
    except ValueError:
        raise ParamsError(f"the variable {VARIABLE} is {text!r}; it must be a whole number from 1 to {MOST}") from None


def _checked(threads: object, found: str) -> int:
    try:
        number = 0 if isinstance(threads, bool) else index(threads)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if not 1 <= number <= MOST:
        raise ParamsError(f"{found}; it must be a whole number from 1 to {MOST}")
    return int(number)
