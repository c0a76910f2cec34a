"""``mlaas4hep inspect``."""

import json
from dataclasses import asdict

import click

from mlaas4hep.cli import options


@click.command()
@click.argument("file", metavar="FILE")
@options.as_json
@options.debug
def inspect(file: str, as_json: bool) -> None:
    """List the trees and branches of a ROOT file.

    Of each branch: its kind (flat or jagged), its type, and why it would not be an input, if so.
    """
    from mlaas4hep.cli.tables import trees_table
    from mlaas4hep.inputs import resolve
    from mlaas4hep.sources import list_trees

    found = {given.path: list_trees(given.path) for given in resolve([file])}
    if as_json:
        trees = {path: [asdict(tree) for tree in listed] for path, listed in found.items()}
        click.echo(json.dumps(trees, indent=2))
    else:
        for path, listed in found.items():
            trees_table(path, listed)
