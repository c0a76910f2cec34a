"""Preparing the next item in the background."""

import gc
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Generator, Iterator
from contextlib import closing
from textwrap import dedent

import pytest
from mlaas4hep.dataset.readahead import read_ahead


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    if not set(threading.enumerate()) <= before:
        gc.collect()  # a pass that was left ends when it is forgotten
    assert not wait_until(lambda: set(threading.enumerate()) <= before)


def wait_until(condition: object, seconds: float = 5) -> bool:
    """Wait for a condition; whether the time was over first."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return not condition()


class Log:
    """Numbers, with a record of what was made and whether the generator was closed."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.made: list[int] = []
        self.threads: set[threading.Thread] = set()
        self.closed = False
        self.fail_at = fail_at

    def numbers(self, count: int) -> Generator[int]:
        try:
            for number in range(count):
                if number == self.fail_at:
                    raise ValueError(f"number {number} cannot be made")
                self.made.append(number)
                self.threads.add(threading.current_thread())
                yield number
        finally:
            self.closed = True


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_all_items_come_in_order_from_one_other_thread(count: int) -> None:
    log = Log()
    assert list(read_ahead(log.numbers(count))) == list(range(count))
    assert log.closed
    assert threading.current_thread() not in log.threads
    assert len(log.threads) <= 1


def test_nothing_starts_before_the_first_item_is_asked_for() -> None:
    log = Log()
    before = threading.active_count()
    ahead = read_ahead(log.numbers(3))
    assert threading.active_count() == before
    assert log.made == []
    ahead.close()


def test_one_item_is_made_ahead_and_no_more() -> None:
    log = Log()
    with closing(read_ahead(log.numbers(10))) as ahead:
        for number in range(5):
            assert next(ahead) == number
            assert not wait_until(lambda made=number + 2: len(log.made) == made)
            time.sleep(0.01)
            assert len(log.made) == number + 2


def test_the_next_item_is_made_while_the_caller_works() -> None:
    begun = [threading.Event() for _ in range(4)]

    def numbers() -> Generator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    for number in read_ahead(numbers()):
        assert begun[min(number + 1, 3)].wait(5)


def test_items_that_are_none_or_false_are_items() -> None:
    def items() -> Generator[object]:
        yield from (None, False, 0, ())

    assert list(read_ahead(items())) == [None, False, 0, ()]


@pytest.mark.parametrize("fail_at", [0, 1, 4])
def test_an_exception_comes_where_its_item_would_with_its_traceback(fail_at: int) -> None:
    log = Log(fail_at)
    ahead = read_ahead(log.numbers(10))
    assert [next(ahead) for _ in range(fail_at)] == list(range(fail_at))
    with pytest.raises(ValueError, match=f"number {fail_at} cannot be made") as raised:
        next(ahead)
    assert log.closed
    assert "numbers" in [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]


def test_an_exception_is_not_raised_where_the_loop_was_left_before() -> None:
    log = Log(fail_at=1)
    with closing(read_ahead(log.numbers(10))) as ahead:
        assert next(ahead) == 0


def test_leaving_early_closes_the_generator_and_ends_the_thread() -> None:
    log = Log()
    for number in read_ahead(log.numbers(1000)):
        if number == 3:
            break
    assert log.closed
    assert len(log.made) <= 5


def test_an_exception_of_the_caller_ends_the_thread() -> None:
    log = Log()

    def consume() -> None:
        for _ in read_ahead(log.numbers(1000)):
            raise KeyError

    with pytest.raises(KeyError) as raised:
        consume()
    del raised  # its traceback holds the loop
    assert log.closed


def test_closing_waits_for_the_item_that_is_being_made() -> None:
    log, started = Log(), threading.Event()

    def slow() -> Generator[int]:
        yield 0
        started.set()
        time.sleep(0.05)
        log.made.append(1)
        yield 1

    ahead = read_ahead(slow())
    next(ahead)
    started.wait()
    ahead.close()
    assert log.made == [1]


def test_a_generator_around_it_may_be_closed() -> None:
    log = Log()

    def around() -> Generator[int]:
        for number in read_ahead(log.numbers(100)):
            yield number * 2

    outer = around()
    assert [next(outer), next(outer)] == [0, 2]
    outer.close()
    assert log.closed


def test_items_are_not_kept() -> None:
    class Item:
        pass

    alive: weakref.WeakSet[Item] = weakref.WeakSet()

    def items() -> Generator[Item]:
        for _ in range(20):
            item = Item()
            alive.add(item)
            yield item
            del item

    for item in read_ahead(items()):
        assert item in alive
        assert len(alive) <= 3  # this one, the next one, and the one before until the thread takes the next step
    del item
    assert not wait_until(lambda: not alive)


def test_items_are_not_kept_by_an_exception() -> None:
    class Item:
        pass

    def items() -> Generator[Item]:
        item = Item()
        alive.append(weakref.ref(item))
        yield item
        del item
        raise ValueError("no more")

    alive: list[weakref.ref[Item]] = []
    gc.disable()
    try:
        try:
            for item in read_ahead(items()):
                del item
        except ValueError as error:
            kept = error  # with its traceback, which holds the frames that were left
        assert alive[0]() is None
        del kept
    finally:
        gc.enable()


def test_collection_in_the_thread_itself_ends_it() -> None:
    """Garbage is collected in whatever thread makes some: the thread must not wait for itself."""
    log, dropped = Log(), threading.Event()

    def items() -> Generator[int]:
        try:
            yield 0
            dropped.wait()
            gc.collect()
            yield 1
        finally:
            log.closed = True

    def drop() -> None:
        ahead = read_ahead(items())
        next(ahead)
        cycle: list[object] = [ahead]
        cycle.append(cycle)

    gc.disable()
    try:
        drop()
        dropped.set()
        assert not wait_until(lambda: log.closed)
    finally:
        gc.enable()


@pytest.mark.parametrize("how", ["sys.exit(3)", "raise SystemExit(3)", "1 / 0", "pass"])
def test_nothing_hangs_or_is_printed_when_the_interpreter_ends(how: str) -> None:
    """Also where the generator is still held, in the middle of an item."""
    program = dedent(f"""
        import sys, time
        from mlaas4hep.dataset.readahead import read_ahead

        def items():
            yield 0
            time.sleep(0.05)
            yield 1
            time.sleep(0.05)
            yield 2

        ahead = read_ahead(items())
        next(ahead)
        {how}
        """)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert answer.returncode == {"1 / 0": 1, "pass": 0}.get(how, 3)
    errors = [line for line in answer.stderr.splitlines() if not line.startswith(("Traceback", " ", "ZeroDivision"))]
    assert errors == []
