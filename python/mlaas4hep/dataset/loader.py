"""Batches of a dataset for training loops, which stop anywhere and go on with the very next event."""

import hashlib
import json
from collections.abc import Generator, Mapping
from contextlib import closing
from copy import copy
from typing import Any, Self

from mlaas4hep.dataset.checks import part_number, shard_of, whole, window_of
from mlaas4hep.dataset.chunk import Chunk
from mlaas4hep.dataset.dataset import Dataset
from mlaas4hep.dataset.means import Asked
from mlaas4hep.dataset.pieces import Share
from mlaas4hep.errors import ParamsError

__all__ = ["Loader"]

VERSION = 1
"""Of the states."""


class Loader:
    """Batches of a part of a dataset, epoch after epoch, with a position that can be kept and taken up again.

    Every iteration goes on at the position where the one before was left: at the beginning of the next epoch, or where
    a loop was left early; :meth:`set_epoch` moves it. Every event comes once an epoch. All batches but the last are
    full: they run over the borders of chunks. Events of files that are skipped are missing in their batches, which
    are smaller then, or empty.

    Parameters
    ----------
    dataset
        The dataset.
    batch_size
        Events of a batch.
    part
        ``"train"``, ``"validation"``, ``"test"``, or None for all events.
    chunk_size, shuffle
        As for :meth:`Dataset.chunks`: so many events are read at once, and shuffled with each other; -1: all.
    drop_last
        Leave out the last batch of an epoch where it is not full.
    shard
        ``(rank, world)``: the events of one of several readers, as for :meth:`Dataset.chunks`. All readers get the same
        number of batches.
    epochs
        Epochs of one iteration, which ends where ``epoch`` is a multiple of this; None: it never ends.

    Raises
    ------
    ParamsError
        An argument is wrong.

    Examples
    --------
    >>> import json, mlaas4hep
    >>> from importlib.resources import files
    >>> sample = files("mlaas4hep") / "sample"
    >>> dataset = mlaas4hep.Dataset([f"{sample}/ttH.root", f"{sample}/ttbar.root"], labels=[1, 0])
    >>> loader = mlaas4hep.Loader(dataset, batch_size=256)
    >>> batches = iter(loader)
    >>> batch = next(batches)
    >>> batch.data.shape, batch.labels.shape
    ((256, 172), (256,))
    >>> state = json.dumps(loader.state_dict())  # kept in a checkpoint, beside the model

    and after a restart:

    >>> again = mlaas4hep.Loader(dataset, batch_size=256)
    >>> again.load_state_dict(json.loads(state))
    >>> (next(iter(again)).data == next(batches).data).all()
    np.True_
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        part: str | None = "train",
        *,
        chunk_size: int = 100_000,
        shuffle: bool | int = True,
        drop_last: bool = False,
        shard: tuple[int, int] | None = None,
        epochs: int | None = 1,
    ) -> None:
        given: object = dataset
        if not isinstance(given, Dataset):
            raise ParamsError(f"a Loader takes a Dataset, not an object of type {type(given).__name__}")
        self.dataset = dataset
        self.part = part
        self._part = part_number(part)
        self.batch_size = whole("batch_size", batch_size, 1, 2**48)
        self.chunk_size = -1 if chunk_size == -1 else whole("chunk_size", chunk_size, 1, 2**48)
        self.shuffle = window_of(shuffle)
        self.drop_last = bool(drop_last)
        self.shard = shard_of(shard)
        self.epochs = None if epochs is None else whole("epochs", epochs, 1, 2**63)
        self._epoch = self._batch = 0
        self._identity: dict[str, str] | None = None

    @property
    def epoch(self) -> int:
        """The epoch of the next batch, counted from 0."""
        return self._epoch

    @property
    def batch(self) -> int:
        """The number of the next batch in its epoch, counted from 0."""
        return self._batch

    def set_epoch(self, epoch: int, batch: int = 0) -> None:
        """Go to the beginning of an epoch, or to one of its batches."""
        self._epoch, self._batch = whole("epoch", epoch, 0, 2**63), whole("batch", batch, 0, 2**62)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        share = Share(0, self.dataset.scheduled(self._part), self.shard[1])
        return share.pieces(self.batch_size, self.drop_last)

    def __iter__(self) -> Generator[Chunk]:
        """Yield batches from the position on, to the end of the epochs."""
        batches = len(self)
        while batches:
            epoch, first = self._epoch, self._batch
            with closing(self.dataset.pieces(self._asked(epoch, first))) as pieces:
                for number, batch in enumerate(pieces, first + 1):
                    self._epoch, self._batch = epoch + number // batches, number % batches
                    yield batch
            if first >= batches:
                self._epoch, self._batch = epoch + 1, 0
            if self.epochs is not None and self._epoch % self.epochs == 0:
                return

    def _asked(self, epoch: int, skip: int) -> Asked:
        size, piece = self.chunk_size, self.batch_size
        return Asked(size, self._part, epoch, self.shuffle, piece, skip, self.shard, self.drop_last)

    def of_reader(self, rank: int, world: int, threads: int | None = None) -> Self:
        """Return this loader for one of several readers that share its work.

        With ``threads`` of each, all are in one machine, and together have as many events in memory as one would.
        """
        other = copy(self)
        other.shard = (self.shard[0] * world + rank, self.shard[1] * world)
        if threads is not None:
            other.dataset = self.dataset.with_threads(threads)
            other.chunk_size = -1 if self.chunk_size == -1 else -(-self.chunk_size // world)
        return other

    def state_dict(self) -> dict[str, Any]:
        """Return the position, as values of JSON, with all that the batches behind it follow from."""
        return {
            "version": VERSION,
            "epoch": self._epoch,
            "batch": self._batch,
            "events": self.dataset.scheduled(self._part),
            "arguments": self._arguments(),
            "dataset": self._known(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the position of a state, which a loader of the same arguments and dataset gave.

        Raises
        ------
        ParamsError
            It is no state, or not one of such a loader; the message says what differs.
        """
        if what := _why_not(state):
            raise ParamsError(
                f"this is no state of a Loader: {what}; give what state_dict() of version {VERSION} returned"
            )
        _compare("", state["arguments"], self._arguments())
        _compare("the dataset's ", state["dataset"], self._known(), values=False)
        if state["events"] != (events := self.dataset.scheduled(self._part)):
            raise ParamsError(f"the state does not fit: it is of {state['events']} events, and there are {events}")
        self.set_epoch(state["epoch"], state["batch"])

    def _arguments(self) -> dict[str, Any]:
        names = ("batch_size", "part", "chunk_size", "shuffle", "drop_last", "epochs")
        return {**{name: getattr(self, name) for name in names}, "shard": list(self.shard)}

    def _known(self) -> dict[str, str]:
        """What the dataset's batches follow from, each thing by its hash; files are looked at once."""
        if self._identity is None:
            identity = {**self.dataset.identity(), "plan": self.dataset.plan.hash}
            self._identity = {name: _hash(value) for name, value in identity.items()}
        return self._identity


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _why_not(state: Any) -> str:
    """Why a value cannot be a state, if it cannot."""
    if not isinstance(state, Mapping):
        return f"it is {state!r}"
    lacking = [name for name in ("epoch", "batch", "events", "arguments", "dataset") if name not in state]
    if lacking or state.get("version") != VERSION:
        return f"it lacks {lacking[0]!r}" if lacking else f"its version is {state.get('version')!r}"
    wrong = [name for name in ("arguments", "dataset") if not isinstance(state[name], Mapping)]
    return f"its {wrong[0]!r} is {state[wrong[0]]!r}" if wrong else ""


def _compare(whose: str, then: Mapping[str, Any], now: Mapping[str, Any], values: bool = True) -> None:
    """Raise where something is not as it was when a state was taken."""
    for name in dict.fromkeys([*now, *then]):
        if then.get(name) != now.get(name):
            was = f" was {then.get(name)!r} and is {now.get(name)!r}" if values else " changed since"
            raise ParamsError(f"the state does not fit: {whose}{name}{was}; make the loader as it was made then")
