"""With a cache everything is as without one, bit for bit, and files are read once."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import mlaas4hep
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlaas4hep import Dataset
from mlaas4hep.dataset import Chunk
from mlaas4hep.dataset.cache import folder
from mlaas4hep.dataset.cache.folder import MARKER, Cache
from mlaas4hep.errors import Note, OutputError, ParamsError, SourceError
from mlaas4hep.lock import Lock
from mlaas4hep.sources.root.ttree import TTreeSource

from tests.dataset import files
from tests.dataset.files import same_bits

pytestmark = pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")

SIZES = [200, 0, 1, 150]
PREPROC: dict[str, Any] = {
    "new_branch": {
        "twice": {"def": "2*x", "type": "flat"},
        "square": {"def": "count**2", "type": "flat"},
        "positive": {"def": "count>0", "type": "flat"},
        "hard": {"def": "jetPt[jetPt>20]", "type": "jagged", "keys_to_remove": ["jetPt"]},
        "ratio": {"def": "jetEta/jetPt", "type": "jagged"},
    },
    "jagged_cut": {"jetPt": {"cut": ["jetPt>15", "any"]}},
}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"labels": ["b", "a", "a", "b"], "select": files.INPUTS},
    "cuts": {"labels": ["b", "a", "a", "a"], "preproc": PREPROC, "exclude": ["run", "event"]},
    "label branch": {"labels": "flag", "select": files.INPUTS[:1] + files.INPUTS[2:], "identifier": ["run", "event"]},
    "all": {"labels": "flag", "preproc": PREPROC, "identifier": ["run", "event"], "sentinels": {"count": [5]}},
    "few": {"nevts": 60, "preproc": PREPROC, "exclude": ["run", "event"], "max_open": 1},
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return files.make_all(tmp_path_factory.mktemp("files"), SIZES)


def copies(chunks: Iterable[Chunk]) -> list[list[Any]]:
    arrays = ([chunk.data, chunk.padding_mask, chunk.labels, chunk.file, chunk.entry] for chunk in chunks)
    return [[None if array is None else array.copy() for array in chunk] for chunk in arrays]


def assert_same(left: list[list[Any]], right: list[list[Any]]) -> None:
    for one, other in zip(left, right, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a is b if a is None or b is None else same_bits(a, b)


class Unread:
    """Makes every read of a ROOT file an error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def read(*_: Any) -> Any:
            raise AssertionError("a file was read")

        monkeypatch.setattr(TTreeSource, "read", read)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_as_without(
    kind: str, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Dataset(paths, **KINDS[kind])
    wanted = {part: copies(plain.chunks(40, part, epoch=1)) for part in ("train", "validation", "test", None)}
    rest = copies(plain.chunks(30, skip=2))

    def check(dataset: Dataset) -> None:
        assert dataset.specs().to_text() == plain.specs().to_text()
        for part, chunks in wanted.items():
            assert_same(copies(dataset.chunks(40, part, epoch=1)), chunks)
        assert_same(copies(dataset.chunks(30, skip=2)), rest)
        assert dataset.cutflow == plain.cutflow
        assert dataset.plan == plain.plan
        assert dataset.last_pass.missing == plain.last_pass.missing
        assert dataset.ledger.files == plain.ledger.files
        assert dataset.ledger.complete

    first = Dataset(paths, cache=tmp_path / "cache", **KINDS[kind])
    first.specs()
    Unread(monkeypatch)
    check(first)
    check(Dataset(paths, cache=tmp_path / "cache", **KINDS[kind]))


@settings(max_examples=15)
@given(
    size=st.sampled_from([1, 7, 100, -1]),
    part=st.sampled_from(["train", None]),
    seed=st.integers(0, 3),
    split=st.sampled_from([(0.64, 0.16, 0.2), (0.1, 0.1, 0.8)]),
    labels=st.sampled_from([None, [1, 0, 0, 1], [0, 1, 1, 1]]),
)
def test_splits_and_labels_do_not_matter(
    paths: list[Path], tmp_path_factory: pytest.TempPathFactory, size: int, part: str | None, **given_: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "common-cache"
    given_ |= {"preproc": PREPROC, "exclude": ["run", "event"]}
    chunks = copies(Dataset(paths, **given_).chunks(size, part))
    assert_same(copies(Dataset(paths, cache=folder, **given_).chunks(size, part)), chunks)
    assert len(list(folder.glob("*.arrow"))) == len(paths)


def test_with_specs_it_is_filled_before_the_first_chunk(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Dataset(paths, select=files.INPUTS)
    wanted = copies(plain.chunks(50))
    given_ = Dataset(paths, specs=plain.specs(), cache=tmp_path / "cache")
    assert_same(copies(given_.chunks(50)), wanted)
    Unread(monkeypatch)
    assert_same(copies(given_.chunks(50)), wanted)
    assert_same(copies(Dataset(paths, select=files.INPUTS, cache=tmp_path / "cache").chunks(50)), wanted)


def test_nulls_and_texts(tmp_path: Path) -> None:
    table = pa.table(
        {
            "x": pa.array([1, None, 3, 4, None, 6] * 20, pa.int16()),
            "b": pa.array([True, None, False] * 40),
            "jets": pa.array([[1.0, None], None, [], [2.0, 3.0, None], [None], [4.0]] * 20),
            "other": pa.array([[1, 2], None, [], [2, 3, 4], [5], [6]] * 20, pa.list_(pa.uint8())),
            "kind": pa.array(["s", "b", "b", None, "b", "b"] * 20),
        }
    )
    pq.write_table(table, tmp_path / "events.parquet", row_group_size=7)
    preproc = {"new_branch": {"y": {"def": "x+1", "type": "flat"}}, "flat_cut": {"x": {"cut": "x<6"}}}
    plain = Dataset(tmp_path / "events.parquet", "kind", preproc=preproc)
    wanted = copies(plain.chunks(17))
    for _ in range(2):
        dataset = Dataset(tmp_path / "events.parquet", "kind", preproc=preproc, cache=tmp_path / "cache")
        assert dataset.specs() == plain.specs()
        assert_same(copies(dataset.chunks(17)), wanted)
        assert dataset.ledger.files == plain.ledger.files
        assert dataset.classes == ["b", "s"]


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path, folder = files.make(tmp_path / "one.root", 100, 0), tmp_path / "cache"
    before = copies(Dataset(path, select=files.INPUTS, cache=folder).chunks(-1))
    files.make(path, 100, 1)
    after = copies(Dataset(path, select=files.INPUTS, cache=folder).chunks(-1))
    assert not same_bits(before[0][0], after[0][0])
    assert_same(after, copies(Dataset(path, select=files.INPUTS).chunks(-1)))


def test_files_that_cannot_be_read_are_not_kept(tmp_path: Path) -> None:
    from tests.dataset.test_bad_files import damaged

    made = files.make_all(tmp_path, [100, 200])
    damaged(made[1])
    dataset = Dataset(made, select=files.INPUTS, cache=tmp_path / "cache", on_bad_file="skip")
    assert sum(len(chunk.data) for chunk in dataset.chunks(30)) == 100
    assert len(list((tmp_path / "cache").glob("*.arrow"))) == 1
    assert not list((tmp_path / "cache").glob("*.draft"))
    with pytest.raises(SourceError, match="file1"):
        Dataset(made, select=files.INPUTS, cache=tmp_path / "cache").specs()


def damages(folder: Path) -> dict[str, tuple[Any, str]]:
    """What may happen to a cache, and what is said then."""

    def cut(path: Path) -> None:
        os.truncate(path, path.stat().st_size - 8)

    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def head(text: str) -> Any:
        return lambda path: path.with_suffix(".json").write_text(text)

    return {
        "cut off": (cut, "bytes in place of"),
        "another bit": (flip, "its checksum is another"),
        "no JSON": (head("{"), "Expecting property name"),
        "no keys": (head("{}"), "'size'"),
    }


@pytest.mark.parametrize("damage", damages(Path()))
def test_what_is_damaged_is_made_again(damage: str, paths: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    wanted = copies(Dataset(paths, select=files.INPUTS, cache=folder).chunks(50))
    spoil, message = damages(folder)[damage]
    spoil(max(folder.glob("*.arrow"), key=lambda path: path.stat().st_size))
    dataset = Dataset(paths, select=files.INPUTS, cache=folder)
    with pytest.warns(Note, match=rf"cache: what .*cache keeps of .*file0.*is damaged \(.*{message}.*read again"):
        dataset.specs()
    assert_same(copies(dataset.chunks(50)), wanted)
    assert len(list(folder.glob("*.json"))) == 1 + len(paths)


def test_what_disappears_is_read_from_the_file(paths: list[Path], tmp_path: Path) -> None:
    dataset = Dataset(paths, select=files.INPUTS, cache=tmp_path / "cache")
    wanted = copies(dataset.chunks(50))
    for path in (tmp_path / "cache").glob("*.arrow"):
        path.unlink()
    assert_same(copies(dataset.chunks(50)), wanted)  # what is mapped stays
    keeper = dataset._first_pass._keeper
    assert keeper is not None
    keeper._open.clear()
    assert_same(copies(dataset.chunks(50)), wanted)


def test_what_was_not_used_for_longest_makes_room(paths: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "cache"

    def keep(number: int, limit: int | str = "20 GB") -> set[str]:
        before = {path.name for path in folder.glob("*.arrow")}
        list(Dataset(paths[number], select=files.INPUTS, cache=folder, cache_limit=limit).chunks(50))
        return {path.name for path in folder.glob("*.arrow")} - before

    (first,), (second,) = keep(0), keep(3)
    size = (folder / first).stat().st_size
    os.utime((folder / first).with_suffix(".json"), (1e9, 1e9))
    os.utime((folder / second).with_suffix(".json"), (2e9, 2e9))
    keep(2, sum(path.stat().st_size for path in folder.glob("*.arrow")) + 2000)
    assert {path.name for path in folder.glob("*.arrow")} > {second}
    assert not (folder / first).exists()
    with pytest.warns(
        Note, match=rf"what is read of .*file0.*is not kept: there is no room .* limit of {size / 2000:.2f} kB"
    ):
        assert keep(0, size // 2) == set()


def test_folders_that_cannot_be_a_cache(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"^cache: .*file: exists and is no folder; name a new or an empty one"):
        Dataset(paths, cache=tmp_path / "file")
    with pytest.raises(OutputError, match=r"^cache: .*file/below: cannot be written \(Not a directory\)"):
        Dataset(paths, cache=tmp_path / "file" / "below")
    with pytest.raises(OutputError, match=rf"^cache: .*: holds 'file' and is no cache of ours \(it has no {MARKER}\)"):
        Dataset(paths, cache=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    for none in (3, "", "a\0b"):
        with pytest.raises(ParamsError, match=r"^cache is .*; it must be the path of a folder, or None"):
            Dataset(paths, cache=cast("Any", none))
    with pytest.raises(ParamsError, match="cache_limit is 'much'; it must be a number of bytes"):
        Dataset(paths, cache=tmp_path / "cache", cache_limit="much")


def test_drafts_of_dead_processes_are_removed(paths: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    program = f"""
    import os
    from mlaas4hep.dataset import Dataset
    dataset = Dataset({[str(path) for path in paths]}, select={files.INPUTS}, cache={str(folder)!r})
    from mlaas4hep.dataset.cache.draft import Draft
    Draft.finish = lambda self: os._exit(1)
    dataset.specs()
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)], check=False)
    (dead,) = folder.glob("*.draft")
    living = Lock(folder / "living.draft")
    living.take()
    (folder / "living.draft").touch()
    (folder / "orphan.arrow").touch()
    Cache(folder, 10**9)
    living.give_back()
    assert {path.name for path in folder.iterdir()} == {MARKER, "living.draft"}
    assert not dead.exists()


def test_two_processes_fill_it_together(paths: list[Path], tmp_path: Path) -> None:
    program = f"""
    import sys
    from mlaas4hep.dataset import Dataset
    dataset = Dataset({[str(path) for path in paths]}, select={files.INPUTS}, cache={str(tmp_path / "cache")!r})
    sys.stdin.readline()
    print(sum(float(chunk.data.sum()) for chunk in dataset.chunks(50)))
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)]
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **options) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    sums = {process.communicate()[0] for process in processes}
    dataset = Dataset(paths, select=files.INPUTS)
    assert sums == {f"{sum(float(chunk.data.sum()) for chunk in dataset.chunks(50))}\n"}
    kept = list((tmp_path / "cache").glob("*.json"))
    assert len(kept) == 1 + len(paths)
    for path in kept:
        known = json.loads(path.read_text())
        assert path.name == MARKER or known["size"] == path.with_suffix(".arrow").stat().st_size


def test_what_cannot_be_written_is_not_kept(paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlaas4hep.dataset.cache.draft import _Sink

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    dataset = Dataset(paths[0], select=files.INPUTS, cache=tmp_path / "cache")
    monkeypatch.setattr(_Sink, "write", full)
    with pytest.warns(
        Note, match=r"what is read of .*file0.* is not kept: cannot be written \(No space left on device"
    ):
        chunks = copies(dataset.chunks(50))
    assert_same(chunks, copies(mlaas4hep.Dataset(paths[0], select=files.INPUTS).chunks(50)))
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {MARKER}
    assert np.concatenate([chunk[0] for chunk in chunks]).shape == (200, len(dataset.names))


def test_a_folder_that_disappears(paths: list[Path], tmp_path: Path) -> None:
    dataset = Dataset(paths, select=files.INPUTS, cache=tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(OutputError, match=r"^cache: .*/cache: cannot be written \(No such file or directory\)"):
        dataset.specs()
    first = Dataset(paths, select=files.INPUTS, cache=tmp_path / "other")
    shutil.rmtree(tmp_path / "other")
    (tmp_path / "other").write_text("")
    with (
        pytest.warns(Note, match=r"what .*/other keeps of .* is damaged \(.*Not a directory"),
        pytest.raises(OutputError, match=r"^cache: .*/other: cannot be written \(Not a directory\)"),
    ):
        first.specs()


def test_what_cannot_be_put_in_its_place_is_not_kept(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    wanted = copies(Dataset(paths[:1], select=files.INPUTS).chunks(50))
    dataset = Dataset(paths[:1], select=files.INPUTS, cache=tmp_path / "cache")
    monkeypatch.setattr(folder, "write_text", full)
    with pytest.warns(Note, match=r"file0.* is not kept: cannot be written \(No space left on device\)"):
        chunks = copies(dataset.chunks(50))
    assert_same(chunks, wanted)
    monkeypatch.undo()
    assert_same(copies(Dataset(paths[:1], select=files.INPUTS, cache=tmp_path / "cache").chunks(50)), wanted)
