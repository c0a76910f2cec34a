"""``mlaas4hep specs``."""

import json
from pathlib import Path

import click

from mlaas4hep.cli import options
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.specs import Specs

HELP = """Scan files: the range and length of every branch.

\b
Example:
  mlaas4hep specs --files 'data/*.root' --out specs.json

Other commands take the file with --specs instead of scanning again. Of
--params all keys count but chunk_size, epochs, batch_size, shuffle, training
and metrics; classes does with --labels only.

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
  mean, std        of the finite values; moments has what they come from
  quantiles        how many values are in each bin of a sketch, whose
                   quantiles are off by less than 0.79 %
  lengths          of jagged branches: how many lists have each length, as
                   first:count,count,...
  parts            of each file: fingerprint (size, time, UUID), and its specs

Where the file is there already, files that did not change since are not
scanned again, unless formulas, cuts, sentinels, labels, branches or the number
of events differ; --rescan scans all.

\b
For jagged branches a second table shows, for the width that holds all entries
in 99 % of the events, how many values it would cut off and how many bytes of
matrix and mask would be padding, instead of the largest length's.

With formulas and cuts (--preproc, --define, --cut) the specs are those of the
events that pass, and of the branches that remain, new ones included.

\b
--hist draws every input, original and normalised, of all events used, the
first million of them at most; with --labels class by class:
  BRANCH.png ...   a picture of each
  inputs.pdf       all of them, and how to read them
The folder is written whole or not at all. This needs the packages of
pip install 'mlaas4hep[hist]'.
"""


@click.command(help=HELP)
@options.files
@options.labels(required=False)
@options.params
@click.option(
    "--out",
    default="specs.json",
    show_default=True,
    metavar="FILE",
    callback=options.out_file,
    help="File to write; older specs that are there are replaced.",
)
@click.option("--rescan", is_flag=True, help="Scan all files, changed or not.")
@click.option("--hist", metavar="DIR", help="Folder for histograms; an older one of ours is replaced.")
@options.common
def specs(
    files: str,
    labels: str | None,
    params: str | None,
    out: Path,
    rescan: bool,
    hist: str | None,
    threads: int | None,
    as_json: bool,
    on_bad_file: str | None,
    common_branches: bool,
    preproc: Preprocessing,
) -> None:
    """Scan files."""
    from mlaas4hep.cli.progress import Bar
    from mlaas4hep.cli.tables import specs_table, widths_table
    from mlaas4hep.evaluation.inputs import check_drawing, draw_inputs

    given = options.params_of(params, on_bad_file, common_branches)
    hist = given.hist if hist is None else hist
    if hist:
        check_drawing(hist)
    dataset = options.dataset_of(files, labels, given, preproc, threads=threads)
    kept = dataset.reuse(Specs.from_json(out)) if out.exists() and not rescan else []
    with Bar(given.verbose) as bar:
        dataset.on_events = bar.scan(dataset.entries)
        found = dataset.specs()
        drawn = draw_inputs(dataset, hist, progress=bar) if hist else None
    options.show_end(dataset, given)
    found.to_json(out)
    if as_json:
        flow = {"cutflow": dataset.cutflow.to_dict()} if preproc.cuts else {}
        report = {"width_report": found.width_report(found.widths()).to_dict(), "kept": kept}
        click.echo(json.dumps(json.loads(found.to_text()) | flow | report, indent=2))
    elif given.verbose:
        specs_table(found)
        widths_table(found)
        if preproc.cuts:
            click.echo(f"{dataset.cutflow.table()}\n")
        passed = f"{dataset.cutflow.total.survived:,} of " if preproc.cuts else ""
        click.echo(f"Specs of {passed}{found.events['total']:,} events in {out}")
        if kept:
            click.echo(f"{len(kept):,} of {len(dataset.inputs):,} files did not change and were not scanned again")
        if drawn:
            click.echo(f"Histograms of {len(drawn.pictures):,} branches, {drawn.events:,} events in {drawn.folder}")
