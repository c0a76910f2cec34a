"""The ledger: every event of every file is accounted for, and every pass delivers what it should."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlaas4hep.dataset import Account, Delivery, Ledger, tally
from mlaas4hep.dataset.cutflow import FileFlow
from mlaas4hep.dataset.events import Events
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.ledger import accounts_of
from mlaas4hep.dataset.tally import Tally
from mlaas4hep.errors import LedgerError
from mlaas4hep.inputs import Input

from tests.dataset import files
from tests.dataset.test_bad_files import damaged

pytestmark = pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")

SIZES = [300, 0, 1, 200]
CUTS = {"jagged_cut": {"jetPt": {"cut": ["jetPt>30", "any"]}}}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return files.make_all(tmp_path_factory.mktemp("ledger"), SIZES)


@settings(max_examples=25)
@given(
    cuts=st.booleans(),
    nevts=st.sampled_from([-1, 1, 77, 400]),
    part=st.sampled_from(["train", "validation", "test", None]),
    size=st.sampled_from([1, 60, 1000, -1]),
    skip=st.integers(0, 5),
    max_open=st.sampled_from([1, 128]),
)
def test_every_event_is_accounted_for(
    paths: list[Path], cuts: bool, nevts: int, part: str | None, size: int, skip: int, max_open: int
) -> None:
    preproc = CUTS if cuts and nevts != 1 else None
    dataset = mlaas4hep.Dataset(paths, exclude=["run", "event"], nevts=nevts, max_open=max_open, preproc=preproc)
    accounts = dataset.ledger.files
    used = [account.entries - account.unused for account in accounts]
    assert [account.entries for account in accounts] == SIZES
    assert sum(used) == (501 if nevts == -1 else nevts)
    for name in ("train", "validation", "test"):
        assert sum(getattr(account, name) for account in accounts) == dataset.count(name)
    assert sum(account.read - account.cut for account in accounts) == len(dataset)
    rows = np.concatenate([chunk.file for chunk in dataset.chunks(size, part, skip=skip)] or [np.zeros(0, np.int32)])
    last = dataset.ledger.last
    assert last is not None
    assert last.complete
    assert last.part == (part or "all")
    assert last.delivered == last.scheduled == tuple(np.bincount(rows, minlength=len(SIZES)))
    if not skip:
        assert sum(last.delivered) == dataset.count(part)


def test_passes_are_summed_by_part(paths: list[Path]) -> None:
    dataset = mlaas4hep.Dataset(paths, select=files.INPUTS, labels="flag", classes=["b", "s"])
    assert dataset.ledger.passes == ()
    for part in ("train", "train", "test"):
        for _ in dataset.chunks(50, part):
            pass
    ledger = dataset.ledger
    assert [(one.part, one.passes, sum(one.delivered)) for one in ledger.passes] == [
        ("train", 2, 2 * dataset.count("train")),
        ("test", 1, dataset.count("test")),
    ]
    assert ledger.complete
    chunks = dataset.chunks(50, "train")
    next(chunks)
    chunks.close()
    ledger = dataset.ledger
    assert not ledger.complete
    assert ledger.last is not None
    assert (ledger.last.complete, sum(ledger.last.delivered)) == (False, 50)
    found = json.loads(json.dumps(ledger.to_dict()))
    assert found["passes"][0]["passes"] == 3
    assert found["total"]["entries"] == 501
    assert "train delivered (left early)" in ledger.table()


def test_missing_labels_and_cuts(tmp_path: Path) -> None:
    label = np.array([0.0, 1.0, np.nan, 1.0] * 25)
    one = files.make(tmp_path / "one.root", 100, 0, label=label)
    preproc: dict[str, Any] = {"flat_cut": {"count": {"cut": "count>0"}}}
    dataset = mlaas4hep.Dataset([one], "label", preproc=preproc, exclude=["run", "event"])
    (account,) = dataset.ledger.files
    count = files.columns(100, 0)["count"]
    assert account.cut == (count <= 0).sum()
    assert account.missing_label == (np.isnan(label) & (count > 0)).sum()
    assert "no label" in dataset.ledger.table()


def test_files_that_are_skipped(tmp_path: Path) -> None:
    made = files.make_all(tmp_path, [400, 300, 500])
    made[1].write_bytes(made[1].read_bytes()[:1000])
    specs = mlaas4hep.Dataset(made[2], select=files.INPUTS).specs()
    damaged(made[2])
    dataset = mlaas4hep.Dataset(made, specs=specs, on_bad_file="skip")
    assert dataset.ledger.unopened == (str(made[1]),)
    assert [account.failed for account in dataset.ledger.files] == [0, 0]
    delivered = sum(len(chunk.data) for chunk in dataset.chunks(100, "train"))
    last = dataset.ledger.last
    assert last is not None
    assert last.complete
    assert sum(last.delivered) == delivered
    assert last.failed[0] == 0
    assert 0 < last.failed[1] == dataset.ledger.files[1].failed
    assert sum(last.scheduled) == delivered + last.failed[1]
    scanned = mlaas4hep.Dataset(made, select=files.INPUTS, on_bad_file="skip")
    scanned.specs()
    assert [account.failed for account in scanned.ledger.files] == [0, 500]


def test_a_pass_that_loses_events_fails(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = mlaas4hep.Dataset(paths, select=files.INPUTS)
    deliver = Tally.deliver
    monkeypatch.setattr(tally.Tally, "deliver", lambda self, numbers: deliver(self, numbers[numbers != 0]))
    with pytest.raises(
        LedgerError,
        match=r"file0\.root: the ledger of a pass does not agree: of 300 events that were scheduled 0 were delivered "
        "and 0 are lost; this is a mistake of mlaas4hep, please report it",
    ):
        for _ in dataset.chunks(1000, shuffle=False):
            pass


def events_of(parts: list[int]) -> Events:
    numbers = np.array(parts, np.uint8)
    return Events(0, "a.root", "t", 5, None, numbers, None, np.zeros(0, np.int64), "a.root", mlaas4hep.Reading())


FILE = File(Input("a.root", None, 0, 0), "t", 5, None, 4)


def test_lost_rows_that_no_file_lost() -> None:
    events = events_of([0, 0, 1, 2])
    count = Tally(0, [events])
    count.schedule([[events]], [(0, 2)], [0])
    count.deliver(np.zeros(1, np.int32))
    with pytest.raises(LedgerError, match="of 2 events that were scheduled 1 were delivered and 0 are lost"):
        count.check()
    count.lose(0, 1)
    count.check()
    assert count.delivery == Delivery("train", 1, True, (2,), (1,), (1,))


def test_sums_that_do_not_agree() -> None:
    events = events_of([0, 1, 4, 3])
    (account,) = accounts_of([FILE], [events], [FileFlow("a.root", 4, (3,), 1)])
    assert account == Account(str(FILE.input), 5, 1, 1, 1, 0, 1, 1, 0, 0)
    with pytest.raises(LedgerError, match="2 events were cut and 1 have no label, but 1 and 1 are noted"):
        accounts_of([FILE], [events], [FileFlow("a.root", 4, (2,), 1)])
    with pytest.raises(LedgerError, match="it has 5 entries, of which 6 are accounted for"):
        accounts_of([replace(FILE, used=3)], [events], [])


def test_the_table_of_an_empty_ledger() -> None:
    assert Ledger(()).table().splitlines()[1].split() == ["all", "files", "0", "0", "0", "0"]
