"""The main job: build the model, train it, test it, write everything down."""

import importlib.metadata
import json
import os
import platform
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import frameworks
from mlaas4hep.config import Params
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import ModelError, ParamsError, note
from mlaas4hep.evaluation.inputs import check_drawing, draw_inputs
from mlaas4hep.frameworks import Network
from mlaas4hep.frameworks.fields import matrix_only
from mlaas4hep.output import OutputFolder
from mlaas4hep.train.model_file import ModelFile, blame
from mlaas4hep.train.procedure import Trainer
from mlaas4hep.train.progress import Progress, Silent
from mlaas4hep.train.reader import Reader
from mlaas4hep.train.report import Report, Throughput

__all__ = ["train"]

_REPORT = "metrics.json"
_PACKAGES = ("mlaas4hep", "numpy", "scikit-learn")

Scored = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float32] | None]
"""Labels as positions in the classes, what the model gives for the same events, and their weights if they have some."""


def train(
    dataset: Dataset,
    model_path: str | os.PathLike[str],
    params: Params,
    fout: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Train the model of a model file on a dataset, test it, and write the results.

    With the same input, seed, packages and machine a run gives the same model.

    Parameters
    ----------
    dataset
        Of at least two classes; its parts ``"train"``, ``"validation"`` and ``"test"`` are used.
    model_path
        A Python file that defines ``model(idim)`` or ``model()``.
    params
        Of these, ``training``, ``chunk_size``, ``memory``, ``epochs``, ``batch_size``, ``shuffle``, ``metrics``,
        ``hist`` and ``seed`` are used; the others have done their work in the dataset.
    fout
        The folder that receives ``model.keras``, ``specs.json``, ``plan.json``, ``params.json``,
        ``metrics.json``, ``roc.png`` and ``learning_curves.png``, and with formulas or cuts ``preproc.json``, all or
        none; None: nothing is written.
    progress
        Is told what happens; None: nothing is shown.

    Raises
    ------
    ModelError
        The model file or its model cannot be used, a package for training is missing, or the loss is no
        finite number any more.
    ParamsError
        There is a single class, there are no events to train on, the dataset's layout is not the matrix, or a package
        for histograms is missing.
    OutputError
        ``fout`` or the folder for histograms is something else, or cannot be written.
    """
    begin = time.perf_counter()
    source = ModelFile.read(model_path)
    target = OutputFolder(fout) if fout is not None else None
    if params.hist:
        check_drawing(params.hist)
        _check_apart(OutputFolder(params.hist), target)
    with target or nullcontext() as folder, blame(source.path):
        _check_classes(dataset)
        matrix_only(dataset, "train")
        frameworks.start(params.seed)
        network = frameworks.adapt(source.build(len(dataset.names)), str(source.path))
        network.prepare(len(dataset.names), dataset.classes)
        job = _Job(dataset, network, params, progress or Silent(), str(source.path))
        if params.hist:
            # The train part: nothing that one may decide by looking at them has seen the others.
            draw_inputs(dataset, params.hist, part="train", progress=progress)
        job.train()
        job.test()
        if folder is not None:
            job.write(folder)
        report = job.report(time.perf_counter() - begin, target.path if target else None, folder)
        if folder is not None:
            report.to_json(folder / _REPORT)
    return report


def _check_apart(hist: OutputFolder, target: OutputFolder | None) -> None:
    """Raise where one of the two folders would be in the other, which is to be written whole."""
    if target and (hist.path.is_relative_to(target.path) or target.path.is_relative_to(hist.path)):
        raise ParamsError(f"hist: {hist.path} must not be, hold or be in the folder of the results, {target.path}")


def _check_classes(dataset: Dataset) -> None:
    if len(dataset.classes) < 2:
        found = f"all events are of class {dataset.classes[0]}" if dataset.classes else "there are no labels"
        raise ParamsError(f"training needs two classes or more, {found}")


class _Job:
    """A training with everything it needs; its steps are called in the order in which they stand here."""

    def __init__(self, dataset: Dataset, network: Network, params: Params, progress: Progress, where: str) -> None:
        self._dataset, self._network, self._params = dataset, network, params
        self._progress, self._where = progress, where
        size = params.chunk_size
        if params.memory:
            dataset, size = dataset.within(params.memory, "train")
        self._reader = Reader(dataset, size)
        self._trainer = Trainer(network, self._reader, params, progress, where)
        self._scored: Scored = np.empty(0, np.int64), np.empty(0), None
        if not self._reader.events["train"]:
            split = " : ".join(f"{share:g}" for share in params.split)
            raise ParamsError(f"the train part is empty: {len(dataset)} events were split {split}")

    def train(self) -> None:
        """Train, and see that this changed the model."""
        before = self._network.weights()
        self._trainer.run()
        if all(map(np.array_equal, before, self._network.weights())):
            raise ModelError(f"{self._where}: training changed no weight; is the learning rate 0?")

    def test(self) -> None:
        """Read the test part, once, for its labels and scores."""
        total = self._reader.events["test"]
        if self._params.metrics is False:
            return
        if not total:
            note("there are no test events, so there are no metrics")
            return
        labels, scores, weights = [], [], []
        self._progress.start("testing", total)
        for part in self._reader.parts("test"):
            if not len(part.labels):  # its events are lost, with files that were skipped
                continue
            labels.append(part.labels)
            scores.append(self._network.predict(part.data, batch_size=self._params.batch_size))
            weights += [] if part.weights is None else [part.weights.copy()]
            self._progress.advance(len(part.labels))
        self._progress.finish()
        if not labels:
            note("all test events are lost with files that were skipped, so there are no metrics")
            return
        self._scored = np.concatenate(labels), np.concatenate(scores), np.concatenate(weights) if weights else None
        total = len(self._scored[0])  # fewer where files were skipped
        wrong = total - int(np.isfinite(self._scored[1]).reshape(total, -1).all(axis=1).sum())
        if wrong:
            raise ModelError(f"{self._where}: the scores of {wrong} of {total} test events are not finite")

    def write(self, folder: Path) -> None:
        """Write everything but the report."""
        from mlaas4hep.evaluation import curves

        self._network.save(folder)
        self._dataset.specs().to_json(folder / "specs.json")
        self._dataset.plan.to_json(folder / "plan.json")
        text = json.dumps(self._params.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / "params.json").write_text(text + "\n", "utf-8")
        if self._dataset.preproc:
            self._dataset.preproc.to_json(folder / "preproc.json")
        curves.save(curves.learning_figure(self._trainer.history), folder / "learning_curves.png")
        if len(self._scored[0]):
            labels, scores, weights = self._scored
            figure = curves.roc_figure(labels, scores, self._dataset.classes, self._params.threshold, weights)
            curves.save(figure, folder / "roc.png")

    def report(self, seconds: float, path: Path | None, folder: Path | None) -> Report:
        """Put together what was found; ``folder`` holds what will be at ``path``."""
        from mlaas4hep.evaluation.metrics import evaluate

        classes, reader, trainer = self._dataset.classes, self._reader, self._trainer
        labels, scores, weights = self._scored
        tested = len(labels) > 0
        return Report(
            procedure=self._params.training,
            columns=len(self._dataset.names),
            classes=list(classes),
            parts={
                part: dict(zip(classes, counts.tolist(), strict=True))
                for part, counts in reader.counts.items()
                if counts.any() or not reader.events[part]  # not a test part that nobody asked for
            },
            bad_files=self._dataset.bad_files,
            cutflow=self._dataset.cutflow if self._dataset.preproc.cuts else None,
            ledger=self._dataset.ledger,
            history=trainer.history,
            metrics=evaluate(labels, scores, classes, self._params.threshold, weights) if tested else None,
            throughput=Throughput(
                reading=reader.rate,
                training=trainer.rate,
                training_seconds=trainer.seconds,
                waiting_seconds=reader.waited,
                seconds=seconds,
            ),
            versions={"python": platform.python_version(), **_versions(), **self._network.versions()},
            folder=path,
            files=sorted([*(found.name for found in folder.iterdir()), _REPORT]) if folder else [],
        )


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}
