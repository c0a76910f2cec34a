"""Specs: merging, JSON, and what is refused."""

import copy
import itertools
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep import Specs
from mlaas4hep import _reference as reference
from mlaas4hep.errors import BranchError, SpecsError

from tests import forms
from tests.oracle import canonical, specs_text
from tests.strategies import DTYPES, SEEDS, Table, sliced, table_pairs, tables

ORIGINAL = {
    "fkeys": ["nJets", "met"],
    "jkeys": ["jetPt"],
    "jdim": {"jetPt": 3},
    "minv": {"nJets": 1, "met": 0.5, "jetPt": 20.25},
    "maxv": {"nJets": 9, "met": 812.0, "jetPt": 501.5},
}


def ours() -> dict[str, Any]:
    """Specs with a branch of each kind, as JSON."""
    data = {"ht": np.array([1, 3], np.float32), "jetPt": (np.array([0, 2, 3]), np.array([5, 6, 7], np.int16))}
    specs: dict[str, Any] = json.loads(mlaas4hep.scan(data).to_text())
    return specs


def written(folder: Path, specs: Any) -> Path:
    path = folder / "specs.json"
    path.write_text(specs if isinstance(specs, str) else json.dumps(specs))
    return path


# Merging


@given(parts=table_pairs(3), seed=SEEDS)
def test_merging_is_the_oracles_in_any_order_and_grouping(parts: list[Table], seed: int) -> None:
    random = np.random.default_rng(seed)
    scans = [mlaas4hep.scan(forms.as_numpy(part, random)) for part in parts]
    text = specs_text(Specs.merge(scans))
    assert text == canonical(reference.merge([reference.scan(part) for part in parts]))
    for a, b, c in itertools.permutations(scans):
        assert specs_text(Specs.merge([a, b, c])) == text
        assert specs_text(Specs.merge([Specs.merge([a, b]), c])) == text
        assert specs_text(Specs.merge([a, Specs.merge([b, c])])) == text


@given(table=tables(), seed=SEEDS, cuts=st.lists(st.floats(0, 1), max_size=3))
def test_merged_chunks_are_the_whole(table: Table, seed: int, cuts: list[float]) -> None:
    random = np.random.default_rng(seed)
    whole = forms.as_awkward(table, random)
    places = [0, *sorted(int(cut * len(whole)) for cut in cuts), len(whole)]
    parts = [mlaas4hep.scan(whole[start:stop]) for start, stop in itertools.pairwise(places)]
    assert specs_text(Specs.merge(parts)) == canonical(reference.scan(table))
    chunks = [{name: sliced(column, *ends) for name, column in table.items()} for ends in itertools.pairwise(places)]
    assert canonical(reference.merge([reference.scan(chunk) for chunk in chunks])) == canonical(reference.scan(table))


@pytest.mark.parametrize("types", list(itertools.combinations(DTYPES, 2)))
def test_two_types_are_promoted_as_numpy_does(types: tuple[str, str]) -> None:
    merged = Specs.merge([mlaas4hep.scan({"x": np.ones(1, dtype)}) for dtype in types])
    wide = [np.dtype(np.float32) if dtype == "float16" else np.dtype(dtype) for dtype in types]
    assert merged.types == {"x": np.promote_types(*wide).name}


def test_mixed_types_are_promoted_as_a_set() -> None:
    parts = [mlaas4hep.scan({"x": np.ones(1, dtype)}) for dtype in ("int16", "uint16", "float32")]
    assert Specs.merge(parts).types == {"x": "float32"}
    again = Specs.merge([Specs.merge(parts[:2]), parts[2]])
    assert again.types == {"x": "float32"}


def test_missing_ranges_do_not_count_when_merged() -> None:
    parts = [mlaas4hep.scan({"x": np.array(values)}) for values in ([np.nan], [2.0, 3.0], [])]
    merged = Specs.merge(parts)
    assert (merged.minv, merged.maxv, merged.events) == ({"x": 2.0}, {"x": 3.0}, {"total": 3})


