"""Chunks as a model wants them, and the cutting of a stream of chunks."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep.frameworks import Part
from mlaas4hep.train.reader import Reader, cut

from tests.train.fakes import FakeDataset


@given(st.lists(st.integers(0, 7), max_size=12), st.lists(st.integers(0, 30), max_size=8), st.booleans())
def test_cutting_a_stream_neither_loses_nor_repeats_events(sizes: list[int], inner: list[int], weighted: bool) -> None:
    total = sum(sizes)
    limits = [0, *sorted(min(limit, total) for limit in inner), total]
    ends = np.cumsum([0, *sizes])
    everything = np.arange(total)
    parts = [
        Part(
            everything[start:stop, np.newaxis].astype(np.float32),
            everything[start:stop],
            everything[start:stop].astype(np.float32) if weighted else None,
        )
        for start, stop in pairwise(ends)
    ]
    pieces = list(cut(parts, limits))
    for piece, (start, stop) in zip(pieces, pairwise(limits), strict=True):
        if piece is None:
            assert start == stop
        else:
            assert piece.labels.tolist() == piece.data[:, 0].tolist() == list(range(start, stop))
            assert (piece.weights is not None) == weighted
            assert piece.weights is None or piece.weights.tolist() == piece.labels.tolist()


def test_labels_become_positions() -> None:
    reader = Reader(FakeDataset(train=10, values=(-1, 7), classes=("b", "s")).typed, 4)
    parts = list(reader.parts("train"))
    assert [len(part.labels) for part in parts] == [4, 4, 2]
    assert np.concatenate([part.labels for part in parts]).tolist() == [0, 1] * 5
    assert reader.counts["train"].tolist() == [5, 5]
    assert reader.waited > 0


def test_the_rate_counts_the_events_of_all_parts_in_every_pass() -> None:
    reader = Reader(FakeDataset(train=10, validation=4, test=6).typed, 4)
    for part in ("train", "validation"):
        list(reader.parts(part))
    assert reader.rate == 2 * 20 / (2 * 0.75)


def test_a_second_pass_does_not_count_twice() -> None:
    reader = Reader(FakeDataset(train=10).typed, 10)
    for _ in range(2):
        list(reader.parts("train"))
    assert reader.counts["train"].tolist() == [5, 5]


def test_a_part_without_events_is_not_read() -> None:
    dataset = FakeDataset(validation=0)
    assert list(Reader(dataset.typed, 10).parts("validation")) == []
    assert dataset.passes == []


def test_leaving_early_closes_the_pass() -> None:
    dataset = FakeDataset()
    parts = Reader(dataset.typed, 10).parts("train")
    next(parts)
    assert dataset.open == 1
    parts.close()
    assert dataset.open == 0


@pytest.mark.parametrize(("size", "chunks"), [(-1, 1), (600, 1), (599, 2), (100, 6)])
def test_the_number_of_chunks(size: int, chunks: int) -> None:
    assert Reader(FakeDataset(train=600).typed, size).chunks("train") == chunks
