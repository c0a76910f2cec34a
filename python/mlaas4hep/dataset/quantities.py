"""What labels, targets, weights and splits take of every event: a branch, or a formula over branches."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import split_nulls
from mlaas4hep.dataset.preprocess import Schemas, compile_for
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.errors import ExpressionError, nearest
from mlaas4hep.preproc import NewBranch, Preprocessing
from mlaas4hep.sentinels import Sentinels, are_sentinels
from mlaas4hep.sources import Column

__all__ = ["FOLDS", "Quantities", "Quantity", "quantity_of"]

NAME = re.compile(r"[\w.]+")
"""What can only be the name of a branch, or a number."""
SPECTRUM, FOLDS = "spectrum", "folds"
"""What a quantity is for whose branch is an input all the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """A number, or for labels a name, that every event has: a branch of the files, or a formula over branches.

    ``role`` says what it is for, ``text`` is what the user wrote. ``alone`` tells that it is a branch by itself, of
    the files or a new one, which is then no input. ``sentinels`` are numbers of the branch that mean none; a formula
    knows those of its branches. Those of spectra and folds are always formulas.
    """

    role: str
    text: str
    alone: bool
    formula: _rust.Formulas | None
    sentinels: tuple[float, ...]
    threads: int

    def __str__(self) -> str:
        """Return what it is, as messages name it."""
        return f"branch {self.text!r}" if self.alone else f"formula {self.text!r}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the compiled formula behind: who gets what a first pass found reads nothing more of it."""
        return Quantity, (self.role, self.text, self.alone, None, self.sentinels, self.threads)

    @property
    def reads(self) -> list[str]:
        """The branches of the files that it takes."""
        return [self.text] if self.formula is None else self.formula.new_reads

    def column(self, columns: Mapping[str, Column], entries: NDArray[np.int64], path: str) -> Column:
        """Return it for events, of which ``columns`` has the branches and ``entries`` the numbers in their file."""
        if self.formula is None:
            return columns[self.text]
        try:
            ((values, _, nulls),) = self.formula.compute(columns, self.threads, entries).values()
        except ExpressionError as error:
            raise ExpressionError(f"{path}: {self.role}: {error}") from None
        return values if nulls is None else _rust.Masked(values, nulls, valid_when=False)

    def numbers(
        self, columns: Mapping[str, Column], entries: NDArray[np.int64], path: str
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return it as float64, and for which events it is missing: null, NaN, infinite, or a sentinel."""
        values, nulls = split_nulls(self.column(columns, entries, path))
        missing = nulls | ~np.isfinite(values) | are_sentinels(values, self.sentinels)
        return values.astype(np.float64), missing


@dataclass(frozen=True, slots=True, eq=False)
class Quantities:
    """All that is taken of events besides their inputs and identifiers."""

    label: Quantity | None = None
    targets: tuple[Quantity, ...] = ()
    weight: Quantity | None = None
    spectrum: tuple[Quantity, ...] = ()
    split: Quantity | None = None

    @classmethod
    def of(cls, wanted: Wanted, schemas: Schemas, sentinels: Sentinels) -> "Quantities":
        """Compile what a user wants for the branches of all files."""

        def made(role: str, text: str | None) -> Quantity | None:
            if text is None:
                return None
            return quantity_of(role, text, wanted.preproc, schemas, sentinels, wanted.threads)

        flatten = wanted.weights.flatten
        return cls(
            made("label", wanted.label),
            tuple(found for text in wanted.targets if (found := made("target", text))),
            made("weight", wanted.weights.by),
            tuple(found for text, _ in (flatten.by if flatten else ()) if (found := made(SPECTRUM, text))),
            made("split", wanted.split_by.by if wanted.split_by else None),
        )

    @property
    def all(self) -> list[Quantity]:
        """All of them that there are."""
        found = [self.label, *self.targets, self.weight, *self.spectrum, self.split]
        return [quantity for quantity in found if quantity is not None]

    @property
    def reads(self) -> list[str]:
        """The branches of the files that they take."""
        return list(dict.fromkeys(name for quantity in self.all for name in quantity.reads))

    @property
    def alone(self) -> dict[str, str]:
        """The branches that are no inputs, since they stand alone as one of these: what each is for."""
        return {quantity.text: quantity.role for quantity in self.all if quantity.alone}


def quantity_of(
    role: str, text: str, preproc: Preprocessing, schemas: Schemas, sentinels: Sentinels, threads: int
) -> Quantity:
    """Return the branch or the formula that a text means; a single word that is neither is left to be refused."""
    known = {name for _, schema in schemas for name in schema}
    new = [branch.name for branch in preproc.new_branches]
    word = text in known or (text not in new and NAME.fullmatch(text))
    if word and role not in (SPECTRUM, FOLDS):
        return Quantity(role, text, True, None, tuple(sentinels.get(text, ())), threads)
    formula = NewBranch(f"{role}: {text}", text, "flat", role)
    alone = replace(preproc, new_branches=(*preproc.new_branches, formula), cuts=(), cut_branches=())
    try:
        compiled = compile_for(replace(alone, removed=tuple(new)), schemas, sentinels)
    except ExpressionError as error:
        if text in known:
            raise ExpressionError(f"{role}: branch {text!r} cannot be taken: {error}") from None
        listed = schemas[0][0] + (f" and {len(schemas) - 1} more" if len(schemas) > 1 else "")
        raise ExpressionError(
            f"{role}: {text!r} is no branch of {listed}{nearest(text, [*known, *new])}, and no formula: {error}"
        ) from None
    if compiled is None or not compiled.new_reads:
        raise ExpressionError(f"{role}: the formula {text!r} takes no branch, so it is the same for every event")
    return Quantity(role, text, text in new and role not in (SPECTRUM, FOLDS), compiled, (), threads)
