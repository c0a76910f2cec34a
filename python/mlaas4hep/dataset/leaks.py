"""The check that an event, known by its identifiers, is in one part only."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.columns import split_nulls
from mlaas4hep.dataset.checks import PARTS
from mlaas4hep.dataset.events import LEFT_OUT
from mlaas4hep.errors import ParamsError
from mlaas4hep.sources import Source

__all__ = ["Opening", "check_leaks"]

Opening = Callable[[], AbstractContextManager[Source]]
"""Opens the file, where it must be read again."""


def check_leaks(
    opening: Opening,
    identifier: Sequence[str],
    hashes: NDArray[np.float64],
    places: NDArray[np.integer[Any]],
    what: str,
) -> None:
    """Raise where one identifier is in two of the ``places`` of a file, which are ``"parts"`` or ``"folds"``.

    ``hashes`` follow from the identifiers; events of equal hashes are read again, so that only equal identifiers
    count. Events that are not used are in none of the places: their number is that of no part, or less than 0.
    """
    suspects = list(_suspects(hashes, places, what))
    if not suspects:
        return
    with opening() as source:
        for entries in suspects:
            seen: dict[tuple[object, ...], int] = {}
            for entry in entries.tolist():
                columns = source.read(identifier, entry, entry + 1)
                key = tuple(split_nulls(columns[name])[0][0].item() for name in identifier)
                first = seen.setdefault(key, entry)
                if places[first] != places[entry]:
                    _refuse(source.path, dict(zip(identifier, key, strict=True)), (first, entry), places, what)


def _suspects(hashes: NDArray[np.float64], places: NDArray[np.integer[Any]], what: str) -> Iterator[NDArray[np.int64]]:
    """Yield entries that share a hash, in order, if they are in several places."""
    used = np.flatnonzero(places < LEFT_OUT if what == "parts" else places >= 0)
    used = used[np.argsort(hashes[used], kind="stable")]
    same = np.flatnonzero(np.diff(hashes[used]) == 0)
    first = same[np.diff(same, prepend=-2) != 1]
    last = same[np.diff(same, append=len(hashes) + 2) != 1] + 2
    for start, stop in zip(first.tolist(), last.tolist(), strict=True):
        entries = used[start:stop]
        if (places[entries] != places[entries[0]]).any():
            yield entries


def _refuse(
    path: str,
    identifier: dict[str, object],
    entries: tuple[int, int],
    places: NDArray[np.integer[Any]],
    what: str,
) -> None:
    """Raise the error that shows an event which is in two places."""
    names = [PARTS[places[entry]] if what == "parts" else f"fold {places[entry]}" for entry in entries]
    shown = ", ".join(f"{name} = {value}" for name, value in identifier.items())
    raise ParamsError(
        f"{path}: the event {shown} is in two {what}: entry {entries[0]} in {names[0]}, entry {entries[1]} in "
        f"{names[1]}; {what} must follow from what identifies an event: from fractions, or a "
        f"formula of {', '.join(identifier)}"
    )
