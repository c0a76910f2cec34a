"""Chunks as files, for use elsewhere."""

import json
import os
import zipfile
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

ARRAYS = ("data", "padding_mask", "labels", "file", "entry")
"""Arrays of a NumPy chunk; labels where there are some."""


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
    cutflow: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values; ``cutflow`` where there are cuts."""
        return {name: value for name, value in asdict(self).items() if value is not None}


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
    """Write the chunks of a dataset into a folder, with the specs and the plan that they were made with.

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
        and ``entry`` of a :class:`~mlaas4hep.Chunk`. Beside them ``chunks.json`` lists the chunks, the names of the
        columns, those of the classes by label, and the files by number.
    size, part, shuffle
        As in :meth:`mlaas4hep.Dataset.chunks`.
    progress
        Is told how far it is.

    Raises
    ------
    OutputError
        ``out`` is something else, or cannot be written.
    ParamsError
        The format is unknown, the part is empty, or a column of the matrix has the name of one of the further columns.
    """
    if form not in WRITERS:
        raise ParamsError(f"format is {form!r}; it must be one of {', '.join(WRITERS)}")
    begin = perf_counter()
    target = OutputFolder(out)
    with target as folder:
        total = _check(dataset, form, part)
        if progress:
            progress.start("flattening", total)
        chunks: dict[str, int] = {}
        for chunk in dataset.chunks(size, part, shuffle=shuffle):
            name = f"chunk-{len(chunks):05}.{form}"
            WRITERS[form](folder / name, chunk, dataset.names)
            chunks[name] = len(chunk.data)
            if progress:
                progress.advance(len(chunk.data))
        if progress:
            progress.finish()
        _describe(dataset, part, chunks, folder)
    flow = dataset.cutflow.to_dict() if dataset.preproc.cuts else None
    return Exported(str(target.path), total, len(dataset.names), len(chunks), perf_counter() - begin, flow)


def _check(dataset: Dataset, form: str, part: str | None) -> int:
    """Return the number of events to write, or raise where that makes no sense."""
    clash = [name for name in EXTRA if form == "parquet" and name in dataset.names]
    if clash:
        raise ParamsError(f"branch {clash[0]!r} has the name of a column that Parquet chunks add; exclude it")
    total = dataset.count(part)
    if not total:
        raise ParamsError(f"there is nothing to write: no event is in part {part!r}")
    return total


def _describe(dataset: Dataset, part: str | None, chunks: dict[str, int], folder: Path) -> None:
    """Write down what the chunks hold and what they were made with."""
    about: dict[str, Any] = {
        "version": 1,
        "part": part,
        "chunks": chunks,
        "columns": dataset.names,
        "classes": dict(zip(map(str, dataset.label_values), dataset.classes, strict=True)),
        "files": [str(given) for given in dataset.inputs],
        "bad_files": [asdict(bad) for bad in dataset.bad_files],
    }
    if dataset.preproc.cuts:
        about["cutflow"] = dataset.cutflow.to_dict()
    (folder / "chunks.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", "utf-8")
    dataset.specs().to_json(folder / "specs.json")
    dataset.plan.to_json(folder / "plan.json")
    if dataset.preproc:
        dataset.preproc.to_json(folder / "preproc.json")


def _write_parquet(path: Path, chunk: Chunk, names: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        name: pa.array(np.ascontiguousarray(chunk.data[:, index]), mask=chunk.padding_mask[:, index])
        for index, name in enumerate(names)
    }
    if chunk.labels is not None:
        columns["label"] = pa.array(chunk.labels)
    table = pa.table({**columns, "file": chunk.file, "entry": chunk.entry})
    # Dictionaries of numbers that hardly repeat take half of the time, and more space.
    pq.write_table(table, path, compression="zstd", use_dictionary=False)


def _write_npz(path: Path, chunk: Chunk, names: list[str]) -> None:
    with zipfile.ZipFile(path, "x") as archive:  # numpy.savez keeps the name "file" for itself
        for name in ARRAYS:
            array = getattr(chunk, name)
            if array is not None:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)


WRITERS: dict[str, Callable[[Path, Chunk, list[str]], None]] = {"parquet": _write_parquet, "npz": _write_npz}
