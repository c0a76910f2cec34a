"""How a plan normalises each branch, for who draws it."""

import json
from dataclasses import dataclass
from math import inf
from typing import Any, Self

import numpy as np

from mlaas4hep.plan import Plan
from mlaas4hep.specs import Specs

__all__ = ["Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """What becomes of the values of a branch: ``(x - shift) / length``, 0 where they all become so, then clipped.

    ``"none"`` is a shift of 0 and a length of 1. ``quarter`` is a fourth of the length, which itself may overflow.
    """

    shift: float = 0.0
    quarter: float = 0.25
    clip: tuple[float, float] | None = None

    @classmethod
    def all_of(cls, plan: Plan, specs: Specs) -> dict[str, Self]:
        """Return that of every branch of a plan, made from these specs.

        >>> import mlaas4hep
        >>> specs = mlaas4hep.scan({"met": np.array([1.0, 3.0])})
        >>> Scale.all_of(mlaas4hep.Plan(specs), specs)
        {'met': Scale(shift=1.0, quarter=0.5, clip=None)}
        """
        steps = [step for step in json.loads(plan.to_text())["steps"] if step["op"] == "scale"]
        return {name: cls._of(step, specs.types[name]) for name, step in zip(plan.branches, steps, strict=True)}

    @classmethod
    def _of(cls, step: dict[str, Any], type_: str) -> Self:
        clip = (step["clip"][0], step["clip"][1]) if "clip" in step else None
        if step["normalize"] == "none":
            return cls(clip=clip)
        if step.get("min") is not None:
            low, high = float(step["min"]), float(step["max"])
            return cls(low, high / 4 - low / 4, clip)
        center = step.get("center")
        if center is None:
            return cls(0.0, 0.0, clip)
        if np.can_cast(type_, np.float32):  # which then is the type of the arithmetic
            center = float(np.float32(center))
        return cls(center, step["scale"] / 4, clip)

    @property
    def constant(self) -> bool:
        """Whether all values become the same."""
        return self.quarter == 0 or 0.25 / self.quarter == inf

    def image(self, value: float) -> float:
        """Return what becomes of a value."""
        found = 0.0 if self.constant else (value / 4 - self.shift / 4) / self.quarter
        return found if self.clip is None else min(max(found, self.clip[0]), self.clip[1])
