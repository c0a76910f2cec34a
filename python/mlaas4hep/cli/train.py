"""``mlaas4hep train``."""

import json
import sys
from contextlib import nullcontext, redirect_stdout

import click

from mlaas4hep.cli import options
from mlaas4hep.cli.keys import keys_help
from mlaas4hep.preproc import Preprocessing

HELP = """Train a model on files of events and test it.

\b
Example:
  mlaas4hep train --files sig.root,bkg.root --labels 1,0 \\
                  --model model.py --fout result

Events of all files are mixed in proportion, padded, normalised and split into
train, validation and test. The later of two classes is the positive one:
scores near 1 mean it.

\b
The model file defines model(idim), which returns a Keras model for a matrix
of idim columns; one that is not compiled gets the standard loss and Adam:
  import keras
  def model(idim):
      return keras.Sequential([
          keras.Input((idim,)),
          keras.layers.Dense(64, activation="relu"),
          keras.layers.Dense(1, activation="sigmoid")])

Training "standard" goes over all chunks in every epoch; "chunk" makes all
epochs on one chunk, then goes on to the next. A file given with --params
that does not say which means "chunk".

\b
Formulas make new branches, and cuts choose events:
  mlaas4hep train ... --define "ratio=met/ht" \\
                  --cut "nJets>=4 and any(jetPt>100)"
or both stand in a file, given with --preproc:
  {"new_branch": {"ratio": {"def": "met/ht", "type": "flat"}},
   "flat_cut": {"nJets": {"cut": "nJets>=4"}},
   "jagged_cut": {"jetPt": {"cut": ["jetPt>100", "any"]}}}

The result folder is written whole or not at all: model.keras, specs.json,
plan.json, params.json, preproc.json where there is preprocessing,
metrics.json, roc.png and learning_curves.png. The key hist of --params names
another folder, for histograms of every input in the train part; they need
pip install 'mlaas4hep[hist]'.
"""


@click.command(help=HELP, epilog=keys_help())
@options.files
@options.labels(required=True)
@click.option("--model", required=True, metavar="FILE", help="Python file that defines model(idim); see above.")
@click.option("--params", metavar="FILE", help="Parameters as JSON; see below.")
@options.specs
@click.option("--fout", metavar="DIR", help="Folder for the results; an older one of ours is replaced.")
@options.common
def train(
    files: str,
    labels: str,
    model: str,
    params: str | None,
    specs: str | None,
    fout: str | None,
    threads: int | None,
    as_json: bool,
    on_bad_file: str | None,
    common_branches: bool,
    preproc: Preprocessing,
) -> None:
    """Train a model on files of events and test it."""
    from mlaas4hep.cli.progress import Bar
    from mlaas4hep.train import render
    from mlaas4hep.train import train as train_model

    given = options.params_of(params, on_bad_file, common_branches)
    dataset = options.dataset_of(files, labels, given, preproc, specs, threads)
    # What the user's model prints is not a result.
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), Bar(given.verbose) as bar:
        dataset.on_events = bar.scan(dataset.entries)
        report = train_model(dataset, model, given, fout, bar)
    options.show_end(dataset, given)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2, allow_nan=False))
    elif given.verbose:
        click.echo(render(report))
