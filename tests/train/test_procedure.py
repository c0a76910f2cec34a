"""The two procedures, seen by a network that only writes down what it is given."""

from collections.abc import Callable, Generator, Mapping
from typing import Any, cast

import numpy as np
import pytest
from mlaas4hep.config import Params
from mlaas4hep.errors import ModelError, Note
from mlaas4hep.evaluation.results import Epoch
from mlaas4hep.frameworks import Network, Part
from mlaas4hep.train.procedure import Trainer
from mlaas4hep.train.progress import Silent
from mlaas4hep.train.reader import Reader

from tests.train.fakes import FakeChunk, FakeDataset


class Recorder:
    """Takes part in a training and remembers everything; the loss of every fit is one lower."""

    def __init__(self, loss: float = 100.0) -> None:
        self.loss = loss
        self.calls: list[tuple[str, list[float], list[float] | None, bool]] = []

    def fit(
        self,
        part: Part,
        validation: Part | None,
        *,
        epochs: int,
        batch_size: int,
        shuffle: bool,
        on_batch: Callable[[int, float], None],
        on_epoch: Callable[[Mapping[str, float]], None],
    ) -> None:
        """Report one batch an epoch."""
        checked = None if validation is None else validation[0][:, 0].tolist()
        self.calls.append(("fit", part[0][:, 0].tolist(), checked, shuffle))
        for _ in range(epochs):
            self.loss -= 1
            on_batch(len(part[1]), self.loss)
            on_epoch({"loss": self.loss} | ({} if checked is None else {"val_loss": 2 * self.loss}))

    def evaluate(self, part: Part, *, batch_size: int) -> dict[str, float]:
        """Return the number of events as loss."""
        self.calls.append(("evaluate", part[0][:, 0].tolist(), None, False))
        return {"loss": float(len(part[1]))}


class Watch(Silent):
    """Writes down the progress."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def start(self, stage: str, total: int) -> None:
        """Write it down."""
        self.heard.append((stage, total))

    def advance(self, events: int, loss: float | None = None) -> None:
        """Write it down."""
        self.heard.append((events, loss))

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        """Write it down."""
        self.heard.append((epoch.number, epoch.chunk, epochs))


def train(
    training: str,
    train: int,
    validation: int,
    *,
    epochs: int = 2,
    size: int = 4,
    loss: float = 100.0,
    kind: type[FakeDataset] = FakeDataset,
) -> tuple[Recorder, FakeDataset, Trainer, Watch]:
    """Train by a procedure on events that are numbered in their first column."""
    dataset = kind(train, validation)
    for part in ("train", "validation"):
        dataset.whole(part).data[:, 0] = np.arange(dataset.count(part))
    network, watch = Recorder(loss), Watch()
    params = Params(training=training, epochs=epochs, batch_size=2, shuffle=False)
    trainer = Trainer(cast(Network, network), Reader(dataset.typed, size), params, watch, "model.py")
    trainer.run()
    assert dataset.open == 0
    return network, dataset, trainer, watch


def test_chunk_trains_all_epochs_on_a_chunk_and_validates_on_its_share() -> None:
    network, dataset, trainer, watch = train("chunk", 10, 7)
    assert network.calls == [
        ("fit", [0, 1, 2, 3], [0, 1], False),
        ("fit", [4, 5, 6, 7], [2, 3], False),
        ("fit", [8, 9], [4, 5, 6], False),
    ]
    assert [(epoch.chunk, epoch.number) for epoch in trainer.history] == [
        (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2),
    ]  # fmt: skip
    assert trainer.history[0].values == {"loss": 99.0, "val_loss": 198.0}
    assert dataset.passes == [("train", 4, 0, False), ("validation", 3, 0, False)]
    assert watch.heard[:3] == [("training", 20), (4, 99.0), (1, 1, 2)]
    assert sum(heard[0] for heard in watch.heard if len(heard) == 2 and heard[0] != "training") == 20


def test_chunks_without_validation_events_are_said() -> None:
    with pytest.warns(Note, match="2 of 3 train chunks have no validation events; there are 1 in all"):
        network, *_ = train("chunk", 10, 1)
    assert [checked for _, _, checked, _ in network.calls] == [None, None, [0]]


def test_chunk_without_any_validation_event_reads_none() -> None:
    with pytest.warns(Note, match="3 of 3 train chunks"):
        network, dataset, *_ = train("chunk", 10, 0)
    assert [checked for _, _, checked, _ in network.calls] == [None] * 3
    assert dataset.passes == [("train", 4, 0, False)]


def test_standard_goes_over_all_chunks_and_then_the_validation_part() -> None:
    network, dataset, trainer, watch = train("standard", 10, 6)
    epoch = [
        ("fit", [0, 1, 2, 3], None, False),
        ("fit", [4, 5, 6, 7], None, False),
        ("fit", [8, 9], None, False),
        ("evaluate", [0, 1, 2, 3], None, False),
        ("evaluate", [4, 5], None, False),
    ]
    assert network.calls == epoch * 2
    assert [pass_[:3] for pass_ in dataset.passes] == [
        ("train", 4, 0), ("validation", 4, 0), ("train", 4, 1), ("validation", 4, 0),
    ]  # fmt: skip
    assert [(epoch.chunk, epoch.number) for epoch in trainer.history] == [(None, 1), (None, 2)]
    expected = {"loss": (4 * 99 + 4 * 98 + 2 * 97) / 10, "val_loss": (4 * 4 + 2 * 2) / 6}
    assert trainer.history[0].values == pytest.approx(expected)
    assert watch.heard[0] == ("training", 20)


class Lossy(FakeDataset):
    """Its second chunk of every pass is lost, as events of a file that is skipped are."""

    def chunks(self, *given: Any, **more: Any) -> Generator[FakeChunk, None, None]:
        """Yield the chunks, the second one empty."""
        for number, chunk in enumerate(super().chunks(*given, **more)):
            yield FakeChunk(chunk.data[:0], chunk.labels[:0], chunk.entry[:0]) if number == 1 else chunk


@pytest.mark.parametrize("training", ["chunk", "standard"])
def test_chunks_that_are_lost(training: str) -> None:
    network, _, trainer, _ = train(training, 10, 6, kind=Lossy)
    if training == "chunk":
        assert [call[1] for call in network.calls] == [[0, 1, 2, 3], [8, 9]]
        assert [(epoch.chunk, epoch.number) for epoch in trainer.history] == [(1, 1), (1, 2), (3, 1), (3, 2)]
    else:
        assert [call[1] for call in network.calls] == [[0, 1, 2, 3], [8, 9], [0, 1, 2, 3]] * 2
        values = {"loss": (4 * 99 + 2 * 98) / 6, "val_loss": 4.0}
        assert trainer.history[0].values == pytest.approx(values)  # means over the events that are there


def test_standard_without_validation_events_says_so() -> None:
    with pytest.warns(Note, match="there are no validation events"):
        _, _, trainer, _ = train("standard", 10, 0)
    assert all(list(epoch.values) == ["loss"] for epoch in trainer.history)


@pytest.mark.parametrize("training", ["chunk", "standard"])
@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_training(training: str, loss: float) -> None:
    with pytest.raises(ModelError, match=r"model\.py: the loss became (nan|inf) in training; a lower learning"):
        train(training, 10, 6, loss=loss)


def test_the_rate_leaves_the_first_batch_out() -> None:
    _, _, trainer, _ = train("chunk", 4, 4, epochs=1)
    assert trainer.rate is None
    _, _, trainer, _ = train("chunk", 8, 4, epochs=1)
    assert trainer.rate is not None
    assert trainer.rate > 0
