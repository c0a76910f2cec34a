"""A place as a file object."""

import io
from pathlib import Path

import pytest
from mlaas4hep.sources import blocks
from mlaas4hep.sources.blocks import BLOCK, BlockFile
from mlaas4hep.sources.localfile import LocalFile, TooShort

SIZE = 3 * BLOCK + 100


class Counted(LocalFile):
    """A place that notes what is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.asked: list[tuple[int, int]] = []

    def read(self, start: int, size: int) -> bytes:
        self.asked.append((start, size))
        return super().read(start, size)


@pytest.fixture
def place(tmp_path: Path) -> Counted:
    (tmp_path / "a.bin").write_bytes(bytes(range(251)) * (SIZE // 251 + 1))
    with (tmp_path / "a.bin").open("r+b") as file:
        file.truncate(SIZE)
    return Counted(tmp_path / "a.bin")


def test_small_reads_come_in_blocks(place: Counted) -> None:
    content = Path(place.path).read_bytes()
    file = BlockFile(place)
    assert file.read(10) == content[:10]
    assert file.read(1000) == content[10:1010]
    assert file.seek(BLOCK - 5) == BLOCK - 5
    assert file.read(10) == content[BLOCK - 5 : BLOCK + 5]
    assert place.asked == [(0, BLOCK), (BLOCK, BLOCK)]
    file.seek(-3, io.SEEK_END)
    assert file.read() == content[-3:]
    assert place.asked[2:] == [(3 * BLOCK, 100)]


def test_large_reads_are_as_they_are_asked_for(place: Counted) -> None:
    content = Path(place.path).read_bytes()
    file = BlockFile(place)
    file.seek(7)
    assert file.read(2 * BLOCK) == content[7 : 2 * BLOCK + 7]
    assert place.asked == [(7, 2 * BLOCK)]
    assert file.seek(5, io.SEEK_CUR) == 2 * BLOCK + 12
    assert file.readall() == content[2 * BLOCK + 12 :]


def test_the_last_blocks_are_kept(place: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "KEPT", 2)
    file = BlockFile(place)
    for number in (0, 1, 0, 2, 0, 1):
        file.read_at(number * BLOCK, 5)
    assert [start // BLOCK for start, _ in place.asked] == [0, 1, 2, 1]


def test_beyond_the_end(place: Counted) -> None:
    file = BlockFile(place)
    assert file.seek(SIZE + 10) == SIZE + 10
    assert file.read(5) == b""
    with pytest.raises(TooShort, match="the file ends too early"):
        file.read_at(SIZE - 1, 2)
    with pytest.raises(ValueError, match=r"a\.bin: byte -1 lies before the beginning"):
        file.seek(-1)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
