"""Specs that know their files one by one: what changed is noticed, and it alone is scanned again."""

import json
import os
from pathlib import Path

import mlaas4hep
import numpy as np
import pyarrow as pa
import pytest
from mlaas4hep import Specs
from mlaas4hep.dataset import Dataset, scanning
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.known import pack, unpack
from mlaas4hep.errors import Note, ParamsError, SpecsError
from mlaas4hep.specs import FilePart

from tests.dataset.files import make, make_all
from tests.sources.files import write
from tests.sources.formats import write_parquet


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the files that are scanned."""
    found: set[str] = set()
    scan = scanning.Scanner.scan

    def noting(self: scanning.Scanner, file: File, *rest: object) -> None:
        found.add(Path(file.input.path).name)
        scan(self, file, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning.Scanner, "scan", noting)
    return found


def test_only_what_changed_is_scanned_again(tmp_path: Path, scanned: set[str]) -> None:
    paths = make_all(tmp_path, [40, 30, 20])
    known = Dataset(paths).specs()
    assert known.parts.keys() == {str(path) for path in paths}
    make(paths[1], 35, number=7)
    scanned.clear()
    with pytest.warns(Note, match=f"^changed since the specs were made, and scanned again: {paths[1]}$"):
        dataset = Dataset(paths, specs=known)
    found = dataset.specs()
    assert scanned == {"file1.root"}
    fresh = Dataset(paths).specs()
    assert_alike(found, fresh)
    assert found.events == fresh.events
    assert found.selected == fresh.selected
    assert found.parts == fresh.parts
    assert sum(len(chunk.data) for chunk in dataset.chunks(25)) == 95


def assert_alike(one: Specs, other: Specs) -> None:
    """Both are equal, but for the last digits of moments."""
    approximate = {"mean", "std", "moments"}
    texts = [json.loads(specs.to_text()) for specs in (one, other)]
    exact = [{key: value for key, value in text.items() if key not in approximate} for text in texts]
    assert exact[0] == exact[1]
    for name, mean in one.mean.items():
        assert mean == pytest.approx(other.mean[name], rel=1e-12)


def test_files_that_the_specs_do_not_know_are_not_scanned(tmp_path: Path, scanned: set[str]) -> None:
    paths = make_all(tmp_path, [40, 30])
    known = Dataset(paths[:1]).specs()
    scanned.clear()
    dataset = Dataset(paths[1:], specs=known)
    assert dataset.specs().minv == known.minv
    assert not scanned


def test_a_changed_file_among_others_of_the_specs(tmp_path: Path, scanned: set[str]) -> None:
    """What the specs know of files that are no inputs stays."""
    paths = make_all(tmp_path, [40, 30])
    known = Dataset(paths).specs()
    make(paths[1], 30, number=9)
    with pytest.warns(Note, match="scanned again"):
        found = Dataset(paths[1:], specs=known).specs()
    fresh = Dataset(paths).specs()
    assert found.events == fresh.events
    assert found.parts == fresh.parts
    assert_alike(found.with_files({}, {}), fresh.with_files({}, {}))


def test_a_changed_file_of_specs_that_do_not_hold_the_others_apart(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [40, 30])
    known = Dataset(paths).specs()
    known = known.with_parts({str(paths[1]): known.parts[str(paths[1])]})
    make(paths[1], 30, number=9)
    with pytest.raises(SpecsError) as raised:
        Dataset(paths, specs=known)
    assert str(raised.value) == (
        f"the specs do not fit: {paths[1]} changed since, and they do not hold {paths[0]} apart; scan the files again"
    )


@pytest.mark.parametrize("suffix", ["root", "parquet"])
def test_a_touched_file_counts_as_changed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "root":
        write(path, {"events": {"x": np.arange(5.0)}})
    else:
        write_parquet(pa.table({"x": np.arange(5.0)}), path, 5)
    known = Dataset(path).specs()
    assert ("UUID" in known.parts[str(path)].fingerprint) == (suffix == "root")
    Dataset(path, specs=known)
    os.utime(path, ns=(0, 10**18))
    with pytest.warns(Note, match="scanned again"):
        Dataset(path, specs=known)


def test_earlier_specs_are_reused(tmp_path: Path, scanned: set[str]) -> None:
    paths = make_all(tmp_path, [40, 30, 20])
    known = Dataset(paths[:2]).specs()
    make(paths[0], 44, number=5)
    scanned.clear()
    dataset = Dataset(paths)
    assert dataset.reuse(known) == [str(paths[1])]
    found = dataset.specs()
    assert scanned == {"file0.root", "file2.root"}
    fresh = Dataset(paths).specs()
    assert_alike(found, fresh)
    assert (found.events, found.selected, found.parts) == (fresh.events, fresh.selected, fresh.parts)
    scanned.clear()
    again = Dataset(paths)
    assert len(again.reuse(found)) == 3
    assert_alike(again.specs(), found)
    assert not scanned


CUT = {"flat_cut": {"count": {"cut": "count>0"}}}


@pytest.mark.parametrize(
    ("arguments", "reused"),
    [
        ({}, True),
        ({"seed": 5, "split": (0.5, 0.25, 0.25), "threads": 2}, True),
        ({"exclude": "x"}, True),
        ({"preproc": CUT}, False),
        ({"sentinels": -999}, False),
        ({"labels": "flag"}, False),
        ({"nevts": 20}, False),
    ],
)
def test_what_specs_were_made_with_must_agree(tmp_path: Path, arguments: dict[str, object], reused: bool) -> None:
    path = make(tmp_path / "a.root", 40)
    known = Dataset(path).specs()
    dataset = Dataset(path, **arguments)  # type: ignore[arg-type]
    assert dataset.reuse(known) == ([str(path)] if reused else [])
    found, fresh = dataset.specs(), Dataset(path, **arguments).specs()  # type: ignore[arg-type]
    assert_alike(found.with_parts({}), fresh.with_parts({}))


def test_cuts_and_labels_are_learned_of_reused_files_too(tmp_path: Path, scanned: set[str]) -> None:
    paths = make_all(tmp_path, [40, 30])
    first = Dataset(paths, "flag", preproc=CUT)
    known = first.specs()
    scanned.clear()
    dataset = Dataset(paths, "flag", preproc=CUT)
    assert len(dataset.reuse(known)) == 2
    assert dataset.specs() == known
    assert not scanned
    assert dataset.cutflow == first.cutflow
    chunks = [next(one.chunks(-1)) for one in (first, dataset)]
    np.testing.assert_array_equal(chunks[0].data, chunks[1].data)


def test_given_specs_stay_as_they_are(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 40)
    known = Dataset(path).specs()
    dataset = Dataset(path, specs=known)
    assert dataset.reuse(known) == []
    assert dataset.specs() == known


def test_a_file_that_is_an_input_twice_is_not_held_apart(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 40)
    assert Dataset([path, path]).specs().parts == {}


def test_specs_of_a_file_are_packed() -> None:
    specs = mlaas4hep.scan({"x": np.random.default_rng(1).normal(size=10_000)})
    assert unpack("a", FilePart("", "", 1, pack(specs))) == specs
    assert len(pack(specs)) < 0.8 * len(specs.to_text())


@pytest.mark.parametrize("text", ["", 'ab"c', "abcd", pack(mlaas4hep.scan({"x": np.ones(1)}))[:-9]])
def test_a_damaged_part_is_refused(text: str) -> None:
    with pytest.raises(SpecsError, match=r"^specs: 'specs' of 'a\.root' in 'parts' cannot be unpacked: "):
        unpack("a.root", FilePart("", "", 1, text))


def test_wrong_weights_are_refused_with_file_and_entry(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 3)
    first_pass = Dataset(path, select="count")._first_pass
    file = first_pass._files[0]
    with pytest.raises(ParamsError) as raised:
        scanning.check_weights(file, np.array([1.0, np.inf]), np.array([5, 9]))
    assert str(raised.value) == (
        f"{path}: weights: that of entry 9 is inf; it must be a finite number, below 1e60 in magnitude"
    )
