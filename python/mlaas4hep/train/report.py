"""What a run did and found."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mlaas4hep.dataset import BadFile, CutFlow, Ledger
from mlaas4hep.evaluation.results import Epoch, Metrics

__all__ = ["Report", "Throughput"]


@dataclass(frozen=True, slots=True)
class Throughput:
    """Events a second, and seconds.

    ``reading`` is reading with flattening, in the background of the training; as the parts are mixed in the
    files, each pass over one of them counts the events of all.
    ``training`` counts every event once an epoch, without the first batch, in which the framework compiles
    the model. ``training_seconds`` is all the time in the framework, validation included.
    ``waiting_seconds`` is how long the run stood still because the next chunk was not there yet.
    """

    reading: float
    training: float | None
    training_seconds: float
    waiting_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """The result of :func:`mlaas4hep.train.train`.

    ``parts`` holds for each part its events by class; ``bad_files`` are the files that were skipped; ``cutflow`` is
    what cuts did to the events, None without cuts; ``ledger`` is what became of every event; ``metrics`` are those of
    the test part, None where it is empty; ``folder`` is where the results are, None where nothing was written,
    ``files`` their names.
    """

    procedure: str
    columns: int
    classes: list[str]
    parts: dict[str, dict[str, int]]
    bad_files: Sequence[BadFile]
    cutflow: CutFlow | None
    ledger: Ledger
    history: list[Epoch]
    metrics: Metrics | None
    throughput: Throughput
    versions: dict[str, str]
    folder: Path | None
    files: list[str]

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values that strict JSON can hold; what is not finite becomes None."""
        parts = {part: {"events": sum(found.values()), "classes": found} for part, found in self.parts.items()}
        return {
            "procedure": self.procedure,
            "columns": self.columns,
            "classes": self.classes,
            "parts": parts,
            "bad_files": [asdict(bad) for bad in self.bad_files],
            **({} if self.cutflow is None else {"cutflow": self.cutflow.to_dict()}),
            "ledger": self.ledger.to_dict(),
            "history": _strict([epoch.to_dict() for epoch in self.history]),
            "test": None if self.metrics is None else _strict(self.metrics.to_dict()),
            "throughput": _strict(asdict(self.throughput)),
            "versions": self.versions,
        }

    def to_json(self, path: Path) -> None:
        """Write :meth:`to_dict` to ``path``."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", "utf-8")


def _strict(value: object) -> object:
    """Replace what JSON has no word for by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _strict(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_strict(inner) for inner in value]
    return value
