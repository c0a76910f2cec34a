"""Events of files as columns in memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlaas4hep as m
import numpy as np
import pytest
from mlaas4hep import _rust
from mlaas4hep.errors import BranchError, Note, ParamsError, SourceError
from mlaas4hep.sources import Branch, Column, Reading, TreeInfo, format
from mlaas4hep.sources.clusters import ALONE, Turn, join

from tests.dataset.files import INPUTS, columns, make_all
from tests.sources.files import assert_column, write


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Return three files of 5, 0 and 7 events."""
    return make_all(tmp_path, [5, 0, 7])


def events(sizes: Sequence[int] = (5, 0, 7)) -> dict[str, Any]:
    """Return what the files hold, joined by Awkward."""
    import awkward as ak

    parts = [columns(size, number) for number, size in enumerate(sizes)]
    return {name: ak.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_one_file_gives_its_inputs(paths: list[Path]) -> None:
    data = m.read(f"{paths[0]}:events")
    wanted = columns(5, 0)
    assert list(data) == sorted([*INPUTS, "event", "run"])
    for name, column in data.items():
        assert_column(column, _array(wanted[name]))  # type: ignore[arg-type]


def _array(column: Any) -> Any:
    import awkward as ak

    return ak.Array(column)


def test_files_are_joined_in_order(paths: list[Path]) -> None:
    every: list[Any] = [paths, [str(paths[0].with_name("file*.root"))], {path: "events" for path in paths}]
    for given in every:
        data = m.read(given)
        for name, wanted in events().items():
            assert_column(data[name], wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(("start", "stop"), [(2, 9), (5, 12), (0, 5), (3, 3), (12, 12), (None, 4), (6, None), (1, 99)])
def test_a_range_counts_over_all_files(start: int | None, stop: int | None, paths: list[Path]) -> None:
    data = m.read(paths, start=start, stop=stop, threads=1)
    for name, wanted in events().items():
        assert_column(data[name], wanted[start:stop])  # type: ignore[arg-type]


def test_what_is_read_may_be_written(paths: list[Path]) -> None:
    for column in m.read(paths[0], stop=3).values():
        content = column[1] if isinstance(column, tuple) else column
        assert np.asarray(content).flags.writeable


def test_branches_of_equal_lengths_share_offsets_across_files(paths: list[Path]) -> None:
    data = m.read(paths, select=["jet*"])
    assert list(data) == ["jetEta", "jetPt"]
    assert m.flatten(data).data.shape[0] == 12
    write(paths[0], {"events": {"a": np.zeros((3, 2)), "b": np.ones((3, 2))}})
    again = m.read([paths[0]] * 2)
    assert again["a"][0].tolist() == again["b"][0].tolist() == [0, 2, 4, 6, 8, 10, 12]  # type: ignore[index]


def test_what_is_read_is_what_a_dataset_reads(paths: list[Path]) -> None:
    data = m.read(paths[::2], exclude="run,event")
    dataset = m.Dataset([str(path) for path in paths[::2]], exclude="run,event")
    assert m.scan(data).types == dataset.specs().types
    assert m.scan(data).counts == dataset.specs().counts
    chunk = next(dataset.chunks(-1, shuffle=False))
    order = np.lexsort((chunk.entry, chunk.file))
    np.testing.assert_array_equal(m.flatten(data, dataset.specs()).data, chunk.data[order])


def test_a_counter_is_read_where_it_is_named(paths: list[Path]) -> None:
    assert "njetPt" not in m.read(paths[2])
    data = m.read(paths[2], select=["njetPt", "jetPt"])
    np.testing.assert_array_equal(data["njetPt"], np.diff(data["jetPt"][0]))  # type: ignore[index]


def test_strings_are_no_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", {"t": {"x": np.zeros(3), "name": _array(["a", "b", "c"])}})
    with pytest.raises(BranchError, match=r"branch 'name' of .*a\.root cannot be an input: strings"):
        m.read(path, select=["x", "name"])
    with pytest.warns(Note, match=r"branches left out: name \(strings\)"):
        assert list(m.read(path)) == ["x"]


def test_types_are_promoted(tmp_path: Path) -> None:
    one = write(tmp_path / "1.root", {"t": {"x": np.array([1, 2], np.int32), "b": np.array([True, False])}})
    two = write(tmp_path / "2.root", {"t": {"x": np.array([0.5]), "b": np.array([7], np.int16)}})
    data = m.read([one, two])
    assert (data["x"].dtype, data["b"].dtype) == ("float64", "int16")  # type: ignore[union-attr]
    assert (data["x"].tolist(), data["b"].tolist()) == ([1, 2, 0.5], [1, 0, 7])  # type: ignore[union-attr]
    assert m.read([one, two], stop=1)["x"].dtype == "float64"  # type: ignore[union-attr]


def test_kinds_must_be_the_same(tmp_path: Path) -> None:
    one = write(tmp_path / "1.root", {"t": {"x": np.zeros(2)}})
    two = write(tmp_path / "2.root", {"t": {"x": np.zeros((2, 3))}})
    with pytest.raises(BranchError, match=r"branch 'x' is flat in .*1\.root and jagged in .*2\.root"):
        m.read([one, two])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start": -1}, "start is -1; it must be a whole number, not negative, or None"),
        ({"stop": 1.5}, r"stop is 1\.5; it must be a whole number"),
        ({"stop": True}, "stop is True; it must be a whole number"),
        ({"start": 3, "stop": 2}, "start is 3; it must not be larger than stop, 2"),
        ({"start": 13}, "start is 13; it must not be larger than the number of events, 12"),
        ({"start": 13, "stop": 20}, "start is 13; it must not be larger than the number of events, 12"),
        ({"threads": 0}, "threads"),
        ({"reading": {"trys": 1}}, r"reading: unknown key 'trys'"),
    ],
)
def test_wrong_arguments(given: dict[str, Any], message: str, paths: list[Path]) -> None:
    with pytest.raises(ParamsError, match=message):
        m.read(paths, **given)


