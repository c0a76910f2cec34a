"""Who reads: the core or uproot."""

import pytest


@pytest.fixture(params=["mlaas4hep", "uproot"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLAAS4HEP_READER", request.param)
    return str(request.param)


@pytest.fixture
def by_uproot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLAAS4HEP_READER", "uproot")
