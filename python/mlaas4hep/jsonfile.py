"""JSON files: those that users write, and ours, written whole or not at all."""

import json
import os
import re
from json import JSONDecodeError
from pathlib import Path

from mlaas4hep.errors import MLaaSError, OutputError

__all__ = ["read_json", "read_json_text", "write_text"]

TOKEN = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")(?P<key>\s*:)?|(?P<brace>[{}])|(?P<constant>NaN|-?Infinity)')

SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, of which an escape may consist."""

SHOWN = 72
"""Characters of a wrong line that are shown."""


def read_json(path: str | os.PathLike[str], error: type[MLaaSError]) -> object:
    """Return what a JSON file holds; see :func:`read_json_text` for what is refused."""
    value: object = json.loads(read_json_text(path, error))
    return value


def read_json_text(path: str | os.PathLike[str], error: type[MLaaSError]) -> str:
    """Return the text of a JSON file, checked.

    ``error`` is raised where it cannot be read, is no JSON, uses a key twice, or holds what Python's reader takes and
    JSON does not know (NaN, Infinity, halves of characters); the message has file, line and column, and shows the line.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_text("utf-8-sig")
    except FileNotFoundError:
        raise error(f"{name}: there is no such file") from None
    except UnicodeDecodeError as cause:
        line = cause.object.count(b"\n", 0, cause.start) + 1
        raise error(f"{name}, line {line}: this is not UTF-8 text; a JSON file is wanted here") from None
    except (OSError, ValueError) as cause:
        raise error(f"{name}: cannot be read: {getattr(cause, 'strerror', None) or cause}") from None
    try:
        json.loads(text)
        _refuse_what_python_adds(text)
    except JSONDecodeError as cause:
        place = f"{name}, line {cause.lineno}, column {cause.colno}"
        early = ", but the file ends" if not text[cause.pos :].strip() else ""
        raise error(f"{place}: {cause.msg}{early}{_shown(text, cause)}") from None
    except ValueError:
        raise error(f"{name}: it holds a number of some thousand digits") from None
    except RecursionError:
        raise error(f"{name}: it is nested too deeply") from None
    return text


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file whole or not at all; a link stays one, and what it points to is written."""
    try:
        target = Path(path).resolve()
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise OutputError(f"{os.fspath(path)}: cannot be written ({why})") from error


def _refuse_what_python_adds(text: str) -> None:
    """Raise for constants that are no JSON, and for a key that stands in an object twice; all else is valid."""
    objects: list[set[str]] = []
    for token in TOKEN.finditer(text):
        if token["text"] and SURROGATE.search(json.loads(token["text"])):
            raise JSONDecodeError("this is half a character; write the character itself", text, token.start())
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
