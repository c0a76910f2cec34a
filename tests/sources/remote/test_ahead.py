"""What is fetched ahead, and when."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from mlaas4hep.sources.localfile import LocalFile
from mlaas4hep.sources.remote.ahead import Ahead, merged


class Counted(LocalFile):
    """A place that notes what is asked for."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.asked: list[list[tuple[int, int]]] = []
        self.gate = threading.Event()
        self.gate.set()

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.gate.wait(5)
        self.asked.append(list(ranges))
        return super().fetch(ranges)


FAR = 10**6


@pytest.fixture
def place(tmp_path: Path) -> Counted:
    (tmp_path / "a.bin").write_bytes(bytes(range(200)) * 20_000)
    return Counted(str(tmp_path / "a.bin"))


def test_ranges_are_merged_whole() -> None:
    assert merged([]) == []
    assert merged([(FAR, FAR + 1), (0, 10), (5, 8), (20, 30)]) == [(0, 30), (FAR, FAR + 1)]
    large = 3 * 2**20
    assert merged([(0, large), (large, 2 * large)]) == [(0, large), (large, 2 * large)]
    assert merged([(0, large), (large - 1, 2 * large)]) == [(0, 2 * large)]


def test_what_was_expected_is_not_fetched_again(place: Counted) -> None:
    ahead = Ahead(place)
    assert ahead.get((0, 5), "xy", [(7, 9)]) == [(7, bytes([7, 8]))]
    ahead.expect((5, 9), "xy", [(10, 12), (FAR, FAR + 3)])
    assert ahead.get((5, 9), "xy", [(10, 12), (FAR, FAR + 3)]) == [(10, bytes([10, 11])), (FAR, bytes([0, 1, 2]))]
    assert place.asked == [[(7, 9)], [(10, 12), (FAR, FAR + 3)]]
    assert ahead.read(FAR + 1, 2) == bytes([1, 2])
    assert len(place.asked) == 2
    assert ahead.read(FAR + 1, 3) == bytes([1, 2, 3])
    assert len(place.asked) == 2
    ahead.close()


def test_more_than_was_expected_is_fetched_in_addition(place: Counted) -> None:
    ahead = Ahead(place)
    ahead.expect((5, 9), "xy", [(10, 20)])
    found = ahead.get((5, 9), "xy", [(12, 14), (FAR, FAR + 1), (15, 20)])
    assert found == [(10, bytes(range(10, 20))), (FAR, bytes([0]))]
    assert place.asked == [[(10, 20)], [(FAR, FAR + 1)]]
    assert ahead.read(19, 2) == bytes([19, 20])
    ahead.close()


def test_groups_of_one_cluster_are_expected_side_by_side(place: Counted) -> None:
    ahead = Ahead(place)
    ahead.expect((0, 5), "cuts", [(0, 2)])
    ahead.expect((0, 5), "rest", [(FAR, FAR + 2)])
    assert ahead.get((0, 5), "rest", [(FAR, FAR + 2)]) == [(FAR, bytes([0, 1]))]
    assert ahead.get((0, 5), "cuts", [(0, 2)]) == [(0, bytes([0, 1]))]
    assert len(place.asked) == 2
    ahead.close()


def test_groups_that_are_read_in_turn_are_each_fetched_once(place: Counted) -> None:
    ahead = Ahead(place)
    ranges = {"cuts": [(0, 2)], "rest": [(FAR, FAR + 2)]}
    for number in range(4):
        for group, wanted in ranges.items():
            ahead.get((number, number + 1), group, wanted)
            ahead.expect((number + 1, number + 2), group, wanted)
    ahead.close()
    assert len(place.asked) == 2 * 5


def test_another_cluster_takes_the_place_of_one_that_was_expected(place: Counted) -> None:
    ahead = Ahead(place)
    ahead.expect((0, 5), "xy", [(0, 2)])
    ahead.expect((5, 9), "xy", [(3, 4)])
    assert len(ahead._coming) == 1
    assert ahead.get((0, 5), "xy", [(0, 2)]) == [(0, bytes([0, 1]))]
    assert ahead.get((5, 9), "xy", [(3, 4), (FAR, FAR + 1)]) == [(3, bytes([3])), (FAR, bytes([0]))]
    assert [(0, 2)] in place.asked
    ahead.close()


def test_nothing_is_left_when_it_is_closed(place: Counted) -> None:
    ahead = Ahead(place)
    place.gate.clear()
    ahead.expect((0, 5), "xy", [(0, 2)])
    threading.Timer(0.05, place.gate.set).start()
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "mlaas4hep-remote"]
