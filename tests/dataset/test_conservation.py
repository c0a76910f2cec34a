"""Every event is where it should be, with the weight it should have: all steps together, against plain Python."""

import json
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mlaas4hep.dataset import PARTS, Dataset
from mlaas4hep.dataset.quantities import quantity_of
from mlaas4hep.errors import ParamsError
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sources import Branch

from tests import rules
from tests.sources.files import write

EDGES = [0.0, 1.0, 2.5, 4.0]


@dataclass(frozen=True)
class Event:
    """An event as its file has it."""

    n: int
    w: float
    y: float
    target: float


@dataclass(frozen=True)
class Wish:
    """What is asked of a dataset."""

    cut: bool
    labelled: bool
    target: bool
    weighted: bool
    negative: str
    scaled: bool
    flattened: bool
    balanced: bool

    @property
    def options(self) -> dict[str, Any]:
        """The same as options of a dataset."""
        weights: dict[str, Any] = {"by": "w", "negative": self.negative} if self.weighted else {}
        if self.scaled:
            weights["scale"] = {"cross_section": 2, "luminosity": 3}
        if self.flattened:
            weights["flatten"] = {"by": {"y": EDGES}}
        if self.balanced and self.labelled:
            weights["balanced"] = True
        return {
            "labels": "n % 2" if self.labelled else None,
            "targets": "target" if self.target else (),
            "preproc": {"flat_cut": {"n": {"cut": "n >= 0"}}} if self.cut else None,
            "weights": weights,
        }


EVENTS = st.builds(
    Event,
    st.integers(-2, 6),
    st.sampled_from([1.0, 0.5, 3.0, -0.25]),
    st.sampled_from([0.5, 1.5, 3.0, 4.0, 5.0, math.nan]),
    st.sampled_from([1.0, 2.0, 3.0, math.nan]),
)
WISHES = st.builds(Wish, *[st.booleans()] * 4, st.sampled_from(["keep", "abs", "drop"]), *[st.booleans()] * 3)


def expected(files: list[list[Event]], wish: Wish) -> dict[tuple[int, int], float] | None:
    """The weights of all events that are used, by file and entry; None where there can be none."""
    found: dict[tuple[int, int], float] = {}
    groups: dict[tuple[int, int], tuple[int, int]] = {}
    for file, events in enumerate(files):
        weights = [(abs(e.w) if wish.negative == "abs" else e.w) if wish.weighted else 1.0 for e in events]
        dropped = [wish.negative == "drop" and w < 0 for w in weights]
        if wish.scaled and events:
            total = math.fsum(w for w, drop in zip(weights, dropped, strict=True) if not drop)
            if total <= 0:
                return None
            weights = [w * 6 / total for w in weights]
        for entry, event in enumerate(events):
            outside = wish.flattened and not EDGES[0] <= event.y <= EDGES[-1]
            missing = wish.target and math.isnan(event.target)
            if (wish.cut and event.n < 0) or missing or dropped[entry] or outside:
                continue
            found[file, entry] = weights[entry]
            at = min(sum(edge <= event.y for edge in EDGES[1:]), 2) if wish.flattened else 0
            groups[file, entry] = (event.n % 2 if wish.labelled else 0, at)
    train = [key for key in found if rules.part(21, key[0], [key[1]]) == 0] or list(found)
    if wish.flattened:
        sums = summed({key: found[key] for key in train}, lambda key: groups[key])
        if any(total <= 0 for total in sums.values()) or {of for of, _ in sums} != {of for of, _ in groups.values()}:
            return None
        for key, (of_class, _) in groups.items():
            bins = [total for (other, _), total in sums.items() if other == of_class]
            found[key] *= math.fsum(bins) / len(bins) / sums[groups[key]] if groups[key] in sums else 0
    of_classes = summed(found, lambda key: groups[key][0])
    if not found or (wish.options["weights"] and any(total <= 0 for total in of_classes.values())):
        return None
    if "balanced" in wish.options["weights"]:
        of_train = summed({key: found[key] for key in train}, lambda key: groups[key][0])
        if len(of_train) < len(of_classes) or any(total <= 0 for total in of_train.values()):
            return None
        found = {key: w * len(train) / len(of_train) / of_train[groups[key][0]] for key, w in found.items()}
    return found


def summed(found: dict[tuple[int, int], float], group: Callable[[tuple[int, int]], Any]) -> dict[Any, float]:
    """The sums of weights by groups."""
    return {
        one: math.fsum(weight for key, weight in found.items() if group(key) == one) for one in {*map(group, found)}
    }


def columns(events: list[Event]) -> dict[str, Any]:
    return {
        "n": np.array([event.n for event in events], np.int64),
        **{name: np.array([getattr(event, name) for event in events], np.float64) for name in ("w", "y", "target")},
        "x": np.arange(len(events), dtype=np.float32),
    }


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(st.lists(st.lists(EVENTS, max_size=8), min_size=1, max_size=3).filter(any), WISHES, st.integers(1, 9))
@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
def test_every_event_is_once_in_its_part_with_its_weight(
    tmp_path: Path, files: list[list[Event]], wish: Wish, size: int
) -> None:
    paths = [write(tmp_path / f"{number}.root", {"events": columns(of)}) for number, of in enumerate(files)]
    wanted = expected(files, wish)
    assume(wanted is not None and not (wish.labelled and a_class_is_missing(files, wish, wanted)))
    assert wanted is not None
    dataset = Dataset(paths, **wish.options)
    found: dict[tuple[int, int], float] = {}
    for code, part in enumerate(PARTS):
        for chunk in dataset.chunks(size, part):
            weights = np.ones(len(chunk.file), np.float32) if chunk.weights is None else chunk.weights
            for file, entry, weight in zip(chunk.file.tolist(), chunk.entry.tolist(), weights, strict=True):
                assert (file, entry) not in found
                assert rules.part(21, file, [entry]) == code
                found[file, entry] = float(weight)
    assert found == pytest.approx(wanted, rel=1e-6)
    total = dataset.cutflow.total
    if dataset.cutflow.files:
        assert total.survived == len(found) + dataset.left_out + dataset.dropped
    json.dumps(dataset.identity())


