"""Every event comes as often as it should, with what belongs to it: all ways to go over a dataset, in plain Python."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mlaas4hep.dataset import PARTS, Chunk, Dataset, Loader

from tests import rules

SIZES = (0, 1, 2, 9, 40)
"""Of the files."""

pytestmark = pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")


@dataclass(frozen=True)
class Event:
    """An event as its file has it, with a number of its own."""

    number: int
    entry: int

    @property
    def label(self) -> int | None:
        return None if self.number % 7 == 3 else self.number % 2

    @property
    def weight(self) -> float:
        return 1.0 + self.number % 3

    @property
    def height(self) -> int:
        return self.number * 5 % 4

    @property
    def values(self) -> list[float]:
        return [self.number + at / 4 for at in range(self.number % 4)]


def events_of(file: int) -> list[Event]:
    return [Event(100 * file + entry, entry) for entry in range(SIZES[file])]


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file of each size, in several row groups."""
    folder = tmp_path_factory.mktemp("pool")
    for file in range(len(SIZES)):
        events = events_of(file)
        table = {
            "number": pa.array([event.number for event in events], pa.int32()),
            "label": pa.array([event.label for event in events], pa.int8()),
            "weight": pa.array([event.weight for event in events], pa.float64()),
            "height": pa.array([event.height for event in events], pa.int32()),
            "values": pa.array([event.values for event in events], pa.list_(pa.float32())),
        }
        pq.write_table(pa.table(table), folder / f"{file}.parquet", row_group_size=6)
    return [folder / f"{file}.parquet" for file in range(len(SIZES))]


@dataclass(frozen=True)
class Wish:
    """Which files, and what of their events; ``split`` is None for parts by the numbers of events."""

    files: list[int]
    cut: bool
    labelled: bool
    weighted: bool
    split: tuple[float, float, float] | None
    nevts: int

    @property
    def options(self) -> dict[str, Any]:
        return {
            "labels": "label" if self.labelled else None,
            "weights": "weight" if self.weighted else None,
            "split": self.split or {"by": "number % 5", "validation": [3], "test": [4]},
            "preproc": {"flat_cut": {"height": {"cut": "height > 0"}}} if self.cut else None,
            "normalize": "none",
            "nevts": self.nevts,
        }

    def events(self) -> dict[tuple[int, int], Event]:
        sizes = [SIZES[file] for file in self.files]
        shares = sizes if self.nevts == -1 else rules.shares(sizes, self.nevts)
        return {
            (at, event.entry): event
            for at, (file, share) in enumerate(zip(self.files, shares, strict=True))
            for event in events_of(file)[:share]
        }

    def is_cut(self, event: Event) -> bool:
        return self.cut and event.height == 0

    def is_used(self, event: Event) -> bool:
        return not self.is_cut(event) and not (self.labelled and event.label is None)

    def part(self, key: tuple[int, int], event: Event) -> str:
        if self.split is None:
            return {3: "validation", 4: "test"}.get(event.number % 5, "train")
        return PARTS[rules.part(21, key[0], [key[1]], self.split)]

    def used(self, part: str | None = None) -> dict[tuple[int, int], Event]:
        found = {key: event for key, event in self.events().items() if self.is_used(event)}
        return {key: event for key, event in found.items() if part is None or self.part(key, event) == part}


WISHES = st.builds(
    Wish,
    st.lists(st.integers(0, len(SIZES) - 1), min_size=1, max_size=4, unique=True),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, (0.64, 0.16, 0.2), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0)]),
    st.sampled_from([-1, -1, 1, 5, 30]),
)


def assert_once(dataset: Dataset, chunks: Iterable[Chunk], wanted: dict[tuple[int, int], Event]) -> None:
    """Every event that is wanted comes once, and no other; its row, label and weight are its own."""
    number, names = dataset.names.index("number"), dataset.names
    found: Counter[tuple[int, int]] = Counter()
    for chunk in chunks:
        for row, key in enumerate(zip(chunk.file.tolist(), chunk.entry.tolist(), strict=True)):
            found[key] += 1
            event = wanted[key]
            assert chunk.data[row, number] == event.number
            values = [chunk.data[row, at] for at, name in enumerate(names) if name.startswith("values_")]
            masked = [chunk.padding_mask[row, at] for at, name in enumerate(names) if name.startswith("values_")]
            assert [value for value, none in zip(values, masked, strict=True) if not none] == event.values
            assert chunk.labels is None or chunk.labels[row] == event.label
            assert chunk.weights is None or chunk.weights[row] == event.weight
    assert found == Counter(dict.fromkeys(wanted, 1))


