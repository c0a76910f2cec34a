"""Threads, processes, memory: what happens around the passes, not what they give."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import awkward as ak
import mlaas4hep
import numpy as np
import pyarrow as pa
import pytest
from mlaas4hep._rust import Masked
from mlaas4hep.errors import ColumnError, ParamsError
from mlaas4hep.threads import resolve_threads

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs what Linux says of a process")


# The number of threads


def test_threads_are_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLAAS4HEP_NUM_THREADS", "3")
    assert resolve_threads(None) == 3
    assert resolve_threads(2) == 2
    monkeypatch.setenv("MLAAS4HEP_NUM_THREADS", "")
    assert resolve_threads(None) >= 1


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", 100_000])
def test_a_wrong_number_of_threads_is_refused(threads: Any) -> None:
    for call in (mlaas4hep.scan, mlaas4hep.flatten):
        with pytest.raises(ParamsError, match=f"threads is {threads!r}; it must be a whole number from 1 to 1024"):
            call({"x": np.ones(1)}, threads=threads)


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "100000"])
def test_a_wrong_variable_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MLAAS4HEP_NUM_THREADS", text)
    with pytest.raises(ParamsError, match=f"the variable MLAAS4HEP_NUM_THREADS is '{text}'; it must be a whole"):
        mlaas4hep.scan({"x": np.ones(1)})


@linux
def test_no_more_threads_than_the_process_may_use() -> None:
    run_python("""
        import os
        from mlaas4hep.threads import resolve_threads
        os.environ.pop("MLAAS4HEP_NUM_THREADS", None)
        assert resolve_threads(None) <= len(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        assert resolve_threads(None) == 1
    """)


@linux
def test_one_thread_is_the_calling_one() -> None:
    run_python("""
        import os, mlaas4hep, numpy as np
        data = {"x": np.ones(200_000), "y": np.ones((200_000, 3))}
        before = len(os.listdir("/proc/self/task"))
        mlaas4hep.flatten(data, mlaas4hep.scan(data, threads=1), threads=1)
        assert len(os.listdir("/proc/self/task")) == before
    """)


# The interpreter's lock

EVENTS = 2_000_000
FLAT = {f"x{number}": np.ones(EVENTS) for number in range(6)}
SPECS = mlaas4hep.scan({name: column[:2] for name, column in FLAT.items()})


def ticks_during(call: Callable[[], Any]) -> int:
    """How often another thread shows signs of life in the middle half of the time that ``call`` takes."""
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    other = threading.Thread(target=tick)
    other.start()
    time.sleep(0.005)
    start = time.perf_counter()
    call()
    stop = time.perf_counter()
    done.set()
    other.join()
    quarter = (stop - start) / 4
    return sum(start + quarter < moment < stop - quarter for moment in ticks)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("what", ["scan", "flatten"])
def test_another_python_thread_keeps_running(what: str, threads: int) -> None:
    out = np.zeros((EVENTS, len(FLAT)), np.float32), np.zeros((EVENTS, len(FLAT)), np.bool_)
    plan = mlaas4hep.Plan(SPECS)

    def call() -> None:
        if what == "scan":
            mlaas4hep.scan(FLAT, threads=threads)
        else:
            plan(FLAT, threads=threads, out=out)

    # A call that holds the lock lets nobody tick in its middle, however often it is tried.
    assert any(ticks_during(call) > 2 for _ in range(50))


def test_threads_of_python_may_flatten_at_once() -> None:
    data = {"x": np.arange(50_000.0), "y": (np.arange(50_001), np.arange(50_000, dtype=np.int32))}
    plan = mlaas4hep.Plan(mlaas4hep.scan(data))
    wanted = plan(data, threads=1).data.tobytes()
    found: list[bytes] = []
    workers = [threading.Thread(target=lambda: found.append(plan(data, threads=2).data.tobytes())) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [wanted] * 6


# Processes


def run_python(code: str, **variables: str) -> str:
    """Run a script of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_forked_process_flattens_with_threads() -> None:
    printed = run_python("""
        import os, signal, sys, warnings
        import mlaas4hep, numpy as np
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork, beside threads
        data = {"x": np.arange(300_000.0), "y": (np.arange(300_001), np.arange(300_000, dtype=np.float32))}
        plan = mlaas4hep.Plan(mlaas4hep.scan(data, threads=2))
        wanted = plan(data, threads=2).data.tobytes()
        for generation in range(2):
            child = os.fork()
            if child:
                break
            signal.alarm(30)
            again = mlaas4hep.Plan(mlaas4hep.scan(data, threads=2))(data, threads=2)
            print("same" if again.data.tobytes() == wanted else "different", flush=True)
        if child:
            status = os.waitpid(child, 0)[1]
            assert plan(data, threads=2).data.tobytes() == wanted
            assert status == 0, status
        sys.stdout.flush()
        os._exit(0)
    """)
    assert printed.split() == ["same", "same"]


def test_numpy_alone_is_enough() -> None:
    printed = run_python("""
        import sys
        before = set(sys.modules)

        class Blocker:
            def find_spec(self, name, path=None, target=None):
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in ("numpy", "mlaas4hep"):
                    raise ModuleNotFoundError(f"blocked: {name}")

        sys.meta_path.insert(0, Blocker())
        import mlaas4hep, numpy as np
        data = {"ht": np.array([1.0, 3.0]), "jetPt": (np.array([0, 2, 3]), np.array([5, 6, 7]))}
        specs = mlaas4hep.scan(data)
        assert mlaas4hep.Plan(specs)(data).names == ["ht", "jetPt_0", "jetPt_1"]
        print(mlaas4hep.flatten(data, specs).data.tolist())
        loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(loaded - sys.stdlib_module_names))
    """)
    first, second = printed.splitlines()
    assert first == "[[0.0, 0.0, 0.5], [1.0, 1.0, 0.0]]"
    assert second == "['mlaas4hep', 'numpy']"


# What is kept from call to call


def test_calls_before_change_nothing() -> None:
    """What rows are made in is kept for the next call in a thread: of another plan, other data, and after errors."""
    random = np.random.default_rng(1)
    plans: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"preproc": {"new_branch": {"twice": {"def": "2 * ht", "type": "flat"}}}}, {"widths": {"jetPt": 3}}),
        ({}, {"layout": "collections", "truncate": {"jet*": "jetPt"}}),
        ({}, {"padding": "wrap", "normalize": "none"}),
    ]
    calls = []
    for events in (700, 1, 3):
        offsets = np.concatenate([[0], np.cumsum(random.integers(0, 6, events))])
        for missing in (False, True):
            ht, pt, eta = (random.normal(size=size).astype(np.float32) for size in (events, offsets[-1], offsets[-1]))
            pt[::4] = np.nan if missing else 1
            data = {"ht": ht, "jetPt": (offsets, pt), "jetEta": (offsets.copy(), eta)}
            for scanned, options in plans:
                specs = mlaas4hep.scan(data, **scanned)
                calls.append((mlaas4hep.Plan(specs, **scanned, **options), data))
    short = {**data, "jetEta": (np.minimum(offsets, 1), eta)}
    with ThreadPoolExecutor(1) as one:
        for number in random.permutation(np.repeat(np.arange(len(calls)), 4)):
            plan, data = calls[number]
            with ThreadPoolExecutor(1) as fresh:
                wanted = fresh.submit(plan, data, threads=1).result()
            found = one.submit(plan, data, threads=1).result()
            assert (found.truncated, found.missing) == (wanted.truncated, wanted.missing)
            pairs = [(found, wanted), *zip(found.collections.values(), wanted.collections.values(), strict=True)]
            for ours, theirs in pairs:
                assert ours.data.tobytes() == theirs.data.tobytes()
            assert found.padding_mask.tobytes() == wanted.padding_mask.tobytes()
            if number % 3 == 1:
                with pytest.raises(ColumnError, match="need the same number"):
                    one.submit(plan, short, threads=1).result()