def a_class_is_missing(files: list[list[Event]], wish: Wish, wanted: dict[tuple[int, int], float]) -> bool:
    """Whether a class has no event that is used, which is an error where events are weighed."""
    passed = {event.n % 2 for of in files for event in of if not wish.cut or event.n >= 0}
    return passed != {files[file][entry].n % 2 for file, entry in wanted}


def test_a_class_that_is_left_out_as_a_whole(tmp_path: Path) -> None:
    events = [Event(0, 1, 1, 1), Event(1, -1, 1, 1)]
    path = write(tmp_path / "a.root", {"events": columns(events)})
    with (
        pytest.warns(UserWarning, match="their weight is negative"),
        pytest.raises(ParamsError, match="those of class '1' sum to 0 over the events that are used"),
    ):
        len(Dataset(path, labels="n % 2", weights={"by": "w", "negative": "drop"}))


def test_the_same_bits_from_other_formats_and_any_number_of_threads(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    n, w, y = random.integers(0, 9, 500), random.normal(1, 1, 500), random.exponential(1, 500)
    content = {"n": n, "w": w, "y": y}
    root = write(tmp_path / "a.root", {"events": content})
    parquet = tmp_path / "a.parquet"
    pq.write_table(pa.table(content), parquet, row_group_size=70)
    weights = {"by": "w * 2", "negative": "keep", "flatten": {"by": {"y": [0, 0.5, 20]}}, "balanced": True}

    def bits(path: Path, threads: int) -> tuple[bytes, ...]:
        dataset = Dataset(path, labels="n > 4", targets="log(y)", weights=weights, threads=threads)
        chunk = next(dataset.chunks(-1))
        assert chunk.weights is not None
        assert chunk.targets is not None
        assert chunk.labels is not None
        return chunk.weights.tobytes(), chunk.targets.tobytes(), chunk.labels.tobytes(), chunk.data.tobytes()

    first = bits(root, 1)
    assert all(bits(path, threads) == first for path in (root, parquet) for threads in (1, 4))


def test_null_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"w": pa.array([1.0, None, 2.0]), "n": pa.array([1, 2, None]), "x": [1.0, 2.0, 3.0]}), path)
    with pytest.raises(ParamsError, match="weights: branch 'w' is missing or not finite in entry 1"):
        len(Dataset(path, weights="w"))
    with pytest.raises(ParamsError, match="split: formula 'n % 2' has no value in entry 2"):
        len(Dataset(path, split={"by": "n % 2", "test": [1]}))
    with pytest.warns(UserWarning, match="1 events are left out, because a target is missing: n"):
        assert len(Dataset(path, targets="n")) == 2


def test_a_file_that_is_skipped_weighs_nothing(tmp_path: Path) -> None:
    events = [Event(n, 2.0, 1.0, 1.0) for n in range(4)]
    good = write(tmp_path / "a.root", {"events": columns(events)})
    bad = tmp_path / "b.parquet"
    pq.write_table(pa.table(columns(events)), bad)
    raw = bytearray(bad.read_bytes())
    raw[4:60] = bytes(56)
    bad.write_bytes(raw)
    weights = {"by": "w", "scale": {"cross_section": [8, 5]}}
    dataset = Dataset([good, bad], weights=weights, on_bad_file="skip")
    with pytest.warns(UserWarning, match="skipped"):
        dataset.specs()
    chunk = next(dataset.chunks(-1))
    assert chunk.weights is not None
    assert chunk.weights.tolist() == [2.0] * 4


def test_a_dataset_of_all_that_can_be_pickled(tmp_path: Path) -> None:
    events = [Event(n % 7, 0.5 + n % 3, n % 4, n) for n in range(40)]
    path = write(tmp_path / "a.root", {"events": columns(events)})
    weights = {"by": "w * 2", "flatten": {"by": {"y": EDGES}, "method": "sampling"}}
    split = {"by": "n % 5", "validation": [3], "test": [4]}
    dataset = Dataset(path, labels="n > 3", targets=["target"], weights=weights, split=split, identifier="x")
    again = pickle.loads(pickle.dumps(dataset))
    for part in PARTS:
        one, other = next(dataset.chunks(-1, part)), next(again.chunks(-1, part))
        assert one.weights is not None
        assert one.weights.tobytes() == other.weights.tobytes()
        assert one.data.tobytes() == other.data.tobytes()
    folds = Dataset(path, labels="n > 3", weights="w").folds(3)
    fold = pickle.loads(pickle.dumps(folds[1]))
    assert next(fold.chunks(-1, "test")).entry.tolist() == next(folds[1].chunks(-1, "test")).entry.tolist()


def test_what_is_taken_of_events_can_be_pickled() -> None:
    schemas = [("a.root", {"x": Branch("x", "flat", "float64", "double")})]
    quantity = quantity_of("label", "x > 2", Preprocessing(), schemas, {}, 1)
    again = pickle.loads(pickle.dumps(quantity))
    assert (again.role, again.text, str(again)) == ("label", "x > 2", "formula 'x > 2'")
