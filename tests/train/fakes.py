"""A dataset in memory with what training asks of one."""

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from mlaas4hep.dataset import Ledger
from mlaas4hep.dataset.watch import Watch
from mlaas4hep.preproc import Preprocessing
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mlaas4hep.dataset import Dataset


@dataclass(frozen=True)
class FakeChunk:
    """A chunk with what training looks at."""

    data: NDArray[np.float32]
    labels: NDArray[np.int64]
    entry: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None


class FakeJson:
    """Specs or a plan, which only have to write themselves; the plan makes no tensors."""

    collections = ()

    def to_json(self, path: Path) -> None:
        """Write something."""
        path.write_text(json.dumps({"fake": True}))


class FakeDataset:
    """Gaussian events; class ``k`` is shifted along column ``k``. ``passes`` records every pass made."""

    plan = FakeJson()
    preproc = Preprocessing()
    bad_files = ()
    ledger = Ledger(())

    def __init__(
        self,
        train: int = 600,
        validation: int = 150,
        test: int = 200,
        *,
        width: int = 4,
        values: tuple[int, ...] = (0, 1),
        classes: tuple[str, ...] = ("background", "signal"),
        seed: int = 1,
    ) -> None:
        self.names = [f"x_{column}" for column in range(width)]
        self.classes = list(classes)
        self.label_values = list(values)
        self.passes: list[tuple[str, int, int, bool]] = []
        self.open = 0
        self.last_pass = Watch()
        random = np.random.default_rng(seed)
        self._parts = {}
        for part, events in (("train", train), ("validation", validation), ("test", test)):
            position = np.arange(events) % len(values)
            data = random.normal(size=(events, width)).astype(np.float32)
            data[np.arange(events), position] += 2
            self._parts[part] = FakeChunk(data, np.array(values)[position], np.arange(events))

    @property
    def typed(self) -> "Dataset":
        """This dataset for a function that wants a real one."""
        return cast("Dataset", self)

    def __len__(self) -> int:
        return sum(map(self.count, self._parts))

    def whole(self, part: str) -> FakeChunk:
        """Return a part in one piece."""
        return self._parts[part]

    def specs(self) -> FakeJson:
        """Return what writes ``specs.json``."""
        return FakeJson()

    def count(self, part: str) -> int:
        """Return the events of a part."""
        return len(self._parts[part].labels)

    def chunks(self, size: int, part: str, *, epoch: int = 0, shuffle: bool = True) -> Generator[FakeChunk, None, None]:
        """Yield the events of a part in order, permuted inside a chunk."""
        self.last_pass = Watch(reading=0.5, flattening=0.25)
        self.passes.append((part, size, epoch, shuffle))
        self.open += 1
        try:
            whole = self._parts[part]
            size = size if size > 0 else max(1, self.count(part))
            for start in range(0, self.count(part), size):
                rows = np.arange(start, min(start + size, self.count(part)))
                if shuffle:
                    rows = np.random.default_rng([epoch, start]).permutation(rows)
                yield FakeChunk(whole.data[rows], whole.labels[rows], whole.entry[rows])
        finally:
            self.open -= 1
