"""Columns of several pages, columns that were added later, and columns with several representations."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xxhash
from mlaas4hep.sources.localfile import LocalFile
from mlaas4hep.sources.root.pages import Column, DamagedColumn, PageReader

UINT8, FLOAT32, INT64 = 0x04, 0x0C, 0x0F


def column(number: int, first: int = 0) -> Any:
    return SimpleNamespace(type=number, nbits=0, first_element_index=first)


def ntuple(path: Path, clusters: list[list[Any]], columns: list[Any], entries: int = 10, checked: bool = True) -> Any:
    """What uproot would say of a file that is written here: of each cluster the pages of each column."""
    listed = []
    with path.open("wb") as file:
        for cluster in clusters:
            described = []
            for pages in cluster:
                found = []
                for values in pages or []:
                    data = values.tobytes()
                    locator = SimpleNamespace(offset=file.tell(), num_bytes=len(data))
                    found.append(SimpleNamespace(num_elements=len(values), locator=locator, has_checksum=checked))
                    file.write(data + xxhash.xxh3_64_intdigest(data).to_bytes(8, "little") * checked)
                described.append(SimpleNamespace(pages=found, suppressed=pages is None))
            listed.append(described)
    summaries = [
        SimpleNamespace(num_first_entry=entries * number, num_entries=entries) for number in range(len(clusters))
    ]
    return SimpleNamespace(page_link_list=listed, column_records=columns, cluster_summaries=summaries)


def pages(*sizes: int, dtype: str = "float32") -> list[Any]:
    values = np.arange(sum(sizes)).astype(dtype)
    return np.split(values, np.cumsum(sizes)[:-1])


def test_ranges_over_pages(tmp_path: Path) -> None:
    path = tmp_path / "a"
    made = ntuple(path, [[pages(3, 0, 4, 3)]], [column(FLOAT32)])
    only = Column((0,))
    reader = PageReader(LocalFile(str(path)), made, 1)
    spans = [(start, stop) for start in range(11) for stop in range(start, 11)]
    for start, stop in [*spans, *reversed(spans)]:
        assert reader.read(0, {only: (start, stop)})[only].tolist() == list(range(start, stop))
    with pytest.raises(DamagedColumn, match="there are 10 values instead of 11"):
        reader.read(0, {only: (0, 11)})


def test_a_page_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    made = ntuple(path, [[pages(3, 4, 3)]], [column(FLOAT32)])
    place = LocalFile(str(path))
    reader = PageReader(place, made, 1)
    fetched: list[int] = []
    fetch = place.fetch

    def counted(ranges: Any) -> list[bytes]:
        fetched.append(len(ranges))
        return fetch(ranges)

    monkeypatch.setattr(place, "fetch", counted)
    for start in range(10):
        reader.read(0, {Column((0,)): (start, start + 1)})
    assert sum(fetched) == 3


def test_a_column_that_was_added_later(tmp_path: Path) -> None:
    """Events that were there before have zeros."""
    path = tmp_path / "a"
    made = ntuple(path, [[], [pages(6)], [pages(10)]], [column(FLOAT32, first=14)])
    only = Column((0,), per_event=1)
    reader = PageReader(LocalFile(str(path)), made, 1)
    assert reader.read(0, {only: (0, 10)})[only].tolist() == [0.0] * 10
    assert reader.read(1, {only: (2, 7)})[only].tolist() == [0.0, 0.0, 0.0, 1.0, 2.0]
    assert reader.read(2, {only: (0, 3)})[only].tolist() == [0.0, 1.0, 2.0]


def test_several_representations(tmp_path: Path) -> None:
    path = tmp_path / "a"
    made = ntuple(
        path, [[pages(10, dtype="uint8"), None], [None, pages(10, dtype="int64")]], [column(UINT8), column(INT64)]
    )
    either = Column((0, 1), per_event=1)
    reader = PageReader(LocalFile(str(path)), made, 1)
    for cluster in (0, 1):
        found = reader.read(cluster, {either: (1, 4)})[either]
        assert found.dtype == np.int64
        assert found.tolist() == [1, 2, 3]
    assert reader.elements(either) == 20


def test_a_column_of_another_length(tmp_path: Path) -> None:
    path = tmp_path / "a"
    made = ntuple(path, [[pages(9)]], [column(FLOAT32)])
    with pytest.raises(DamagedColumn, match="there are 9 values instead of 10"):
        PageReader(LocalFile(str(path)), made, 1).read(0, {Column((0,), per_event=1): (0, 1)})


def test_a_wrong_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a"
    made = ntuple(path, [[pages(10)]], [column(FLOAT32)])
    data = bytearray(path.read_bytes())
    data[7] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedColumn, match="the checksum of a page is wrong"):
        PageReader(LocalFile(str(path)), made, 1).read(0, {Column((0,)): (0, 10)})


def test_pages_behind_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    made = ntuple(path, [[pages(10)]], [column(FLOAT32)], checked=False)
    made.page_link_list[0][0].pages[0].locator.offset = 5
    with pytest.raises(DamagedColumn, match="the file ends too early: it has 40 bytes, not 45"):
        PageReader(LocalFile(str(path)), made, 1).read(0, {Column((0,)): (0, 10)})
