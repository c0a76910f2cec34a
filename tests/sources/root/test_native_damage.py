"""Whatever is wrong with baskets, the core says where, and never gives what is no column."""

import os
import re
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mlaas4hep import _rust
from mlaas4hep.errors import ReadError
from mlaas4hep.sources import Plain
from mlaas4hep.sources.root.native import describe
from mlaas4hep.sources.root.ttree import TTreeSource

from tests.sources import files
from tests.sources.root import raw

FLIPS = 400
ENTRIES = 300
NAMES = ["x", "y", "z", "three"]


def written(path: Path, codec: Any) -> Path:
    """Three baskets of numbers, of two branches of a collection, and of arrays of a fixed size."""
    random = np.random.default_rng(3)
    with uproot.recreate(path, compression=codec) as file:
        types = {"x": "float64", "y": "var * int32", "z": "var * float32", "three": np.dtype(("int16", (3,)))}
        tree = file.mktree("t", types)
        for _ in range(3):
            counts = random.integers(0, 5, ENTRIES // 3)
            values = random.integers(0, 50, (2, counts.sum()))
            tree.extend(
                {
                    "x": random.integers(0, 50, ENTRIES // 3).astype(float),
                    "y": ak.unflatten(values[0].astype(np.int32), counts),
                    "z": ak.unflatten(values[1].astype(np.float32), counts),
                    "three": random.integers(0, 9, (ENTRIES // 3, 3)).astype(np.int16),
                }
            )
    return path


@dataclass
class Outcome:
    """What became of a flipped bit."""

    in_key: bool
    error: str
    same: bool


class Flipper:
    """Flips single bits of a file, and reads it with branches of which nothing is known."""

    def __init__(self, path: Path) -> None:
        self.path, self.data = path, path.read_bytes()
        source = files.opened(path)
        branches = files.uproots(path, source.tree)
        self.branches = {name: branches[name] for name in NAMES}
        self.wanted = {whole: self._read(source, *whole) for whole in [(0, ENTRIES), (50, 250)]}
        source.close()

    def places(self) -> list[tuple[str, int, int, int, int]]:
        """Every basket: where it begins, where its data begin and where they end."""
        found = []
        for name, (branch, _) in self.branches.items():
            for number in range(3):
                start = int(branch.member("fBasketSeek")[number])
                length = int.from_bytes(self.data[start + 14 : start + 16], "big")
                found.append((name, number, start, start + length, start + int(branch.member("fBasketBytes")[number])))
        return found

    def flips(self) -> list[Outcome]:
        """A quarter of the bits is in keys, half of the reads cut baskets."""
        random, places = np.random.default_rng(9), self.places()
        return [
            self._flip(random, *places[turn % len(places)], in_key=random.random() < 0.25, cut=turn % 2 == 1)
            for turn in range(FLIPS)
        ]

    def _flip(
        self, random: np.random.Generator, name: str, number: int, *parts: int, in_key: bool, cut: bool
    ) -> Outcome:
        start, begin, end = parts
        at = int(random.integers(start, begin) if in_key else random.integers(begin, end))
        changed = bytearray(self.data)
        changed[at] ^= 1 << int(random.integers(8))
        self.path.write_bytes(changed)
        entries = (50, 250) if cut else (0, ENTRIES)
        found, error = {}, ""
        try:
            found = self._read_anew(*entries)
        except ReadError as caught:
            error = str(caught)
        if error:
            where = f"{self.path}: branch {name!r}, entries {100 * number} to {100 * number + 100}: "
            assert error.startswith(where)
            return Outcome(in_key, error, False)
        same = [_bytes(found[name]) == _bytes(column) for name, column in self.wanted[entries].items()]
        return Outcome(in_key, "", all(same))

    def _read_anew(self, start: int, stop: int) -> dict[str, Plain]:
        known = self.branches.items()
        described = (describe(branch, name, layout, str(self.path), {}) for name, (branch, layout) in known)
        natives = [native.branch for native in described]
        found = dict(zip(NAMES, raw.local(self.path).read(natives, start, stop, 1), strict=True))
        for column in (found["y"], found["z"]):
            assert_lists(column, stop - start)
        assert len(found["x"]) == stop - start
        assert len(found["three"]) == 3 * (stop - start)
        return found

    def _read(self, source: TTreeSource, start: int, stop: int) -> dict[str, Plain]:
        found = source.read(NAMES, start, stop)
        return {**found, "three": found["three"][1]}


def assert_lists(column: Plain, entries: int) -> None:
    offsets, content = column
    assert (len(offsets), offsets[0], offsets[-1]) == (entries + 1, 0, len(content))
    assert (np.diff(offsets) >= 0).all()


def _bytes(column: Plain) -> bytes:
    return column[0].tobytes() + column[1].tobytes() if isinstance(column, tuple) else column.tobytes()


@pytest.mark.parametrize("codec", [uproot.ZLIB(1), uproot.LZ4(1), uproot.LZMA(1)], ids=repr)
def test_flipped_bits_of_checked_kinds(codec: Any, tmp_path: Path) -> None:
    """There is an error, or the same numbers: bits that mean nothing are in keys and in a byte of the blocks' heads."""
    outcomes = Flipper(written(tmp_path / "a.root", codec)).flips()
    assert sum(bool(found.error) for found in outcomes if not found.in_key) > 0.7 * FLIPS
    assert all(found.error or found.same for found in outcomes if not found.in_key)
    assert sum(bool(found.error) for found in outcomes if found.in_key) > 10


@pytest.mark.parametrize("codec", [uproot.ZSTD(1), uproot.ZLIB(0)], ids=["zstd", "none"])
def test_flipped_bits_of_kinds_without_a_checksum(codec: Any, tmp_path: Path) -> None:
    """Other numbers cannot be told from the right ones, but what comes are columns of the right lengths.

    Of the flips in data a quarter gives other numbers where ZSTD compressed them, and three quarters where they are
    stored as they are: all that do not meet offsets. No flip in a key gives other numbers.
    """
    outcomes = Flipper(written(tmp_path / "a.root", codec)).flips()
    assert sum(bool(found.error) for found in outcomes) > 0.1 * FLIPS
    assert all(found.error or found.same for found in outcomes if found.in_key)


@pytest.mark.parametrize("by", ["time", "bytes", "growth", "shrinking"])
def test_a_file_that_changes(by: str, tmp_path: Path) -> None:
    """Nothing more is read then, not even what is left of a basket; a source opened anew reads what is there."""
    path = written(tmp_path / "a.root", uproot.ZLIB(1))
    source, before = files.opened(path), path.stat()
    source.read(NAMES, 0, 50)
    data = path.read_bytes()
    if by == "bytes":
        path.write_bytes(bytes(len(data)))
    elif by == "growth":
        path.write_bytes(data + b" ")
    elif by == "shrinking":
        os.truncate(path, len(data) - 1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    for name, start, stop in [("x", 50, 60), ("y", 50, 150), ("three", 0, 300)]:
        with pytest.raises(ReadError, match=rf"a\.root: branch '{name}', entries \d+ to \d+: the file was changed"):
            source.read([name], start, stop)
    source.close()
    path.write_bytes(data)
    files.assert_same(path, "t")


def test_a_file_that_changes_before_the_first_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.root", uproot.ZLIB(1))
    source = files.opened(path)
    os.utime(path, ns=(0, 10**9))
    with pytest.raises(ReadError, match="branch 'x', entries 0 to 100: the file was changed while it was read"):
        source.read(["x"], 0, 1)
    source.close()


def test_a_file_that_is_replaced(tmp_path: Path) -> None:
    """The old one is there as long as it is open."""
    path = written(tmp_path / "a.root", uproot.ZLIB(1))
    wanted = dict(files.branches(path, "t"))
    source = files.opened(path)
    source.read(NAMES, 0, 50)
    files.write(tmp_path / "b.root", {"t": {"x": np.zeros(7)}})
    (tmp_path / "b.root").replace(path)
    for name, column in source.read(NAMES, 50, 300).items():
        files.assert_column(column, wanted[name][50:300])
    source.close()
    assert files.opened(path).entries == 7


@pytest.mark.parametrize("name", ["x y", "ü", "x'y"])
def test_names_in_messages(name: str, tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.root", {"t": {name: np.zeros(9)}})
    source = files.opened(path)
    os.utime(path, ns=(0, 10**9))
    with pytest.raises(ReadError, match=re.escape(f"{path}: branch {name!r}, entries 0 to 9: ")):
        source.read([name], 0, 1)
    source.close()


MOST = 2**31 - 1

CLAIMS = {
    "whole size": (0, ">i", MOST),
    "negative size": (0, ">i", -5),
    "size of the object": (6, ">i", MOST),
    "negative object": (6, ">i", -5),
    "size of the key": (14, ">h", 2**15 - 1),
    "negative key": (14, ">h", -40),
    "no key": (14, ">h", 0),
    "end of the content": (35, ">i", MOST),
    "end in the key": (35, ">i", 39),
    "size of the block": (46, "<i", MOST),
}


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("layout", [{"entry": (1, 4, 0)}, {"header": 0}, {"header": 10}], ids=str)
def test_claims_of_a_key(layout: dict[str, Any], claim: str, tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    block = b"ZL\x08" + (50).to_bytes(3, "little") + (400).to_bytes(3, "little") + bytes(50)
    data = bytearray(raw.key(len(block), 400, 400) + block)
    at, kind, value = CLAIMS[claim]
    struct.pack_into(kind, data, at, value)
    branch = _rust.BasketBranch("x", "int32", [0, 100], **raw.place(path, [bytes(data)]), **layout)
    with pytest.raises(ReadError, match="branch 'x', entries 0 to 100: "):
        raw.local(path).read([branch], 0, 100)


LIMITED = """
import resource, sys
from pathlib import Path
from mlaas4hep import _rust
from mlaas4hep.errors import ReadError
from mlaas4hep.sources import open_source
def local(path, edges, size):
    branch = _rust.BasketBranch("x", "int32", edges, [0], [size], header=0)
    found = Path(path).stat()
    return _rust.BasketReader(path, found.st_size, found.st_mtime_ns).read([branch], 0, edges[-1], 1)
def source(path, entries):
    return open_source(path, threads=1).read(["j"], 0, entries)
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (200 << 20), now + (200 << 20)))
try:
    {call}
except ReadError as error:
    print(error)
"""


def limited(call: str) -> str:
    """Read with 200 MB of memory; return the error."""
    if not sys.platform.startswith("linux"):
        pytest.skip("memory can be limited on Linux only")
    code = LIMITED.replace("{call}", call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_claims_of_a_key_take_no_memory(tmp_path: Path) -> None:
    """Of 2 GB, in a basket of some bytes."""
    path = tmp_path / "a.raw"
    block = b"ZL\x08" + (50).to_bytes(3, "little") + b"\xff" * 3 + bytes(50)
    path.write_bytes(raw.key(len(block), MOST, MOST // 2) + block)
    assert "the compressed data are damaged" in limited(f"local({str(path)!r}, [0, 5], {len(block) + raw.KEY})")


@pytest.mark.parametrize("kind", [b"XZ", b"ZS"], ids=str)
def test_claims_of_many_blocks_take_no_memory(kind: bytes, tmp_path: Path) -> None:
    """Of 400 MB, in a basket of 256 bytes."""
    path = tmp_path / "a.raw"
    blocks = 24 * (kind + b"\x08" + bytes(3) + b"\xfc" + b"\xff" * 2)
    size = 24 * 0xFFFFFC
    path.write_bytes(raw.key(len(blocks), size, size) + blocks)
    assert "entries 0 to 5: the " in limited(f"local({str(path)!r}, [0, 5], {len(blocks) + raw.KEY})")


def test_a_claim_of_entries_takes_no_memory(tmp_path: Path) -> None:
    """The same number of entries, far too high, stands everywhere in the file."""
    path = files.write(tmp_path / "a.root", {"t": {"j": ak.Array([[1.0]] * 60007)}})
    entries = 1 << 40
    path.write_bytes(path.read_bytes().replace((60007).to_bytes(8, "big"), entries.to_bytes(8, "big")))
    assert files.opened(path).entries == entries
    found = limited(f"source({str(path)!r}, {entries})")
    assert f"branch 'j', entries 0 to {entries}: the data are damaged" in found