def test_files_and_parts_are_kept_when_merged() -> None:
    parts = [mlaas4hep.scan({"x": np.ones(number)}) for number in (3, 4)]
    first = parts[0].with_files({"a.root": 5}, {"a.root": (2, 0, 1)})
    second = parts[1].with_files({"b.root": 4}, {"b.root": (2, 1, 1)})
    for merged in (Specs.merge([first, second]), Specs.merge([second, first])):
        assert merged.events == {"a.root": 5, "b.root": 4, "total": 9}
        assert merged.selected == {"a.root": (2, 0, 1), "b.root": (2, 1, 1)}


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"y": np.ones(1)}, "branch '[xy]' is in one of them only"),
        ({"x": np.ones(1), "y": np.ones(1)}, "branch 'y' is in one of them only"),
        ({"x": np.ones((1, 2))}, "branch 'x' is (flat|jagged) in one of them and (flat|jagged) in another"),
    ],
)
def test_branches_must_be_the_same_to_merge(others: dict[str, Any], message: str) -> None:
    specs, other = mlaas4hep.scan({"x": np.ones(1)}), mlaas4hep.scan(others)
    for parts in ([specs, other], [other, specs]):
        with pytest.raises(SpecsError, match=message):
            Specs.merge(parts)


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(SpecsError, match="there are none"):
        Specs.merge([])


# Selection


def test_branches_are_selected_by_name() -> None:
    specs = mlaas4hep.scan({"ht": np.ones(2), "met": np.ones(2), "jetPt": np.ones((2, 3))})
    chosen = specs.select(["jetPt", "ht"])
    assert (chosen.fkeys, chosen.jkeys, chosen.branches) == (["ht"], ["jetPt"], ["ht", "jetPt"])
    assert set(chosen.types) == set(chosen.minv) == set(chosen.counts) == {"ht", "jetPt"}
    assert chosen.events == {"total": 2}


def test_selecting_names_the_nearest_branch() -> None:
    specs = mlaas4hep.scan({"jetPt": np.ones(2)})
    with pytest.raises(BranchError, match=r"branch 'jetpt'.*\(did you mean 'jetPt'\?\)"):
        specs.select(["jetpt"])


# JSON


@given(table=tables(), seed=SEEDS)
def test_json_is_canonical_and_read_back_equal(table: Table, seed: int) -> None:
    random = np.random.default_rng(seed)
    specs = mlaas4hep.scan(forms.as_numpy(table, random))
    backwards = dict(reversed(table.items()))
    assert mlaas4hep.scan(forms.as_awkward(backwards, random)).to_text() == specs.to_text()
    again: Specs = pickle.loads(pickle.dumps(specs))
    assert again == specs
    assert again.to_text() == specs.to_text()


def test_a_file_is_written_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "specs.json"
    path.write_text("older")
    specs = mlaas4hep.scan({"x": np.array([0.1, 1e-310]), "y": np.array([0.1, 3e-45], np.float32)})
    specs.to_json(path)
    assert Specs.from_json(path) == specs
    assert [each.name for each in tmp_path.iterdir()] == ["specs.json"]
    assert json.loads(path.read_text())["minv"] == {"x": 1e-310, "y": float(np.float32(3e-45))}


def test_specs_of_the_original_count_as_float64(tmp_path: Path) -> None:
    specs = Specs.from_json(written(tmp_path, ORIGINAL))
    assert specs.fkeys == ["met", "nJets"]
    assert specs.types == {"met": "float64", "nJets": "float64", "jetPt": "float64"}
    assert specs.minv == {"met": 0.5, "nJets": 1.0, "jetPt": 20.25}
    flat = mlaas4hep.flatten({"met": [0.5], "nJets": [9], "jetPt": np.array([[501.5, np.nan]])}, specs)
    assert flat.data.tolist() == [[0.0, 1.0, 1.0, 0.0, 0.0]]


def test_specs_of_the_original_merge_with_ours(tmp_path: Path) -> None:
    old = Specs.from_json(written(tmp_path, ORIGINAL))
    met, jets = np.array([0.25], np.float32), np.ones((1, 4), np.int8)
    new = mlaas4hep.scan({"met": met, "nJets": np.array([12]), "jetPt": jets})
    for merged in (Specs.merge([old, new]), Specs.merge([new, old])):
        assert set(merged.types.values()) == {"float64"}
        assert merged.minv == {"met": 0.25, "nJets": 1.0, "jetPt": 1.0}
        assert merged.jdim == {"jetPt": 4}


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    assert (
        Specs.from_json(written(tmp_path, ours() | {"comment": ["ours"], "next": None})).to_text()
        == Specs.from_json(written(tmp_path, ours())).to_text()
    )


@pytest.mark.parametrize("key", ["version", "types", "counts", "events"])
def test_what_the_original_lacks_may_be_absent(tmp_path: Path, key: str) -> None:
    specs = ours()
    del specs[key]
    assert Specs.from_json(written(tmp_path, specs)).branches == ["ht", "jetPt"]


