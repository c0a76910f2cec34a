"""Columns and well-typed formulas for Hypothesis, and what a formula of floats gives in Awkward Array.

A formula's text is put together from smaller ones. With each goes its type, whether it is one value an event or a list
(and which lists have its lengths), and a function of Awkward arrays that computes the same. Only ``restricted``
formulas, of float64 columns and without integers and elementary functions, make use of that function.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any
from zlib import crc32

import awkward as ak
import numpy as np
from hypothesis import strategies as st
from mlaas4hep._reference import Column
from numpy.typing import NDArray

from tests.strategies import INTEGERS, SEEDS, Table, pools, validities

Compute = Callable[..., Any]
Lists = tuple[Any, ...]  # the name of a collection, and the masks that its lists were filtered by

FLAT = ("ht", "n", "good")
COLLECTIONS: Mapping[str, tuple[str, ...]] = {"jet": ("jet_pt", "jet_eta", "jet_id"), "mu": ("mu_pt", "mu_q")}
TYPES = ("bool", *INTEGERS, *["int64"] * 3, "float32", "float64", "float64")
EVENTS = st.sampled_from([0, 1, 2, 3, 5, 9, 33])


# Columns


@st.composite
def columns(draw: st.DrawFn, lists: Column | None, events: int, dtypes: Sequence[str]) -> Column:
    """Draw a column with the offsets of ``lists``, or a flat one: mostly small numbers, sometimes extreme ones."""
    size = events if lists is None else len(lists.values)
    dtype = draw(st.sampled_from(dtypes))
    pool = draw(pools(dtype)) if draw(st.integers(0, 3)) == 0 else draw(small(dtype))
    values = pool[np.random.default_rng(draw(SEEDS)).integers(len(pool), size=size)]
    valid = draw(validities(size))
    return Column(values, valid) if lists is None else Column(values, valid, lists.offsets, lists.list_valid)


def small(dtype: str) -> st.SearchStrategy[NDArray[Any]]:
    """Draw a few numbers that formulas seldom drive out of their type, NaN and infinities, extremes of int64."""
    ordinary = [0, 1, 2, 3, 5, 20]
    pool: list[Any] = ordinary if dtype.startswith("u") or dtype == "bool" else [*ordinary, -1, -2, -7]
    if dtype.startswith("float"):
        pool = [*pool, -0.0, 0.5, 0.25, -1.5, np.nan, np.inf, -np.inf]
    if dtype == "int64":
        pool = [*pool, 2**62, 2**63 - 1, -(2**63)]
    return st.lists(st.sampled_from(pool), min_size=1, max_size=8).map(lambda numbers: np.array(numbers, dtype))


@st.composite
def lists_of(draw: st.DrawFn, events: int) -> Column:
    """Draw the lengths of a collection, and which of its lists are null."""
    random = np.random.default_rng(draw(SEEDS))
    lengths = random.integers(0, draw(st.sampled_from([1, 2, 4, 7])), events)
    offsets = np.cumsum([0, *lengths])
    return Column(np.zeros(offsets[-1]), None, offsets, draw(validities(events)))


@st.composite
def tables(draw: st.DrawFn, events: int | None = None, restricted: bool = False) -> Table:
    """Draw flat columns, and two collections of jagged ones; ``restricted``: float64 only."""
    events = draw(EVENTS) if events is None else events
    dtypes = ("float64",) if restricted else TYPES
    table = {name: draw(columns(None, events, dtypes)) for name in FLAT}
    for names in COLLECTIONS.values():
        lists = draw(lists_of(events))
        table |= {name: draw(columns(lists, events, dtypes)) for name in names}
    return table


def awkward(table: Table) -> dict[str, ak.Array]:
    """Return float64 columns as Awkward arrays: null is NaN, a null list is empty."""
    arrays = {}
    for name, column in table.items():
        values, null = column.flattened()
        lengths = np.array([len(at) for at in column.lists()], np.int64)
        array = ak.Array(np.where(null, np.nan, values.astype(np.float64)))
        arrays[name] = array if column.kind == "flat" else ak.unflatten(array, lengths)
    return arrays


# What Awkward Array computes


def choose(condition: Any, one: Any, other: Any) -> Any:
    if not isinstance(condition, ak.Array):
        return one if condition else other
    return ak.where(*ak.broadcast_arrays(condition, one, other))


def known(x: Any) -> Any:
    return x[~np.isnan(x)]


def filled(x: Any) -> Any:
    return ak.fill_none(x, False if "bool" in str(ak.type(x)) else np.nan)


def ak_at(x: Any, place: int) -> Any:
    places = ak.local_index(x, axis=1)
    found = x[places == place] if place >= 0 else x[places - ak.num(x, axis=1) == place]
    return filled(ak.firsts(found, axis=1))


def ak_mean(x: Any) -> Any:
    return ak.sum(known(x), axis=1) / ak.count(known(x), axis=1)


def ak_sort(x: Any, by: Any, descending: bool) -> Any:
    there = ~np.isnan(by)
    order = ak.argsort(by[there], axis=1, ascending=not descending, stable=True)
    return ak.concatenate([x[there][order], x[~there]], axis=1)


def chain(low: Compute, high: Compute) -> Compute:
    return lambda a, b, c: low(a, b) & high(b, c)


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to make a formula from others: its text, what they must be, what it is, and how Awkward does it.

    ``takes``, for all or for each: ``"bool"``, ``"int"``, ``"number"`` (bools become one) or ``"any"``. ``gives``: a
    type; ``"widest"``: int64, or float64 where a part is; ``"same"``: likewise, but bool where all are; ``"power"``.
    """

    text: str
    gives: str
    compute: Compute | None = None
    takes: str = "number"
    number: int = 2

    @property
    def takes_all(self) -> list[str]:
        return self.takes.split() if " " in self.takes else [self.takes] * self.number


