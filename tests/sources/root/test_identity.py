"""The UUID of a ROOT file."""

from pathlib import Path

import numpy as np
import uproot
from mlaas4hep.sources.localfile import LocalFile
from mlaas4hep.sources.root.identity import uuid_of

from tests.sources.files import write


def test_the_uuid_is_that_which_uproot_reads(tmp_path: Path, sample: Path) -> None:
    for path in (write(tmp_path / "a.root", {"events": {"x": np.ones(3)}}), sample / "ttH.root"):
        with uproot.open(path) as file:
            assert uuid_of(LocalFile(str(path))) == str(file.file.uuid)


def test_of_files_beyond_2_gb_it_lies_further_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", {"events": {"x": np.ones(3)}})
    small = path.read_bytes()
    (tmp_path / "large.root").write_bytes(small[:4] + (1_062_400).to_bytes(4, "big") + bytes(51) + small[47:63])
    assert uuid_of(LocalFile(str(tmp_path / "large.root"))) == uuid_of(LocalFile(str(path)))


def test_other_files_have_none(tmp_path: Path) -> None:
    for content in (b"", b"root", b"PAR1" + bytes(100)):
        (tmp_path / "a").write_bytes(content)
        assert uuid_of(LocalFile(str(tmp_path / "a"))) is None
