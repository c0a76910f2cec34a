"""``mlaas4hep specs``."""

import json
from pathlib import Path

import click

from mlaas4hep.cli import options
from mlaas4hep.preproc import Preprocessing

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
  preproc, reads   hash of formulas and cuts; kind and type of the branches
                   that they read

With formulas and cuts (--preproc, --define, --cut) the specs are those of the
events that pass, and of the branches that remain, new ones included.
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
def specs(
    files: str,
    params: str | None,
    out: Path,
    threads: int | None,
    as_json: bool,
    on_bad_file: str | None,
    common_branches: bool,
    preproc: Preprocessing,
) -> None:
    """Scan ROOT files."""
    from mlaas4hep.cli.progress import Bar
    from mlaas4hep.cli.tables import specs_table

    given = options.params_of(params, on_bad_file, common_branches)
    dataset = options.dataset_of(files, None, given, preproc, threads=threads)
    with Bar(given.verbose) as bar:
        dataset.on_events = bar.scan(dataset.entries)
        found = dataset.specs()
    options.show_end(dataset, given)
    found.to_json(out)
    if as_json:
        flow = {"cutflow": dataset.cutflow.to_dict()} if preproc.cuts else {}
        click.echo(json.dumps(json.loads(found.to_text()) | flow, indent=2) if flow else found.to_text())
    elif given.verbose:
        specs_table(found)
        if preproc.cuts:
            click.echo(f"{dataset.cutflow.table()}\n")
        passed = f"{dataset.cutflow.total.survived:,} of " if preproc.cuts else ""
        click.echo(f"Specs of {passed}{found.events['total']:,} events in {out}")
