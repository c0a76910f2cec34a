"""Passes over a dataset: chains, damage, leaving early, memory."""

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from mlaas4hep import Specs
from mlaas4hep.columns import keep
from mlaas4hep.dataset import Dataset
from mlaas4hep.dataset.readahead import OURS
from mlaas4hep.errors import Note, ReadError
from mlaas4hep.sources import clusters
from numpy.typing import NDArray

from tests.dataset.files import INPUTS, assert_rows, in_baskets, make, make_all, origin, same_bits
from tests.sources.files import basket_range, damage


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = _ours()
    yield
    if left := _ours() - before:
        gc.collect()  # a pass that was left ends when it is forgotten
        assert not _ours() & left


def _ours() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(OURS)}


SIZES = [30, 0, 21, 8, 1, 40]
LABELS = ["b", "a", "a", "b", "b", "a"]


def pass_of(dataset: Dataset, size: int, part: str | None = None) -> list[tuple[int, int]]:
    return list(chain.from_iterable(origin(chunk) for chunk in dataset.chunks(size, part, shuffle=False)))


@pytest.mark.filterwarnings("ignore:files with 0 events")
@pytest.mark.parametrize("size", [1, 13, -1])
def test_more_files_than_may_be_open_are_chains_of_a_label(tmp_path: Path, size: int) -> None:
    paths = make_all(tmp_path, SIZES)
    with pytest.warns(Note, match=r"6 files are more .*max_open is 5.*files of one label"):
        dataset = Dataset(paths, labels=LABELS, select=INPUTS, max_open=5)
    found = pass_of(dataset, size)
    assert sorted(found) == [(file, entry) for file, events in enumerate(SIZES) for entry in range(events)]
    labels = np.array([LABELS[file] for file, _ in found])
    share = np.cumsum(labels == "a") - np.arange(1, 101) * 61 / 100
    assert (abs(share) < 1).all()
    for label in "ab":
        files = [file for file, _ in found if LABELS[file] == label]
        changes = [file for at, file in enumerate(files) if at == 0 or files[at - 1] != file]
        assert len(changes) == len(set(changes))
        entries = [(file, entry) for file, entry in found if LABELS[file] == label]
        assert entries == sorted(entries, key=lambda event: (changes.index(event[0]), event[1]))
    assert_rows(dataset, paths, dataset.chunks(size))


@pytest.mark.filterwarnings("ignore:files with 0 events", "ignore:6 files are more")
def test_the_order_of_a_chain_follows_from_the_seed_alone(tmp_path: Path) -> None:
    paths = make_all(tmp_path, SIZES)

    def order(seed: int, part: str | None = None) -> list[int]:
        dataset = Dataset(paths, seed=seed, max_open=1)
        return list(dict.fromkeys(file for file, _ in pass_of(dataset, 11, part)))

    assert len({tuple(order(seed)) for seed in range(8)}) > 2
    assert order(3) == order(3)
    for part in ("train", "validation", "test"):
        files = order(3, part)
        assert files == [file for file in order(3) if file in files]


@pytest.mark.filterwarnings("ignore:3 files are more")
def test_all_files_are_one_chain_where_the_label_is_a_branch(tmp_path: Path) -> None:
    paths = [make(tmp_path / f"{number}.root", 9, number, label=np.arange(9) % 2) for number in range(3)]
    found = pass_of(Dataset(paths, labels="label", max_open=2), 5)
    files = list(dict.fromkeys(file for file, _ in found))
    assert found == [(file, entry) for file in files for entry in range(9)]


def test_as_many_files_as_may_be_open_are_mixed(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [10, 10, 10])
    assert [file for file, _ in pass_of(Dataset(paths, max_open=3), 4)] == [0, 1, 2] * 10