def made(pool: Sequence[Path], wish: Wish, cache: Path | None) -> Dataset:
    return Dataset([pool[file] for file in wish.files], cache=cache, **wish.options)


def assert_accounts(dataset: Dataset, wish: Wish) -> None:
    """The ledger tells what became of the events of every file, and that all passes delivered them."""
    used, events = wish.used(), wish.events()
    for at, account in enumerate(dataset.ledger.files):
        of_file = {key: event for key, event in events.items() if key[0] == at}
        cut = sum(map(wish.is_cut, of_file.values()))
        parts = Counter(wish.part(key, event) for key, event in used.items() if key[0] == at)
        assert account.entries == SIZES[wish.files[at]]
        assert account.entries - account.unused == len(of_file)
        assert account.cut == cut
        assert account.missing_label == len(of_file) - cut - sum(parts.values())
        assert [getattr(account, part) for part in PARTS] == [parts[part] for part in PARTS]
    for delivery in dataset.ledger.passes:
        wanted = len(used) if delivery.part == "all" else len(wish.used(delivery.part))
        assert sum(delivery.delivered) == sum(delivery.scheduled) == wanted * delivery.passes


@settings(max_examples=30)
@given(WISHES, st.sampled_from([1, 3, 8, 50, -1]), st.sampled_from([True, False, 2]), st.integers(1, 3), st.booleans())
def test_passes_in_parts_and_shards(
    pool: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    wish: Wish,
    size: int,
    shuffle: bool | int,
    world: int,
    cached: bool,
) -> None:
    assume(wish.used())
    dataset = made(pool, wish, tmp_path_factory.getbasetemp() / "pool-cache" if cached else None)
    for part in (*PARTS, None):
        assert_once(dataset, dataset.chunks(size, part, shuffle=shuffle), wish.used(part))
    assert_accounts(dataset, wish)
    shards = [list(dataset.chunks(size, "train", shuffle=shuffle, shard=(rank, world))) for rank in range(world)]
    assert len({len(chunks) for chunks in shards}) == 1
    assert_once(dataset, (chunk for chunks in shards for chunk in chunks), wish.used("train"))


@settings(max_examples=25)
@given(WISHES, st.integers(1, 9), st.integers(1, 20), st.integers(0, 6), st.integers(1, 2), st.data())
def test_restarts(
    pool: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    wish: Wish,
    batch: int,
    size: int,
    taken: int,
    world: int,
    data: st.DataObject,
) -> None:
    assume(wish.used())
    folder = tmp_path_factory.getbasetemp() / "pool-cache"
    before, after = (made(pool, wish, folder if data.draw(st.booleans()) else None) for _ in range(2))
    found: list[Chunk] = []
    for rank in range(world):
        arguments: dict[str, Any] = {"batch_size": batch, "chunk_size": size, "shard": (rank, world), "shuffle": 2}
        first, second = Loader(before, **arguments), Loader(after, **arguments)
        stopped = min(taken, len(first))
        found += [one for _, one in zip(range(stopped), first, strict=False)]
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        if stopped < len(first):
            found += second
    assert_once(after, found, wish.used("train"))
    skipped = list(before.chunks(size, "train"))[:taken]
    assert_once(after, [*skipped, *after.chunks(size, "train", skip=taken)], wish.used("train"))


@settings(max_examples=15)
@given(WISHES, st.integers(2, 4), st.integers(1, 20))
def test_folds(pool: list[Path], wish: Wish, number: int, size: int) -> None:
    assume(wish.split is not None and len(wish.used()) >= number)
    dataset = made(pool, wish, None)
    folds = dataset.folds(number)
    for fold in folds:
        assert_once(dataset, (chunk for part in PARTS for chunk in fold.chunks(size, part)), wish.used())
    assert_once(dataset, (chunk for fold in folds for chunk in fold.chunks(size, "test")), wish.used())
