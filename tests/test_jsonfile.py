"""What is no JSON is refused with file, line and column; the line is shown."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep.errors import ParamsError
from mlaas4hep.jsonfile import read_json


def refused(folder: Path, text: str | bytes) -> str:
    path = folder / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ParamsError) as caught:
        read_json(path, ParamsError)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values)
def test_json_is_read(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value), "utf-8")
    assert read_json(path, ParamsError) == value


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json", ParamsError) == {"a": 1}


def test_the_same_key_in_different_objects(tmp_path: Path) -> None:
    text = '{"a": {"a": "a", "b": [{"a": "{"}, {"a": "\\"NaN: {"}]}, "b": 1}'
    (tmp_path / "a.json").write_text(text)
    assert read_json(tmp_path / "a.json", ParamsError) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ", line 1, column 1: Expecting value, but the file ends"),
        ('{"a": 1\n', ", line 2, column 1: Expecting ',' delimiter, but the file ends"),
        ('{"a": 1\n\t"b": 2}', ", line 2, column 2: Expecting ',' delimiter\n   \"b\": 2}\n   ^"),
        ('{"a": NaN}', ', line 1, column 7: NaN is no JSON; write a number\n  {"a": NaN}\n        ^'),
        ("[1,\n -Infinity]", ", line 2, column 2: -Infinity is no JSON; write a number\n   -Infinity]\n   ^"),
        ('{"a": 1, "\\u0061": 2}', ", line 1, column 10: key 'a' stands there twice"),
        (b'{"a": "\xff"}', ", line 1: this is not UTF-8 text; a JSON file is wanted here"),
        ('{"a": "\\ud800"}', ', line 1, column 7: this is half a character; write the character itself\n  {"a"'),
        ("[" * 100_000, ": it is nested too deeply"),
        ("1" * 5000, ": it holds a number of some thousand digits"),
    ],
)
def test_no_json(text: str | bytes, message: str, tmp_path: Path) -> None:
    assert refused(tmp_path, text).startswith(message)


@pytest.mark.parametrize("at", [0, 30, 200, 399])
def test_of_a_long_line_a_piece_is_shown(at: int, tmp_path: Path) -> None:
    message = refused(tmp_path, "[" + "1," * at + "x," + "1," * (400 - at) + "1]")
    _, line, caret = message.split("\n")
    assert len(line) < 80
    assert line[caret.index("^")] == "x"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"b\.json: there is no such file"):
        read_json(tmp_path / "b.json", ParamsError)
    with pytest.raises(ParamsError, match="cannot be read: Is a directory"):
        read_json(tmp_path, ParamsError)
