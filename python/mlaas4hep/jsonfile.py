"""JSON files that users write."""

import json
import os
import re
from json import JSONDecodeError
from pathlib import Path

from mlaas4hep.errors import MLaaSError

__all__ = ["read_json"]

TOKEN = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")(?P<key>\s*:)?|(?P<brace>[{}])|(?P<constant>NaN|-?Infinity)')

SHOWN = 72
"""Characters of a wrong line that are shown."""


def read_json(path: str | os.PathLike[str], error: type[MLaaSError]) -> object:
    """Return what a JSON file holds.

    ``error`` is raised where it cannot be read, is no JSON, uses a key twice, or holds NaN or Infinity, which are no
    JSON; the message has file, line and column, and shows the line.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_text("utf-8-sig")
    except FileNotFoundError:
        raise error(f"{name}: there is no such file") from None
    except UnicodeDecodeError as cause:
        raise error(f"{name}: byte {cause.start} is not UTF-8 text; a JSON file is wanted here") from None
    except OSError as cause:
        raise error(f"{name}: cannot be read: {cause.strerror or cause}") from None
    try:
        value: object = json.loads(text)
        _refuse_what_python_adds(text)
    except JSONDecodeError as cause:
        place = f"{name}, line {cause.lineno}, column {cause.colno}"
        early = ", but the file ends" if not text[cause.pos :].strip() else ""
        raise error(f"{place}: {cause.msg}{early}{_shown(text, cause)}") from None
    except ValueError as cause:  # a number of some thousand digits
        raise error(f"{name}: {cause}") from None
    except RecursionError:
        raise error(f"{name}: it is nested too deeply") from None
    return value


def _refuse_what_python_adds(text: str) -> None:
    """Raise for constants that are no JSON, and for a key that stands in an object twice; all else is valid."""
    objects: list[set[str]] = []
    for token in TOKEN.finditer(text):
        if token["constant"]:
            raise JSONDecodeError(f"{token['constant']} is no JSON; write a number", text, token.start())
        if token["brace"] == "{":
            objects.append(set())
        elif token["brace"] == "}":
            objects.pop()
        elif token["key"]:
            key = json.loads(token["text"])
            if key in objects[-1]:
                raise JSONDecodeError(f"key {key!r} stands there twice", text, token.start())
            objects[-1].add(key)


def _shown(text: str, error: JSONDecodeError) -> str:
    """The line that is wrong, or a piece of it, with a caret below the column."""
    line = "".join(letter if letter.isprintable() else " " for letter in text.split("\n")[error.lineno - 1])
    if not line.strip():
        return ""
    first = max(0, error.colno - SHOWN // 2) if len(line) > SHOWN else 0
    return f"\n  {line[first : first + SHOWN]}\n  {' ' * (error.colno - 1 - first)}^"
