"""Options that several commands share, and the dataset they describe."""

import os
from collections.abc import Callable
from typing import TypeVar

import click

from mlaas4hep.config import Params
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import ParamsError
from mlaas4hep.inputs import parse_files, parse_labels

__all__ = ["as_json", "common", "dataset_of", "files", "labels", "params", "params_of", "preproc", "specs", "threads"]

Decorated = TypeVar("Decorated", bound=Callable[..., object])

files = click.option(
    "--files",
    "files",
    required=True,
    metavar="F",
    help="The inputs: a list (its name ends in .txt or .list) with one a line, a data file, or several with commas "
    "between. An input is a path or a glob, with :tree behind it if the file holds several trees.",
)
labels = click.option(
    "--labels",
    "labels",
    metavar="L",
    help="The label of each input: a text file with one a line, or several with commas between, integers or names of "
    "classes; else the name of the branch that holds the label.",
)
params = click.option("--params", "params", metavar="FILE", help="Parameters as JSON; see below.")
specs = click.option(
    "--specs", "specs", metavar="FILE", help="Use these specs (specs.json) instead of scanning the files."
)
preproc = click.option(
    "--preproc",
    "preproc",
    metavar="FILE",
    hidden=True,
    expose_value=False,
    callback=lambda context, option, value: _refuse_preproc(value),
)
threads = click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Threads to use; default: the variable MLAAS4HEP_NUM_THREADS, else all CPUs of the process.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on standard output.")
debug = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")


def _refuse_preproc(value: str | None) -> None:
    if value is not None:
        raise ParamsError(f"--preproc {value}: formulas and cuts are not part of this version; leave the option out")


def common(command: Decorated) -> Decorated:
    """Add what every command has that reads events."""
    return preproc(threads(as_json(debug(command))))


def params_of(path: str | None) -> Params:
    """Return the parameters of a file, or the defaults without one."""
    return Params() if path is None else Params.from_json(path)


def dataset_of(
    files: str, labels: str | None, params: Params, specs: str | None = None, threads: int | None = None
) -> Dataset:
    """Return the dataset that the options and parameters describe."""
    entries = parse_files(files)
    return Dataset(
        entries,
        parse_labels(labels, len(entries)) if labels is not None else None,
        tree=params.branch or None,
        select=_restriction(params.selected_branches),
        exclude=_restriction(params.exclude_branches),
        identifier=params.identifier,
        specs=os.fspath(specs) if specs is not None else None,
        classes=params.classes,
        split=params.split,
        seed=params.seed,
        nevts=params.nevts,
        threads=threads,
        redirector=params.redirector,
    )


def _restriction(names: str | tuple[str, ...]) -> str | tuple[str, ...] | None:
    return names or None
