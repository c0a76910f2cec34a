"""What weighs events: what users write, validated into a frozen dataclass."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from mlaas4hep.errors import ParamsError, nearest

__all__ = ["CrossSections", "Flatten", "Weights"]

NEGATIVE = ("keep", "abs", "drop")
METHODS = ("weights", "sampling")
MOST_BINS = 1_000_000
FLAT = "flat"


@dataclass(frozen=True, slots=True)
class CrossSections:
    """What inputs weigh in all: a cross-section, one for all inputs or one each, times the luminosity.

    >>> CrossSections([0.5, 830], luminosity=100).cross_section
    (0.5, 830.0)
    """

    cross_section: float | tuple[float, ...]
    luminosity: float = 1.0

    def __post_init__(self) -> None:
        """Raise ``ParamsError`` unless these are positive numbers."""
        given: Any = self.cross_section
        what = "weights: scale: cross_section"
        found = _positive(what, given) if isinstance(given, (int, float, np.number)) else _all_positive(what, given)
        object.__setattr__(self, "cross_section", found)
        object.__setattr__(self, "luminosity", _positive("weights: scale: luminosity", self.luminosity))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        given = self.cross_section
        return {
            "cross_section": list(given) if isinstance(given, tuple) else given,
            "luminosity": self.luminosity,
        }


@dataclass(frozen=True, slots=True)
class Flatten:
    """The spectrum of one or two variables that every class gets.

    ``by`` has for each of the variables, which are branches or formulas, the edges of its bins; ``target`` is
    ``"flat"`` or the name of the class whose spectrum all get; ``method`` is ``"weights"`` or ``"sampling"``.

    >>> Flatten({"jetPt0": [30, 50, 100]}).by
    (('jetPt0', (30.0, 50.0, 100.0)),)
    """

    by: tuple[tuple[str, tuple[float, ...]], ...]
    target: str | int = FLAT
    method: str = "weights"

    def __post_init__(self) -> None:
        """Raise ``ParamsError`` where there are no one or two variables with edges that rise."""
        by: Any = self.by
        by = dict(by) if isinstance(by, tuple) else by
        if not isinstance(by, Mapping) or not 1 <= len(by) <= 2 or not all(isinstance(name, str) for name in by):
            raise ParamsError("weights: flatten: by must have one or two branches or formulas, each with its edges")
        object.__setattr__(self, "by", tuple((name, _edges(name, given)) for name, given in by.items()))
        if self.bins > MOST_BINS:
            raise ParamsError(f"weights: flatten: {self.bins:,} bins are too many; there may be {MOST_BINS:,}")
        if self.method not in METHODS:
            raise ParamsError(f"weights: flatten: method is {self.method!r}; it must be 'weights' or 'sampling'")
        target: Any = self.target
        if isinstance(target, bool) or not isinstance(target, (str, int)):
            raise ParamsError(f"weights: flatten: target is {target!r}; it must be 'flat' or a class")

    @property
    def bins(self) -> int:
        """How many bins there are in all."""
        return math.prod(len(edges) - 1 for _, edges in self.by)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        by = {name: list(edges) for name, edges in self.by}
        return {"by": by, "target": self.target, "method": self.method}


@dataclass(frozen=True, slots=True)
class Weights:
    r"""What weighs the events of a dataset; each step changes the weights w of the one before, in this order.

    W is a sum over the events of the train part, so that nothing follows from the labels of validation and test; what
    follows from it applies to all parts. Where the train part has no events, W is over all that are used; folds have
    the weights of the dataset that they are made of, whatever is test in them. Sums are exact, so that no order of
    files, no number of threads and no way of reading changes a bit. An event without any step weighs 1.

    Attributes
    ----------
    by
        A flat branch, or a formula that gives one number an event: w = by. Every event that is used must have one
        that is finite. Mean and deviation in the specs count events with it, behind ``negative`` and before the rest.
    negative
        What becomes of negative weights, which is an error until it is said: ``"keep"``, ``"abs"`` (w = \|w\|), or
        ``"drop"``, which leaves these events out and counts them.
    scale
        A list with a positive number for each input: w = w s. Or ``{"cross_section": [..], "luminosity": L}``, one
        cross-section for each input or one number for all: w = w x L / S, where S sums the weights of all entries read
        of the input's files, before any cut, since that is what a generator's weights are normalised to. Before cuts
        an input so weighs x L, whatever part of its files is read (``nevts``). Files of a glob are one input.
    flatten
        ``{"by": {"jetPt0": [30, 50, 100], "eta": [-2.5, 0, 2.5]}, "target": "flat", "method": "weights"}``: every class
        c gets the same spectrum of one or two variables, branches or formulas, in these bins (the lower edge is in a
        bin, the last upper edge too). With a target t(b) = 1 (``"flat"``: the same sum in every bin, however wide),
        or that of a class, t(b) = W(class, b): w = w t(b) W(c) / (W(c, b) T(c)), where T(c) sums t over the bins in
        which class c has train events; the sum of the class stays. Events in bins where it has none weigh 0, which is
        said. ``"sampling"`` instead keeps an event with a probability in proportion to t(b) / W(c, b), the largest of
        the class being 1; what is drawn follows from seed and identity of an event, and is done to all parts; in bins
        without train events none is kept. Events outside the edges, or without a value, are left out and counted.
        Specs are of the events before sampling.
    balanced
        True: every class gets the same sum, and the mean weight is 1, over the train part:
        w = w N / (C W(c)) for N train events in C classes.

    Raises
    ------
    ParamsError
        A value is not what it must be. Later: weights that sum to 0 or less, in all or of a class; a weight that is
        missing; negative ones of which nothing is said.

    Examples
    --------
    >>> Weights.of({"by": "genWeight", "negative": "keep", "balanced": True})
    Weights(by='genWeight', scale=None, balanced=True, flatten=None, negative='keep')
    >>> Weights.of("balanced") == Weights(balanced=True)
    True
    """

    by: str | None = None
    scale: tuple[float, ...] | CrossSections | None = None
    balanced: bool = False
    flatten: Flatten | None = None
    negative: str | None = None

    def __post_init__(self) -> None:
        """Raise ``ParamsError`` where a value is not what it must be."""
        by: Any = self.by
        balanced: Any = self.balanced
        if by is not None and (not isinstance(by, str) or not by.strip()):
            raise ParamsError(f"weights: by is {by!r}; it must be the name of a branch, or a formula")
        if not isinstance(balanced, bool):
            raise ParamsError(f"weights: balanced is {self.balanced!r}; it must be True or False")
        if self.negative is not None and self.negative not in NEGATIVE:
            raise ParamsError(f"weights: negative is {self.negative!r}; it must be 'keep', 'abs' or 'drop'")
        object.__setattr__(self, "scale", _scale(self.scale))
        flatten: Any = self.flatten
        if isinstance(flatten, Mapping):
            object.__setattr__(self, "flatten", _made(Flatten, flatten, "weights: flatten", "by"))
        elif flatten is not None and not isinstance(flatten, Flatten):
            raise ParamsError(f"weights: flatten is {flatten!r}; it must be an object with by, target and method")

    def __bool__(self) -> bool:
        return self != Weights()

    @classmethod
    def of(cls, given: object) -> "Weights":
        """Return what a user may mean.

        None (all weigh 1), ``"balanced"``, a branch or formula, a list with a number for each input, a ``Weights``, or
        a mapping like one.
        """
        if given is None:
            return cls()
        if isinstance(given, Weights):
            return given
        if isinstance(given, str):
            return cls(balanced=True) if given == "balanced" else cls(by=given)
        if isinstance(given, Mapping):
            made: Weights = _made(cls, given, "weights")
            return made
        return cls(scale=_all_positive("weights", given))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: what is not given is left out."""
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                found[field.name] = list(value) if isinstance(value, tuple) else value
                if isinstance(value, (CrossSections, Flatten)):
                    found[field.name] = value.to_dict()
        return found


