"""The keys of ``params.json``, as a help shows them."""

import json

from mlaas4hep.config import Params

__all__ = ["KEYS", "keys_help"]

KEYS = {
    "nevts": "events to use in all; -1: all",
    "chunk_size": "train events in a chunk; -1: all in one",
    "memory": 'the same by a budget, as "2 GB"',
    "epochs": "as in Keras",
    "batch_size": "as in Keras",
    "shuffle": "as in Keras; n: over n chunks together",
    "branch": 'name of the tree; "": the only one',
    "identifier": "branches that identify an event",
    "selected_branches": "names or globs: a list, text, or file",
    "exclude_branches": "the same, of what is no input",
    "classes": "names of the classes in order",
    "redirector": "URL where files are that are not here",
    "hist": "folder for histograms of every input",
    "training": '"standard" or "chunk"; see above',
    "split": 'fractions, or {"by": "evtNo % 5", ...}',
    "metrics": 'or {"threshold": 0.5}',
    "seed": "every random choice follows from it",
    "verbose": "0 quiet, 1 progress, 2 where time goes",
    "sentinels": "numbers that mean a missing value",
    "common_branches": "leave out what not all files have",
    "on_bad_file": '"error", or "skip" to go on without it',
    "reading": "flatten_nested, types, deadline, ...",
    "weights": 'a branch, formula, "balanced", ...',
    "flatten": "normalize, fill, width_quantile, ...",
    "cache": "folder that keeps what was read",
    "cache_limit": "bytes that it may hold",
}


def keys_help() -> str:
    """Return the table of all keys with their defaults, for the end of a help of at least 80 columns."""
    defaults = Params.from_dict({}, "help").to_dict()
    lines = [f"  {key:<19}{text:<40}{json.dumps(defaults[key])}" for key, text in KEYS.items()]
    head = f"  {'key':<19}{'meaning':<40}default"
    return "\n".join(["\b", "Keys of --params, each optional:", head, *lines])
