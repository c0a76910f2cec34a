"""Files that cannot be read: an error, or left out and listed; and branches that not all files have."""

import os
from pathlib import Path

import mlaas4hep
import numpy as np
import pytest
import uproot
from mlaas4hep.dataset import BadFile, lost
from mlaas4hep.errors import BranchError, Note, ParamsError, SourceError
from mlaas4hep.sources import clusters

from tests.dataset import files

pytestmark = pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")


def damaged(path: Path) -> Path:
    """Spoil a basket of a file, which nothing but its content tells."""
    before = path.stat()
    with uproot.open({str(path): "events"}) as tree:
        start = int(tree["jetEta"].member("fBasketSeek")[0])
    content = bytearray(path.read_bytes())
    content[start + 100 : start + 300] = bytes(200)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Three files, of which the second is cut off and the third has damaged baskets."""
    made = files.make_all(tmp_path, [400, 300, 500])
    made[1].write_bytes(made[1].read_bytes()[:1000])
    damaged(made[2])
    return made


def test_the_first_one_is_an_error(paths: list[Path]) -> None:
    with pytest.raises(SourceError, match=r"file1\.root"):
        mlaas4hep.Dataset(paths)


@pytest.mark.parametrize("labels", [None, [0, 1, 1]])
def test_they_are_left_out_and_listed(paths: list[Path], labels: list[int] | None) -> None:
    if labels is not None:  # without files of a label there is nothing to train
        dataset = mlaas4hep.Dataset(paths, labels, select=files.INPUTS, on_bad_file="skip")
        with pytest.raises(ParamsError, match=r"^label 1 has no events: its files were skipped: .*file1.*; .*file2"):
            dataset.specs()
        return
    with pytest.warns(Note, match=r"skipped .*file1\.root \(nobody knows how many events\)"):
        dataset = mlaas4hep.Dataset(paths, labels, select=files.INPUTS, on_bad_file="skip")
    with pytest.warns(Note, match=r"skipped .*file2\.root \(500 events\): branch"):
        specs = dataset.specs()
    assert specs.events == {str(paths[0]): 400, "total": 400}
    assert [(bad.file, bad.lost) for bad in dataset.bad_files] == [(str(paths[1]), None), (str(paths[2]), 500)]
    assert specs.bad_files.keys() == {str(paths[1]), str(paths[2])}
    chunks = list(dataset.chunks(150))
    assert sum(len(chunk.data) for chunk in chunks) == len(dataset) == 400
    assert {int(number) for chunk in chunks for number in np.unique(chunk.file)} == {0}
    alone = mlaas4hep.Dataset(paths[:1], select=files.INPUTS)
    assert specs.minv == alone.specs().minv
    assert files.same_bits(chunks[0].data, next(alone.chunks(150)).data)


def test_events_that_are_lost_in_a_later_pass(tmp_path: Path) -> None:
    made = files.make_all(tmp_path, [400, 500])
    specs = mlaas4hep.Dataset(made, select=files.INPUTS).specs().with_parts({})
    damaged(made[1])
    dataset = mlaas4hep.Dataset(made, [0, 1], specs=specs, on_bad_file="skip")
    assert len(dataset) == 900
    chunks = list(dataset.chunks(300, shuffle=False))
    whole = mlaas4hep.Dataset(made[:1], [0], specs=None, select=files.INPUTS)
    delivered = np.concatenate([chunk.entry[chunk.file == 0] for chunk in chunks])
    assert delivered.tolist() == list(range(400))
    (bad,) = dataset.bad_files
    kept = sum(int((chunk.file == 1).sum()) for chunk in chunks)
    assert (bad.file, bad.lost) == (str(made[1]), 500 - kept)
    assert len(dataset) == 400 + kept
    assert len(whole) == 400
    assert sum(len(chunk.data) for chunk in dataset.chunks(300)) == 400 + kept
    for chunk in chunks:
        files.assert_chunk(chunk, len(dataset.names))
        assert chunk.labels is not None
        assert (chunk.labels == chunk.file).all()


@pytest.mark.parametrize("max_open", [1, 128])
def test_what_is_not_lost_stays_in_its_place(max_open: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_limits", lambda _: (1000, 2000))
    made = files.make_all(tmp_path, [400, 500, 300])
    specs = mlaas4hep.Dataset(made, select=files.INPUTS).specs().with_parts({})

    def rows(size: int, skip: int = 0) -> list[list[tuple[int, int]]]:
        dataset = mlaas4hep.Dataset(made, specs=specs, on_bad_file="skip", max_open=max_open)
        return [files.origin(chunk) for chunk in dataset.chunks(size, shuffle=False, skip=skip)]

    whole = {size: rows(size) for size in (1, 100)}
    damaged(made[1])
    for size, chunks in whole.items():
        left = rows(size)
        assert left == [[row for row in chunk if row[0] != 1] for chunk in chunks]
        assert rows(size, 7) == left[7:]


def test_a_label_whose_files_are_skipped(paths: list[Path]) -> None:
    with pytest.raises(ParamsError, match=r"^label 1 has no events: its files were skipped: .*file1\.root"):
        mlaas4hep.Dataset(paths, [0, 1, 0], on_bad_file="skip")


def test_no_file_is_left(paths: list[Path]) -> None:
    with pytest.raises(SourceError, match=r"^no file can be read: .*file1\.root \(nobody knows how many events\)"):
        mlaas4hep.Dataset(paths[1:2], on_bad_file="skip")
    with pytest.raises(SourceError, match=r"^no file can be read: .*file2\.root \(500 events\)"):
        mlaas4hep.Dataset(paths[2:], select=files.INPUTS, on_bad_file="skip").specs()
    with pytest.raises(ParamsError, match="on_bad_file is 'ignore'; it must be 'error' or 'skip'"):
        mlaas4hep.Dataset(paths, on_bad_file="ignore")


def test_the_last_line() -> None:
    bad = [BadFile("a.root", "gone", None), BadFile("b.root", "cut", 1200)]
    assert lost(bad) == "2 files were skipped and at least 1,200 events are lost: a.root, b.root"
    assert lost(bad[1:]) == "1 file was skipped and 1,200 events are lost: b.root"


def test_branches_that_all_files_have(tmp_path: Path) -> None:
    one = files.make(tmp_path / "one.root", 50, 0, extra=np.arange(50.0), kind=np.arange(50))
    other = files.make(tmp_path / "other.root", 60, 1, kind=files.columns(60, 2)["jetPt"])
    with pytest.raises(BranchError, match="branch 'extra' is missing in"):
        mlaas4hep.Dataset([one, other])
    with pytest.warns(
        Note, match=r"left out: kind \(flat in some files and jagged in others\); extra \(missing in 1 of 2 files\)"
    ):
        dataset = mlaas4hep.Dataset([one, other], common_branches=True)
    assert "extra" not in dataset.branches
    assert "kind" not in dataset.branches
    assert "jetPt" in dataset.branches
    assert sum(len(chunk.data) for chunk in dataset.chunks(40)) == 110
