"""The command line: parses, then makes one library call."""

from mlaas4hep.cli.edge import run

__all__ = ["main"]


def main() -> None:
    """Run the command that the user typed, and exit with its status."""
    from mlaas4hep.cli.commands import cli

    raise SystemExit(run(cli))
