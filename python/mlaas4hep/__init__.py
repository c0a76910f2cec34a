"""ROOT files and others in, trained machine-learning model out: the successor of MLaaS4HEP, with a Rust core."""

from importlib.metadata import version as _version

from mlaas4hep import errors
from mlaas4hep.dataset import Chunk, Dataset, Loader
from mlaas4hep.formulas import evaluate, select
from mlaas4hep.plan import Flat, Plan, flatten
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.read import read
from mlaas4hep.reading import Reading
from mlaas4hep.specs import Specs, scan
from mlaas4hep.weights import Weights

__all__ = [
    "Chunk",
    "Dataset",
    "Flat",
    "Loader",
    "Plan",
    "Preprocessing",
    "Reading",
    "Specs",
    "Weights",
    "errors",
    "evaluate",
    "flatten",
    "read",
    "scan",
    "select",
]

__version__ = _version("mlaas4hep")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
