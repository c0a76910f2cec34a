"""``mlaas4hep demo``."""

from importlib.resources import as_file, files
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from mlaas4hep.cli import options
from mlaas4hep.config import Params
from mlaas4hep.dataset import Dataset

if TYPE_CHECKING:
    from mlaas4hep.cli.progress import Bar

PARAMS = Params(exclude_branches=("genWeight",), identifier=("runNo", "evtNo", "lumi"), classes=("ttbar", "ttH"))


HELP = """Do the whole job on sample data that comes with the package.

Reads, scans and flattens simulated ttH (signal) and ttbar (background)
events, trains a small Keras model to tell them apart, and tests it. Without
a framework to train with, it stops before that, writes nothing, and says how
to install one.
"""


@click.command(help=HELP)
@click.option(
    "--out",
    default="mlaas4hep-demo",
    show_default=True,
    metavar="DIR",
    help="Folder for the results; an older one of ours is replaced.",
)
@options.debug
def demo(out: str) -> None:
    """Do the whole job on sample data."""
    from mlaas4hep.cli.progress import Bar
    from mlaas4hep.frameworks import INSTALL, installed

    with as_file(files("mlaas4hep") / "sample") as sample, Bar() as bar:
        dataset = Dataset(
            [str(sample / "ttH.root"), str(sample / "ttbar.root")],
            ["ttH", "ttbar"],
            exclude=PARAMS.exclude_branches,
            identifier=PARAMS.identifier,
            classes=PARAMS.classes,
        )
        dataset.on_events = bar.scan(dataset.entries)
        if installed():
            text = _train(dataset, sample / "model.py", out, bar)
        else:
            text = f"{_read(dataset)}\n\nTo train on it as well, install a framework:\n  {INSTALL}"
    click.echo(text)


def _train(dataset: Dataset, model: Path, out: str, bar: "Bar") -> str:
    from mlaas4hep.train import render, train

    return render(train(dataset, model, PARAMS, out, bar))


def _read(dataset: Dataset) -> str:
    """Scan and flatten everything, and say how long it took."""
    begin = perf_counter()
    dataset.specs()
    scanned = perf_counter()
    events = sum(len(chunk.data) for chunk in dataset.chunks(PARAMS.chunk_size))
    done = perf_counter()
    return (
        f"{events:,} events of {len(dataset.inputs)} files, {len(dataset.branches)} branches, "
        f"{len(dataset.names)} columns\n"
        f"Reading and scanning    {events / (scanned - begin):,.0f} events/s\n"
        f"Reading and flattening  {events / (done - scanned):,.0f} events/s"
    )
