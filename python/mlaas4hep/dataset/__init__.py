"""Events of many files as chunks for training."""

from mlaas4hep.dataset.badfiles import BadFile, lost
from mlaas4hep.dataset.cutflow import CutFlow
from mlaas4hep.dataset.dataset import PARTS, Chunk, Dataset
from mlaas4hep.dataset.folds import Folds, Predicted, Predictions

__all__ = ["PARTS", "BadFile", "Chunk", "CutFlow", "Dataset", "Folds", "Predicted", "Predictions", "lost"]