def infix(symbols: Mapping[str, Compute | None], gives: str, takes: str = "number") -> list[Rule]:
    return [Rule(f"({{}} {symbol} {{}})", gives, compute, takes) for symbol, compute in symbols.items()]


def calls(functions: Mapping[str, Compute | None], gives: str, number: int, takes: str = "number") -> list[Rule]:
    places = ", ".join(["{}"] * number)
    return [Rule(f"{name}({places})", gives, compute, takes, number) for name, compute in functions.items()]


LESS: Mapping[str, Compute] = {
    "min": lambda a, b: choose((a < b) | np.isnan(a), a, b),
    "max": lambda a, b: choose((a > b) | np.isnan(a), a, b),
    "fmin": lambda a, b: choose((a < b) | np.isnan(b), a, b),
    "fmax": lambda a, b: choose((a > b) | np.isnan(b), a, b),
}
COMPARE: Mapping[str, Compute] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
ROUND: Mapping[str, Compute] = {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint}
LOGIC: Mapping[str, Compute] = {"&": operator.and_, "|": operator.or_, "and": operator.and_, "or": operator.or_}
ONE = "exp exp2 expm1 log log2 log10 log1p cbrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh"
ELEMENTARY = (*ONE.split(), "erf", "erfc", "tgamma", "lgamma")

# Literals of float64, and what is done with integer literals of one digit alone.
LITERALS = (0.0, 0.5, 1.0, 1.5, 2.0, 0.1, 1e3, 1e300, 5e-324)
FOLDED = ("({} + {})", "({} - {})", "({} * {})", "(+{})")

# The sign of a NaN is not the same everywhere; only numbers are asked for theirs.
SIGNED = "where({0} == {0}, {0}, -1.0)"

