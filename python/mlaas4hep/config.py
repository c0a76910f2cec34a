"""What users write in ``params.json``, validated whole into a frozen dataclass."""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from mlaas4hep.bytesize import parse_bytes
from mlaas4hep.errors import ParamsError, nearest, note
from mlaas4hep.jsonfile import read_json
from mlaas4hep.planoptions import PlanOptions, checked
from mlaas4hep.reading import Reading
from mlaas4hep.sentinels import MUST, why_not
from mlaas4hep.splits import split_of
from mlaas4hep.weights import Weights

__all__ = ["Params"]

NO_EFFECT = ("nan", "dtype")
"""Keys of the original's files that have no effect."""

LAYOUTS = ("layout", "collections", "images")
"""Options of a plan that make more than a matrix."""

Check = Callable[[object], str]
"""Tells what a value must be, or nothing if it is that."""


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters of a job; every default stands here.

    Attributes
    ----------
    nevts
        Events to use in all; -1: all.
    chunk_size
        Train events in a chunk; -1: one chunk with everything.
    memory
        Bytes that reading and flattening may take, as ``"2 GB"``, in place of a chunk size; ``""``: as ``chunk_size``
        says.
    epochs, batch_size
        As in Keras.
    shuffle
        As in Keras; a number: so many neighbouring chunks are shuffled together.
    branch
        Name of the tree; ``""``: the only one in the file.
    identifier
        Branches that identify an event; they are no inputs.
    selected_branches, exclude_branches
        Names or globs, or a text: names with commas between, or a text file with a name a line; ``""``: no restriction.
    classes
        Names of the classes in order; None: from the labels.
    redirector
        Where files are that do not exist here; ``""``: nowhere.
    hist
        Folder for histograms of every input, original and normalised; ``""``: none.
    training
        ``"standard"``, every epoch over all chunks, or ``"chunk"``, all epochs on one chunk, then the next.
    split
        Fractions of train, validation and test, which add up to 1; or a dict of ``by``, ``validation`` and ``test``:
        the values of a branch or formula that mean these parts.
    metrics
        Whether to test the model, or ``{"threshold": t}``.
    seed
        Every random choice follows from it.
    verbose
        0 quiet, 1 progress and throughput, 2 details.
    sentinels
        Numbers that stand for a missing value: one or a list for all branches, or such by names and globs.
    common_branches
        Whether branches that not all files have are left out; otherwise they are an error.
    on_bad_file
        ``"error"``, or ``"skip"`` to go on without files that cannot be read.
    reading
        How files are read: keys of :class:`mlaas4hep.Reading`.
    weights
        What weighs events: a branch or formula, ``"balanced"``, a number for each input, or keys of
        :class:`mlaas4hep.Weights`; None: all events weigh the same.
    flatten
        How values become a matrix: keys of :class:`mlaas4hep.planoptions.PlanOptions`, but for layouts.
    cache, cache_limit
        Folder that keeps the columns which the first pass reads, ``""``: none; and how many bytes it may hold.

    Examples
    --------
    >>> Params.from_dict({"epochs": 3}, "params.json").epochs
    3
    """

    nevts: int = -1
    chunk_size: int = 100_000
    memory: str = ""
    epochs: int = 10
    batch_size: int = 256
    shuffle: bool | int = True
    branch: str = ""
    identifier: tuple[str, ...] = ()
    selected_branches: str | tuple[str, ...] = ""
    exclude_branches: str | tuple[str, ...] = ""
    classes: tuple[str, ...] | None = None
    redirector: str = ""
    hist: str = ""
    training: str = "standard"
    split: tuple[float, float, float] | Mapping[str, Any] = (0.64, 0.16, 0.2)
    metrics: bool | Mapping[str, float] = True
    seed: int = 21
    verbose: int = 1
    sentinels: Any = None
    common_branches: bool = False
    on_bad_file: str = "error"
    reading: Mapping[str, Any] = field(default_factory=dict)
    weights: Any = None
    flatten: Mapping[str, Any] = field(default_factory=dict)
    cache: str = ""
    cache_limit: str | int = "20 GB"

    @property
    def threshold(self) -> float:
        """The score from which an event counts as the positive class."""
        return 0.5 if isinstance(self.metrics, bool) else self.metrics.get("threshold", 0.5)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "Params":
        """Read a ``params.json``; ``ParamsError`` names everything that is wrong in it."""
        return cls.from_dict(read_json(path, ParamsError), os.fspath(path))

    @classmethod
    def from_dict(cls, given: object, where: str) -> "Params":
        """Validate parameters that the user wrote in ``where``, in which ``training`` is ``"chunk"`` if not given.

        Keys of the original's files that have no effect are dropped with a note. Raises ``ParamsError`` for unknown
        keys, naming the nearest known one, and for values of a wrong type or out of range, all in one message.
        """
        if not isinstance(given, dict):
            raise ParamsError(f"{where}: the parameters must be an object {{...}} of keys and values")
        values = {"training": "chunk", **_drop_without_effect(given, where)}
        known = [field.name for field in fields(cls)]
        wrong = [f"unknown key {key!r}{nearest(key, known)}" for key in values if key not in known]
        wrong += [
            f"{key} must be {must}, not {_json(value)}"
            for key, value in values.items()
            if key in CHECKS and (must := CHECKS[key](value))
        ]
        if wrong:
            raise ParamsError(f"{where}: {wrong[0]}" if len(wrong) == 1 else "\n  ".join([f"{where}:", *wrong]))
        return cls(**{key: _frozen(key, value) for key, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as they stand in a JSON file."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _drop_without_effect(given: Mapping[str, object], where: str) -> dict[str, object]:
    """The parameters without what the original knew and this program does not need."""
    dropped = [key for key in given if key in NO_EFFECT or (key == "split" and _is_number(given[key]))]
    if dropped:
        note(f"{where}: without effect: {', '.join(f'{key} = {_json(given[key])}' for key in dropped)}")
    return {key: value for key, value in given.items() if key not in dropped}


def _frozen(key: str, value: Any) -> Any:
    if key == "identifier" and isinstance(value, str):
        value = [name for part in value.split(",") if (name := part.strip())]
    return tuple(value) if isinstance(value, list) else value


def _json(value: object) -> str:
    """A value as the user wrote it, a long one cut."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(least: int, most: int = 2**31 - 1, *, or_all: bool = False) -> Check:
    more = ", or -1 for all events" if or_all else ""

    def check(value: object) -> str:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            return "" if or_all and _json(value) == "-1" else f"a whole number of at least {least}{more}"
        return "" if value <= most else f"a whole number of at most {most}{more}"

    return check


