"""The first pass: what the scan learns of columns, and how that is merged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mlaas4hep._reference.column import Column
from mlaas4hep._reference.functions import NARROW, Number
from mlaas4hep._reference.statistics import merged_bins, statistics

__all__ = ["merge", "promote", "scan"]


def scan(
    columns: Mapping[str, Column],
    sentinels: Mapping[str, Sequence[Number]] | None = None,
    weights: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return the specs of columns, as they stand in ``specs.json``; sentinels are nulls.

    Sums are exact here and rounded once, so ``mean`` and ``std`` are those of ``specs.json`` but for the last digits;
    ``moments``, from which these are computed there, is left out.
    """
    given = {name: sorted(number + 0 for number in numbers) for name, numbers in (sentinels or {}).items() if numbers}
    columns = {name: column.without(given.get(name, [])) for name, column in columns.items()}
    events = {len(column) for column in columns.values()}
    if len(events) > 1:
        raise ValueError(f"columns of different lengths: {sorted(events)}")
    ranges = {name: _range(column) for name, column in columns.items()}
    return {
        "version": 1,
        "fkeys": sorted(name for name, column in columns.items() if column.kind == "flat"),
        "jkeys": sorted(name for name, column in columns.items() if column.kind == "jagged"),
        "jdim": {name: _longest(column) for name, column in columns.items() if column.kind == "jagged"},
        "minv": {name: low for name, (low, _) in ranges.items()},
        "maxv": {name: high for name, (_, high) in ranges.items()},
        "types": {name: column.type for name, column in columns.items()},
        "counts": {name: _counts(column) for name, column in columns.items()},
        "events": {"total": events.pop() if events else 0},
        **({"sentinels": given} if given else {}),
        **({"weighted": True} if weights is not None else {}),
        **statistics(columns, weights),
    }


def _range(column: Column) -> tuple[Number | None, Number | None]:
    """The smallest and the largest finite value."""
    values, null = column.flattened()
    finite = values[~null & np.isfinite(values)]
    if not len(finite):
        return None, None
    return _number(finite.min(), column.type), _number(finite.max(), column.type)


def _number(value: Any, type_: str) -> Number:
    """A number of JSON: whole for integers and bools, and never -0."""
    return float(value) + 0.0 if type_.startswith("float") else int(value)


def _longest(column: Column) -> int:
    return max((len(at) for at in column.lists()), default=0)


def _counts(column: Column) -> dict[str, int]:
    values, null = column.flattened()
    return {
        "values": len(values),
        "nulls": int(np.count_nonzero(null)) + column.null_lists(),
        "nan": int(np.count_nonzero(np.isnan(values) & ~null)),
        "inf": int(np.count_nonzero(np.isinf(values) & ~null)),
    }


def merge(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the specs of the events of all parts together, but for moments; each part has the same branches."""
    first = parts[0]
    names = sorted(first["types"])
    seen = {name: {type_ for part in parts for type_ in _seen(part, name)} for name in names}
    types = {name: promote(seen[name]) for name in names}
    merged = {
        "version": 1,
        "fkeys": first["fkeys"],
        "jkeys": first["jkeys"],
        "jdim": {name: max(part["jdim"][name] for part in parts) for name in first["jkeys"]},
        "minv": {name: _extreme(min, [part["minv"][name] for part in parts], types[name]) for name in names},
        "maxv": {name: _extreme(max, [part["maxv"][name] for part in parts], types[name]) for name in names},
        "types": types,
        "counts": {name: _sums([part["counts"][name] for part in parts]) for name in names},
        "events": _sums([part["events"] for part in parts]),
        **{key: first[key] for key in ("sentinels", "weighted") if key in first},
        **merged_bins(parts, names),
    }
    mixed = {name: sorted(members) for name, members in seen.items() if len(members) > 1}
    return merged | ({"mixed": mixed} if mixed else {})


def promote(types: Iterable[str]) -> str:
    """Return the type that holds values of all these types, as NumPy has it, whatever their order.

    NumPy's own rule for pairs depends on the order (int16, uint16, float32), so it is put here for the whole set.
    """
    numbers = set(types) - {"bool"}
    if not numbers:
        return "bool"
    if any(type_.startswith("float") for type_ in numbers):
        return "float32" if numbers <= NARROW else "float64"
    return np.result_type(*(np.dtype(type_) for type_ in sorted(numbers))).name


def _seen(part: Mapping[str, Any], name: str) -> list[str]:
    """The types that were promoted to a branch's type."""
    mixed: list[str] = part.get("mixed", {}).get(name, [part["types"][name]])
    return mixed


def _extreme(choose: Callable[[list[Number]], Number], values: list[Number | None], type_: str) -> Number | None:
    known = [value for value in values if value is not None]
    return _number(choose(known), type_) if known else None


def _sums(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    keys = {key for part in parts for key in part}
    return {key: sum(part.get(key, 0) for part in parts) for key in keys}
