"""Batches as Arrow has them."""

from typing import Any

from mlaas4hep.dataset import Chunk, Loader
from mlaas4hep.errors import ParamsError
from mlaas4hep.export.formats import FORMATS, table
from mlaas4hep.frameworks.fields import arrays_of

__all__ = ["arrow_events"]

MATRIX = {"data", "padding_mask", "labels", "weights", "targets", "file", "entry"}
"""Fields that stand in columns of their own, not in fixed-size lists."""


def arrow_events(loader: Loader) -> Any:
    """Return the batches of a loader as a ``pyarrow.RecordBatchReader``."""
    import pyarrow as pa

    names = loader.dataset.names
    FORMATS["arrow"].check(names)
    schema = _table(loader.dataset.no_events(), names).schema
    if clash := [name for name in names if schema.names.count(name) > 1]:
        raise ParamsError(f"branch {clash[0]!r} has the name of a column that chunks get as well; exclude it")
    batches = (batch for chunk in loader for batch in _table(chunk, names).to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)


def _table(chunk: Chunk, names: list[str]) -> Any:
    import pyarrow as pa

    found = table(chunk, names)
    fields = arrays_of(chunk, chunk.labels if chunk.labels is not None else chunk.entry)
    if chunk.weights is not None:
        found = found.append_column("weight", pa.array(chunk.weights))
    if chunk.targets is not None:
        for number, values in enumerate(chunk.targets.T):
            found = found.append_column(f"target_{number}", pa.array(values))
    for name in (name for name in fields if name not in MATRIX):
        found = found.append_column(name, _lists(fields[name]))
    return found


def _lists(array: Any) -> Any:
    """An array whose first axis is that of the events, as fixed-size lists."""
    import pyarrow as pa

    values = pa.array(array.reshape(-1))
    for size in array.shape[:0:-1]:
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return values
