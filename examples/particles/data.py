"""What both models get: events of three files with labels and weights, as sets of particles with masks."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from mlaas4hep import Dataset, Loader
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

COLLECTIONS = ("jet", "sv", "lep")
"""Jets, secondary vertices, leptons."""

CROSS_SECTIONS = [0.51, 416.0, 416.0]
"""In pb, of each file: the two halves of ttbar share its cross-section."""

HIDDEN = 32
"""Neurons of every layer."""


def arguments(text: str | None) -> argparse.ArgumentParser:
    """Return what both commands understand."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder that make_files wrote")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--events", type=int, default=-1, help="use only so many events")
    return parser


def open_files(folder: Path, events: int = -1) -> Dataset:
    """Return the dataset: flat branches in its matrix, and a tensor and a mask for each collection."""
    return Dataset(
        [f"{folder / name}" for name in ("ttH.root", "ttbar-1.root", "ttbar-2.parquet")],
        labels=["ttH", "ttbar", "ttbar"],
        classes=["ttbar", "ttH"],
        identifier=["runNo", "evtNo", "lumi"],
        weights={
            "by": "genWeight",
            "scale": {"cross_section": CROSS_SECTIONS, "luminosity": 60_000},
            "balanced": True,
        },
        nevts=events,
        layout="collections",
        collections={name: [f"{name}*"] for name in COLLECTIONS},
        width_quantile=0.99,
        truncate={"jet": "jetPt"},
        normalize="standard",
        cache=folder / "cache",
    )


def loader(dataset: Dataset, part: str = "train") -> Loader:
    """Return the batches of a part; only those of the train part are shuffled."""
    return Loader(dataset, 256, part, shuffle=part == "train")


def auc(dataset: Dataset, scores: NDArray[Any]) -> float:
    """Return the weighted area under the ROC curve of the test part, for scores in the order of its loader."""
    test = dataset.arrays("test")
    return float(roc_auc_score(np.asarray(test.labels), scores, sample_weight=test.weights))
