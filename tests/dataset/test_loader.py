"""Batches, epochs, and states that are taken up again."""

import json
import pickle
import subprocess
import sys
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlaas4hep import Chunk, Dataset, Loader
from mlaas4hep.errors import ParamsError
from mlaas4hep.sources import clusters

from tests import rules
from tests.dataset.files import INPUTS, make_all, origin, same_bits
from tests.dataset.test_bad_files import damaged

SIZES = [60, 0, 41, 1, 97]
LABELS = ["b", "a", "a", "b", "b"]
CUTS = {"jagged_cut": {"jetPt": {"cut": ["jetPt>30", "any"]}}}

pytestmark = pytest.mark.filterwarnings("ignore:files with 0 events", "ignore:5 files are more", "ignore:skipped")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_all(tmp_path_factory.mktemp("loader"), SIZES)


@pytest.fixture(scope="module")
def dataset(paths: list[Path]) -> Dataset:
    return Dataset(paths, LABELS, select=INPUTS)


def copies(batches: Any) -> list[Chunk]:
    return [batch.rows(np.arange(len(batch.data))) for batch in batches]


def same(left: list[Chunk], right: list[Chunk]) -> bool:
    names = ("data", "padding_mask", "labels", "file", "entry")
    pairs = ((getattr(a, name), getattr(b, name)) for a, b in zip(left, right, strict=True) for name in names)
    return all(a is b if a is None or b is None else same_bits(a, b) for a, b in pairs)


LOADERS = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, 80),
        "part": st.sampled_from(["train", "validation", None]),
        "chunk_size": st.one_of(st.just(-1), st.integers(1, 90)),
        "shuffle": st.one_of(st.booleans(), st.integers(1, 4)),
        "drop_last": st.booleans(),
        "shard": st.one_of(
            st.none(), st.integers(1, 4).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n)))
        ),
    }
)