# Memory

SIZE = 6_000_000
THREES = np.arange(0, SIZE + 1, 3)
VALID = np.arange(SIZE) % 7 != 0


def large(dtype: Any = np.float64) -> Any:
    return np.ones(SIZE, dtype)


def bits() -> Any:
    return np.packbits(VALID, bitorder="little")


LARGE: dict[str, Callable[[], Any]] = {
    "pair": lambda: (THREES, large()),
    "another type": lambda: (THREES, large(np.int64)),
    "gap": lambda: (THREES[:-1] + 1, large()),
    "bits": lambda: (THREES, Masked(large(), bits(), valid_when=True, bits=True)),
    "bytes": lambda: (THREES, Masked(large(), ~VALID, valid_when=False)),
    "null lists": lambda: Masked((THREES, large()), VALID[: SIZE // 3], valid_when=True),
    "square": lambda: large().reshape(-1, 3),
    "awkward": lambda: ak.unflatten(large(), np.full(SIZE // 3, 3)),
    "awkward nulls": lambda: ak.unflatten(ak.mask(large(), VALID), np.full(SIZE // 3, 3)),
    "arrow": lambda: pa.LargeListArray.from_arrays(THREES, pa.array(large())),
    "arrow nulls": lambda: pa.LargeListArray.from_arrays(THREES, pa.array(large(), mask=~VALID)),
    "arrow fixed": lambda: pa.FixedSizeListArray.from_arrays(pa.array(large()), 3),
    "arrow slice": lambda: pa.LargeListArray.from_arrays(THREES, pa.array(large())).slice(1),
}


def peak(call: Callable[[], Any]) -> float:
    """By how many MB the process grows while it runs ``call``."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("the peak of this process's memory cannot be set back")
    before = memory("VmRSS")
    call()
    return (memory("VmHWM") - before) / 1024


def memory(key: str) -> int:
    """One of the figures that Linux keeps of a process, in KB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


@linux
@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE.keys())
def test_content_is_not_copied(make: Callable[[], Any]) -> None:
    """46 MB of content, 15 MB of offsets, and a matrix that is there already."""
    data = {"x": make()}
    plan = mlaas4hep.Plan(mlaas4hep.scan({"x": np.ones((2, 1))}))
    out = np.ones((SIZE // 3, 1), np.float32), np.ones((SIZE // 3, 1), np.bool_)
    plan(data, out=out)
    assert peak(lambda: mlaas4hep.scan(data, threads=1)) < 8
    assert peak(lambda: plan(data, threads=1, out=out)) < 8


@linux
def test_out_needs_no_memory_that_grows_with_the_data() -> None:
    data: dict[str, Any] = {"x": large(), "y": (np.arange(SIZE + 1), large())}
    out = np.ones((SIZE, 2), np.float32), np.ones((SIZE, 2), np.bool_)
    plan = mlaas4hep.Plan(mlaas4hep.scan({"x": np.ones(2), "y": np.ones((2, 1))}))
    plan({"x": np.ones(2), "y": np.ones((2, 1))})
    assert peak(lambda: plan(data, out=out, threads=2)) < 8


def test_the_result_is_the_callers_own() -> None:
    data = {"x": np.arange(1000.0)}
    plan = mlaas4hep.Plan(mlaas4hep.scan(data))
    first = plan(data)
    kept = first.data.copy()
    second = plan({"x": np.zeros(1000)})
    assert not np.shares_memory(first.data, second.data)
    assert first.data.tobytes() == kept.tobytes()
    assert first.data.flags.writeable
