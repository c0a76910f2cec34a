"""CSV: types of all values, blocks at the ends of lines, and what is wrong in one message that names the line."""

import gzip
import os
from pathlib import Path
from time import monotonic

import mlaas4hep
import numpy as np
import pyarrow as pa
import pytest
from mlaas4hep.errors import BranchError, SourceError
from mlaas4hep.sources import list_trees, open_source
from mlaas4hep.sources.tables import text

from tests.sources.formats import assert_ranges, opened, plain, write_csv, write_packed
from tests.sources.tables.texts import columns, kinds, refused


def made(folder: Path, data: str | bytes, name: str = "a.csv") -> Path:
    return write_packed(data if isinstance(data, bytes) else data.encode(), folder / name)


# what is read


def test_types_of_values(tmp_path: Path) -> None:
    path = made(tmp_path, "i,f,b,s,d,n\n1,1.5,true,a,2020-01-01,\n-2,3,false,b,2020-01-02,\n")
    assert kinds(path) == {
        "i": ("flat", "int64", ""),
        "f": ("flat", "float64", ""),
        "b": ("flat", "bool", ""),
        "s": ("string", "", "strings"),
        "d": ("other", "", "of type date32[day]"),
        "n": ("flat", "float64", ""),
    }
    assert columns(path)["n"] == [None, None]


def test_declared_types(tmp_path: Path) -> None:
    path = made(tmp_path, "i,f,b,s,u\n1,1.5,1,7,18446744073709551615\n2,3,0,8,0\n")
    types = {"i": "int8", "f": "float32", "b": "bool", "s": "string", "u": "uint64"}
    assert {name: kind[1] for name, kind in kinds(path, **types).items()} == {**types, "s": ""}
    found = columns(path, **types)
    assert found == {"i": [1, 2], "f": [1.5, 3.0], "b": [True, False], "s": ["7", "8"], "u": [2**64 - 1, 0]}


@pytest.mark.parametrize("word", ["", "NaN", "nan", "NULL", "null", "NA", "N/A", "n/a", "#N/A"])
def test_missing_values(word: str, tmp_path: Path) -> None:
    assert columns(made(tmp_path, f"x,y\n1,2.5\n{word},{word}\n")) == {"x": [1, None], "y": [2.5, None]}


def test_types_are_those_of_the_whole_file(tmp_path: Path, small_blocks: None) -> None:
    numbers = "\n".join(f"{value},{value}" for value in range(100))
    path = made(tmp_path, f"x,y\n{numbers}\n2.5,\n")
    assert kinds(path) == {"x": ("flat", "float64", ""), "y": ("flat", "int64", "")}
    assert columns(path) == {"x": [*map(float, range(100)), 2.5], "y": [*range(100), None]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_ends_of_lines(end: str, last: bool, mark: bytes, tmp_path: Path, small_blocks: None) -> None:
    lines = ["x,y", *(f"{value},{value / 2}" for value in range(50)), "", "7,8"]
    path = made(tmp_path, mark + (end.join(lines) + end * last).encode())
    found = columns(path)
    assert found == {"x": [*range(50), 7], "y": [*(value / 2 for value in range(50)), 8]}


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t")])
def test_delimiters(name: str, delimiter: str, tmp_path: Path) -> None:
    assert columns(made(tmp_path, f"x{delimiter}y\n1{delimiter}2\n", name)) == {"x": [1], "y": [2]}
    assert columns(made(tmp_path, f'"x;,"{delimiter}y\n1{delimiter}2\n', name)) == {"x;,": [1], "y": [2]}


def test_quotes(tmp_path: Path, small_blocks: None) -> None:
    texts = ['a "b" ', "c,d", "e\nf", "", 'g""h\n\n"', "i\r\nj"] * 9
    quoted = ['"{}"'.format(one.replace('"', '""')) for one in texts]
    path = made(tmp_path, 'x,"s\n,"\n' + "".join(f"{number},{one}\n" for number, one in enumerate(quoted)))
    assert_ranges(opened(path), {"x": list(range(54)), "s\n,": [one or None for one in texts]})


def test_a_quote_inside_a_field_opens_nothing(tmp_path: Path, small_blocks: None) -> None:
    path = made(tmp_path, "x,s\n" + "".join(f'{number},5" pipe\n' for number in range(40)))
    assert columns(path) == {"x": list(range(40)), "s": ['5" pipe'] * 40}


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.bz2", "a.csv.zst", "gzip.csv"])
@pytest.mark.parametrize("block", [50, 1000, 2**22])
def test_ranges(name: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK", block)
    random = np.random.default_rng(2)
    values = [None if value < 0.2 else value for value in random.random(300)]
    table = pa.table({"n": np.arange(300), "x": values, "s": [f"a\n{n}" for n in range(300)]})
    path = write_csv(table, tmp_path / name, 0)
    if name == "gzip.csv":
        path.write_bytes(gzip.compress(path.read_bytes()))  # the content tells, not the name
    source = opened(path)
    assert_ranges(source, table.to_pydict())
    source.close()


def test_members_of_a_gzip_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"x\n1\n") + gzip.compress(b"2\n3\n"))
    assert columns(path) == {"x": [1, 2, 3]}


