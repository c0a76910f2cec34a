"""``mlaas4hep inspect``."""

import json
from dataclasses import asdict

import click

from mlaas4hep.cli import options
from mlaas4hep.inputs import Input, resolve
from mlaas4hep.sources import TreeInfo, find, list_trees, open_source

HELP = """List the trees and branches of a file.

\b
Example:
  mlaas4hep inspect data.root
  mlaas4hep inspect data.root:events --json

Of each branch: its kind (flat: one number an event; jagged: a list of
numbers), its type, the type that the file gives it, what reads it
(mlaas4hep itself or a library; where that is uproot, why), and why it would not be an input of a
model, if so. With :tree behind the file, of that tree only.
"""


@click.command(help=HELP)
@click.argument("file", metavar="FILE")
@options.as_json
@options.debug
def inspect(file: str, as_json: bool) -> None:
    """List the trees and branches of a file."""
    from mlaas4hep.cli.tables import trees_table

    found = {given.path: _trees(given) for given in resolve([file], find=find)}
    if as_json:
        trees = {path: [asdict(tree) for tree in listed] for path, listed in found.items()}
        click.echo(json.dumps(trees, indent=2))
    else:
        for path, listed in found.items():
            trees_table(path, listed)


def _trees(given: Input) -> list[TreeInfo]:
    """The tree that is named, or all."""
    if given.tree is None:
        return list_trees(given.path)
    source = open_source(given.path, given.tree)
    try:
        return [TreeInfo(source.tree, source.entries, tuple(source.schema().values()))]
    finally:
        source.close()
