"""How users say that values are to be normalised: the name of a rule, with or without limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlaas4hep.errors import ParamsError, nearest

__all__ = ["KINDS", "Rule", "is_rule", "why_not_rule"]

KINDS = ("minmax", "standard", "robust", "none")
"""The rules by name."""

MUST = "'minmax', 'standard', 'robust' or 'none', or {'kind': one of these, 'clip': [lower, upper]}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its name, and the numbers between which values are clipped after it, if any.

    Examples
    --------
    >>> Rule.of({"kind": "robust", "clip": [-5, 5]})
    Rule(kind='robust', clip=(-5.0, 5.0))
    """

    kind: str
    clip: tuple[float, float] | None = None

    @classmethod
    def of(cls, given: object, what: str = "normalize") -> "Rule":
        """Return the rule that a user means; ``ParamsError`` says what is wrong with ``what``."""
        if wrong := why_not_rule(given):
            raise ParamsError(f"{what} is {given!r}; it must be {wrong}")
        if isinstance(given, str):
            return cls(given)
        assert isinstance(given, Mapping)
        clip = given.get("clip")
        return cls(given.get("kind", "minmax"), None if clip is None else (float(clip[0]), float(clip[1])))

    def to_json(self) -> str | dict[str, Any]:
        """Return it as users write it.

        >>> Rule("standard").to_json()
        'standard'
        """
        return self.kind if self.clip is None else {"kind": self.kind, "clip": list(self.clip)}


def is_rule(given: object) -> bool:
    """Whether it is one rule, right or wrong, rather than several by names of branches."""
    return not isinstance(given, Mapping) or bool(given and given.keys() <= {"kind", "clip"})


def why_not_rule(given: object) -> str:
    """Tell what a rule must be, if this is none; nothing if it is one.

    >>> why_not_rule("standart")
    "'minmax', 'standard', 'robust' or 'none' (did you mean 'standard'?)"
    """
    if isinstance(given, str):
        return "" if given in KINDS else f"'minmax', 'standard', 'robust' or 'none'{nearest(given, KINDS)}"
    if not isinstance(given, Mapping) or not given or not given.keys() <= {"kind", "clip"}:
        return MUST
    if (kind := given.get("kind", "minmax")) not in KINDS:
        return MUST + (nearest(kind, KINDS) if isinstance(kind, str) else "")
    return "" if given.get("clip") is None or _limits(given["clip"]) else f"{MUST}, finite float32 numbers in order"


def _limits(clip: object) -> bool:
    """Whether it is a lower and an upper limit."""
    if not isinstance(clip, (list, tuple)) or len(clip) != 2 or any(isinstance(limit, (bool, str)) for limit in clip):
        return False
    try:
        with np.errstate(over="ignore"):
            lower, upper = (np.float32(limit) for limit in clip)
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(lower) and np.isfinite(upper) and lower <= upper)
