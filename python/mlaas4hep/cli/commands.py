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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(mlaas4hep.__version__, prog_name="mlaas4hep")
def cli() -> None:
    """Train machine-learning models on ROOT files of high-energy physics.

    Begin with `mlaas4hep demo`, which does the whole job on sample data, or `mlaas4hep inspect FILE`.
    """


commands: Iterable[click.Command] = (train, specs, flatten, inspect, demo)
for command in commands:
    cli.add_command(command)
