"""``mlaas4hep flatten``."""

import json

import click

from mlaas4hep.cli import options


@click.command()
@options.files
@options.labels
@click.option("--out", required=True, metavar="DIR", help="Folder for the chunks; an older one of ours is replaced.")
@options.params
@options.specs
@click.option(
    "--format", "form", type=click.Choice(["parquet", "npz"]), default="parquet", show_default=True, help="See below."
)
@click.option(
    "--part",
    type=click.Choice(["all", "train", "validation", "test"]),
    default="all",
    show_default=True,
    help="Which events to write.",
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
) -> None:
    r"""Write ROOT files as flat chunks, for use elsewhere.

    \b
    Example:
      mlaas4hep flatten --files sig.root,bkg.root --labels 1,0 --out chunks

    Events are mixed, padded and normalised as for training. Of --params the keys chunk_size, nevts, branch,
    identifier, selected_branches, exclude_branches, classes, split, seed and shuffle are used.

    \b
    DIR/chunk-00000.parquet ...  a column (float32) for each of the matrix, null
                                 for padding and missing values; label, file, entry
    DIR/chunk-00000.npz ...      arrays data, padding_mask, labels, file, entry;
                                 the columns' names stand in plan.json
    DIR/specs.json, plan.json    what the chunks were made with
    """
    from mlaas4hep.cli.progress import Bar
    from mlaas4hep.export import export

    given = options.params_of(params)
    dataset = options.dataset_of(files, labels, given, specs, threads)
    with Bar(given.verbose) as bar:
        dataset.on_events = bar.scan(dataset.entries)
        result = export(
            dataset,
            out,
            form=form,
            size=given.chunk_size,
            part=None if part == "all" else part,
            shuffle=given.shuffle,
            progress=bar,
        )
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    elif given.verbose:
        rate = f"{result.events / result.seconds:,.0f} events/s" if result.seconds else ""
        click.echo(f"{result.events:,} events, {result.columns} columns, {result.chunks} chunks in {out} ({rate})")