@settings(max_examples=settings().max_examples // 2)
@given(options=LOADERS, epoch=st.integers(0, 2))
def test_batches_are_the_events_of_the_chunks_in_their_order(
    dataset: Dataset, options: dict[str, Any], epoch: int
) -> None:
    loader = Loader(dataset, **options)
    loader.set_epoch(epoch)
    batches = [origin(batch) for batch in loader]
    assert len(batches) == len(loader)
    size, part, shard = options["batch_size"], options["part"], options["shard"]
    how = {"epoch": epoch, "shuffle": options["shuffle"], "shard": shard}
    rows = list(chain.from_iterable(origin(chunk) for chunk in dataset.chunks(options["chunk_size"], part, **how)))
    world = shard[1] if shard else 1
    total = dataset.count(part)
    wanted = rules.pieces(len(rows), -(-total // world), size)
    if options["drop_last"]:
        wanted = [range(start, start + size) for start in range(0, total // world - size + 1, size)]
    assert batches == [rows[piece.start : piece.stop] for piece in wanted]
    assert loader.epoch == epoch + bool(batches)


@settings(max_examples=settings().max_examples // 2)
@given(options=LOADERS, taken=st.integers(0, 60))
def test_a_state_is_taken_up_with_the_very_next_event(dataset: Dataset, options: dict[str, Any], taken: int) -> None:
    first = Loader(dataset, **options, epochs=None)
    if not len(first):
        assert list(first) == []
        return
    taken %= 2 * len(first) + 1
    batches = iter(first)
    list(islice(batches, taken))
    state = json.loads(json.dumps(first.state_dict()))
    wanted = copies(islice(batches, len(first) + 1))
    second = Loader(dataset, **options, epochs=None)
    second.load_state_dict(state)
    assert (second.epoch, second.batch) == divmod(taken, len(first))
    assert same(copies(islice(second, len(first) + 1)), wanted)


def test_a_loop_that_is_left_goes_on_and_then_comes_the_next_epoch(dataset: Dataset) -> None:
    loader, whole = Loader(dataset, 30, None), Loader(dataset, 30, None, epochs=2)
    wanted = copies(whole)
    assert (whole.epoch, whole.batch) == (2, 0)
    found = copies(islice(loader, 3))
    assert (loader.epoch, loader.batch) == (0, 3)
    found += copies(loader)
    assert (loader.epoch, loader.batch) == (1, 0)
    found += copies(loader)
    assert same(found, wanted)
    assert origin(wanted[0]) != origin(wanted[len(loader)])


def test_epochs_of_an_iteration_end_where_they_would_have(dataset: Dataset) -> None:
    loader = Loader(dataset, 50, epochs=3)
    loader.set_epoch(4, 1)
    assert len(list(loader)) == 2 * len(loader) - 1
    assert loader.epoch == 6


def test_a_position_behind_the_epoch_is_the_next_one(dataset: Dataset) -> None:
    loader = Loader(dataset, 50)
    loader.set_epoch(0, 99)
    assert list(loader) == []
    assert (loader.epoch, loader.batch) == (1, 0)


RESUME = """
import json, sys
from mlaas4hep import Dataset, Loader
paths, labels, select, cuts, state = json.loads(sys.argv[1])
loader = Loader(Dataset(paths, labels, select=select, preproc=cuts, max_open=2), 16, chunk_size=40, shuffle=2)
loader.load_state_dict(state)
print(json.dumps([[batch.data.tobytes().hex(), batch.entry.tolist()] for batch in loader]))
"""


def test_another_process_goes_on(paths: list[Path]) -> None:
    dataset = Dataset(paths, LABELS, select=INPUTS, preproc=CUTS, max_open=2)
    loader = Loader(dataset, 16, chunk_size=40, shuffle=2)
    batches = iter(loader)
    list(islice(batches, 4))
    given_ = json.dumps([list(map(str, paths)), LABELS, INPUTS, CUTS, loader.state_dict()])
    command = [sys.executable, "-c", RESUME, given_]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(answer.stdout) == [[batch.data.tobytes().hex(), batch.entry.tolist()] for batch in batches]


def test_files_that_are_lost_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_limits", lambda _: (1000, 2000))
    made = make_all(tmp_path, [400, 500])
    specs = Dataset(made, select=INPUTS).specs()
    damaged(made[1])

    def loader() -> Loader:
        dataset = Dataset(made, specs=specs, on_bad_file="skip")
        return Loader(dataset, 50, None, chunk_size=120, epochs=2)

    whole = loader()
    batches = iter(whole)
    wanted, states = [], []
    for batch in batches:
        wanted.append(batch.rows(slice(None)))
        states.append(json.dumps(whole.state_dict()))
    assert len(wanted) == 2 * 18
    lost = whole.dataset.bad_files[0].lost
    assert lost
    assert sum(len(batch.data) for batch in wanted) == 2 * (900 - lost)
    for taken in (3, 17, 18, 30):
        again = loader()
        again.load_state_dict(json.loads(states[taken]))
        assert same(copies(again), wanted[taken + 1 :] if taken < 17 or taken > 17 else wanted[18:])


@pytest.mark.parametrize("kind", ["plain", "cuts"])
def test_datasets_and_loaders_are_pickled_with_what_was_found(
    kind: str, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset(paths, LABELS, select=INPUTS, preproc=CUTS if kind == "cuts" else None)
    dataset.on_events = lambda events: None
    loader = Loader(dataset, 32)
    iter(loader)
    list(islice(loader, 2))
    with monkeypatch.context() as patch:
        text = pickle.dumps(loader)
        patch.setattr("mlaas4hep.dataset.firstpass.open_again", None)
        patch.setattr("mlaas4hep.dataset.files.open_source", None)
        other = pickle.loads(text)
        assert other.dataset.specs() == dataset.specs()
        assert other.dataset.identity() == dataset.identity()
        assert other.dataset.cutflow == dataset.cutflow
        assert (other.epoch, other.batch) == (0, 2)
        assert same(copies(other), copies(loader))
    assert dataset.with_threads(1).threads == 1
    assert dataset.unnormalised().plan != dataset.plan


def test_all_events_at_once(dataset: Dataset) -> None:
    whole = dataset.arrays("validation")
    (chunk,) = dataset.chunks(-1, "validation", shuffle=False)
    assert same([whole], [chunk])
    assert len(Dataset(dataset.inputs[0].path, split=(1, 0, 0)).arrays("test").data) == 0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"batch_size": 31}, "batch_size was 30 and is 31"),
        ({"chunk_size": 7}, "chunk_size was 50 and is 7"),
        ({"shuffle": False}, "shuffle was 1 and is 0"),
        ({"part": None}, "part was 'train' and is None"),
        ({"drop_last": True}, "drop_last was False and is True"),
        ({"epochs": None}, "epochs was 1 and is None"),
        ({"shard": (1, 2)}, r"shard was \[0, 1\] and is \[1, 2\]"),
    ],
)
def test_a_state_of_other_arguments(dataset: Dataset, other: dict[str, Any], message: str) -> None:
    state = Loader(dataset, 30, chunk_size=50).state_dict()
    with pytest.raises(ParamsError, match=f"^the state does not fit: {message}; make the loader as it was made then"):
        Loader(dataset, **{"batch_size": 30, "chunk_size": 50, **other}).load_state_dict(state)


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({"seed": 3}, "seed"),
        ({"split": (0.5, 0.25, 0.25)}, "split"),
        ({"labels": None}, "labels"),
        ({"nevts": 50}, "files"),
    ],
)
def test_a_state_of_another_dataset(paths: list[Path], dataset: Dataset, other: dict[str, Any], name: str) -> None:
    state = Loader(dataset).state_dict()
    with pytest.raises(ParamsError, match=f"^the state does not fit: the dataset's {name} changed since"):
        Loader(Dataset(paths, **{"labels": LABELS, "select": INPUTS, **other})).load_state_dict(state)
    with pytest.raises(ParamsError, match="the dataset's plan changed since"):
        Loader(dataset.unnormalised()).load_state_dict(state)


def test_a_loader_takes_a_dataset(paths: list[Path]) -> None:
    with pytest.raises(ParamsError, match=r"^a Loader takes a Dataset, not an object of type list$"):
        Loader(paths)  # type: ignore[arg-type]


def test_a_state_that_is_none(dataset: Dataset) -> None:
    loader = Loader(dataset)
    state = loader.state_dict()
    with pytest.raises(ParamsError, match=r"^this is no state of a Loader: it lacks 'epoch'; give what state_dict"):
        loader.load_state_dict({})
    with pytest.raises(ParamsError, match=r"^this is no state of a Loader: its version is 2; give what state_dict"):
        loader.load_state_dict({**state, "version": 2})
    with pytest.raises(ParamsError, match=r"^this is no state of a Loader: it is None; give what state_dict"):
        loader.load_state_dict(cast("Any", None))
    with pytest.raises(ParamsError, match=r"^this is no state of a Loader: its 'dataset' is 'x'; give what state_dict"):
        loader.load_state_dict({**state, "dataset": "x"})
    with pytest.raises(ParamsError, match=r"^epoch is -1; it must be a whole number of at least 0"):
        loader.load_state_dict({**state, "epoch": -1})
    with pytest.raises(ParamsError, match=r"^the state does not fit: it is of 7 events, and there are \d+"):
        loader.load_state_dict({**state, "events": 7})


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", 0), ("chunk_size", 0), ("epochs", 0), ("batch_size", 1.5), ("epochs", True)]
)
def test_arguments_that_are_none(dataset: Dataset, name: str, value: Any) -> None:
    with pytest.raises(ParamsError, match=f"^{name} is {value}; it must be a whole number of at least 1"):
        Loader(dataset, **{name: value})


def test_skipped_files_are_found_again(tmp_path: Path) -> None:
    made = make_all(tmp_path, [40, 50])
    damaged(made[1])
    loader = Loader(Dataset(made, select=INPUTS, on_bad_file="skip"), 16, None)
    assert loader.state_dict()["events"] == 40
