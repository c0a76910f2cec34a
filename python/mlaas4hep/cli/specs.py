"""``mlaas4hep specs``."""

import click

from mlaas4hep.cli import options


@click.command()
@options.files
@options.params
@click.option("--out", default="specs.json", show_default=True, metavar="FILE", help="File to write.")
@options.common
def specs(files: str, params: str | None, out: str, threads: int | None, as_json: bool) -> None:
    r"""Scan ROOT files: range, largest length and counts of every branch.

    \b
    Example:
      mlaas4hep specs --files 'data/*.root' --out specs.json

    The file is replaced if it exists. Other commands take it with --specs instead of scanning again.
    """
    from mlaas4hep.cli.progress import Bar
    from mlaas4hep.cli.tables import specs_table

    given = options.params_of(params)
    dataset = options.dataset_of(files, None, given, threads=threads)
    with Bar(given.verbose) as bar:
        dataset.on_events = bar.scan(dataset.entries)
        found = dataset.specs()
    found.to_json(out)
    if as_json:
        click.echo(found.to_text())
    elif given.verbose:
        specs_table(found)
        click.echo(f"\nSpecs of {found.events['total']:,} events in {out}")
