"""What sources of tables have in common: a file with one table, whose columns come as Arrow data."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlaas4hep.errors import BranchError, MLaaSError, ReadError, SourceError, first_line, nearest, shortened
from mlaas4hep.sources.branch import Branch, Column, Storage, TreeInfo
from mlaas4hep.sources.clusters import ALONE, Turn, check_range, join
from mlaas4hep.sources.place import Place
from mlaas4hep.sources.tables.leaves import Leaf, Offsets, to_column

__all__ = ["TABLE", "PieceSource", "TableSource", "check_tree", "edges_of", "listed", "opening"]

TABLE = "table"
"""The name of the one tree of a file whose format has no trees."""

NAMES_SHOWN = 5

LASTS = 4
"""Sets of columns that are read on in turn, such as those of cuts and the others: of each the last piece is kept."""

Columns = tuple[str, ...]


def check_tree(path: str, tree: str | None, format_: str) -> None:
    """Raise if another tree is asked for than the one table of the file."""
    if tree not in (None, TABLE):
        raise SourceError(
            f"{path}: there is no tree {tree!r}: a file of the format {format_} holds one table and no trees; leave "
            f"the name of the tree out, or write {TABLE!r}"
        )


@contextmanager
def opening(path: str, format_: str) -> Iterator[None]:
    """Turn what another library raises on a file that it cannot open into a ``SourceError``."""
    try:
        yield
    except MLaaSError:
        raise
    except Exception as error:  # whatever a library makes of damaged bytes
        raise SourceError(f"{path}: the {format_} file is truncated or damaged: {first_line(error)}") from error


def listed(source: "TableSource") -> list[TreeInfo]:
    """Return the one table of a source, which is closed."""
    try:
        return [TreeInfo(TABLE, source.entries, tuple(source.schema().values()), source.storage())]
    finally:
        source.close()


def edges_of(rows: list[int]) -> tuple[int, ...]:
    """Return where pieces of so many events begin, and the end."""
    return (0, *np.cumsum(rows, dtype=np.int64).tolist())


class TableSource(ABC):
    """A file with one table. See ``Source`` for what its methods promise.

    A format gives the table of some of its columns in any range of events.
    """

    tree = TABLE
    decoded = False
    """Whether pyarrow makes all buffers itself, so that none is as it was in the file."""

    def __init__(self, place: Place, leaves: dict[str, Leaf], entries: int, edges: Sequence[int]) -> None:
        self.path = place.path
        self.entries = entries
        self.state = place.state
        self.seconds = {"fetching": 0.0, "decompression": 0.0, "decoding": 0.0}
        self._place = place
        self._leaves = leaves
        self._edges = np.asarray(edges, np.int64)

    @abstractmethod
    def _table(self, columns: Columns, start: int, stop: int) -> Any:
        """Return a pyarrow table, at least of these columns, of the events from ``start`` to ``stop``."""

    def schema(self) -> dict[str, Branch]:
        """Return every branch by its name, in the file's order."""
        return {name: leaf.branch for name, leaf in self._leaves.items()}

    def storage(self) -> dict[str, Storage]:
        """Return how each branch is stored, where the format tells it."""
        return {}

    def clusters(self, columns: Sequence[str], start: int, stop: int, turn: Turn = ALONE) -> list[tuple[int, int]]:
        """Return ranges of at most 32 MB from ``start`` to ``stop``, cut where pieces of the file begin."""
        check_range(self.path, self.entries, start, stop)
        leaves = [self._leaf(name) for name in dict.fromkeys(columns)]
        event_bytes = sum(self._event_bytes(leaf) for leaf in leaves)
        return join([self._cuts(leaves, event_bytes)], event_bytes, start, stop, turn)

    def read(self, columns: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        """Return the columns of the events from ``start`` to ``stop``."""
        check_range(self.path, self.entries, start, stop)
        leaves = {name: self._leaf(name) for name in columns}
        if not leaves:
            return {}
        names = tuple(dict.fromkeys(leaf.column for leaf in leaves.values()))
        with self._reading(names, start, stop):
            table = self._table(names, start, stop)
            self._place.check()
            if len(table) != stop - start:
                raise ValueError(f"there are {len(table)} events instead of {stop - start}")
            offsets, found = Offsets(), {}
            for name, leaf in leaves.items():
                found[name] = to_column(table.column(leaf.column), leaf.steps, offsets, decoded=self.decoded)
            return found

    def close(self) -> None:
        """Close the file."""
        self._place.close()

    def _event_bytes(self, leaf: Leaf) -> float:
        """What an event of a branch takes in memory, on average."""
        return leaf.event_bytes

    def _cuts(self, leaves: Iterable[Leaf], event_bytes: float) -> NDArray[np.int64]:
        """Where it costs nothing to end a read."""
        return self._edges

    def _leaf(self, name: str) -> Leaf:
        if name not in self._leaves:
            raise BranchError(f"{self.path}: there is no column {name!r}{nearest(name, self._leaves)}")
        leaf = self._leaves[name]
        if leaf.branch.kind == "other":
            raise BranchError(f"{self.path}: column {name!r} is no column of numbers: {leaf.branch.why_not}")
        return leaf

    @contextmanager
    def _reading(self, columns: Columns, start: int, stop: int) -> Iterator[None]:
        """Count the time, and turn what other libraries raise into a ``ReadError``."""
        begin, before = perf_counter(), self.seconds["fetching"] + self.seconds["decompression"]
        try:
            yield
        except MLaaSError:
            raise
        except Exception as error:  # whatever a library makes of damaged bytes
            raise self._damaged(columns, start, stop, error) from error
        finally:
            others = self.seconds["fetching"] + self.seconds["decompression"] - before
            self.seconds["decoding"] += perf_counter() - begin - others

    def _damaged(self, columns: Columns, start: int, stop: int, error: Exception) -> ReadError:
        self._place.check()
        names = f"column{'s' * (len(columns) > 1)} {shortened([*map(repr, columns)], NAMES_SHOWN)}"
        return ReadError(f"{self.path}: {names}, entries {start} to {stop}: the data are damaged ({first_line(error)})")


class PieceSource(TableSource):
    """A file that is read in pieces (blocks, batches), each as a whole; ``edges`` are where they begin, and the end.

    Of each set of columns the piece in which the last read ended is kept, so that the next read starts from it.
    """

    def __init__(self, place: Place, leaves: dict[str, Leaf], edges: Sequence[int]) -> None:
        super().__init__(place, leaves, int(edges[-1]), edges)
        self._lasts: dict[Columns, tuple[int, Any]] = {}

    @abstractmethod
    def _piece(self, number: int, columns: Columns) -> Any:
        """Return these columns of a piece, as a table."""

    @abstractmethod
    def _empty(self, columns: Columns) -> Any:
        """Return a table of these columns without events."""

    def _table(self, columns: Columns, start: int, stop: int) -> Any:
        parts = []
        number = int(np.searchsorted(self._edges, start, "right")) - 1
        while start < stop:
            begin, end = int(self._edges[number]), int(self._edges[number + 1])
            if end > begin:
                piece = self._kept(number, columns)
                parts.append(piece.slice(start - begin, min(stop, end) - start))
                if stop < end:
                    self._keep(number, columns, piece)
                start = end
            number += 1
        return pa.concat_tables(parts) if parts else self._empty(columns)

    def _kept(self, number: int, columns: Columns) -> Any:
        kept, piece = self._lasts.pop(columns, (-1, None))
        if kept != number:
            piece = self._piece(number, columns)
            promised = int(self._edges[number + 1] - self._edges[number])
            if len(piece) != promised:
                raise ValueError(f"a piece of the file has {len(piece)} events instead of {promised}")
        return piece

    def _keep(self, number: int, columns: Columns, piece: Any) -> None:
        while len(self._lasts) >= LASTS:
            del self._lasts[next(iter(self._lasts))]
        self._lasts[columns] = number, piece

    def close(self) -> None:
        """Close the file."""
        self._lasts.clear()
        super().close()
