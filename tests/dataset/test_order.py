"""Which events a chunk holds, in which order, and what their rows are."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st
from mlaas4hep.dataset import PARTS, Dataset
from mlaas4hep.errors import Note

from tests import rules
from tests.dataset.files import INPUTS, assert_rows, make, make_all, origin, positions, same_bits

SIZES = (0, 1, 2, 3, 17, 40, 100)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A file of every size."""
    return dict(zip(SIZES, make_all(tmp_path_factory.mktemp("sizes"), SIZES), strict=True))


def dataset_of(paths: list[Path], **options: object) -> Dataset:
    return Dataset(paths, select=INPUTS, **options)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:files with 0 events")
@settings(max_examples=settings().max_examples // 3)
@given(data=st.data())
def test_every_event_comes_once_in_the_order_of_the_rule(files: dict[int, Path], data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=5).filter(any), label="sizes")
    chunk_size = data.draw(st.one_of(st.just(-1), st.integers(1, 250)), label="chunk size")
    seed = data.draw(st.integers(0, 2**64 - 1), label="seed")
    dataset = dataset_of([files[size] for size in sizes], seed=seed)
    found = {part: origins(dataset, chunk_size, part) for part in PARTS}
    for part in PARTS:
        assert found[part] == positions(sizes, part, seed=seed)
        assert len(found[part]) == dataset.count(part)
    everything = sorted((file, entry) for file, size in enumerate(sizes) for entry in range(size))
    assert sorted(chain.from_iterable(found.values())) == everything
    assert sorted(origins(dataset, chunk_size, None)) == everything
    assert len(dataset) == sum(sizes)


def origins(dataset: Dataset, size: int, part: str | None) -> list[tuple[int, int]]:
    chunks = [origin(chunk) for chunk in dataset.chunks(size, part, shuffle=False)]
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(chunks)
    return list(chain.from_iterable(chunks))


@pytest.mark.parametrize("size", [1, 30, 157, 1000, -1])
def test_rows_are_those_of_the_whole_file_flattened_in_memory(files: dict[int, Path], size: int) -> None:
    paths = [files[100], files[1], files[17]]
    dataset = dataset_of(paths)
    assert dataset.branches == INPUTS
    assert dataset.names == dataset.plan.names
    for shuffle in (False, True):
        assert_rows(dataset, paths, dataset.chunks(size, shuffle=shuffle))


def test_shuffling_permutes_within_a_chunk(files: dict[int, Path]) -> None:
    dataset = dataset_of([files[100], files[40]])
    orders = set()
    for epoch in (0, 1):
        plain, shuffled = dataset.chunks(50, shuffle=False), dataset.chunks(50, epoch=epoch)
        for before, after in zip(plain, shuffled, strict=True):
            assert origin(before) != origin(after)
            assert sorted(origin(before)) == sorted(origin(after))
            orders.add(tuple(origin(after)))
    assert len(orders) == 2 * 3
    again = next(dataset.chunks(50, epoch=1))
    assert tuple(origin(again)) in orders


def test_seed_decides_parts_and_order(files: dict[int, Path]) -> None:
    paths = [files[100], files[40]]
    first = [origin(next(dataset_of(paths, seed=seed).chunks(-1))) for seed in (1, 1, 2)]
    assert first[0] == first[1] != first[2]
    parts = [sorted(origin(next(dataset_of(paths, seed=seed).chunks(-1, "test")))) for seed in (1, 1, 2)]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_the_result_has_the_same_bits_for_any_number_of_threads(files: dict[int, Path], threads: int) -> None:
    paths = [files[100], files[40]]
    wanted = list(dataset_of(paths, labels=[1, 0], threads=1).chunks(60, "train"))
    found = list(dataset_of(paths, labels=[1, 0], threads=threads).chunks(60, "train"))
    for left, right in zip(wanted, found, strict=True):
        assert origin(left) == origin(right)
        assert same_bits(left.data, right.data)
        assert same_bits(left.padding_mask, right.padding_mask)
        assert left.labels is not None
        assert right.labels is not None
        assert same_bits(left.labels, right.labels)


def test_split_decides_the_parts(files: dict[int, Path]) -> None:
    split = (0.2, 0.5, 0.3)
    dataset = dataset_of([files[100], files[40]], split=split)
    for part in PARTS:
        assert origins(dataset, 30, part) == positions([100, 40], part, split=split)
    only = dataset_of([files[100]], split=(1, 0, 0))
    assert [only.count(part) for part in PARTS] == [100, 0, 0]
    assert list(only.chunks(10, "validation")) == []


def test_an_identifier_takes_the_place_of_the_entry(tmp_path: Path) -> None:
    paths = [make(tmp_path / f"{number}.root", 300, number) for number in range(2)]
    dataset = Dataset(paths, identifier=["run", "event"])
    assert dataset.branches == INPUTS
    events = [identity(path) for path in paths]
    for part in PARTS:
        for chunk in dataset.chunks(70, part):
            for file, entry in origin(chunk):
                assert PARTS[rules.part(21, file, [300_000 + file, events[file][entry]])] == part
    assert sum(map(dataset.count, PARTS)) == 600


def identity(path: Path) -> list[int]:
    """The branch ``event`` of a file."""
    with uproot.open({str(path): "events"}) as tree:
        events: list[int] = tree["event"].array(library="np").tolist()
    return events


def test_nevts_takes_the_first_events_of_each_file_in_proportion(files: dict[int, Path]) -> None:
    sizes = [100, 40, 17, 1]
    dataset = dataset_of([files[size] for size in sizes], nevts=50)
    used = rules.shares(sizes, 50)
    assert len(dataset) == sum(used) == 50
    assert origins(dataset, 20, None) == positions(used)
    assert dataset.specs().selected == {
        str(given): tuple(sum(file == number for file, _ in positions(used, part)) for part in PARTS)
        for number, given in enumerate(dataset.inputs)
    }
    assert len(dataset_of([files[40]], nevts=1000)) == 40


def test_files_without_events_are_named(files: dict[int, Path]) -> None:
    with pytest.warns(Note, match=r"files with 0 events: .*file0\.root"):
        dataset = dataset_of([files[40], files[0]])
    assert_rows(dataset, [files[40], files[0]], dataset.chunks(7))


def test_every_chunk_holds_its_share_of_every_file(files: dict[int, Path]) -> None:
    sizes = [100, 40, 17]
    dataset = dataset_of([files[size] for size in sizes])
    taken = np.zeros(3)
    for number, chunk in enumerate(dataset.chunks(31), 1):
        taken += np.bincount(chunk.file, minlength=3)
        assert (abs(taken - np.array(sizes) * min(31 * number, 157) / 157) < 1).all()
