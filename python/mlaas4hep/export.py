"""Chunks as files, for use elsewhere."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from mlaas4hep.dataset import Chunk, Dataset
from mlaas4hep.errors import ParamsError
from mlaas4hep.output import OutputFolder

__all__ = ["Exported", "export"]

EXTRA = ("label", "file", "entry")
"""Columns of a Parquet chunk beside those of the matrix."""


class Progress(Protocol):
    """Is told how far the export is."""

    def start(self, stage: str, total: int) -> None:
        """A stage of ``total`` events begins."""

    def advance(self, events: int) -> None:
        """So many more events are done."""

    def finish(self) -> None:
        """The stage is over."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and in how many seconds."""

    folder: str
    events: int
    columns: int
    chunks: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def export(
    dataset: Dataset,
    out: str | os.PathLike[str],
    *,
    form: str = "parquet",
    size: int = 100_000,
    part: str | None = None,
    shuffle: bool = True,
    progress: Progress | None = None,
) -> Exported:
    """Write the chunks of a dataset into a folder, with ``specs.json`` and ``plan.json`` beside them.

    Parameters
    ----------
    dataset
        What to write.
    out
        The folder; written whole or not at all, in place of an older one of ours.
    form
        ``"parquet"``: ``chunk-00000.parquet`` ... with a float32 column for each of the matrix, null where a value
        is padding or missing, and columns ``label`` (int64, where there are labels), ``file`` (int32) and ``entry``
        (int64). ``"npz"``: ``chunk-00000.npz`` ... with the arrays ``data``, ``padding_mask``, ``labels``, ``file``
        and ``entry`` of a :class:`~mlaas4hep.Chunk`.
    size, part, shuffle
        As in :meth:`mlaas4hep.Dataset.chunks`.
    progress
        Is told how far it is.

    Raises
    ------
    OutputError
        ``out`` is something else, or cannot be written.
    ParamsError
        The format is unknown, or a column of the matrix has the name of one of the further columns.
    """
    if form not in WRITERS:
        raise ParamsError(f"format is {form!r}; it must be one of {', '.join(WRITERS)}")
    begin = perf_counter()
    target = OutputFolder(out)
    with target as folder:
        clash = [name for name in EXTRA if form == "parquet" and name in dataset.names]
        if clash:
            raise ParamsError(f"branch {clash[0]!r} has the name of a column that Parquet chunks add; exclude it")
        if progress:
            progress.start("flattening", dataset.count(part))
        chunks = 0
        for chunk in dataset.chunks(size, part, shuffle=shuffle):
            WRITERS[form](folder / f"chunk-{chunks:05}.{form}", chunk, dataset.names)
            chunks += 1
            if progress:
                progress.advance(len(chunk.data))
        if progress:
            progress.finish()
        dataset.specs().to_json(folder / "specs.json")
        dataset.plan.to_json(folder / "plan.json")
    events = dataset.last_pass.events
    return Exported(str(target.path), events, len(dataset.names), chunks, perf_counter() - begin)


def _write_parquet(path: Path, chunk: Chunk, names: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        name: pa.array(np.ascontiguousarray(chunk.data[:, index]), mask=chunk.padding_mask[:, index])
        for index, name in enumerate(names)
    }
    if chunk.labels is not None:
        columns["label"] = pa.array(chunk.labels)
    pq.write_table(pa.table({**columns, "file": chunk.file, "entry": chunk.entry}), path, compression="zstd")


def _write_npz(path: Path, chunk: Chunk, names: list[str]) -> None:
    arrays: dict[str, Any] = {} if chunk.labels is None else {"labels": chunk.labels}
    arrays |= {"data": chunk.data, "padding_mask": chunk.padding_mask, "file": chunk.file, "entry": chunk.entry}
    with path.open("xb") as file:
        np.savez(file, **arrays)


WRITERS: dict[str, Callable[[Path, Chunk, list[str]], None]] = {"parquet": _write_parquet, "npz": _write_npz}
