"""What the fields of an RNTuple hold: each number, list and string becomes a branch, under its dotted name."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from uproot.const import RNTupleFieldFlags, RNTupleFieldRole

from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import Branch
from mlaas4hep.sources.root.kinds import UNKNOWN
from mlaas4hep.sources.root.pages import Column, dtype_of

__all__ = ["Field", "Level", "fields_of"]

NULLABLE = ("std::optional<", "std::unique_ptr<")
CARDINALITY = re.compile(r"RNTupleCardinality<.*?(u?int(?:8|16|32|64))_t>")


@dataclass(frozen=True, slots=True)
class Level:
    """One step from events to their numbers: lists, whose ends a column has, or arrays of a fixed length.

    ``nullable``: the lists have one element or none, which is a value or a null.
    """

    column: Column | None = None
    length: int = 0
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """How a branch lies in the columns of an RNTuple: ``levels`` lead to the elements of ``column``.

    Without a column it is a counter, the lengths of the lists of its level. ``why_not`` says why this is no column of
    numbers.
    """

    kind: Literal["flat", "jagged", "string", "other"]
    typename: str
    dtype: np.dtype[Any] | None = None
    levels: tuple[Level, ...] = ()
    column: Column | None = None
    why_not: str = ""

    @property
    def counter(self) -> bool:
        """Whether this only counts what is in other branches."""
        return self.column is None and self.kind == "flat"

    def branch(self, name: str, counter: str) -> Branch:
        """Return what others need to know of it; ``counter`` is the branch that counts what lists there are."""
        number = "" if self.dtype is None else self.dtype.name
        why_not = self.why_not or ("counter" if self.counter else "")
        if self.kind == "other":
            return Branch(name, self.kind, number, self.typename, why_not=why_not)
        counted_by = counter if self.kind == "jagged" else ""
        return Branch(name, self.kind, number, self.typename, self.counter, why_not, "uproot", "RNTuple", counted_by)


def fields_of(ntuple: Any, reading: Reading) -> dict[str, Field]:
    """Return the fields of an RNTuple that become branches, in the file's order, by name.

    A name that comes again is numbered, as in ``pt#2``. Of a field and its projection only the projection is there.
    """
    found: dict[str, Field] = {}
    taken: Counter[str] = Counter()
    for name, one in _Walk(ntuple, reading).every():
        taken[name] += 1
        found[name if taken[name] == 1 else f"{name}#{taken[name]}"] = one
    return found


class _Walk:
    """Goes from every field to its subfields."""

    def __init__(self, ntuple: Any, reading: Reading) -> None:
        self._ntuple = ntuple
        self._records = ntuple.field_records
        self._flatten = reading.flatten_nested
        self._children: dict[int, list[int]] = defaultdict(list)
        self._columns: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, record in enumerate(self._records):
            if record.parent_field_id != number:
                self._children[record.parent_field_id].append(number)
        for number, column in enumerate(ntuple.column_records):
            self._columns[column.field_id][column.repr_idx].append(number)
        self._projected = {record.source_field_id for record in self._records} - {None}

    def every(self) -> Iterator[tuple[str, Field]]:
        """Yield every field that becomes a branch."""
        for number, record in enumerate(self._records):
            if record.parent_field_id == number:
                yield from self._field(number, record.field_name, record.type_name, ())

    def _field(self, number: int, name: str, typename: str, levels: tuple[Level, ...]) -> Iterator[tuple[str, Field]]:
        record, children = self._records[number], self._children[number]
        if record.flags & RNTupleFieldFlags.REPETITIVE:
            if not record.repetition:
                yield name, Field("other", typename, why_not="arrays of size 0")
                return
            levels = (*levels, Level(length=record.repetition))
            if children:
                yield from self._field(children[0], name, typename, levels)
                return
        match record.struct_role:
            case RNTupleFieldRole.COLLECTION:
                level = Level(self._column(number, 0, levels), nullable=record.type_name.startswith(NULLABLE))
                yield from self._subfields(number, name, typename, (*levels, level))
            case RNTupleFieldRole.RECORD:
                yield from self._subfields(number, name, typename, levels)
            case RNTupleFieldRole.LEAF if children:  # std::atomic
                yield from self._field(children[0], name, typename, levels)
            case RNTupleFieldRole.LEAF if number not in self._projected:
                yield name, self._leaf(number, typename, levels)
            case RNTupleFieldRole.VARIANT:
                yield name, Field("other", typename, why_not="variants")
            case RNTupleFieldRole.STREAMER:
                yield name, Field("other", typename, why_not="objects")

    def _subfields(
        self, number: int, name: str, typename: str, levels: tuple[Level, ...]
    ) -> Iterator[tuple[str, Field]]:
        """The subfields of a record, with its name before theirs; the element of a collection has no name."""
        record = self._records[number].struct_role == RNTupleFieldRole.RECORD
        lists = "[]" * len(levels)
        for child in self._children[number]:
            own = self._records[child].field_name
            if record and not re.fullmatch(r":_[0-9]+", own):  # that is a base class
                own = own[1:] if re.fullmatch(r"_[0-9]+", own) else own  # a tuple's elements, as in Awkward
                yield from self._field(child, f"{name}.{own}", f"{self._records[child].type_name}{lists}", levels)
            else:
                yield from self._field(child, name, typename, levels)

    def _leaf(self, number: int, typename: str, levels: tuple[Level, ...]) -> Field:
        """The branch of a field that has no subfields."""
        counts = CARDINALITY.search(self._records[number].type_name)
        if counts and not levels:
            level = Level(self._column(number, 0, levels))
            return Field("flat", typename, np.dtype(counts[1]), (level,))
        if counts:
            return Field("other", typename, why_not="counters in lists")
        if self._records[number].type_name == "std::string":
            if levels:
                return Field("other", typename, why_not="lists of strings")
            level = Level(self._column(number, 0, levels))
            column = self._column(number, 1, (level,))
            return Field("string", typename, levels=(level,), column=column, why_not="strings")
        return self._numbers(number, typename, levels)

    def _numbers(self, number: int, typename: str, levels: tuple[Level, ...]) -> Field:
        try:
            column = self._column(number, 0, levels)
            dtype = dtype_of(self._ntuple, column)
        except (KeyError, TypeError):  # a type of a later version of the format
            return Field("other", typename, why_not=UNKNOWN)
        found = Field("jagged" if levels else "flat", typename, dtype, levels, column)
        if any(level.nullable for level in levels):
            if len(levels) > 1:
                return Field("other", typename, why_not="lists with nulls")
            return replace(found, kind="flat")
        if len(levels) > 1 and not self._flatten:
            return Field("other", typename, why_not="nested lists")
        return found

    def _column(self, number: int, place: int, levels: tuple[Level, ...]) -> Column:
        """The column of a field, or of the one that it projects; a string has two, ends and characters."""
        source = self._records[number].source_field_id
        representations = self._columns[number if source is None else source].values()
        if not representations:
            raise ValueError(f"field {self._records[number].field_name!r} has no column")
        lists = any(level.column is not None for level in levels)
        per_event = 0 if lists else int(np.prod([level.length for level in levels], dtype=np.int64))
        return Column(tuple(columns[place] for columns in representations), per_event)
