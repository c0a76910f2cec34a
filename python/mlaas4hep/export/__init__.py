"""Chunks as files, for use elsewhere."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import mlaas4hep
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import ParamsError, note
from mlaas4hep.export.formats import FORMATS, Format, format_named
from mlaas4hep.export.part import PartFolder
from mlaas4hep.export.work import Progress, Work

__all__ = ["FORMATS", "Exported", "Kept", "Progress", "export"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier run had finished."""

    chunks: int
    events: int


@dataclass(frozen=True, slots=True)
class Exported:
    """What is in the folder, and in how many seconds it was written; ``kept`` is what was there before."""

    folder: str
    events: int
    columns: int
    chunks: int
    seconds: float
    cutflow: dict[str, Any] | None = None
    kept: Kept | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values; ``cutflow`` where there are cuts, ``kept`` where another run went before."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def rate(self) -> float:
        """Events that were written in a second."""
        return (self.events - (self.kept.events if self.kept else 0)) / self.seconds


def export(
    dataset: Dataset,
    out: str | os.PathLike[str],
    *,
    form: str = "parquet",
    size: int = 100_000,
    part: str | None = None,
    shuffle: bool | int = True,
    progress: Progress | None = None,
) -> Exported:
    """Write the chunks of a dataset into a folder, with the specs and the plan that they were made with.

    The folder is made as ``OUT.part`` and takes its place when it is whole. A run that is interrupted, in whatever
    way, leaves the chunks that it has finished there; the same call again goes on behind them, to the same bytes.
    It begins anew, with a note, where files or arguments are others.

    Parameters
    ----------
    dataset
        What to write.
    out
        The folder, in place of an older one of ours.
    form
        ``"parquet"`` or ``"arrow"`` (an Arrow IPC file): ``chunk-00000.parquet`` ... with a float32 column for each
        of the matrix, null where a value is padding or missing, and columns ``label`` (int64), ``weight`` and
        ``target_0`` ... (float32), where there are some, ``file`` (int32) and ``entry`` (int64). ``"npz"`` or
        ``"hdf5"`` (with the package h5py): ``chunk-00000.npz`` ... with the arrays of a :class:`~mlaas4hep.Chunk`:
        ``data``, ``padding_mask``, ``labels``, ``weights``, ``targets``, ``file`` and ``entry``. Beside them
        ``chunks.json`` lists the chunks, the names of the columns, those of the classes by label and of the targets,
        and the files by number.
    size, part, shuffle
        As in :meth:`mlaas4hep.Dataset.chunks`.
    progress
        Is told how far it is.

    Raises
    ------
    OutputError
        ``out`` or ``OUT.part`` is something else or cannot be written, or another process writes there.
    ParamsError
        The format is unknown or its package is not installed, the part is empty, or a column of the matrix has the
        name of one of the further columns.

    Examples
    --------
    >>> import tempfile
    >>> from importlib.resources import files
    >>> from mlaas4hep import Dataset
    >>> dataset = Dataset(files("mlaas4hep") / "sample" / "ttH.root", exclude=["genWeight"])
    >>> with tempfile.TemporaryDirectory() as home:
    ...     export(dataset, f"{home}/chunks", form="npz", size=3000, part="train").chunks
    1
    """
    begin = perf_counter()
    kind = format_named(form)
    dataset.chunks(size, part).close()  # checks them before any work
    target = PartFolder(out, _job(dataset, form, size, part, shuffle))
    with target as folder:
        found = target.specs()
        if found is not None:
            dataset.take_specs(found)
        total = _check(dataset, kind, part)
        target.start(dataset.specs())
        work = Work(dataset, target, folder, kind, form, size, part, shuffle, total)
        kept = _kept(target)
        work.run(progress)
        chunks = {name: target.finished[name].events for name in work.names}
        _describe(dataset, kind, form, part, chunks, folder)
    flow = dataset.cutflow.to_dict() if dataset.preproc.cuts else None
    events, seconds = sum(chunks.values()), perf_counter() - begin
    return Exported(str(target.path), events, len(dataset.names), len(chunks), seconds, flow, kept)


def _job(dataset: Dataset, form: str, size: int, part: str | None, shuffle: bool | int) -> dict[str, Any]:
    """Return all that the files to be written follow from."""
    arguments = {"format": form, "chunk size": size, "part": part, "shuffle": int(shuffle)}
    return {**dataset.identity(), **arguments, "version of mlaas4hep": mlaas4hep.__version__}


def _check(dataset: Dataset, kind: Format, part: str | None) -> int:
    """Return the number of events to write, or raise where that makes no sense."""
    kind.check(dataset.names, dataset.no_events())
    if dataset.plan.layout != "matrix":
        layout = dataset.plan.layout
        raise ParamsError(f"chunks of layout {layout!r} cannot be written to files; give the dataset layout='matrix'")
    total = dataset.count(part)
    if not total:
        raise ParamsError(f"there is nothing to write: no event is in part {part!r}")
    return total


def _kept(target: PartFolder) -> Kept | None:
    """Return what an earlier run had finished, and tell the user."""
    if not target.finished:
        return None
    kept = Kept(len(target.finished), sum(chunk.events for chunk in target.finished.values()))
    note(f"chunks that an earlier run finished are kept: {kept.chunks:,} ({kept.events:,} events)")
    return kept


def _describe(
    dataset: Dataset, kind: Format, form: str, part: str | None, chunks: dict[str, int], folder: Path
) -> None:
    """Write down what the chunks hold and what they were made with."""
    about: dict[str, Any] = {
        "version": 1,
        "part": part,
        "format": form,
        "events": sum(chunks.values()),
        "chunks": chunks,
        "columns": dataset.names,
        "holds": kind.holds(dataset.names, dataset.no_events()),
        "classes": dict(zip(map(str, dataset.label_values), dataset.classes, strict=True)),
        "targets": dataset.targets,
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
