"""What the tests of texts ask of a file."""

from pathlib import Path
from typing import Any

import pytest
from mlaas4hep.errors import BranchError, MLaaSError, SourceError

from tests.sources.formats import opened, plain


def columns(path: Path, **types: str) -> dict[str, Any]:
    source = opened(path, types=types)
    found = source.read([name for name, branch in source.schema().items() if branch.kind != "other"], 0, source.entries)
    source.close()
    return {name: plain(column) for name, column in found.items()}


def kinds(path: Path, **types: str) -> dict[str, tuple[str, str, str]]:
    source = opened(path, types=types)
    source.close()
    return {name: (branch.kind, branch.type, branch.why_not) for name, branch in source.schema().items()}


def refused(path: Path, **types: str) -> str:
    with pytest.raises(MLaaSError) as caught:
        opened(path, types=types)
    assert isinstance(caught.value, (SourceError, BranchError))
    assert str(path) in str(caught.value)
    return str(caught.value)
