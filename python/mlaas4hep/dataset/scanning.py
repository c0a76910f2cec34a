"""The scan of files: the events that are used, cluster by cluster, into specs."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import keep_all
from mlaas4hep.dataset.files import File
from mlaas4hep.errors import ExpressionError, ParamsError, note
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Sentinels
from mlaas4hep.sources import Column
from mlaas4hep.specs import Specs

__all__ = ["Scanner"]

LARGEST = 1e60
"""Magnitude that weights stay below."""


class Scanner:
    """Scans the branches ``kept``: those among them that files have, ``inputs``, and new ones that formulas make."""

    def __init__(
        self,
        inputs: Sequence[str],
        kept: Sequence[str],
        preproc: Preprocessing,
        formulas: _rust.Formulas | None,
        sentinels: Sentinels,
        threads: int,
    ) -> None:
        self._inputs, self._kept, self._preproc = inputs, list(kept), preproc
        self._formulas, self._sentinels, self._threads = formulas, sentinels, threads
        self.of_files: dict[int, Specs] = {}

    @property
    def columns(self) -> list[str]:
        """The branches that a scan reads."""
        return [*self._inputs, *(self._formulas.new_reads if self._formulas else [])]

    def scan(
        self,
        file: File,
        columns: Mapping[str, Column],
        entries: NDArray[np.int64],
        used: NDArray[np.bool_],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Scan the events of a cluster that are used, new branches too; ``weights`` has one for each event."""
        if not used.all():
            columns, entries = keep_all(columns, used), entries[used]
            weights = None if weights is None else weights[used]
        if weights is not None:
            check_weights(file, weights, entries)
        inputs = {name: columns[name] for name in self._inputs} or columns
        core = _rust.scan(inputs, self._threads, self._sentinels, weights)[0]
        if self._formulas is not None:
            try:
                name = self._preproc.hash
                core = self._formulas.complete(core, columns, self._kept, name, self._threads, entries, weights)
            except ExpressionError as error:
                raise ExpressionError(f"{file.input.path}: {error}") from None
        number, found = file.input.number, Specs(core)
        before = self.of_files.get(number)
        self.of_files[number] = found if before is None else Specs.merge([before, found])

    def drop(self, file: File) -> None:
        """Forget a file, whose events are lost."""
        self.of_files.pop(file.input.number, None)

    def specs(self, known: Iterable[Specs] = ()) -> Specs:
        """Return the specs of all files together, and of those that were ``known`` before."""
        specs = Specs.merge([*known, *self.of_files.values()])
        new = self._formulas.new_branches if self._formulas else {}
        if empty := [name for name in new if name in self._kept and specs.minv[name] is None]:
            note(f"new branches that have no finite value in any event: {', '.join(empty)}")
        return specs


def check_weights(file: File, weights: NDArray[np.float64], entries: NDArray[np.int64]) -> None:
    """Raise for the first weight that is no finite number, or too large for sums of weighted squares."""
    wrong = np.flatnonzero(~(np.abs(weights) < LARGEST))
    if len(wrong):
        entry, found = entries[wrong[0]], weights[wrong[0]]
        raise ParamsError(
            f"{file.input.path}: weights: that of entry {entry} is {found}; it must be a finite number, below 1e60 in "
            "magnitude"
        )
