"""``mlaas4hep specs``."""

from pathlib import Path

import click

from mlaas4hep.cli import options

HELP = """Scan ROOT files: the range and length of every branch.

\b
Example:
  mlaas4hep specs --files 'data/*.root' --out specs.json

Other commands take the file with --specs instead of scanning again. Of
--params the keys nevts, branch, identifier, selected_branches,
exclude_branches, split and seed count.

\b
The file is JSON:
  fkeys, jkeys     names of flat and of jagged branches
  jdim             largest length of each jagged branch
  minv, maxv       range of each branch; null where no value is finite
  types, counts    NumPy's name of its type; how many values, and missing ones
  events           entries of each file, and total
  selected         of each file: train, validation and test events
"""


@click.command(help=HELP)
@options.files
@options.params
@click.option(
    "--out",
    default="specs.json",
    show_default=True,
    metavar="FILE",
    callback=options.out_file,
    help="File to write; older specs that are there are replaced.",
)
@options.common
def specs(files: str, params: str | None, out: Path, threads: int | None, as_json: bool) -> None:
    """Scan ROOT files."""
    from mlaas4hep.cli.progress import Bar
    from mlaas4hep.cli.tables import specs_table

    given = options.params_of(params)
    dataset = options.dataset_of(files, None, given, threads=threads)
    with Bar(given.verbose) as bar:
        dataset.on_events = bar.scan(dataset.entries)
        found = dataset.specs()
    options.show_time(dataset, given)
    found.to_json(out)
    if as_json:
        click.echo(found.to_text())
    elif given.verbose:
        specs_table(found)
        click.echo(f"Specs of {found.events['total']:,} events in {out}")
