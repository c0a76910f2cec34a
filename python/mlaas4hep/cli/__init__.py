"""The command line: parses, then makes one library call."""

from mlaas4hep.cli.edge import leave_by_signals, run

__all__ = ["main"]


def main() -> None:
    """Run the command that the user typed, and exit with its status."""
    from mlaas4hep.cli.commands import cli

    leave_by_signals()
    raise SystemExit(run(cli))
