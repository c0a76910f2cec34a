"""``mlaas4hep flatten``."""

import json

import click

from mlaas4hep.cli import options
from mlaas4hep.preproc import Preprocessing

HELP = """Write events as flat chunks, for use elsewhere.

\b
Example:
  mlaas4hep flatten --files sig.root,bkg.root --labels 1,0 --out chunks

Events are mixed, padded and normalised as for training. Of --params all keys
count but epochs, batch_size, training, metrics and hist.

\b
The folder DIR is there when it is whole:
  chunk-00000.parquet ...  a float32 column for each of the matrix, null for
  chunk-00000.arrow ...    padding and missing values; label, file, entry
  chunk-00000.npz ...      or the arrays data, padding_mask, labels, file,
  chunk-00000.hdf5 ...     entry (hdf5: pip install 'mlaas4hep[hdf5]')
  chunks.json              what the chunks hold: names of columns, of classes
                           by label, and of files by number
  specs.json, plan.json    what the chunks were made with
  preproc.json             where there are formulas or cuts: these

Until then it is DIR.part. If the command is interrupted, however that
happens, finished chunks stay there: start the same command again, and it goes
on behind them. With other files or parameters it begins anew.
"""


@click.command(help=HELP)
@options.files
@options.labels(required=False)
@click.option("--out", required=True, metavar="DIR", help="Folder for the chunks; an older one of ours is replaced.")
@options.params
@options.specs
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "arrow", "npz", "hdf5"]),
    default="parquet",
    metavar="FORMAT",
    show_default=True,
    help="parquet, arrow, npz or hdf5; see above.",
)
@click.option(
    "--part",
    type=click.Choice(["all", "train", "validation", "test"]),
    default="all",
    metavar="PART",
    show_default=True,
    help="Events to write: all, train, validation or test.",
)
@options.common
def flatten(
    files: str,
    labels: str | None,
    out: str,
    params: str | None,
    specs: str | None,
    form: str,
    part: str,
    threads: int | None,
    as_json: bool,
    on_bad_file: str | None,
    common_branches: bool,
    preproc: Preprocessing,
) -> None:
    """Write events as flat chunks."""
    from mlaas4hep.cli.progress import Bar
    from mlaas4hep.export import export

    given = options.params_of(params, on_bad_file, common_branches)
    dataset = options.dataset_of(files, labels, given, preproc, specs, threads)
    size, chosen = given.chunk_size, None if part == "all" else part
    with Bar(given.verbose) as bar:
        dataset.on_events = bar.scan(dataset.entries)
        if given.memory:
            dataset, size = dataset.within(given.memory, chosen)
        result = export(
            dataset,
            out,
            form=form,
            size=size,
            part=chosen,
            shuffle=given.shuffle,
            progress=bar,
        )
    options.show_end(dataset, given)
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    elif given.verbose:
        if preproc.cuts:
            click.echo(f"{dataset.cutflow.table()}\n")
        click.echo(
            f"{result.events:,} events, {result.columns:,} columns, chunks: {result.chunks:,}\n"
            f"Reading, flattening and writing  {result.rate:,.0f} events/s\n"
            f"Results in {result.folder}"
        )
