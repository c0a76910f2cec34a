"""Batches as Arrow has them."""

from typing import Any

from mlaas4hep.dataset import Chunk, Loader
from mlaas4hep.errors import ParamsError
from mlaas4hep.export.formats import FORMATS, table

__all__ = ["arrow_events"]


def arrow_events(loader: Loader) -> Any:
    """Return the batches of a loader as a ``pyarrow.RecordBatchReader``."""
    import pyarrow as pa

    names = loader.dataset.names
    nothing = loader.dataset.no_events()
    FORMATS["arrow"].check(names, nothing)
    schema = _table(nothing, names).schema
    if twice := [name for name in schema.names if schema.names.count(name) > 1]:
        raise ParamsError(f"collection {twice[0]!r}: batches have a column of this name already; give it another name")
    batches = (batch for chunk in loader for batch in _table(chunk, names).to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)


def _table(chunk: Chunk, names: list[str]) -> Any:
    """The table of a chunk, and behind its columns the tensors of collections with their masks."""
    found = table(chunk, names)
    for name, collection in chunk.collections.items():
        for column, array in ((name, collection.data), (f"{name}_mask", collection.mask)):
            found = found.append_column(column, _lists(array))
    return found


def _lists(array: Any) -> Any:
    """An array whose first axis is that of the events, as fixed-size lists."""
    import pyarrow as pa

    values = pa.array(array.reshape(-1))
    for size in array.shape[:0:-1]:
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return values