def _made(kind: Any, given: Mapping[Any, Any], where: str, needed: str | None = None) -> Any:
    """What a mapping says, whose keys must be known."""
    known = [field.name for field in fields(kind)]
    for key in given:
        if key not in known:
            raise ParamsError(f"{where}: unknown key {key!r}{nearest(str(key), known)}; known are {', '.join(known)}")
    if needed is not None and needed not in given:
        raise ParamsError(f"{where}: {needed} is missing")
    return kind(**given)


def _scale(given: Any) -> tuple[float, ...] | CrossSections | None:
    if given is None or isinstance(given, CrossSections):
        return given
    if isinstance(given, Mapping):
        found: CrossSections = _made(CrossSections, given, "weights: scale", "cross_section")
        return found
    return _all_positive("weights: scale", given)


def _all_positive(what: str, given: object) -> tuple[float, ...]:
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise ParamsError(f"{what} is {given!r}; it must be a list with a positive number for each input")
    return tuple(_positive(what, number) for number in given)


def _positive(what: str, number: object) -> float:
    if isinstance(number, bool) or not isinstance(number, Real) or not 0 < float(number) < math.inf:
        raise ParamsError(f"{what}: {number!r} is no positive number")
    return float(number)


def _edges(name: str, given: object) -> tuple[float, ...]:
    """The edges of bins: two finite numbers or more, which rise."""
    edges = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
    right = len(edges) > 1 and all(isinstance(edge, Real) and math.isfinite(edge) for edge in edges)
    if not right or not all(low < high for low, high in pairwise(edges)):
        raise ParamsError(f"weights: flatten: the edges of {name!r} are {given!r}; they must be numbers that rise")
    return tuple(float(edge) for edge in edges)
