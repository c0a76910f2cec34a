"""The helps are complete, and fit a terminal of 80 columns."""

from dataclasses import fields

import pytest
from mlaas4hep.cli.keys import KEYS
from mlaas4hep.config import Params

from tests.cli.invoke import Invoke

COMMANDS = ["train", "specs", "flatten", "inspect", "demo"]


@pytest.mark.parametrize("command", [None, *COMMANDS])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(command: str | None, option: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    answer = invoke(*([command] if command else []), option)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: mlaas4hep {command or '[OPTIONS]'}")
    assert max(map(len, answer.out.splitlines())) <= 80
    assert "\b" not in answer.out
    assert "..." not in answer.out.partition("Commands:")[2]


def test_every_parameter_is_listed_with_its_default(invoke: Invoke) -> None:
    assert list(KEYS) == [field.name for field in fields(Params)]
    table = invoke("train", "--help").out.partition("Keys of --params")[2].splitlines()
    rows = {line.split()[0]: line.split()[-1] for line in table[1:] if line.strip()}
    assert set(KEYS) < set(rows)
    assert rows["training"] == '"chunk"'
    assert rows["chunk_size"] == "100000"


def test_every_command_is_listed(invoke: Invoke) -> None:
    listed = invoke("--help").out.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in listed if line.strip()] == COMMANDS


def test_version(invoke: Invoke) -> None:
    assert invoke("--version").out.startswith("mlaas4hep 0.")