def test_wrong_names(paths: list[Path]) -> None:
    with pytest.raises(BranchError, match=r"there is no branch 'jetpt' .*did you mean 'jetPt'"):
        m.read(paths, select=["jetpt"])
    with pytest.raises(SourceError, match="there is no tree 'evnts'"):
        m.read(f"{paths[0]}:evnts")


# Columns that may be null, as other formats have them.


class Nulls:
    """A source of one file; nulls where the file's second byte says so."""

    entries = 3
    tree = "t"
    state = None
    seconds: dict[str, float] = {}  # noqa: RUF012 (nobody writes it)

    def __init__(self, path: str) -> None:
        self.path = path
        self.nulls = Path(path).read_bytes().endswith(b"?")

    def schema(self) -> dict[str, Branch]:
        """Three branches."""
        kinds: dict[str, Any] = {"flat": "flat", "inside": "jagged", "lists": "jagged"}
        return {name: Branch(name, kind, "float32", "?") for name, kind in kinds.items()}

    def clusters(self, columns: Sequence[str], start: int, stop: int, turn: Turn = ALONE) -> list[tuple[int, int]]:
        """All at once."""
        return join([], 4.0, start, stop)

    def read(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """Return 1, 2, 3, the second of them null, and the lists [1], [2, 3], []."""
        flat, content = np.arange(1, 4, dtype=np.float32)[start:stop], np.arange(1, 4, dtype=np.float32)
        offsets = np.array([0, 1, 3, 3])[start : stop + 1]
        if not self.nulls:
            return {"flat": flat, "inside": (offsets, content), "lists": (offsets, content)}
        second = np.array([1, 0, 1], np.uint8)
        lists = _rust.Masked((offsets, content), second[start:stop], valid_when=True)
        inside = _rust.Masked(content, 1 - second, valid_when=False)
        whole = _rust.Masked(flat, second[start:stop], valid_when=True)
        return {"flat": whole, "inside": (offsets, inside), "lists": lists}

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def with_nulls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return two files of a format that may have nulls; only the second one has."""

    def opened(path: str, tree: str | None, threads: int | None, reading: Reading) -> Any:
        return Nulls(path)

    def listed(path: str, reading: Reading) -> list[TreeInfo]:
        return [TreeInfo("t", 3, tuple(Nulls(path).schema().values()))]

    known = format.Format("NULLS", opened, listed, magic=(b"NULLS",))
    monkeypatch.setattr(format, "known_formats", lambda: (known,))
    files = {"a.nulls": b"NULLS", "b.nulls": b"NULLS?"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return [str(tmp_path / name) for name in files]


def test_nulls_are_taken_by_all(with_nulls: list[str]) -> None:
    data = m.read(with_nulls)
    specs = m.scan(data)
    assert {name: specs.counts[name]["nulls"] for name in data} == {"flat": 1, "inside": 1, "lists": 1}
    assert {name: specs.counts[name]["values"] for name in data} == {"flat": 6, "inside": 6, "lists": 4}
    flat = m.flatten(data, normalize="none", pad_value=-1)
    assert flat.names == ["flat", "inside_0", "inside_1", "lists_0", "lists_1"]
    assert flat.data.tolist() == [
        [1, 1, -1, 1, -1],
        [2, 2, 3, 2, 3],
        [3, -1, -1, -1, -1],
        [1, 1, -1, 1, -1],
        [-1, -1, 3, -1, -1],
        [3, -1, -1, -1, -1],
    ]
    np.testing.assert_array_equal(m.evaluate("flat + 1", data), [2, 3, 4, 2, np.nan, 4])
    assert m.evaluate("count(lists)", data).tolist() == [1, 2, 0, 1, 0, 0]
    chosen = m.select(data, "flat > 2 or count(inside) == 2")
    assert m.flatten(chosen, normalize="none", pad_value=-1).data.tolist() == flat.data[[1, 2, 4, 5]].tolist()


def test_a_range_of_nulls(with_nulls: list[str]) -> None:
    data = m.read(with_nulls[1], start=1, stop=2)
    assert m.scan(data).counts["lists"] == {"values": 0, "nulls": 1, "nan": 0, "inf": 0}
    assert m.scan(data).counts["inside"] == {"values": 2, "nulls": 1, "nan": 0, "inf": 0}


def test_nulls_are_marked_only_where_there_are_some(with_nulls: list[str]) -> None:
    assert m.scan(m.read(with_nulls[0])).counts["flat"]["nulls"] == 0
    assert isinstance(m.read(with_nulls[1])["lists"], _rust.Masked)