@pytest.fixture
def damaged(tmp_path: Path) -> tuple[Path, Specs]:
    """A file whose third of four clusters is damaged in one branch, and its specs from before."""
    path = in_baskets(tmp_path / "big.root", [600_000] * 4)
    specs, before = Dataset(path).specs(), path.stat()
    damage(path, sum(basket_range(path, "events", "x1", 2)) // 2, size=64)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path, specs


def test_damage_reaches_the_user_after_what_comes_before(
    damaged: tuple[Path, Specs], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, specs = damaged
    monkeypatch.setattr(clusters, "_limits", lambda _: (2**22, 2**23))
    seen: list[int] = []
    with pytest.raises(ReadError, match=r"big\.root.*x1.*1200000") as raised:
        seen.extend(len(chunk.data) for chunk in Dataset(path, specs=specs).chunks(100_000, shuffle=False))
    assert sum(seen) == 1_200_000
    assert raised.value.exit_status == 1
    del raised


def test_damage_stops_a_scan(damaged: tuple[Path, Specs]) -> None:
    with pytest.raises(ReadError, match=r"big\.root.*x1.*1200000"):
        Dataset(damaged[0]).specs()
    with pytest.raises(ReadError, match=r"big\.root.*x1.*1200000"):
        next(Dataset(damaged[0]).chunks(10))


def test_a_file_that_changed_since_it_was_opened(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [10, 20])
    dataset = Dataset(paths)
    dataset.specs()
    make(paths[1], 25, 1)
    with pytest.raises(ReadError, match=r"file1\.root: the file changed: it has 25 entries now and had 20"):
        next(dataset.chunks(5))


def test_leaving_early_leaves_nothing_open(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [300, 200]))
    before = threading.active_count()
    for chunk in dataset.chunks(10):
        assert len(chunk.data) == 10
        break
    assert threading.active_count() == before
    chunks = dataset.chunks(10)
    next(chunks)
    chunks.close()
    assert threading.active_count() == before
    unused = dataset.chunks(10)
    assert threading.active_count() == before
    del unused


def test_two_passes_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [100, 50]))
    wanted = list(dataset.chunks(16))
    for left, right, found in zip(dataset.chunks(16), dataset.chunks(16), wanted, strict=True):
        assert same_bits(left.data, found.data)
        assert same_bits(right.data, found.data)


def test_arrays_of_a_chunk_stay_as_they_are(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [100, 50]))
    held = [(chunk, chunk.data.copy(), chunk.padding_mask.copy()) for chunk in dataset.chunks(16)]
    for chunk, data, mask in held:
        assert same_bits(chunk.data, data)
        assert same_bits(chunk.padding_mask, mask)
        assert chunk.data.flags.writeable


def test_at_most_three_chunks_are_in_memory(tmp_path: Path) -> None:
    alive: list[weakref.ref[NDArray[np.float32]]] = []
    for chunk in Dataset(make_all(tmp_path, [300, 200])).chunks(10):
        alive.append(weakref.ref(chunk.data))
        assert sum(data() is not None for data in alive) <= 2  # this one, and the one before for a moment
    del chunk
    assert all(data() is None for data in alive)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = in_baskets(tmp_path / "large.root", [50_000] * 20, 10)
    dataset = Dataset(path)
    tracemalloc.start()
    try:
        dataset.specs()
        assert sum(len(chunk.data) for chunk in dataset.chunks(10_000)) == 1_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6  # the columns of the file: 40e6, of a cluster: 4e6; a chunk: 0.7e6; parts: 1e6


def test_what_a_pass_took_is_known(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [100, 50]))
    assert sum(len(chunk.data) for chunk in dataset.chunks(40)) == 150
    watch = dataset.last_pass
    assert watch.events == 150
    assert min(watch.reading, watch.flattening, watch.waiting) > 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_it_works_in_a_forked_process(tmp_path: Path) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not fork")
    dataset = Dataset(make_all(tmp_path, [100, 50]), threads=2)
    wanted = [chunk.data.tobytes() for chunk in dataset.chunks(40)]
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put([chunk.data.tobytes() for chunk in dataset.chunks(40)]))
    child.start()
    found = queue.get()
    child.join(30)
    assert child.exitcode == 0
    assert found == wanted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_pass_is_left_in_a_forked_process_that_has_not_its_threads(tmp_path: Path) -> None:
    program = dedent(f"""
        import os, signal, time, warnings
        from mlaas4hep.dataset import Dataset
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork, beside threads
        chunks = Dataset({str(make(tmp_path / "a.root", 500))!r}).chunks(10)
        next(chunks)
        for pause in (0, 0.01, 0.1):
            time.sleep(pause)
            child = os.fork()
            if not child:
                signal.alarm(20)
                chunks.close()
                del chunks
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        print(1 + sum(1 for _ in chunks))
        """)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=90)
    assert (answer.stdout, answer.returncode) == ("50\n", 0), answer.stderr


@pytest.mark.parametrize("last", ["", "sys.exit(3)", "1 / 0"])
def test_nothing_hangs_when_the_interpreter_ends_in_a_pass(tmp_path: Path, last: str) -> None:
    program = dedent(f"""
        import sys
        from mlaas4hep.dataset import Dataset
        chunks = Dataset({str(make(tmp_path / "a.root", 500))!r}).chunks(10)
        next(chunks)
        print("read")
        {last}
        """)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert answer.stdout == "read\n"
    assert answer.returncode == {"": 0, "sys.exit(3)": 3, "1 / 0": 1}[last]
    assert all(line.startswith(("Traceback", " ", "ZeroDivisionError")) for line in answer.stderr.splitlines())


def test_events_of_a_column_are_kept() -> None:
    kept = np.array([True, False, True, True])
    assert keep(np.arange(4), kept).tolist() == [0, 2, 3]
    offsets, content = keep((np.array([2, 4, 7, 7, 8]), np.arange(10.0)), kept)
    assert offsets.tolist() == [0, 2, 2, 3]
    assert content.tolist() == [2, 3, 7]
