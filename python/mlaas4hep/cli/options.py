"""Options that several commands share, and the dataset they describe."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TypeVar

import click

from mlaas4hep.config import Params
from mlaas4hep.dataset import Dataset, lost
from mlaas4hep.errors import OutputError, SpecsError
from mlaas4hep.inputs import parse_files, parse_labels
from mlaas4hep.planoptions import PlanOptions
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.specs import Specs

__all__ = [
    "as_json",
    "common",
    "dataset_of",
    "debug",
    "files",
    "labels",
    "out_file",
    "params",
    "params_of",
    "show_end",
    "specs",
    "threads",
]

Decorated = TypeVar("Decorated", bound=Callable[..., object])

files = click.option(
    "--files",
    "files",
    required=True,
    metavar="F",
    help="The inputs: a list (its name ends in .txt or .list) with one a line, a data file, or several with commas "
    "between. An input is a path, a glob or a URL (root://, https://, ...), with :tree behind it if the file holds "
    "several trees: ROOT with TTrees or RNTuples, Parquet, Arrow, CSV, JSON lines, HDF5 or Avro.",
)
params = click.option(
    "--params", "params", metavar="FILE", help="Parameters as JSON; 'mlaas4hep train --help' lists them."
)
specs = click.option(
    "--specs", "specs", metavar="FILE", help="Use these specs (specs.json) instead of scanning the files."
)
threads = click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Threads to use; default: the variable MLAAS4HEP_NUM_THREADS, else all CPUs of the process.",
)
on_bad_file = click.option(
    "--on-bad-file",
    type=click.Choice(["error", "skip"]),
    metavar="WHAT",
    help="error (the default), or skip: go on without files that cannot be read, and list them.",
)
common_branches = click.option(
    "--common-branches", is_flag=True, help="Use the branches that all files have, and list the others."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on standard output.")
debug = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")


def preproc(command: Decorated) -> Decorated:
    """Add the options for formulas and cuts; the command gets them as one ``Preprocessing``."""

    @wraps(command)
    def together(*, preproc: str | None, cut: tuple[str, ...], define: tuple[str, ...], **given: object) -> object:
        return command(preproc=Preprocessing.of(preproc).with_options(cut, define), **given)

    file = click.option("--preproc", metavar="FILE", help="Formulas of new branches, and cuts, as JSON.")
    cuts = click.option(
        "--cut", multiple=True, metavar="FORMULA", help="Use only events for which this holds; may be given repeatedly."
    )
    new = click.option("--define", multiple=True, metavar="NAME=FORMULA", help="Add a branch; may be given repeatedly.")
    return file(cuts(new(together)))  # type: ignore[return-value]  # click looks at the options only


def labels(*, required: bool) -> Callable[[Decorated], Decorated]:
    """Return the option for labels."""
    return click.option(
        "--labels",
        "labels",
        required=required,
        metavar="L",
        help="The label of each input: a text file with one a line, or several with commas between, integers or names "
        "of classes; else the name of the branch that holds the label.",
    )


def common(command: Decorated) -> Decorated:
    """Add what every command has that reads events."""
    return preproc(on_bad_file(common_branches(threads(as_json(debug(command))))))


def params_of(path: str | None, on_bad_file: str | None, common_branches: bool) -> Params:
    """Return the parameters of a file, or the defaults without one; options come before both."""
    params = Params() if path is None else Params.from_json(path)
    return replace(
        params,
        on_bad_file=on_bad_file or params.on_bad_file,
        common_branches=common_branches or params.common_branches,
    )


def out_file(context: click.Context, option: click.Parameter, value: str) -> Path:
    """Check, before any work, that specs can be written; older ones may be replaced, and nothing else."""
    path = Path(value)
    try:
        if path.is_dir():
            raise OutputError(f"{path}: this is a folder; name a file, as in {str(path / 'specs.json')!r}")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: there is no folder {str(path.parent)!r}")
        if not os.access(path.resolve().parent, os.W_OK):
            raise OutputError(f"{path}: the folder {str(path.resolve().parent)!r} cannot be written")
        if path.exists() and not path.is_file():
            raise OutputError(f"{path}: this is no ordinary file; --json prints the specs")
        if path.exists():
            Specs.from_json(path)
    except SpecsError:
        raise OutputError(f"{path}: exists and holds no specs, so it is not replaced; name another file") from None
    except (OSError, ValueError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from None
    return path


def show_end(dataset: Dataset, params: Params) -> None:
    """Print which files were skipped, and where time and events went, if details are wanted."""
    if params.verbose > 1:
        click.echo(dataset.spent.table(), err=True)
        click.echo(f"What became of every event\n{dataset.ledger.table()}", err=True)
    if dataset.bad_files:
        click.echo(f"mlaas4hep: done, but {lost(dataset.bad_files)}", err=True)


def dataset_of(
    files: str,
    labels: str | None,
    params: Params,
    preproc: Preprocessing,
    specs: str | None = None,
    threads: int | None = None,
) -> Dataset:
    """Return the dataset that the options and parameters describe."""
    entries = parse_files(files)
    labelled = labels is not None
    return Dataset(
        entries,
        parse_labels(labels, len(entries)) if labels is not None else None,
        tree=params.branch or None,
        select=params.selected_branches or None,
        exclude=params.exclude_branches or None,
        identifier=params.identifier,
        preproc=preproc,
        specs=specs,
        classes=params.classes if labelled else None,
        split=params.split,
        seed=params.seed,
        nevts=params.nevts,
        threads=threads,
        redirector=params.redirector,
        sentinels=params.sentinels,
        common_branches=params.common_branches,
        on_bad_file=params.on_bad_file,
        reading=params.reading,
        weights=params.weights,
        cache=params.cache or None,
        cache_limit=params.cache_limit,
        **PlanOptions(**params.flatten),  # type: ignore[typeddict-item]  # its keys were checked
    )
