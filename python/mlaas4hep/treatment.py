"""What the options of a plan mean for each branch of specs, and which tensors they make of them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, TypedDict, TypeVar

import numpy as np

from mlaas4hep.errors import BranchError, ParamsError, nearest
from mlaas4hep.grouping import Groups, by_record, whole
from mlaas4hep.normalize import Rule, is_rule
from mlaas4hep.planoptions import PlanOptions, layout_of
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.specs import Specs
from mlaas4hep.tensors import MATRIX

__all__ = ["Resolver", "Tensor", "Treatment"]

V = TypeVar("V")


class Treatment(TypedDict):
    """What the core does with one branch."""

    normalize: str
    clip: tuple[float, float] | None
    width: int | None
    fill: float | None
    wrap: bool
    largest: str | None


Tensor = tuple[str, list[int], list[str]]
"""Name, shape behind the events and branches of a tensor."""


@dataclass(frozen=True)
class Resolver:
    """Options of a plan, looked up in specs and preprocessing; ``find`` tells which branches are collections."""

    options: PlanOptions
    specs: Specs
    preproc: Preprocessing
    find: Callable[[], Groups] | None = None

    @cached_property
    def layout(self) -> str:
        """The layout's name."""
        return layout_of(self.options)

    @cached_property
    def pad_value(self) -> float:
        """What stands where there is no value."""
        return _number("pad_value", self.options.get("pad_value", 0.0))

    @cached_property
    def groups(self) -> Groups:
        """All jagged branches as collections."""
        jagged = list(self.specs.jkeys)
        declared: object = self.options.get("collections")
        if declared is None:
            return whole(by_record(jagged) if self.find is None else self.find(), jagged)
        if not isinstance(declared, Mapping):
            raise ParamsError(f"collections is {declared!r}; it must be lists of branches by names of collections")
        groups: Groups = {}
        owners: dict[str, str] = {}
        for name, given in declared.items():
            groups[name] = sorted(self._branches(f"collection {name!r}", given, jagged))
            for branch in groups[name]:
                if branch not in jagged:
                    raise ParamsError(f"collection {name!r}: branch {branch!r} is flat; give jagged ones")
                if owners.setdefault(branch, name) != name:
                    raise ParamsError(f"branch {branch!r} is in collection {owners[branch]!r} and in {name!r}")
        for name in groups:
            if name in jagged and name not in owners:
                raise ParamsError(f"collection {name!r}: branch {name!r} is one of its own; choose another name")
        return whole(groups, jagged)

    def branches(self) -> dict[str, Treatment]:
        """Return what is done with every branch."""
        rules, widths = self._rules(), self._widths
        fills = self._by_branch("fill", self.options.get("fill", {}), _number)
        keys = self._by_branch("truncate", self._mapping("truncate"), self._key)
        wraps = self._by_branch("padding", self.options.get("padding", "zeros"), _wraps)
        jagged = self.specs.jdim
        return {
            name: Treatment(
                normalize=rules[name].kind if name in rules else "minmax",
                clip=rules[name].clip if name in rules else None,
                width=widths.get(name, self._usual.get(name)),
                fill=fills.get(name),
                wrap=name in jagged and wraps.get(name, False),
                largest=keys.get(name) if name in jagged else None,
            )
            for name in self.specs.branches
        }

    def tensors(self) -> list[Tensor]:
        """Return what is made beside the matrix."""
        tensors = self._images()
        imaged = {branch for _, _, branches in tensors for branch in branches}
        for name, group in self.groups.items() if self.layout != MATRIX else ():
            branches = [branch for branch in group if branch not in imaged]
            given = [self._widths[branch] for branch in branches if branch in self._widths]
            width = max(given or [self._usual[branch] for branch in branches], default=0)
            if branches:
                tensors.append((name, [len(branches), width], branches))
        names = [MATRIX, *(name for name, _, _ in tensors)]
        for name in names:
            if names.count(name) > 1:
                taken = "is the matrix's name" if name == MATRIX else "stands for two of them"
                raise ParamsError(f"collections and images need names of their own: {name!r} {taken}")
        return tensors

    def _images(self) -> list[Tensor]:
        given: object = self.options.get("images")
        if (self.layout == "image") != bool(given):
            wrong = "images are given" if given else "there are no images"
            raise ParamsError(f"layout is {self.layout!r}, but {wrong}; layout 'image' and images belong together")
        if given and not isinstance(given, Mapping):
            raise ParamsError(f"images is {given!r}; it must be {{name: {IMAGE}}}")
        return [self._image(name, image) for name, image in given.items()] if isinstance(given, Mapping) else []

    def _image(self, name: str, image: object) -> Tensor:
        """One image: jagged branches that are channels, or flat ones that are pixels."""
        if not isinstance(image, Mapping) or image.keys() != {"branches", "shape"}:
            raise ParamsError(f"image {name!r} is {image!r}; it must be {IMAGE}")
        shape = image["shape"]
        if not (isinstance(shape, (list, tuple)) and len(shape) == 2 and all(map(_is_length, shape))):
            raise ParamsError(f"image {name!r}: shape is {shape!r}; it must be (height, width), numbers from 1 on")
        height, width = int(shape[0]), int(shape[1])
        branches = self._branches(f"image {name!r}", image["branches"])
        flat = [branch for branch in branches if branch in self.specs.fkeys]
        if not flat:
            return name, [len(branches), height, width], branches
        if len(flat) < len(branches):
            raise ParamsError(f"image {name!r}: {flat[0]!r} is flat and others are jagged; give one kind")
        if len(branches) % (height * width):
            expected = f"{height} x {width} pixels need {height * width} for each channel"
            raise ParamsError(f"image {name!r} has {len(branches)} flat branches; {expected}")
        return name, [len(branches) // (height * width), height, width], branches

    def _rules(self) -> dict[str, Rule]:
        """The normalisation of branches; that of a new branch holds unless its own name is given another."""
        given = self.options.get("normalize", "minmax")
        by_name = given if isinstance(given, Mapping) and not is_rule(given) else {}
        rules = self._by_branch("normalize", given, lambda what, rule: Rule.of(rule, what))
        own = {new.name: new.normalize for new in self.preproc.new_branches if new.normalize is not None}
        return rules | {name: rule for name, rule in own.items() if name not in by_name}

    @cached_property
    def _usual(self) -> dict[str, int]:
        """The widths of branches for which none are given."""
        quantile = self.options.get("width_quantile")
        return self.specs.jdim if quantile is None else self.specs.widths(quantile)

    @cached_property
    def _widths(self) -> dict[str, int]:
        """The widths that are given, by branch."""
        given = self._mapping("widths")
        for name in given:
            if name in self.specs.fkeys:
                raise ParamsError(f"widths: branch {name!r} is flat; only jagged branches have a width")
        widths = self._by_branch("widths", given, _width)
        return {name: width for name, width in widths.items() if name in self.specs.jdim}

    def _mapping(self, what: str) -> Mapping[str, Any]:
        given: object = self.options.get(what)
        if given is not None and not isinstance(given, Mapping):
            raise ParamsError(f"{what} is {given!r}; it must be values by names of branches or collections")
        return given or {}

    def _key(self, what: str, branch: object) -> str:
        """The branch by whose values entries stay."""
        if branch in self.specs.fkeys:
            raise ParamsError(f"{what} is {branch!r}, which is flat; entries stay by the values of a jagged branch")
        if not isinstance(branch, str) or branch not in self.specs.jdim:
            known = nearest(branch, self.specs.jkeys) if isinstance(branch, str) else ""
            raise BranchError(f"{what} is {branch!r}, which is no branch of the specs{known}")
        return branch

    def _by_branch(self, what: str, given: object, parse: Callable[[str, Any], V]) -> dict[str, V]:
        """Values by branch, from one for all or from some by names, the most specific of which counts."""
        if not isinstance(given, Mapping) or (what == "normalize" and is_rule(given)):
            return dict.fromkeys(self.specs.branches, parse(what, given))
        found: dict[str, V] = {}
        for name in sorted(given, key=self._place):
            place = f"{what}: branch {name!r}" if name in self.specs.branches else f"{what}: {name!r}"
            found |= dict.fromkeys(self._meant(what, name), parse(place, given[name]))
        return found

    def _place(self, name: str) -> tuple[int, int]:
        """Where a name comes among others: the more specific, the later."""
        if name in self.specs.branches:
            return 2, 0
        return (0, len(name)) if _is_glob(name) else (1, 0)

    def _meant(self, what: str, name: str) -> list[str]:
        """The branches that a name, a collection's name or a glob means; those of a glob in natural order."""
        known = self.specs.branches
        if name in known:
            return [name]
        found = [branch for branch in known if fnmatchcase(branch, name)] if _is_glob(name) else []
        if not found:
            found = self.groups.get(name, [])
        if not found:
            raise BranchError(f"{what}: branch {name!r} is not in the specs{nearest(name, [*known, *self.groups])}")
        return sorted(found, key=_natural)

    def _branches(self, what: str, given: object, among: Sequence[str] = ()) -> list[str]:
        """The branches that names and globs mean, each once, in the order given; globs only such as are ``among`` some.

        A glob that means none of these means others.
        """
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
            raise ParamsError(f"{what} has branches {given!r}; give names or globs")
        known = self.specs.branches
        found: dict[str, None] = {}
        for name in names:
            meant = [name] if name in known else [branch for branch in known if fnmatchcase(branch, name)]
            meant = [branch for branch in meant if branch in among] or meant
            if not meant:
                raise BranchError(f"{what}: branch {name!r} is not in the specs{nearest(name, known)}")
            found |= dict.fromkeys(sorted(meant, key=_natural))
        return list(found)


IMAGE = "{'branches': names or globs, 'shape': (height, width)}"


def _is_glob(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their size."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _is_length(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value > 0)


def _number(what: str, value: object) -> float:
    try:
        if isinstance(value, (bool, str)):
            raise TypeError
        with np.errstate(over="ignore"):
            finite = bool(np.isfinite(np.float32(value)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        finite = False
    if not finite:
        raise ParamsError(f"{what} is {value!r}; it must be a finite float32 number")
    return float(value)  # type: ignore[arg-type]


def _width(what: str, width: object) -> int:
    if isinstance(width, bool) or not isinstance(width, (int, np.integer)) or width < 0:
        raise ParamsError(f"{what} has {width!r}; it must be a whole number, not negative")
    return min(int(width), 2**64 - 1)  # what is larger is refused as too wide


def _wraps(what: str, given: object) -> bool:
    if given not in ("zeros", "wrap"):
        near = nearest(given, ["zeros", "wrap"]) if isinstance(given, str) else ""
        raise ParamsError(f"{what} is {given!r}; it must be 'zeros' or 'wrap'{near}")
    return given == "wrap"
