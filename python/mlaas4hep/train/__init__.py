"""Training: a dataset and a model file in, a trained model with its metrics out."""

from mlaas4hep.train.job import train
from mlaas4hep.train.progress import Progress, Silent
from mlaas4hep.train.render import render
from mlaas4hep.train.report import Report, Throughput

__all__ = ["Progress", "Report", "Silent", "Throughput", "render", "train"]
