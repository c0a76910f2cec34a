"""What tells the formats, and that nothing is loaded before it is needed."""

import re
import subprocess
import sys
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from mlaas4hep.errors import SourceError
from mlaas4hep.sources import open_source
from mlaas4hep.sources.format import known_formats

from tests.sources.formats import assert_ranges, write_arrow, write_csv, write_feather, write_jsonlines, write_parquet

TABLE = pa.table({"x": [1.5, 2.5, 3.5], "n": [1, 2, 3]})
GUIDE = Path(__file__).parents[2] / "docs" / "formats.md"


def test_every_module_is_a_format() -> None:
    names = [one.name for one in known_formats()]
    assert names == ["Arrow", "Avro", "CSV", "HDF5", "JSON lines", "Parquet", "ROOT"]


def test_the_libraries_are_loaded_when_they_are_needed() -> None:
    work = "import sys; from mlaas4hep.sources.format import known_formats; known_formats(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "h5py", "fastavro", "uproot", "awkward"} & set(loaded)


@pytest.mark.parametrize("name", ["a.csv", "a.root", "a.dat"])
def test_the_content_goes_before_the_name(name: str, tmp_path: Path) -> None:
    for write in (write_parquet, write_arrow, write_feather):
        source = open_source(str(write(TABLE, tmp_path / name, 2)))
        assert source.entries == 3
        source.close()


def test_a_name_that_the_content_does_not_keep(tmp_path: Path) -> None:
    path = write_csv(TABLE, tmp_path / "a.parquet", 2)
    with pytest.raises(SourceError, match="this is Parquet by its name, but not by its content; formats that can be"):
        open_source(str(path))
    with pytest.raises(SourceError, match="this is of no format that can be read; formats that can be read are Arrow"):
        open_source(str(path.rename(tmp_path / "a.dat")))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.parquet", write_parquet),
        ("a.arrow", write_arrow),
        ("a.arrows", write_arrow),
        ("a.csv.gz", write_csv),
        ("a.jsonl", write_jsonlines),
    ],
)
def test_urls(name: str, write: object, tmp_path: Path) -> None:
    assert callable(write)
    path = write(TABLE, tmp_path / name, 2)
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/formats/{name}", path.read_bytes())
    try:
        source = open_source(f"memory://formats/{name}")
        assert_ranges(source, TABLE.to_pydict(), count=3)
        source.close()
    finally:
        memory.rm("/formats", recursive=True)


def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    exec(compile(block, GUIDE.name, "exec"), {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"^ *print\(.*\)  # (.*)$", block, re.MULTILINE)
