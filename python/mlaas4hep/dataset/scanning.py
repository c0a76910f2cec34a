"""The scan of files: the events that are used, cluster by cluster, into specs."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import keep_all
from mlaas4hep.dataset.files import File
from mlaas4hep.errors import ExpressionError, note
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Sentinels
from mlaas4hep.sources import Column
from mlaas4hep.specs import Specs

__all__ = ["Scanner"]


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
        self._of_files: dict[int, Specs] = {}

    @property
    def columns(self) -> list[str]:
        """The branches that a scan reads."""
        return [*self._inputs, *(self._formulas.new_reads if self._formulas else [])]

    def scan(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], used: NDArray[np.bool_]
    ) -> None:
        """Scan the events of a cluster that are used, new branches too."""
        if not used.all():
            columns, entries = keep_all(columns, used), entries[used]
        inputs = {name: columns[name] for name in self._inputs} or columns
        core = _rust.scan(inputs, self._threads, self._sentinels)[0]
        if self._formulas is not None:
            try:
                name = self._preproc.hash
                core = self._formulas.complete(core, columns, self._kept, name, self._threads, entries)
            except ExpressionError as error:
                raise ExpressionError(f"{file.input.path}: {error}") from None
        number, found = file.input.number, Specs(core)
        before = self._of_files.get(number)
        self._of_files[number] = found if before is None else Specs.merge([before, found])

    def drop(self, file: File) -> None:
        """Forget a file, whose events are lost."""
        self._of_files.pop(file.input.number, None)

    def specs(self) -> Specs:
        """Return the specs of all files together."""
        specs = Specs.merge(self._of_files.values())
        new = self._formulas.new_branches if self._formulas else {}
        if empty := [name for name in new if name in self._kept and specs.minv[name] is None]:
            note(f"new branches that have no finite value in any event: {', '.join(empty)}")
        return specs
