"""Events of many files as chunks for training."""

from mlaas4hep.dataset.badfiles import BadFile, lost
from mlaas4hep.dataset.cutflow import CutFlow
from mlaas4hep.dataset.dataset import PARTS, Chunk, Dataset
from mlaas4hep.dataset.folds import Folds, Predicted, Predictions
from mlaas4hep.dataset.ledger import Account, Delivery, Ledger
from mlaas4hep.dataset.loader import Loader

__all__ = [
    "PARTS",
    "Account",
    "BadFile",
    "Chunk",
    "CutFlow",
    "Dataset",
    "Delivery",
    "Folds",
    "Ledger",
    "Loader",
    "Predicted",
    "Predictions",
    "lost",
]