RULES = [
    *infix({"+": operator.add, "-": operator.sub, "*": operator.mul}, "widest"),
    *infix({"//": np.floor_divide, "%": np.remainder}, "widest"),
    *infix({"/": operator.truediv}, "float64"),
    Rule("(-{})", "widest", operator.neg, number=1),
    Rule("(+{})", "widest", operator.pos, number=1),
    *infix(COMPARE, "bool"),
    *(
        Rule(f"({{}} {low} {{}} {high} {{}})", "bool", chain(COMPARE[low], COMPARE[high]), number=3)
        for low, high in (("<", "<"), ("<=", ">"), ("==", "!="), (">=", "<="))
    ),
    *infix(LOGIC, "bool", "bool"),
    *calls({"logical_and": operator.and_, "logical_or": operator.or_}, "bool", 2, "bool"),
    *calls({"logical_not": operator.invert}, "bool", 1, "bool"),
    Rule("(~{})", "bool", operator.invert, "bool", 1),
    Rule("(not {})", "bool", operator.invert, "bool", 1),
    *calls({"abs": np.abs, "sign": lambda x: np.sign(x) + 0.0, "neg": operator.neg}, "widest", 1),
    *calls({**ROUND, "round": np.rint}, "widest", 1),
    *calls({**LESS, "minimum": LESS["min"], "maximum": LESS["max"]}, "widest", 2),
    *calls({"sqrt": np.sqrt}, "float64", 1),
    *calls({"nextafter": np.nextafter}, "float64", 2),
    *calls({"isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite}, "bool", 1),
    Rule(f"signbit({SIGNED})", "bool", lambda x: np.signbit(choose(np.isnan(x), -1.0, x)), number=1),
    Rule(f"copysign({{1}}, {SIGNED})", "float64", lambda sign, x: np.copysign(x, choose(np.isnan(sign), -1.0, sign))),
    Rule("where({}, {}, {})", "same", choose, "bool any any", 3),
    Rule("({} ** {})", "power"),
    *calls(dict.fromkeys(("atan2", "hypot")), "float64", 2),
    *calls(dict.fromkeys(ELEMENTARY), "float64", 1),
    *calls({"factorial": None}, "int64", 1, "int"),
]

REDUCTIONS = [
    *calls({"any": lambda x: ak.any(x, axis=1), "all": lambda x: ak.all(x, axis=1)}, "bool", 1, "bool"),
    *calls({"sum": lambda x: ak.sum(known(x), axis=1), "prod": lambda x: ak.prod(known(x), axis=1)}, "widest", 1),
    *calls({"min": lambda x: filled(ak.min(known(x), axis=1))}, "widest", 1),
    *calls({"max": lambda x: filled(ak.max(known(x), axis=1))}, "widest", 1),
    *calls({"mean": ak_mean}, "float64", 1),
    *calls(dict.fromkeys(("count", "argmin", "argmax")), "int64", 1),
    *calls({"first": lambda x: ak_at(x, 0), "last": lambda x: ak_at(x, -1)}, "same", 1, "any"),
    *(Rule(f"{{}}[{i}]", "same", partial(ak_at, place=i), "any", 1) for i in (0, 1, 2, -1, -2, 7, -7)),
]


# Formulas


@dataclass(frozen=True)
class Formula:
    """A formula's text, its type, whose lists it has, and how Awkward Array computes it (from ``awkward``'s arrays)."""

    text: str
    type: str
    lists: Lists = ()
    constant: bool = False
    compute: Compute = field(default=lambda arrays: None, repr=False, compare=False)

    @property
    def shape(self) -> str:
        """``"constant"``, ``"flat"`` or ``"jagged"``."""
        return "constant" if self.constant else "jagged" if self.lists else "flat"


def widened(dtype: str) -> str:
    return "bool" if dtype == "bool" else "float64" if dtype.startswith("float") else "int64"


def joined(text: str, type_: str, compute: Compute | None, parts: Sequence[Formula]) -> Formula:
    """Make a formula from others."""
    lists = next((part.lists for part in parts if part.lists), ())
    constant = all(part.constant for part in parts)

    def computed(arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return None if compute is None else compute(*(part.compute(arrays) for part in parts))

    return Formula(text.format(*(part.text for part in parts)), type_, lists, constant, computed)


def filtered(x: Formula, mask: Formula) -> Formula:
    found = joined("{}[{}]", x.type, lambda x, mask: x[mask], [x, mask])
    return replace(found, lists=(*x.lists, mask))


def type_of(rule: Rule, parts: Sequence[Formula]) -> str:
    if rule.gives == "power":
        return "int64" if parts[0].type != "float64" and parts[1].text.isdigit() else "float64"
    types = {part.type for part, takes in zip(parts, rule.takes_all, strict=True) if takes != "bool"}
    if rule.gives == "same" and types == {"bool"}:
        return "bool"
    if rule.gives in ("same", "widest"):
        return "float64" if "float64" in types else "int64"
    return rule.gives


class Maker:
    """Makes random formulas of the columns of a table."""

    def __init__(self, seed: int, table: Table, restricted: bool, mismatched: bool) -> None:
        self.random, self.table = Random(seed), table
        self.restricted, self.mismatched = restricted, mismatched
        usable = [[rule for rule in some if rule.compute or not restricted] for some in (RULES, REDUCTIONS)]
        self.rules, self.reductions = usable

    def one_of(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def formula(self, depth: int, lists: Lists) -> Formula:
        """Make a formula of these lists (flat: none), or one that is the same for every entry."""
        if depth <= 0:
            return self.name(lists) if self.one_of(True, True, True, False) else self.literal(lists)
        kinds = [self.name, self.by_rule, self.by_rule, self.by_rule, self.by_rule, self.reduced]
        kinds += [self.sorted, self.filtered if len(lists) > 1 else self.by_rule] if lists else [self.reduced]
        kind: Callable[[Lists, int], Formula] = self.one_of(*kinds)
        return kind(lists, depth - 1)

    def jagged(self, depth: int, lists: Lists) -> Formula:
        found = self.formula(depth, lists)
        return found if found.lists else self.name(lists)

    def lists(self, depth: int) -> Lists:
        """Choose a collection, whole or filtered."""
        lists: Lists = (self.one_of(*COLLECTIONS),)
        if depth <= 0 or self.one_of(True, True, False):
            return lists
        mask = self.fitted("bool", self.jagged(depth - 1, lists))
        return (*lists, mask)

    def literal(self, lists: Lists = (), depth: int = 0) -> Formula:
        integer = not self.restricted and self.one_of(True, False)
        value = self.one_of(0, 1, 2, 3, 7, 2**53 + 1, 2**63 - 1) if integer else self.one_of(*LITERALS)
        return Formula(repr(value), "int64" if integer else "float64", (), True, lambda arrays: value)

    def name(self, lists: Lists, depth: int = 0) -> Formula:
        """Choose a column: a flat one, or one of these lists, through their filters."""
        name = self.one_of(*(COLLECTIONS[lists[0]] if lists else FLAT))
        found = Formula(name, widened(self.table[name].type), lists[:1], False, lambda arrays: arrays[name])
        for mask in lists[1:]:
            found = filtered(found, mask)
        return found

    def by_rule(self, lists: Lists, depth: int) -> Formula:
        rule = self.one_of(*self.rules)
        parts = [self.fitted(takes, self.formula(depth, lists)) for takes in rule.takes_all]
        if rule.gives == "power" and self.one_of(True, False):
            parts[1] = Formula(self.one_of("0", "1", "2", "3"), "int64", constant=True)
        if self.mismatched and lists and len(parts) > 1 and self.random.random() < 0.1:
            parts[-1] = self.fitted(rule.takes_all[-1], self.jagged(0, self.lists(1)))
        # Constants are worked out where that cannot overflow.
        short = all(part.text.isdigit() and len(part.text) == 1 for part in parts) and rule.text in FOLDED
        negative = rule.text == "(-{})" and "(" not in parts[0].text
        if all(part.constant for part in parts) and not short and not negative:
            parts[0] = self.fitted(rule.takes_all[0], self.name(lists))
        return joined(rule.text, type_of(rule, parts), rule.compute, parts)

    def reduced(self, lists: Lists, depth: int) -> Formula:
        """Make something flat that is made of lists, whatever lists it is wanted for."""
        x = self.jagged(depth - 1, self.lists(depth))
        if not self.restricted and self.random.random() < 0.2:
            place = self.fitted("int", self.formula(depth - 1, ()))
            return replace(joined("{}[{}]", x.type, None, [x, place]), lists=())
        rule = self.one_of(*self.reductions)
        part = self.fitted(rule.takes, x)
        return replace(joined(rule.text, type_of(rule, [part]), rule.compute, [part]), lists=())

    def sorted(self, lists: Lists, depth: int) -> Formula:
        x, by = self.jagged(depth, lists), self.fitted("number", self.jagged(depth, lists))
        by = joined("({} * 1)", "int64", None, [by]) if by.type == "bool" else by
        descending = self.one_of(True, False)
        text = f"sort({{}}, by={{}}, descending={descending})"
        return joined(text, x.type, lambda x, by: ak_sort(x, by, descending), [x, by])

    def filtered(self, lists: Lists, depth: int) -> Formula:
        return filtered(self.jagged(depth, lists[:-1]), lists[-1])

    def fitted(self, takes: str, part: Formula) -> Formula:
        """Return what a rule takes, made of the formula if it is something else."""
        if takes == "bool" and part.type != "bool":
            part = self.name(()) if part.constant else part
            return part if part.type == "bool" else joined("({} > 0.5)", "bool", lambda x: x > 0.5, [part])
        if takes == "number" and self.restricted and part.type == "bool":
            return joined("where({}, 1.5, -0.5)", "float64", lambda x: choose(x, 1.5, -0.5), [part])
        if takes == "int" and part.type != "int64":
            part = self.name(()) if part.constant else part
            text = "where({}, 3, 1)" if part.type == "bool" else "where({} > 0.5, 2, 0)"
            return part if part.type == "int64" else joined(text, "int64", None, [part])
        return part


@st.composite
def formulas(
    draw: st.DrawFn,
    table: Table,
    depth: int = 4,
    shape: str | None = None,
    type_: str | None = None,
    restricted: bool = False,
    mismatched: bool = False,
) -> Formula:
    """Draw a formula of a table of ``tables``, not a constant one; failures shrink to those of small depth.

    ``type_`` may be ``"bool"``, as cuts need. ``mismatched``: values of lists of different lengths may meet.
    """
    # Hypothesis varies a part of what it drew: with the values of the table the formula changes too.
    values = crc32(b"".join(column.values.tobytes() for column in table.values()))
    maker = Maker(draw(SEEDS) ^ values, table, restricted, mismatched)
    depth = draw(st.sampled_from([*range(depth), *[depth] * 4]))
    shape = draw(st.sampled_from(["flat", "jagged"])) if shape is None else shape
    lists = maker.lists(depth - 1) if shape == "jagged" else ()
    found = maker.jagged(depth, lists) if lists else maker.formula(depth, ())
    found = maker.fitted(type_ or "any", maker.name(()) if found.constant else found)
    # In Python's own notation: only the parentheses that must be there.
    return replace(found, text=ast.unparse(ast.parse(found.text, mode="eval"))) if draw(st.booleans()) else found
