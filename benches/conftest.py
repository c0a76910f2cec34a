"""What several benches need."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder for files, which are removed in the end."""
    path = tmp_path_factory.mktemp("files")
    yield path
    for file in path.iterdir():
        file.unlink()
