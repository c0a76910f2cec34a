"""Avro files."""

import os
import sys
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from mlaas4hep.errors import ReadError, SourceError
from mlaas4hep.sources import list_trees, open_source
from mlaas4hep.sources.tables import avro

from tests.sources.formats import assert_ranges, opened

JET = {"type": "record", "name": "jet", "fields": [{"name": "pt", "type": "float"}, {"name": "u", "type": "bytes"}]}
TYPES: dict[str, Any] = {
    "x": "float",
    "n": ["null", "long"],
    "i": "int",
    "b": "boolean",
    "d": ["double", "null"],
    "y": ["null", {"type": "array", "items": ["null", "int"]}],
    "jets": {"type": "array", "items": JET},
    "lead": ["null", "jet"],
    "s": ["null", "string"],
    "e": {"type": "enum", "name": "kind", "symbols": ["sig", "bkg"]},
    "nested": {"type": "array", "items": {"type": "array", "items": "int"}},
    "union": ["int", "string"],
    "when": {"type": "long", "logicalType": "timestamp-millis"},
    "raw": "bytes",
    "map": {"type": "map", "values": "int"},
}


def event(n: int) -> dict[str, Any]:
    return {
        "x": float(np.float32(n / 7)),
        "n": None if n % 5 == 0 else n,
        "i": n,
        "b": n % 2 == 0,
        "d": n / 3,
        "y": None if n % 4 == 0 else [n, None][: n % 3],
        "jets": [{"pt": 0.5, "u": b"x"}] * (n % 3),
        "lead": None if n % 3 == 0 else {"pt": 1.5, "u": b""},
        "s": None if n % 6 == 0 else f"ü{n}",
        "e": "sig" if n % 2 else "bkg",
        "nested": [[n], [], [1, 2]],
        "union": n,
        "when": n,
        "raw": b"x",
        "map": {"a": 1},
    }


def made(folder: Path, events: int = 400, codec: str = "deflate") -> Path:
    schema = {"type": "record", "name": "event", "fields": [{"name": n, "type": t} for n, t in TYPES.items()]}
    path = folder / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, schema, map(event, range(events)), codec=codec, sync_interval=1000)
    return path


def wanted(events: int = 400) -> dict[str, list[Any]]:
    rows = [event(n) for n in range(events)]
    found = {name: [row[name] for row in rows] for name in ("x", "n", "i", "b", "d", "y", "s", "e")}
    found["jets.pt"] = [[jet["pt"] for jet in row["jets"]] for row in rows]
    return found


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2"])
@pytest.mark.parametrize("joined", [1, 2**20])
def test_ranges(codec: str, joined: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro, "JOINED", joined)
    source = opened(made(tmp_path, codec=codec))
    assert (source.tree, source.entries) == ("table", 400)
    assert_ranges(source, wanted(), count=4)
    source.close()


def test_schema(tmp_path: Path) -> None:
    source = opened(made(tmp_path))
    found = {name: (branch.kind, branch.type, branch.typename) for name, branch in source.schema().items()}
    assert found["x"] == ("flat", "float32", "float")
    assert found["n"] == ("flat", "int64", "null or long")
    assert found["y"] == ("jagged", "int32", "null or array of null or int")
    assert found["e"] == ("string", "", "enum")
    left_out = {name: branch.why_not for name, branch in source.schema().items() if branch.kind == "other"}
    assert left_out == {
        "jets.u": "of type array of record",
        "lead": "of type null or jet",
        "map": "of type map",
        "nested": "nested lists",
        "raw": "of type bytes",
        "union": "of type int or string",
        "when": "of type timestamp-millis",
    }
    source.close()


def test_nested_lists(tmp_path: Path) -> None:
    source = opened(made(tmp_path), flatten_nested=True)
    assert_ranges(source, {"nested": [[n, 1, 2] for n in range(400)]}, count=2)
    source.close()


def test_no_events(tmp_path: Path) -> None:
    source = opened(made(tmp_path, 0))
    assert source.entries == 0
    assert_ranges(source, wanted(0))
    source.close()


def test_storage(tmp_path: Path) -> None:
    (tree,) = list_trees(str(made(tmp_path)))
    assert (tree.storage["x"].pieces, tree.storage["x"].compression) == (1, "deflate")


def test_a_truncated_file(tmp_path: Path) -> None:
    path = made(tmp_path)
    data = path.read_bytes()
    for size in (10, 300, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        os.utime(path, ns=(size, size))
        with pytest.raises(SourceError, match="the Avro file is truncated or damaged: "):
            open_source(str(path))


def test_a_damaged_block(tmp_path: Path) -> None:
    path = made(tmp_path)
    data = bytearray(path.read_bytes())
    data[-40] ^= 0xFF
    path.write_bytes(data)
    source = opened(path)
    with pytest.raises(ReadError, match=r"a.avro: columns 'x', 'n', entries 0 to 400: the data are damaged \("):
        source.read(["x", "n"], 0, 400)
    source.close()


def test_no_records(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, "int", [1, 2])
    with pytest.raises(SourceError, match="the events of the Avro file are no records"):
        open_source(str(path))


def test_without_fastavro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path)
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(SourceError, match=r"a.avro: Avro files are read by fastavro.*pip install 'mlaas4hep\[avro\]'"):
        open_source(str(path))


def test_more_events_than_bytes(tmp_path: Path) -> None:
    schema = fastavro.parse_schema({"type": "record", "name": "e", "fields": [{"name": "x", "type": "null"}]})
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, schema, [{"x": None}] * 60, sync_marker=bytes(16))
    with pytest.raises(
        SourceError, match=r"a\.avro: the Avro file is truncated or damaged: a block has 60 events in 0"
    ):
        opened(path)
