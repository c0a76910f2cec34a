"""Batches for PyTorch: with and without workers, forked and spawned, in several ranks, and after a restart."""

import json
import pickle
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="batches for PyTorch need the extra [torch]")

from mlaas4hep import Dataset, Loader  # noqa: E402
from mlaas4hep.errors import ParamsError  # noqa: E402
from mlaas4hep.frameworks import to_arrow, to_torch  # noqa: E402
from mlaas4hep.frameworks.fields import Sampler  # noqa: E402
from mlaas4hep.frameworks.parcels import Batch  # noqa: E402
from mlaas4hep.frameworks.torch import TorchEvents  # noqa: E402

from tests.frameworks.batches import copied, dataset_of, plain, same  # noqa: E402


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset_of(tmp_path_factory.mktemp("torch"), threads=2)


def batches_of(events: TorchEvents, workers: int = 0, how: str | None = None) -> Any:
    more: dict[str, Any] = {"timeout": 60, "multiprocessing_context": how} if workers else {}
    return torch.utils.data.DataLoader(events, batch_size=None, num_workers=workers, **more)


def origins(batches: list[Any]) -> list[tuple[int, int]]:
    return list(chain.from_iterable(zip(b["file"].tolist(), b["entry"].tolist(), strict=True) for b in batches))


def test_batches_are_those_of_the_loader(dataset: Dataset) -> None:
    events, loader = to_torch(Loader(dataset, 32)), Loader(dataset, 32)
    for epoch in (0, 1):
        events.set_epoch(epoch)
        found = list(batches_of(events))
        assert all(map(same, found, plain(loader)))
        assert len(found) == events.batches() == len(loader)


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_workers_have_a_shard_each(dataset: Dataset, how: str) -> None:
    if how not in torch.multiprocessing.get_all_start_methods():
        pytest.skip(f"this system does not {how}")
    events = to_torch(Loader(dataset, 16, None, chunk_size=39))
    for epoch in (0, 1) if how == "fork" else (1,):
        events.set_epoch(epoch)
        found = [copied(batch) for batch in batches_of(events, 2, how)]
        assert len(found) == events.batches(2)
        for worker in range(2):
            loader = Loader(dataset, 16, None, chunk_size=20, shard=(worker, 2))
            loader.set_epoch(epoch)
            wanted = plain(loader)
            assert len(found[worker::2]) == len(wanted)
            assert all(map(same, found[worker::2], wanted))
        assert sorted(origins(found)) == sorted(origins(plain(Loader(dataset, 50, None))))


def test_workers_that_stay_see_the_epoch(dataset: Dataset) -> None:
    events = to_torch(Loader(dataset, 50, None))
    loader = torch.utils.data.DataLoader(events, batch_size=None, num_workers=1, persistent_workers=True, timeout=60)
    for epoch in (2, 5):
        events.set_epoch(epoch)
        wanted = Loader(dataset, 50, None)
        wanted.set_epoch(epoch)
        assert all(map(same, list(loader), plain(wanted)))
    del loader


def test_ranks_have_equal_numbers_of_batches(dataset: Dataset) -> None:
    ranks = [list(batches_of(to_torch(Loader(dataset, 16, None, shard=(rank, 3))))) for rank in range(3)]
    assert len({len(batches) for batches in ranks}) == 1
    assert sorted(origins(list(chain(*ranks)))) == sorted(origins(plain(Loader(dataset, 50, None))))


def test_rank_and_world_of_a_group_of_processes(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("is_initialized", True), ("get_rank", 1), ("get_world_size", 3)):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    found = list(to_torch(Loader(dataset, 16)))
    assert all(map(same, found, plain(Loader(dataset, 16, shard=(1, 3)))))
    given = list(to_torch(Loader(dataset, 16, shard=(0, 2))))
    assert all(map(same, given, plain(Loader(dataset, 16, shard=(0, 2)))))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("taken", [0, 3, 4, 13])
def test_a_state_is_taken_up(dataset: Dataset, workers: int, taken: int) -> None:
    events = to_torch(Loader(dataset, 16, None, chunk_size=40))
    events.set_epoch(1)
    batches = [copied(batch) for batch in batches_of(events, workers)]
    state = json.loads(json.dumps(events.state_dict(taken)))
    again = to_torch(Loader(dataset, 16, None, chunk_size=40))
    again.load_state_dict(state)
    if taken == 13 and not workers:  # all of the epoch
        assert (again.epoch, again.batch) == (2, 0)
        return
    again.set_epoch(1)
    rest = list(batches_of(again, workers))
    assert len(rest) == len(batches) - taken
    assert all(map(same, rest, batches[taken:]))
    again.set_epoch(2)
    assert again.batch == 0


def test_a_state_of_other_workers_or_another_loader(dataset: Dataset) -> None:
    events = to_torch(Loader(dataset, 16))
    list(islice(batches_of(events, 2), 3))
    state = events.state_dict(3)
    again = to_torch(Loader(dataset, 16))
    again.load_state_dict(state)
    with pytest.raises(ParamsError, match="the state is one of 2 workers, and there are 0; use as many"):
        next(iter(again))
    with pytest.raises(ParamsError, match="the state does not fit: batch_size was 16 and is 17"):
        to_torch(Loader(dataset, 17)).load_state_dict(state)


