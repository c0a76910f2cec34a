"""``mlaas4hep inspect``."""

import json
from functools import partial

import click

from mlaas4hep.cli import options
from mlaas4hep.config import Params
from mlaas4hep.inputs import resolve
from mlaas4hep.reading import Reading
from mlaas4hep.sources import find
from mlaas4hep.specs import Specs

HELP = """Show what is in a file: trees, branches, sizes.

\b
Example:
  mlaas4hep inspect data.root
  mlaas4hep inspect data.root:events 'Muon_*' nMuon --kind jagged
  mlaas4hep inspect data.root --specs specs.json

FILE is a path, glob or URL, with :tree behind it for one tree. GLOBs choose
branches by name; one that matches nothing is an error. A terminal shows more
than 100 branches as groups of names that begin alike, unless --all or GLOBs
are given; a file or pipe gets every branch, a line each. Of --params the keys
branch, redirector and reading count.

\b
Of each branch:
  kind         flat: a number an event; jagged: a list of numbers; string;
               other: objects, deeper lists
  type         NumPy's; beside it the file's own
  minimum ...  with --specs: range, longest list, mean length of the lists,
               values that are missing
  stored       bytes in the file
  ratio        bytes before compression by bytes in the file
  pieces       baskets of a TTree, pages of an RNTuple, row groups of Parquet
  remark       why it is no input of a model; what else than mlaas4hep
               itself reads it, and why

\b
--json prints one document, an object with a list of trees for each file:
  name, entries      of the tree
  stored, size       bytes of all its branches in the file, and uncompressed
  branches           those that match, each with name, kind, type, typename,
                     counter, why_not, reader, why_uproot, input (true or
                     false), storage (null or stored, size, pieces,
                     compression), specs (null or minimum, maximum, longest,
                     mean_length, missing)
What is not known is null.
"""


@click.command(help=HELP)
@click.argument("file", metavar="FILE")
@click.argument("globs", metavar="[GLOB]...", nargs=-1)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(["flat", "jagged", "string", "other"]),
    multiple=True,
    metavar="KIND",
    help="Only branches of this kind: flat, jagged, string or other; may be given repeatedly.",
)
@click.option("--all", "every", is_flag=True, help="Show every branch on a terminal, too.")
@click.option("--specs", metavar="FILE", help="Show what these specs (specs.json) say of each branch.")
@options.params
@options.as_json
@options.debug
def inspect(
    file: str,
    globs: tuple[str, ...],
    kinds: tuple[str, ...],
    every: bool,
    specs: str | None,
    params: str | None,
    as_json: bool,
) -> None:
    """Show what is in a file."""
    from mlaas4hep.cli.trees import show_file
    from mlaas4hep.overview import look

    known = None if specs is None else Specs.from_json(specs)
    given = Params() if params is None else Params.from_json(params)
    reading = Reading.of(given.reading)
    inputs = resolve([file], given.branch or None, given.redirector, partial(find, reading=reading))
    views = look(inputs, globs, kinds, known, reading)
    if as_json:
        click.echo(json.dumps({view.path: [tree.to_dict() for tree in view.trees] for view in views}, indent=2))
    else:
        for view in views:
            show_file(view, every)