def test_threads_change_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    table = pa.table({"x": random.normal(size=60_000), "n": random.integers(0, 9, 60_000)})
    path = write_csv(table, tmp_path / "a.csv", 0)
    for threads in (1, 2):
        source = open_source(str(path), threads=threads)
        found = source.read(["x", "n"], 0, 60_000)
        assert all(np.array_equal(found[name], table.column(name).to_numpy()) for name in found)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_line_that_is_longer_than_what_a_thread_gets(name: str, tmp_path: Path) -> None:
    word = "w" * (text.BLOCK // 2)
    lines = {
        "a.csv": ["x,s", f"0,{word}", *(f"{number},b" for number in range(1, 9))],
        "a.jsonl": [f'{{"x": 0, "s": "{word}"}}', *(f'{{"x": {number}, "s": "b"}}' for number in range(1, 9))],
    }
    source = open_source(str(made(tmp_path, "\n".join(lines[name]), name)), threads=4)
    assert plain(source.read(["x"], 0, 9)["x"]) == list(range(9))
    source.close()


@pytest.mark.usefixtures("small_blocks")
def test_a_packed_text_is_unpacked_once_for_all_columns(tmp_path: Path) -> None:
    rows = "".join(f"{number},{number % 7}\n" for number in range(3000))
    source = open_source(str(made(tmp_path, "x,y\n" + rows, "a.csv.gz")))
    ranges = source.clusters(["x", "y"], 10, 2990)
    assert (ranges[0][0], ranges[-1][1]) == (10, 2990)
    assert len(ranges) > 3
    streams = set()
    for start, stop in ranges:
        for name in ("x", "y"):
            source.read([name], start, stop)
            streams.add(source._text._stream)  # type: ignore[attr-defined]
    assert len(streams) == 1
    assert source.clusters(["x"], 5, 5) == []
    source.close()


def test_no_events(tmp_path: Path) -> None:
    for data in ("x,y\n", "x,y", "x,y\n\n\n"):
        assert columns(made(tmp_path, data)) == {"x": [], "y": []}


# what is known of an unchanged file


def test_types_are_inferred_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path, "x\n1\n2\n")
    opened(path)
    reads = []
    monkeypatch.setattr(text.Text, "read", lambda self, start, size: reads.append(start))
    assert opened(path).entries == 2
    assert not reads


def test_a_changed_file_and_other_types_are_read_again(tmp_path: Path) -> None:
    path = made(tmp_path, "x\n1\n2\n")
    assert kinds(path)["x"][1] == "int64"
    assert kinds(path, x="float32")["x"][1] == "float32"
    path.write_text("x\n1.5\n")
    os.utime(path, ns=(1, 1))
    assert kinds(path)["x"][1] == "float64"


def test_trees(tmp_path: Path) -> None:
    path = made(tmp_path, "x\n1\n")
    (tree,) = list_trees(str(path))
    assert (tree.name, tree.entries, [branch.name for branch in tree.branches]) == ("table", 1, ["x"])
    with pytest.raises(SourceError, match="there is no tree 'events': a file of the format CSV holds one table"):
        open_source(str(path), "events")


# what is wrong


def test_a_word_among_numbers(tmp_path: Path, small_blocks: None) -> None:
    numbers = "".join(f"{value},{value}\n" for value in range(100))
    path = made(tmp_path, f"x,y\n{numbers}\n5,wrong\n6,7\n")
    why = "strings: 'wrong' in line 103 is no number"
    assert kinds(path)["y"] == ("string", "", why)
    with pytest.raises(BranchError, match=f"branch 'y' of .*a.csv cannot be an input: {why}"):
        mlaas4hep.Dataset(path, select=["x", "y"])
    with pytest.warns(match=f"branches left out: y \\({why}\\)"):
        assert mlaas4hep.Dataset(path).branches == ["x"]
    assert "line 103, column 'y': 'wrong' is no float32, which is declared" in refused(path, y="float32")


