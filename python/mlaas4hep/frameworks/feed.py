"""Batches as each framework takes them: one function a framework, which imports it when it is called.

=================================  ============================================  ==================================
function                           returns                                       for
=================================  ============================================  ==================================
:func:`to_torch`                   ``torch.utils.data.IterableDataset``          ``DataLoader(..., batch_size=None)``
:func:`to_keras`                   ``keras.utils.PyDataset``                     ``model.fit``
:func:`to_tensorflow`              ``tf.data.Dataset``                           ``tf.data`` pipelines
:func:`to_xgboost`                 ``xgboost.DataIter``                          ``xgboost.QuantileDMatrix``
:func:`to_arrow`                   ``pyarrow.RecordBatchReader``                 DuckDB, Polars, Parquet files
=================================  ============================================  ==================================

NumPy needs none: the arrays of a batch are NumPy's, ``Dataset.arrays`` returns all of a part. Nor does whatever speaks
DLPack: ``torch.from_dlpack(batch.data)`` shares the memory. A model gets labels as positions in the sorted distinct
ones (``Dataset.label_values``), Arrow has them as they stand.
"""

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlaas4hep.dataset import Loader
from mlaas4hep.errors import ModelError, ParamsError

if TYPE_CHECKING:
    from mlaas4hep.frameworks.torch import TorchEvents
    from mlaas4hep.frameworks.xgboost import XGBoostEvents

__all__ = ["to_arrow", "to_keras", "to_tensorflow", "to_torch", "to_xgboost"]


def to_torch(loader: Loader) -> "TorchEvents":
    """Return batches as dicts of tensors, for ``torch.utils.data.DataLoader`` with any number of workers.

    The tensors are ``data``, ``padding_mask``, ``file``, ``entry``, and what the dataset has of ``labels``,
    ``weights``, ``targets`` and of collections: ``jet`` and ``jet_mask`` for one called jet. They share the memory of
    the batch. With workers, each has its own shard and as many batches as the others. Where ``torch.distributed`` runs
    and the loader has no shard, its rank and world are taken.

    Call ``set_epoch`` before every epoch. ``DataLoader`` fetches ahead, so only the loop knows how many batches it has
    had: it tells ``state_dict``. Files behind ``root://`` need workers that are spawned, not forked.

    Raises
    ------
    ModelError
        PyTorch is not installed.

    Examples
    --------
    >>> import mlaas4hep
    >>> from importlib.resources import files
    >>> sample = files("mlaas4hep") / "sample"
    >>> paths = [f"{sample}/ttH.root", f"{sample}/ttbar.root"]
    >>> dataset = mlaas4hep.Dataset(paths, labels=[1, 0], select=["nJets", "met"])
    >>> import torch
    >>> events = to_torch(mlaas4hep.Loader(dataset, batch_size=1024))
    >>> batches = torch.utils.data.DataLoader(events, batch_size=None)  # num_workers=4 for four workers
    >>> for epoch in range(events.epoch, 2):
    ...     events.set_epoch(epoch)
    ...     for number, batch in enumerate(batches, events.batch + 1):
    ...         data, labels = batch["data"], batch["labels"]  # and a step of the optimiser
    ...         state = events.state_dict(number)  # for the checkpoint
    >>> data.dtype, labels.dtype
    (torch.float32, torch.int64)
    """
    return _adapter("torch", "PyTorch", "torch").TorchEvents(_checked(loader))  # type: ignore[no-any-return]


def to_keras(loader: Loader, inputs: str | Sequence[str] = "data") -> Any:
    """Return batches as a ``keras.utils.PyDataset`` for ``model.fit``, ``evaluate`` and ``predict``.

    A batch is ``(inputs, labels)``, with the dataset's ``targets`` in place of labels it does not have, and with its
    weights as a third if it has some. Every epoch of Keras is one of the loader, in the loader's order, from the
    beginning of the one it is in.

    Parameters
    ----------
    loader
        The batches.
    inputs
        The name of what the model gets, as in :func:`to_torch`; or several, which come as a dict by these names.

    Raises
    ------
    ModelError
        Keras is not installed.
    ParamsError
        Batches have nothing of that name.

    Examples
    --------
    >>> import mlaas4hep
    >>> from importlib.resources import files
    >>> sample = files("mlaas4hep") / "sample"
    >>> paths = [f"{sample}/ttH.root", f"{sample}/ttbar.root"]
    >>> dataset = mlaas4hep.Dataset(paths, labels=[1, 0], select=["nJets", "met"])
    >>> import keras
    >>> model = keras.Sequential([keras.layers.Dense(1, "sigmoid")])
    >>> model.compile("adam", "binary_crossentropy")
    >>> history = model.fit(to_keras(mlaas4hep.Loader(dataset)), epochs=2, verbose=0)
    >>> len(history.history["loss"])
    2
    """
    return _adapter("pydataset", "Keras", "keras").KerasEvents(_checked(loader), _names(inputs))


