"""What the tests of tables share."""

import pytest
from mlaas4hep.sources.tables import text


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of texts of about 64 bytes."""
    monkeypatch.setattr(text, "BLOCK", 64)
