"""``mlaas4hep train``."""

import json

import click

from mlaas4hep.cli import options

PARAMS = """
\b
Keys of --params, all optional:
  nevts              events to use in all; -1: all               [-1]
  chunk_size         train events in a chunk; -1: all in one     [100000]
  epochs, batch_size, shuffle    as in Keras                     [10, 256, true]
  branch             name of the tree                            [the only one]
  identifier         branches that identify an event             [[]]
  selected_branches, exclude_branches   names or globs           [""]
  classes            names of the classes in order               [from the labels]
  training           "standard" or "chunk"                       ["chunk"; without
                                                  --params "standard"]
  split              fractions of train, validation, test        [[0.64, 0.16, 0.2]]
  metrics            true or {"threshold": 0.5}                  [true]
  seed               every random choice follows from it         [21]
  verbose            0 quiet, 1 progress, 2 details              [1]
"""


@click.command(epilog=PARAMS)
@options.files
@options.labels
@click.option("--model", required=True, metavar="FILE", help="Python file that defines model(idim); see below.")
@options.params
@options.specs
@click.option("--fout", metavar="DIR", help="Folder for the results; an older one of ours is replaced.")
@options.common
def train(
    files: str,
    labels: str | None,
    model: str,
    params: str | None,
    specs: str | None,
    fout: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    r"""Train a model on ROOT files and test it.

    \b
    Example:
      mlaas4hep train --files sig.root,bkg.root --labels 1,0 \
                      --model model.py --fout result

    The model file defines model(idim), which returns a Keras model for a matrix of idim columns. One that is not
    compiled gets the standard loss and Adam.

    The result folder is written whole or not at all: model.keras, specs.json, plan.json, params.json, metrics.json,
    roc.png and learning_curves.png.
    """
    from mlaas4hep.cli.progress import Bar
    from mlaas4hep.train import render
    from mlaas4hep.train import train as train_model

    given = options.params_of(params)
    dataset = options.dataset_of(files, labels, given, specs, threads)
    with Bar(given.verbose) as bar:
        dataset.on_events = bar.scan(dataset.entries)
        report = train_model(dataset, model, given, fout, bar)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2, allow_nan=False))
    elif given.verbose:
        click.echo(render(report))