def to_tensorflow(loader: Loader, inputs: str | Sequence[str] = "data") -> Any:
    """Return batches as a ``tf.data.Dataset``; each pass over it is an iteration of the loader.

    Elements are as in :func:`to_keras`, and so are parameters and errors.

    Examples
    --------
    >>> import mlaas4hep
    >>> from importlib.resources import files
    >>> sample = files("mlaas4hep") / "sample"
    >>> paths = [f"{sample}/ttH.root", f"{sample}/ttbar.root"]
    >>> dataset = mlaas4hep.Dataset(paths, labels=[1, 0], select=["nJets", "met"])
    >>> to_tensorflow(mlaas4hep.Loader(dataset)).element_spec[0].shape
    TensorShape([None, 2])
    """
    return _adapter("tensorflow", "TensorFlow", "keras").tensorflow_events(_checked(loader), _names(inputs))


def to_xgboost(loader: Loader) -> "XGBoostEvents":
    """Return batches as an ``xgboost.DataIter``, for a ``QuantileDMatrix`` that never needs all events at once.

    The matrix has NaN where a value is padding or missing, and the names of its columns. XGBoost goes over the events
    several times; all are of the loader's epoch. Large batches are best.

    Raises
    ------
    ModelError
        XGBoost is not installed.
    ParamsError
        The dataset's layout has collections or images, which XGBoost cannot take.

    Examples
    --------
    >>> import mlaas4hep
    >>> from importlib.resources import files
    >>> sample = files("mlaas4hep") / "sample"
    >>> paths = [f"{sample}/ttH.root", f"{sample}/ttbar.root"]
    >>> dataset = mlaas4hep.Dataset(paths, labels=[1, 0], select=["nJets", "met"])
    >>> import xgboost
    >>> batches = to_xgboost(mlaas4hep.Loader(dataset, 100_000, shuffle=False))
    >>> matrix = xgboost.QuantileDMatrix(batches)
    >>> booster = xgboost.train({"objective": "binary:logistic"}, matrix, num_boost_round=5)
    >>> matrix.num_row() == dataset.count("train")
    True
    """
    return _adapter("xgboost", "XGBoost", "xgboost").XGBoostEvents(_checked(loader))  # type: ignore[no-any-return]


def to_arrow(loader: Loader) -> Any:
    """Return batches as a ``pyarrow.RecordBatchReader``, which reads as it is read.

    Each column of the matrix is a column, null where a value is padding or missing; further ones are ``label``,
    ``weight``, ``file`` and ``entry``, as many of ``target_0``, ``target_1`` ... as there are, and of a collection
    ``jet`` the fixed-size lists ``jet`` (its branches one after the other, each of its width) and ``jet_mask``.

    Raises
    ------
    ParamsError
        A branch has the name of one of the further columns.

    Examples
    --------
    >>> import mlaas4hep
    >>> from importlib.resources import files
    >>> sample = files("mlaas4hep") / "sample"
    >>> paths = [f"{sample}/ttH.root", f"{sample}/ttbar.root"]
    >>> dataset = mlaas4hep.Dataset(paths, labels=[1, 0], select=["nJets", "met"])
    >>> table = to_arrow(mlaas4hep.Loader(dataset, 1000, "test")).read_all()
    >>> table.column_names
    ['met', 'nJets', 'label', 'file', 'entry']
    """
    from mlaas4hep.frameworks.arrow import arrow_events

    return arrow_events(_checked(loader))


def _checked(loader: object) -> Loader:
    if not isinstance(loader, Loader):
        kind = type(loader).__name__
        raise ParamsError(f"adapters take a Loader, not an object of type {kind}; give Loader(dataset, batch_size)")
    return loader


def _names(inputs: str | Sequence[str]) -> str | list[str]:
    return inputs if isinstance(inputs, str) else list(inputs)


def _adapter(module: str, package: str, extra: str) -> Any:
    """Import the module of a framework, or raise with what installs it."""
    try:
        return importlib.import_module(f"mlaas4hep.frameworks.{module}")
    except ImportError as error:
        name = error.name or str(error)
        raise ModelError(
            f"batches for {package} need the package {name!r}, which is not installed: pip install 'mlaas4hep[{extra}]'"
        ) from error
