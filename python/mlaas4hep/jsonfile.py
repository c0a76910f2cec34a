"""JSON files that users write."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from mlaas4hep.errors import MLaaSError

__all__ = ["read_json"]


def read_json(path: str | os.PathLike[str], error: type[MLaaSError]) -> object:
    """Return what a JSON file holds.

    ``error`` is raised where it cannot be read, is no JSON, uses a key twice, or holds NaN or Infinity, which are no
    JSON; the message has file, line and column, and shows the line.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise error(f"{name}: byte {cause.start} is not UTF-8 text; a JSON file is wanted here") from None
    except OSError as cause:
        raise error(f"{name}: {cause.strerror or cause}") from None
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except json.JSONDecodeError as cause:
        line = text.splitlines()[cause.lineno - 1] if text.strip() else ""
        place = f"{name}: line {cause.lineno}, column {cause.colno}: {cause.msg}"
        raise error(f"{place}\n  {line}\n  {' ' * (cause.colno - 1)}^" if line else place) from None
    except ValueError as cause:
        raise error(f"{name}: {cause}") from None
    except RecursionError:
        raise error(f"{name}: it is nested too deeply") from None


def _unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} stands there twice")
        found[key] = value
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON; leave the key out, or write a number")