@pytest.mark.parametrize("key", list(ORIGINAL))
def test_the_originals_keys_may_not_be_absent(tmp_path: Path, key: str) -> None:
    specs = ours()
    del specs[key]
    with pytest.raises(SpecsError, match=rf"specs\.json: .*'{key}' is missing"):
        Specs.from_json(written(tmp_path, specs))


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Change one value of the JSON."""

    def change(specs: dict[str, Any]) -> None:
        for key in path[:-1]:
            specs = specs[key]
        specs[path[-1]] = value

    return change


DAMAGE = {
    "fkeys is a text": (put("fkeys", value="ht"), "key 'fkeys' is \"ht\"; it must be a list of branch names"),
    "a number as name": (put("jkeys", value=[1]), "key 'jkeys' is [1]; it must be a list of branch names"),
    "named twice": (put("fkeys", value=["ht", "ht"]), "branch 'ht' is named in fkeys and in fkeys"),
    "flat and jagged": (put("fkeys", value=["ht", "jetPt"]), "branch 'jetPt' is named in fkeys and in jkeys"),
    "no minimum": (put("minv", value={"ht": 1.0}), "'jetPt' in 'minv' is missing"),
    "no length": (put("jdim", value={}), "'jetPt' in 'jdim' is missing"),
    "no type": (put("types", value={"ht": "float32"}), "'jetPt' in 'types' is missing"),
    "negative length": (put("jdim", "jetPt", value=-1), "'jetPt' in 'jdim' is -1; it must be a whole number"),
    "broken length": (put("jdim", "jetPt", value=1.5), "'jetPt' in 'jdim' is 1.5; it must be a whole number"),
    "text as length": (put("jdim", "jetPt", value="2"), "'jetPt' in 'jdim' is \"2\"; it must be a whole number"),
    "minimum above": (put("minv", "ht", value=5.0), "branch 'ht': the minimum 5.0 is above the maximum 3.0"),
    "text as minimum": (put("minv", "ht", value="1"), "'ht' in 'minv' is \"1\"; it must be a finite float32 number"),
    "half a range": (put("minv", "ht", value=None), "'ht' in 'minv' and 'maxv' is null; it must be null in both"),
    "no integer": (put("minv", "jetPt", value=5.5), "'jetPt' in 'minv' is 5.5; it must be a finite int16 number"),
    "beyond float32": (put("maxv", "ht", value=1e300), "'ht' in 'maxv' is 1e+300; it must be a finite float32 number"),
    "beyond int16": (put("maxv", "jetPt", value=70000), "'jetPt' in 'maxv' is 70000; it must be a finite int16 number"),
    "unknown type": (
        put("types", "ht", value="float99"),
        "'ht' in 'types' is \"float99\"; it must be the name of a type",
    ),
    "unknown mixed type": (put("mixed", value={"ht": ["int8", "x"]}), "'ht' in 'mixed' is \"x\"; it must be the name"),
    "types is a list": (put("types", value=[]), "key 'types' is []; it must be an object"),
    "later version": (put("version", value=2), "version 2 is newer than this program, which knows version 1"),
    "negative events": (put("events", value={"total": -1}), "'total' in 'events' is -1; it must be a whole number"),
    "no counts": (put("counts", "ht", value={}), "'values' of 'ht' in 'counts' is null; it must be a whole number"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_specs_are_refused_with_what_and_where(
    tmp_path: Path, damage: Callable[[dict[str, Any]], None], message: str
) -> None:
    specs = copy.deepcopy(ours())
    damage(specs)
    path = written(tmp_path, specs)
    with pytest.raises(SpecsError, match=f"^{re.escape(str(path))}: .*{re.escape(message)}"):
        Specs.from_json(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ", line 1"),
        ('{"fkeys": ["a",\n "b" "c"]}', ", line 2, column 6"),
        ('{"fkeys": [NaN]}', ", line 1, column 12"),
        ("[1]", r": .*\[1\]; it must be an object"),
    ],
)
def test_what_is_no_specs_json_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecsError, match=rf"specs\.json{message}"):
        Specs.from_json(written(tmp_path, text))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecsError, match=rf"{tmp_path / 'absent.json'}: there is no such file"):
        Specs.from_json(tmp_path / "absent.json")
    with pytest.raises(SpecsError, match=rf"{tmp_path}: cannot be read"):
        Specs.from_json(tmp_path)
    (tmp_path / "latin.json").write_bytes(b"{\xff}")
    with pytest.raises(SpecsError, match="line 1: this is not UTF-8 text"):
        Specs.from_json(tmp_path / "latin.json")
