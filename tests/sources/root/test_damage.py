"""What cannot be opened is said at once; what turns out damaged while it is read names branch and entries."""

import os
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mlaas4hep.errors import MLaaSError, ReadError, SourceError
from mlaas4hep.sources import list_trees, open_source
from mlaas4hep.sources.root.ttree import TTreeSource
from uproot.models.TBasket import Model_TBasket

from tests.sources import files


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return files.write(tmp_path / "events.root", {"events": {"x": np.zeros(10)}})


def refused(path: Path, tree: str | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(str(path), tree)
    assert not isinstance(caught.value, ReadError)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "a.root")


def test_a_folder(tmp_path: Path) -> None:
    assert "cannot be opened" in refused(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    path.touch()
    assert "the file is empty" in refused(path)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"jetPt,jetEta\n1,2\n", "this is ROOT by its name, but not by its content"),
        (b"\x93NUMPY", "this is a NumPy file"),
        (b"FEA1", "this is a Feather file of version 1; write it again as Feather 2"),
        (b"<!doctype html>", "this is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "this is a Git LFS pointer"),
    ],
)
def test_another_format(head: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    path.write_bytes(head)
    assert what in refused(path)
    with pytest.raises(SourceError, match="formats that can be read are Arrow, Avro, CSV, HDF5, JSON lines, Parquet"):
        list_trees(str(path))


@pytest.mark.parametrize(
    ("head", "format_"),
    [(b"PAR1....", "Parquet"), (b"\x89HDF\r\n\x1a\n", "HDF5"), (b"ARROW1\0\0", "Arrow"), (b"Obj\x01\0", "Avro")],
)
def test_the_content_tells_the_format(head: bytes, format_: str, tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    path.write_bytes(head)
    assert f"the {format_} file is truncated or damaged" in refused(path)
    with pytest.raises(SourceError, match=f"the {format_} file is truncated or damaged"):
        list_trees(str(path))


@pytest.mark.parametrize("size", [4, 5, 60, 200, -1])
def test_a_truncated_file(size: int, events: Path) -> None:
    whole = events.stat().st_size
    os.truncate(events, size if size > 0 else whole + size)
    assert "truncated" in refused(events)


def test_every_length_is_refused(events: Path) -> None:
    data = events.read_bytes()
    for size in range(0, len(data), 97):
        events.write_bytes(data[:size])
        refused(events)


def test_damaged_metadata(events: Path, reader: str) -> None:
    """Whatever bytes of the file are wrong: an error of ours, or a source."""
    data = events.read_bytes()
    random = np.random.default_rng(5)
    for at in random.integers(4, len(data), 150).tolist():
        changed = bytearray(data)
        changed[at] ^= int(random.integers(1, 256))
        events.write_bytes(changed)
        try:
            source = open_source(str(events))
            source.read(list(source.schema()), 0, min(10, source.entries))
        except MLaaSError:
            continue
        source.close()


def test_no_tree(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file["folder/h"] = np.histogram([1.0, 2.0])
    assert "the file holds no tree; it holds folder/h (TH1D)" in refused(path)
    assert "the file holds no tree; it holds folder/h (TH1D)" in refused(path, "events")
    with pytest.raises(SourceError, match="the file holds no tree"):
        list_trees(str(path))
    with uproot.recreate(path):
        pass
    assert "it holds nothing" in refused(path)


def test_several_trees(tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.root", {"events": {"x": np.zeros(1)}, "runs": {"x": np.zeros(1)}})
    assert "several trees; name one of them: events, runs" in refused(path)
    assert open_source(str(path), "runs").tree == "runs"
    assert "there is no tree 'event' (did you mean 'events'?); the file holds events, runs" in refused(path, "event")


def test_something_else_than_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file["h"] = np.histogram([1.0, 2.0])
        file.mktree("events", {"x": "float64"}).extend({"x": np.zeros(1)})
    assert "'h' is no tree but a TH1D; the file holds events" in refused(path, "h")


def test_an_early_ntuple(events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before version 1 the class had another name."""
    monkeypatch.setattr(
        uproot.ReadOnlyDirectory, "classnames", lambda self, **_: {"ntuple;1": "ROOT::Experimental::RNTuple"}
    )
    assert "written before version 1 of RNTuple; write it again" in refused(events)


def numbered(path: Path, compression: Any) -> Path:
    random = np.random.default_rng(3)
    with uproot.recreate(path, compression=compression) as file:
        tree = file.mktree("events", {"x": "float64", "y": "var * int32", "z": "int64"})
        for _ in range(3):
            counts = random.integers(0, 5, 1000)
            tree.extend(
                {
                    "x": random.integers(0, 50, 1000).astype(float),
                    "y": ak.unflatten(random.integers(0, 50, counts.sum()).astype(np.int32), counts),
                    "z": np.arange(1000),
                }
            )
    return path


@pytest.mark.parametrize("codec", [uproot.ZLIB(1), uproot.LZ4(1), uproot.LZMA(1)], ids=["zlib", "lz4", "lzma"])
@pytest.mark.parametrize("branch", ["x", "y"])
def test_a_damaged_basket(codec: Any, branch: str, tmp_path: Path, reader: str) -> None:
    path = numbered(tmp_path / "a.root", codec)
    begin, end = files.basket_range(path, "events", branch, 1)
    files.damage(path, (begin + end) // 2, size=4)
    source = files.opened(path)
    assert len(source.read(["x", "y", "z"], 0, 1000)["z"]) == 1000
    with pytest.raises(ReadError) as caught:
        source.read(["x", "y", "z"], 900, 1200)
    assert str(caught.value).startswith(f"{path}: branch {branch!r}, entries 1000 to 2000: ")
    assert "the compressed data are damaged (" in str(caught.value)
    assert caught.value.exit_status == 1
    assert len(source.read(["x", "y", "z"], 2000, 3000)["z"]) == 1000
    assert len(source.read(["z"], 900, 2100)["z"]) == 1200
    source.close()


@pytest.mark.parametrize("codec", [uproot.ZLIB(1), uproot.LZ4(1), uproot.LZMA(1), uproot.ZSTD(1)], ids=repr)
def test_flipped_bits(codec: Any, tmp_path: Path, reader: str) -> None:
    """An error of ours, or, as ZSTD has no checksum here, columns of the right lengths; never another error."""
    path = numbered(tmp_path / "a.root", codec)
    data = path.read_bytes()
    random = np.random.default_rng(9)
    errors: list[ReadError] = []
    for branch in ["x", "y", "z"] * 8:
        begin, end = files.basket_range(path, "events", branch, 1)
        path.write_bytes(data)
        files.damage(path, int(random.integers(begin - 60, end)), 1 << int(random.integers(8)))
        source = files.opened(path)
        errors += _read(source, branch)
        source.close()
    assert len(errors) > 5
    assert all("entries 1000 to 2000: " in str(error) for error in errors)


def _read(source: TTreeSource, branch: str) -> list[ReadError]:
    """Read all, which gives columns of the right length, or an error."""
    try:
        column = source.read([branch], 0, 3000)[branch]
    except ReadError as error:
        return [error]
    assert (len(column[0]) - 1 if isinstance(column, tuple) else len(column)) == 3000
    return []


def test_data_that_end_early(tmp_path: Path, reader: str) -> None:
    """The file could be opened, but baskets are missing at its end."""
    path = numbered(tmp_path / "a.root", uproot.ZLIB(1))
    begin, end = files.basket_range(path, "events", "z", 2)
    files.shorten(path, (begin + end) // 2)
    source = files.opened(path)
    source.read(["z"], 0, 2000)
    with pytest.raises(ReadError) as caught:
        source.read(["z"], 0, 3000)
    assert f"branch 'z', entries 2000 to 3000: the file ends too early: it has {path.stat().st_size}" in str(
        caught.value
    )
    source.close()


def test_a_file_that_shrinks(tmp_path: Path, reader: str) -> None:
    path = numbered(tmp_path / "a.root", uproot.ZLIB(1))
    source = files.opened(path)
    source.read(["z"], 0, 10)
    os.truncate(path, 300)
    with pytest.raises(ReadError, match="entries 1000 to 2000: the file ends too early: it has 300 bytes"):
        source.read(["z"], 10, 1010)
    path.unlink()
    with pytest.raises(ReadError, match="entries 1000 to 2000: the file ends too early: it has 300 bytes"):
        source.read(["z"], 1000, 1010)
    source.close()


def test_a_branch_shorter_than_its_tree(tmp_path: Path, reader: str) -> None:
    path = files.write(tmp_path / "a.root", {"events": {"x": np.zeros(60007), "y": np.zeros(60007)}})
    data = path.read_bytes()
    at = data.index((60007).to_bytes(8, "big"))
    path.write_bytes(data[:at] + (60010).to_bytes(8, "big") + data[at + 8 :])
    source = files.opened(path)
    assert source.entries == 60010
    assert source.clusters(["x", "y"], 0, 60007) == [(0, 60007)]
    with pytest.raises(ReadError, match="branch 'x' has only 60007 entries, tree 'events' has 60010"):
        source.clusters(["x", "y"], 0, 60010)
    assert len(source.read(["x"], 0, 60007)["x"]) == 60007
    with pytest.raises(ReadError, match="branch 'x' has only 60007 entries, tree 'events' has 60010"):
        source.read(["x"], 60000, 60010)


def test_a_basket_with_the_wrong_number_of_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_uproot: None
) -> None:
    path = numbered(tmp_path / "a.root", uproot.ZLIB(1))
    source = files.opened(path)
    monkeypatch.setattr(Model_TBasket, "data", np.zeros(80, np.uint8))
    with pytest.raises(ReadError, match=r"entries 0 to 1000: .*holds 10 entries instead of 1000"):
        source.read(["x"], 0, 1000)
    with pytest.raises(ReadError, match="the lengths of its lists do not fit their content"):
        source.read(["y"], 0, 1000)


def test_an_error_in_a_thread(tmp_path: Path, reader: str) -> None:
    path = numbered(tmp_path / "a.root", uproot.ZLIB(1))
    begin, end = files.basket_range(path, "events", "x", 1)
    files.damage(path, (begin + end) // 2, size=4)
    source = open_source(str(path), threads=2)
    with pytest.raises(ReadError, match="branch 'x', entries 1000 to 2000"):
        source.read(["x", "y", "z"], 0, 3000)
    source.close()