def _one_of(*allowed: object) -> Check:
    listed = [_json(value) for value in allowed]
    must = " or ".join([", ".join(listed[:-1]), listed[-1]])
    return lambda value: "" if _json(value) in listed else must


def _text(value: object) -> str:
    return "" if isinstance(value, str) else "a text"


def _names(value: object) -> str:
    listed = isinstance(value, (list, tuple)) and all(isinstance(name, str) and name for name in value)
    return "" if listed else "a list of names"


def _names_or_text(value: object) -> str:
    return "" if isinstance(value, str) or not _names(value) else "a list of names, or a text with commas"


def _names_or_null(value: object) -> str:
    return "" if value is None or not _names(value) else "a list of names"


def _is_fraction(value: object) -> bool:
    return isinstance(value, (int, float)) and _is_number(value) and 0 <= value <= 1


def _shuffle(value: object) -> str:
    right = isinstance(value, bool) or (isinstance(value, int) and value >= 1)
    return "" if right else "true, false, or how many neighbouring chunks are shuffled together"


def _split(value: object) -> str:
    if isinstance(value, dict):
        return _made(split_of, value, "values of a branch or formula")
    parts = list(value) if isinstance(value, (list, tuple)) else []
    if len(parts) == 3 and all(map(_is_fraction, parts)) and math.isclose(sum(parts), 1, abs_tol=1e-6):
        return ""
    return (
        'three fractions (train, validation, test) that add up to 1, or {"by": ..., "validation": [...], "test": [...]}'
    )


def _metrics(value: object) -> str:
    if isinstance(value, dict) and set(value) <= {"threshold"} and all(map(_is_fraction, value.values())):
        return ""
    return "" if isinstance(value, bool) else 'true, false, or {"threshold": t} with t from 0 to 1'


def _sentinels(value: object) -> str:
    return MUST if value is not None and why_not(value) else ""


def _made(of: Callable[[Any], object], value: object, must: str) -> str:
    """Tell what a value must be from which ``of`` can make nothing."""
    try:
        of(value)
    except ParamsError as error:
        return f"{must} ({error})"
    return ""


def _reading(value: object) -> str:
    must = "an object of ways of reading"
    return _made(Reading.of, value, must) if isinstance(value, dict) else must


def _weights(value: object) -> str:
    return _made(Weights.of, value, "what weighs events")


def _flatten(value: object) -> str:
    known = [name for name in PlanOptions.__annotations__ if name not in LAYOUTS]
    if not isinstance(value, dict):
        return f"an object of ways of flattening: {', '.join(known)}"
    for name in value:
        if name in LAYOUTS:
            return f"without {name!r}: a model file gets the matrix, layouts are for loops in Python"
        if name not in known:
            return f"without {name!r}{nearest(name, known)}; there are {', '.join(known)}"
    return _made(partial(checked, caller="flatten"), value, "an object of ways of flattening")


def _bytes(name: str, *, or_none: bool = False) -> Check:
    def check(value: object) -> str:
        none = or_none and value == ""
        return "" if none else _made(partial(parse_bytes, name), value, 'a number of bytes, as "2 GB"')

    return check


CHECKS: dict[str, Check] = {
    "nevts": _whole(1, 2**48, or_all=True),
    "chunk_size": _whole(1, 2**48, or_all=True),
    "epochs": _whole(1),
    "batch_size": _whole(1),
    "memory": _bytes("memory", or_none=True),
    "shuffle": _shuffle,
    "branch": _text,
    "identifier": _names_or_text,
    "selected_branches": _names_or_text,
    "exclude_branches": _names_or_text,
    "classes": _names_or_null,
    "redirector": _text,
    "hist": _text,
    "training": _one_of("standard", "chunk"),
    "split": _split,
    "metrics": _metrics,
    "seed": _whole(0, 2**64 - 1),
    "verbose": _one_of(0, 1, 2),
    "sentinels": _sentinels,
    "common_branches": _one_of(True, False),
    "on_bad_file": _one_of("error", "skip"),
    "reading": _reading,
    "weights": _weights,
    "flatten": _flatten,
    "cache": _text,
    "cache_limit": _bytes("cache_limit"),
}
"""For each parameter what its value must be."""
