"""JSON lines: types of all values, and what is wrong in one message that names the line."""

from pathlib import Path

import mlaas4hep
import numpy as np
import pyarrow as pa
import pytest
from mlaas4hep.errors import BranchError, SourceError
from mlaas4hep.sources import list_trees
from mlaas4hep.sources.tables import text

from tests.sources.formats import assert_ranges, opened, write_jsonlines, write_packed
from tests.sources.tables.texts import columns, kinds, refused


def made(folder: Path, *lines: str, name: str = "a.jsonl") -> Path:
    return write_packed("\n".join(lines).encode(), folder / name)


def test_types_of_values(tmp_path: Path) -> None:
    path = made(
        tmp_path, '{"i": 1, "y": [1, 2.5], "jet": {"pt": 1}, "s": "a"}', "", '{"i": null, "b": true, "y": null}'
    )
    assert kinds(path) == {
        "i": ("flat", "int64", ""),
        "y": ("jagged", "float64", ""),
        "jet.pt": ("flat", "int64", ""),
        "s": ("string", "", "strings"),
        "b": ("flat", "bool", ""),
    }
    found = columns(path)
    assert found == {"i": [1, None], "y": [[1, 2.5], None], "jet.pt": [1, None], "s": ["a", None], "b": [None, True]}


def test_types_are_those_of_the_whole_file(tmp_path: Path, small_blocks: None) -> None:
    lines = [f'{{"x": {value}, "y": []}}' for value in range(60)]
    path = made(tmp_path, *lines, '{"x": 2.5, "y": [1], "z": {"a": [true]}}')
    assert kinds(path) == {
        "x": ("flat", "float64", ""),
        "y": ("jagged", "int64", ""),
        "z.a": ("jagged", "bool", ""),
    }
    assert columns(path)["y"] == [[]] * 60 + [[1]]
    assert columns(path)["z.a"] == [None] * 60 + [[True]]


def test_declared_types(tmp_path: Path) -> None:
    path = made(tmp_path, '{"x": 1, "u": 255}', '{"x": 2.5, "u": 0}')
    assert kinds(path, x="float32", u="uint8") == {"x": ("flat", "float32", ""), "u": ("flat", "uint8", "")}
    assert columns(path, x="float32", u="uint8") == {"x": [1.0, 2.5], "u": [255, 0]}


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.jsonl.gz", "a.json.bz2", "a.ndjson.zst"])
@pytest.mark.parametrize("block", [100, 2**22])
def test_ranges(name: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK", block)
    random = np.random.default_rng(2)
    table = pa.table(
        {
            "n": np.arange(200),
            "x": [None if value < 0.2 else value for value in random.random(200)],
            "y": [None if n % 7 == 0 else [float(n)] * (n % 3) for n in range(200)],
            "s": [f"a\n{n}" for n in range(200)],
        }
    )
    source = opened(write_jsonlines(table, tmp_path / name, 0))
    assert (source.tree, source.entries) == ("table", 200)
    assert_ranges(source, table.to_pydict())
    source.close()


def test_trees(tmp_path: Path) -> None:
    (tree,) = list_trees(str(made(tmp_path, '{"x": 1}')))
    assert (tree.name, tree.entries, [branch.name for branch in tree.branches]) == ("table", 1, ["x"])


@pytest.mark.parametrize("block", [64, 2**22])
def test_a_word_among_numbers(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK", block)
    lines = [f'{{"x": {value}, "k": {value}}}' for value in range(40)]
    path = made(tmp_path, *lines, "", '{"x": "wrong", "k": 1}')
    kind, _, why = kinds(path)["x"]
    assert kind == "other"
    assert why.startswith("now ")
    with pytest.raises(BranchError, match=r"branch 'x' of .*a.jsonl cannot be an input: now "):
        mlaas4hep.Dataset(path, select=["x", "k"])
    assert columns(path)["k"] == [*range(40), 1]
    assert "line 42, column 'x': \"wrong\" is no int32, which is declared" in refused(path, x="int32")


def test_numbers_and_words_in_one_block(tmp_path: Path) -> None:
    path = made(tmp_path, '{"x": 1, "y": 1}', "", '{"x": "a", "y": 2}', '{"x": 3, "y": [1]}', "")
    assert kinds(path)["x"][2] == "now number, now string as in line 3"
    assert kinds(path)["y"][2] == "now number, now array as in line 4"


def test_a_value_that_is_not_of_its_type(tmp_path: Path, small_blocks: None) -> None:
    path = made(tmp_path, *['{"x": 1}'] * 30, '{"x": 300}')
    assert "line 31, column 'x': 300 is no uint8, which is declared" in refused(path, x="uint8")


def test_a_declared_column_that_is_not_there(tmp_path: Path) -> None:
    path = made(tmp_path, '{"jetPt": 1}')
    assert "there is no column 'jetPT' (did you mean 'jetPt'?), for which a type is declared" in refused(
        path, jetPT="int8"
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"x": 1}', "", '{"x":'], "line 3 is no JSON: "),
        (['{"x": 1}', "5"], "line 2 is no JSON object; each event must be an object on a line of its own"),
        (["[", '{"x": 1}', "]"], "line 1 begins a JSON array; each event must be an object on a line of its own"),
        (['[{"x": 1}]'], "line 1 begins a JSON array"),
        (["", ""], "there is no event; it must have a JSON object a line"),
        (["\0\xff"], "line 1 is no JSON: "),
    ],
)
def test_no_table(lines: list[str], message: str, tmp_path: Path, small_blocks: None) -> None:
    assert message in refused(made(tmp_path, *lines))


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_lists_and_objects_that_are_too_deep(begin: str, end: str, tmp_path: Path) -> None:
    brackets = '{"y": "' + "[{" * 100 + '"}'

    def line(depth: int) -> str:
        return f'{{"x": {begin * depth}1{end * depth}, "y": "]"}}'

    assert kinds(made(tmp_path, brackets, line(63)))["y"][0] == "string"
    message = refused(made(tmp_path, brackets, line(100_000)))
    assert message.endswith("a.jsonl: line 2 has lists or objects in more than 64 others")


@pytest.mark.parametrize("data", ["null\n", "null", '\n null \n{"a":1}\n', '{"a":1}\nnull\n'])
def test_a_line_that_is_null(data: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(data)
    line = data[: data.index("null")].count("\n") + 1
    with pytest.raises(SourceError, match=rf"a\.jsonl: line {line} is no JSON object; each event must be an object"):
        opened(tmp_path / "a.jsonl")


@pytest.mark.parametrize(("line", "what"), [('{"a":1,"a":2}', "specified twice"), ('{"a":1e999}', "Number too big")])
def test_a_line_that_pyarrow_refuses_is_named(line: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"a":1}}\n\n{line}\n')
    with pytest.raises(SourceError, match=rf"a\.jsonl: line 3 cannot be read: .*{what}"):
        opened(tmp_path / "a.jsonl")
