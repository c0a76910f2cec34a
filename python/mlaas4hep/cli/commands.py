"""The group of commands."""

from collections.abc import Iterable

import click

import mlaas4hep
from mlaas4hep.cli.demo import demo
from mlaas4hep.cli.flatten import flatten
from mlaas4hep.cli.inspect import inspect
from mlaas4hep.cli.specs import specs
from mlaas4hep.cli.train import train
from mlaas4hep.errors import nearest

__all__ = ["cli"]


class Commands(click.Group):
    """A group that names the nearest command where one is unknown."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            known = ", ".join(self.commands)
            ctx.fail(f"there is no command {args[0]!r}{nearest(args[0], self.commands)}; commands are {known}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which one uses them."""
        return list(self.commands)


HELP = """Train machine-learning models on files of high-energy physics.

\b
To begin with:
  mlaas4hep demo                    the whole job on sample data
  mlaas4hep inspect data.root       what is in a file
  mlaas4hep train --files sig.root,bkg.root --labels 1,0 --model model.py

Each command has a --help with the formats of its files. The exit status is
0 if all went well, 2 if what was given is wrong, 1 for anything else.
"""


@click.group(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mlaas4hep.__version__, prog_name="mlaas4hep", message="%(prog)s %(version)s")
def cli() -> None:
    """Train machine-learning models on files of events."""


commands: Iterable[click.Command] = (train, specs, flatten, inspect, demo)
for command in commands:
    cli.add_command(command)