@pytest.mark.parametrize(
    ("type_", "value"), [("uint8", "300"), ("int32", "2.5"), ("bool", "maybe"), ("float64", "1,5"), ("int64", "1_000")]
)
def test_a_value_that_is_not_of_its_type(type_: str, value: str, tmp_path: Path, small_blocks: None) -> None:
    path = made(tmp_path, "x;y\n" + "1;1\n" * 50 + f'2;"{value}"\n')
    assert f"line 52, column 'y': {value!r} is no {type_}, which is declared" in refused(path, y=type_)


@pytest.mark.parametrize(("line", "count"), [("1", 1), ("1,2,3", 3)])
def test_the_wrong_number_of_fields(line: str, count: int, tmp_path: Path, small_blocks: None) -> None:
    path = made(tmp_path, "x,y\n" + '1,"\n"\n' * 30 + f"\n{line}\n3,4\n")
    assert f"line 63 has {count} fields; line 1 has 2 names" in refused(path)


def test_a_declared_column_that_is_not_there(tmp_path: Path) -> None:
    path = made(tmp_path, "jetPt,y\n1,2\n")
    assert "there is no column 'jetPT' (did you mean 'jetPt'?), for which a type is declared" in refused(
        path, jetPT="int8"
    )


def test_a_needed_column_that_is_not_there(tmp_path: Path) -> None:
    paths = [made(tmp_path, "x,y\n1,2\n", "a.csv"), made(tmp_path, "x\n1\n", "b.csv")]
    with pytest.raises(BranchError, match=r"branch 'y' is missing in .*b.csv"):
        mlaas4hep.Dataset([*map(str, paths)])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\n1,2\n", "line 1 is empty; it must have the names of the columns"),
        (b"1,2\n3,4\n", "line 1 has numbers (1, 2); it must have the names of the columns"),
        (b"x,x\n1,2\n", "line 1: two columns have the name 'x'"),
        (b"\x00\x01,\xff\n", "this is CSV by its name, but not by its content"),
        ("x,y\n1,2\n".encode("utf-16"), "the text is written in UTF-16; write it in UTF-8"),
        (b'x,y\n1,2\n3,"4\n5,6\n', "line 3: a quote is opened and never closed"),
        (b"", "the file is empty"),
    ],
)
def test_no_table(data: bytes, message: str, tmp_path: Path) -> None:
    assert message in refused(made(tmp_path, data))


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = made(tmp_path, b"x,s\n1,\xff\xfe\n")
    assert kinds(path)["s"][2] == "of type binary"
    assert columns(path) == {"x": [1]}


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.bz2", "a.csv.zst"])
def test_truncated_compression(name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    path = made(tmp_path, "x\n" + "\n".join(map(str, random.random(3000))), name)
    path.write_bytes(path.read_bytes()[:-200])
    assert "are truncated or damaged" in refused(path)


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_blocks: None) -> None:
    monkeypatch.setattr(text, "LONGEST", 500)
    path = made(tmp_path, "x,y\n1,2\n" + "3" * 600)
    assert "line 3 does not end within 500 bytes" in refused(path)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = made(tmp_path, "x\n1\n2\n")
    source = opened(path)
    os.truncate(path, 3)
    with pytest.raises(SourceError, match=r"a\.csv: the file was changed while it was read"):
        source.read(["x"], 0, 2)
    source.close()


def test_a_column_without_a_name_is_no_input(tmp_path: Path) -> None:
    """As the numbers of lines that pandas writes."""
    source = opened(made(tmp_path, ",x, n\n0,1.5,2\n1,2.5,3\n"))
    assert source.schema()[""].why_not == "a column without a name"
    assert plain(source.read(["n"], 0, 2)["n"]) == [2, 3]
    source.close()


def test_many_columns_are_learned_in_time_that_grows_with_their_number(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(20_000)]
    begin = monotonic()
    source = opened(made(tmp_path, f"{','.join(names)}\n{','.join('1' for _ in names)}\n"))
    assert list(source.schema()) == names
    assert monotonic() - begin < 20  # more than a minute, were each name compared with all
    source.close()
