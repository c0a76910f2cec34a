"""File systems behind URLs, together with what else a process may have loaded."""

import importlib.util
import subprocess
import sys

import pytest

STATEMENTS = """
import tensorflow
from mlaas4hep.errors import SourceError
from mlaas4hep.reading import Reading
from mlaas4hep.sources import open_source
try:
    open_source("root://127.0.0.1:1//a.root", reading=Reading(deadline=1, tries=1))
except SourceError as error:
    print(error)
"""


def test_xrootd_beside_tensorflow() -> None:
    for package in ("tensorflow", "XRootD"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    answer = subprocess.run([sys.executable, "-c", STATEMENTS], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("root://127.0.0.1:1//a.root: cannot be opened: ")
