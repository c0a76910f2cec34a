"""What users write in ``params.json``, validated whole into a frozen dataclass."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from mlaas4hep.errors import ParamsError, nearest, note
from mlaas4hep.jsonfile import read_json

__all__ = ["Params"]

NO_EFFECT = ("nan", "dtype")
"""Keys of the original's files that have no effect."""

Check = Callable[[object], str]
"""Tells what a value must be, or nothing if it is that."""


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters of a job; the contract's table says what each means. Every default stands here.

    Examples
    --------
    >>> Params.from_dict({"epochs": 3}, "params.json").epochs
    3
    """

    nevts: int = -1
    chunk_size: int = 100_000
    epochs: int = 10
    batch_size: int = 256
    shuffle: bool = True
    branch: str = ""
    identifier: tuple[str, ...] = ()
    selected_branches: str | tuple[str, ...] = ""
    exclude_branches: str | tuple[str, ...] = ""
    classes: tuple[str, ...] | None = None
    redirector: str = ""
    hist: str = ""
    training: str = "standard"
    split: tuple[float, float, float] = (0.64, 0.16, 0.2)
    metrics: bool | Mapping[str, float] = True
    seed: int = 21
    verbose: int = 1

    @property
    def threshold(self) -> float:
        """The score from which an event counts as the positive class."""
        return 0.5 if isinstance(self.metrics, bool) else float(self.metrics.get("threshold", 0.5))

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
            f"{key} must be {must}, not {value!r}"
            for key, value in values.items()
            if key in CHECKS and (must := CHECKS[key](value))
        ]
        if wrong:
            raise ParamsError(f"{where}: " + "; ".join(wrong))
        params = cls(**{key: _frozen(value) for key, value in values.items()})
        if params.hist:
            note(f"{where}: hist: histograms are not drawn by this version")
        return params

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as they stand in a JSON file."""
        values = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _drop_without_effect(given: dict[str, object], where: str) -> dict[str, object]:
    """The parameters without what the original knew and this program does not need."""
    dropped = [key for key in given if key in NO_EFFECT]
    if isinstance(given.get("split"), (int, float)) and not isinstance(given.get("split"), bool):
        dropped.append("split")
    if dropped:
        note(f"{where}: without effect: {', '.join(f'{key} = {given[key]!r}' for key in dropped)}")
    return {key: value for key, value in given.items() if key not in dropped}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _whole(least: int, most: int | None = None, *, all_events: bool = False) -> Check:
    def check(value: object) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            if all_events and value == -1:
                return ""
            if value >= least and (most is None or value <= most):
                return ""
        span = f"from {least} to {most}" if most is not None else f"of at least {least}"
        return f"a whole number {span}" + (", or -1 for all events" if all_events else "")

    return check


def _truth(value: object) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _text(value: object) -> str:
    return "" if isinstance(value, str) else "a text"


def _names(value: object) -> str:
    listed = isinstance(value, (list, tuple)) and all(isinstance(name, str) and name for name in value)
    return "" if listed else "a list of names"


def _names_or_text(value: object) -> str:
    return "" if isinstance(value, str) or not _names(value) else "a list of names, or a text"


def _names_or_null(value: object) -> str:
    return "" if value is None or not _names(value) else "a list of names"


def _procedure(value: object) -> str:
    return "" if value in ("standard", "chunk") else '"standard" or "chunk"'


def _fraction(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _split(value: object) -> str:
    parts = list(value) if isinstance(value, (list, tuple)) else []
    if len(parts) == 3 and all(map(_fraction, parts)) and math.isclose(sum(parts), 1, abs_tol=1e-6):
        return ""
    return "three fractions (train, validation, test) that add up to 1"


def _metrics(value: object) -> str:
    if isinstance(value, dict) and set(value) <= {"threshold"} and all(map(_fraction, value.values())):
        return ""
    return "" if isinstance(value, bool) else 'true, false, or {"threshold": t} with t from 0 to 1'


CHECKS: dict[str, Check] = {
    "nevts": _whole(1, all_events=True),
    "chunk_size": _whole(1, all_events=True),
    "epochs": _whole(1),
    "batch_size": _whole(1),
    "shuffle": _truth,
    "branch": _text,
    "identifier": _names_or_text,
    "selected_branches": _names_or_text,
    "exclude_branches": _names_or_text,
    "classes": _names_or_null,
    "redirector": _text,
    "hist": _text,
    "training": _procedure,
    "split": _split,
    "metrics": _metrics,
    "seed": _whole(0, 2**64 - 1),
    "verbose": _whole(0, 2),
}
"""For each parameter what its value must be."""