def test_collections_and_weights_are_tensors(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, layout="collections", collections={"jet": ["jet*"]}, weights=[1.0, 2.0, 0.5])
    (batch,) = batches_of(to_torch(Loader(dataset, 500)))
    (wanted,) = Loader(dataset, 500)
    assert torch.equal(batch["jet"], torch.from_numpy(wanted.collections["jet"].data))
    assert torch.equal(batch["jet_mask"], torch.from_numpy(wanted.collections["jet"].mask))
    assert batch["jet"].shape[1:] == (2, 4)
    assert batch["weights"].tolist() == wanted.weights.tolist()  # type: ignore[union-attr]
    inputs, labels, weights = Sampler(Loader(dataset), ["jet", "jet_mask"])(wanted)
    assert [*inputs] == ["jet", "jet_mask"]
    assert len(labels) == len(weights) == len(inputs["jet"])
    table = to_arrow(Loader(dataset, 50)).read_all()
    jets = np.array(table["jet"].to_pylist(), np.float32)
    assert np.array_equal(jets, wanted.collections["jet"].data)
    assert table["weight"].to_pylist() == wanted.weights.tolist()  # type: ignore[union-attr]
    with pytest.raises(
        ParamsError, match=r"^collection 'data': batches have a field 'data' already; give it another name"
    ):
        next(iter(to_torch(Loader(dataset_of(tmp_path, layout="collections", collections={"data": ["jet*"]})))))


def test_tensors_share_the_memory_of_the_batch(dataset: Dataset) -> None:
    batch = next(iter(Loader(dataset, 32)))
    for array in (batch.data, batch.padding_mask, batch.labels):
        tensor = torch.from_dlpack(array)
        assert tensor.data_ptr() == array.ctypes.data  # type: ignore[union-attr]
        assert np.array_equal(tensor.numpy(), array)  # type: ignore[arg-type]


BATCH = Batch(
    data=torch.arange(6.0).reshape(2, 3), mask=torch.tensor([True]), empty=torch.zeros(0, 4), file=torch.tensor([7])
)


def answer(batches: Any, left: Any) -> None:
    for number in range(6):
        left.get(timeout=60)
        batches.put(Batch({name: tensor + number for name, tensor in BATCH.items()}))


def test_a_batch_is_sent_in_memory_that_is_used_again_when_nobody_holds_it() -> None:
    context = torch.multiprocessing.get_context("fork")
    batches, left = context.Queue(), context.Queue()
    worker = context.Process(target=answer, args=(batches, left))
    worker.start()

    def receive(number: int) -> Batch:
        left.put(None)
        batch: Batch = batches.get(timeout=60)
        for name, tensor in BATCH.items():
            assert torch.equal(batch[name], tensor + number)
            assert batch[name].dtype == (tensor + number).dtype
        return batch

    first = receive(0)
    where = {first["data"].data_ptr()}
    part = first["data"][1]
    del first
    second = receive(1)  # the first one is held by a view
    assert part.tolist() == [3.0, 4.0, 5.0]
    where.add(second["data"].data_ptr())
    del part, second
    found = set()
    for number in range(2, 6):
        batch = receive(number)
        found.add(batch["data"].data_ptr())
        del batch
    worker.join(60)
    assert worker.exitcode == 0
    assert len(where) == 2
    assert found <= where


def test_a_batch_is_pickled_as_any_dict() -> None:
    found = pickle.loads(pickle.dumps(BATCH))
    assert all(torch.equal(found[name], tensor) for name, tensor in BATCH.items())


def test_a_model_learns_from_batches(dataset: Dataset) -> None:
    torch.manual_seed(1)
    model = torch.nn.Linear(len(dataset.names), 2)
    before = model.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for batch in batches_of(to_torch(Loader(dataset, 32))):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch["data"]), batch["labels"]).backward()
        optimizer.step()
    assert not torch.equal(model.weight, before)


def test_a_run_that_was_killed_ends_as_an_unbroken_one(dataset: Dataset) -> None:
    def start() -> tuple[TorchEvents, Any, Any]:
        torch.manual_seed(3)
        model = torch.nn.Linear(len(dataset.names), 2)
        return to_torch(Loader(dataset, 16, chunk_size=50, shuffle=2)), model, torch.optim.Adam(model.parameters())

    def run(events: TorchEvents, model: Any, optimizer: Any, stop: int | None = None) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for epoch in range(events.epoch, 3):
            events.set_epoch(epoch)
            for number, batch in enumerate(batches_of(events), events.batch + 1):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(batch["data"]), batch["labels"]).backward()
                optimizer.step()
                if (epoch, number) == (1, stop):
                    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                    return {**pickle.loads(pickle.dumps(state)), "events": events.state_dict(number)}
        return state

    events, whole, optimizer = start()
    run(events, whole, optimizer)
    for stop in (3, events.batches()):
        state = run(*start(), stop=stop)
        events, model, optimizer = start()
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        events.load_state_dict(json.loads(json.dumps(state["events"])))
        run(events, model, optimizer)
        assert torch.equal(model.weight, whole.weight)
