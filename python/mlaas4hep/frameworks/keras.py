"""Keras 3 models: how they are checked, completed, trained, applied and saved."""

import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import MLaaSError, ModelError
from mlaas4hep.frameworks import Part
from mlaas4hep.frameworks.quiet import quiet_start

with quiet_start():
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

__all__ = ["KerasNetwork", "is_keras", "seed"]

_OLDEST = 3
_FRAME = "Exception encountered when calling"
_COLOR = re.compile(r"\x1b\[\d*m")


class _Variable(Protocol):
    def numpy(self) -> NDArray[np.float32]: ...


class _Model(Protocol):
    """What is used of ``keras.Model``, which has no types of its own."""

    compiled: bool
    loss: object
    trainable_variables: Sequence[_Variable]

    def __call__(self, data: NDArray[np.float32], *, training: bool) -> object: ...
    def compile(self, *, optimizer: object, loss: object, metrics: Sequence[object]) -> None: ...
    def evaluate(self, *parts: NDArray[np.generic], **options: object) -> Mapping[str, float]: ...
    def fit(self, *parts: NDArray[np.generic], **options: object) -> object: ...
    def predict(self, data: NDArray[np.float32], *, batch_size: int, verbose: int) -> NDArray[np.float32]: ...
    def save(self, path: Path) -> None: ...
    def to_json(self) -> str: ...


def is_keras(model: object) -> TypeGuard[_Model]:
    """Whether ``model`` is a Keras 3 model."""
    return isinstance(model, keras.Model)


def seed(value: int) -> None:
    """Set the generators of Python, NumPy and Keras, so that a run repeats."""
    if int(keras.__version__.split(".")[0]) < _OLDEST:
        raise ModelError(f"Keras {keras.__version__} is installed, training needs Keras {_OLDEST} or later")
    keras.utils.set_random_seed(value % 2**32)


class KerasNetwork:
    """A Keras model behind the verbs that every framework has (:class:`mlaas4hep.frameworks.Network`)."""

    def __init__(self, model: _Model, where: str) -> None:
        self._model = model
        self._where = where
        self._outputs = 0
        self._column = True  # one output as a matrix of one column
        self._sparse = False
        self._logits = False

    def prepare(self, width: int, classes: Sequence[str]) -> None:
        """Check the input, the outputs, the weights and the loss; compile a model that is not compiled."""
        self._check_input(width)
        self._check_outputs(width, classes)
        if not self._model.trainable_variables:
            raise self._error("the model has no weights that training could change")
        if not self._model.compiled:
            self._compile(classes)
        self._check_loss()
        try:
            self._model.to_json()
        except Exception as error:
            raise self._error("the model could not be saved after training", error) from error

    def fit(
        self,
        part: Part,
        validation: Part | None,
        *,
        epochs: int,
        batch_size: int,
        shuffle: bool,
        on_batch: Callable[[int, float], None],
        on_epoch: Callable[[Mapping[str, float]], None],
    ) -> None:
        """Train with a callback of Keras that reports batches and epochs."""
        done, labels = 0, part.labels

        def end_batch(batch: int, logs: Mapping[str, float]) -> None:
            nonlocal done
            before, done = done, min((batch + 1) * batch_size, len(labels))
            on_batch(done - before, float(logs["loss"]))

        def end_epoch(epoch: int, logs: Mapping[str, float]) -> None:
            nonlocal done
            done = 0
            on_epoch({name: float(value) for name, value in logs.items()})

        watch = keras.callbacks.LambdaCallback(on_train_batch_end=end_batch, on_epoch_end=end_epoch)
        options: dict[str, object] = {"epochs": epochs, "batch_size": batch_size, "shuffle": shuffle}
        if validation is not None:
            options["validation_data"] = self._arrays(validation)
        try:
            self._model.fit(
                *self._arrays(part)[:2], sample_weight=part.weights, callbacks=[watch], verbose=0, **options
            )
        except MLaaSError:
            raise
        except Exception as error:
            raise self._error("the model fails in training", error) from error

    def evaluate(self, part: Part, *, batch_size: int) -> dict[str, float]:
        """Return the loss and the metrics on ``part``."""
        options: dict[str, object] = {"batch_size": batch_size, "verbose": 0, "return_dict": True}
        found = self._model.evaluate(*self._arrays(part)[:2], sample_weight=part.weights, **options)
        return {name: float(value) for name, value in found.items()}

    def predict(self, data: NDArray[np.float32], *, batch_size: int) -> NDArray[np.float64]:
        """Return probabilities; what the loss takes for logits becomes probabilities here."""
        scores = self._model.predict(data, batch_size=batch_size, verbose=0).astype(np.float64)
        if self._outputs == 1:
            scores = scores.reshape(-1)
            return np.exp(-np.logaddexp(0.0, -scores)) if self._logits else scores
        if self._logits:
            return np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
        return scores

    def weights(self) -> list[NDArray[np.float32]]:
        """Return a copy of the trainable weights."""
        return [np.array(weight.numpy()) for weight in self._model.trainable_variables]

    def save(self, folder: Path) -> Path:
        """Write ``model.keras``."""
        path = folder / "model.keras"
        with warnings.catch_warnings():  # Keras asks its variables for arrays in NumPy's old way
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            self._model.save(path)
        return path

    def versions(self) -> dict[str, str]:
        """Return the versions of Keras and of the package that it computes with."""
        backend = keras.backend.backend()
        return {"keras": keras.__version__, backend: __import__(backend).__version__}

    def _check_input(self, width: int) -> None:
        inputs = getattr(self._model, "inputs", None) or []
        if len(inputs) > 1:
            raise self._error(f"the model has {len(inputs)} inputs, expected one of {width} numbers an event")
        if inputs and (len(inputs[0].shape) != 2 or inputs[0].shape[1] not in (None, width)):
            found = " x ".join(str(size) for size in inputs[0].shape[1:])
            raise self._error(
                f"the model takes {found} numbers an event, the matrix has {width} columns; "
                "use the argument of model(idim) as the width of the input"
            )

    def _check_outputs(self, width: int, classes: Sequence[str]) -> None:
        try:
            result = self._model(np.zeros((2, width), np.float32), training=False)
        except Exception as error:
            raise self._error(f"the model cannot be applied to a matrix of {width} columns", error) from error
        wanted = "1 or 2 outputs" if len(classes) == 2 else f"{len(classes)} outputs"
        names = f"{len(classes)} classes ({', '.join(classes)})"
        shape = tuple(getattr(result, "shape", ()))
        if len(shape) not in (1, 2) or shape[0] != 2:
            found = f"shape {shape[1:]}"
            if isinstance(result, list | tuple | dict):
                found = f"{len(result)} tensors"
            raise self._error(f"the model gives {found} an event, expected one tensor of {wanted} for {names}")
        self._outputs, self._column = (shape[1] if len(shape) == 2 else 1), len(shape) == 2
        if self._outputs != len(classes) and (self._outputs, len(classes)) != (1, 2):
            found = "1 output" if self._outputs == 1 else f"{self._outputs} outputs"
            raise self._error(f"the model has {found}, expected {wanted} for {names}")

    def _compile(self, classes: Sequence[str]) -> None:
        """Give the model Adam and the standard loss for its outputs."""
        last = _last_activation(self._model)
        logits = last == "linear"
        if last not in {"linear", "sigmoid" if self._outputs == 1 else "softmax"}:
            ending = "sigmoid" if self._outputs == 1 else "softmax"
            raise self._error(
                f"the model is not compiled, and its last activation, {last or 'unknown'}, does not tell the "
                f"loss; end it with {ending} for {len(classes)} classes, or compile it"
            )
        if self._outputs == 1:
            loss = keras.losses.BinaryCrossentropy(from_logits=logits)
            metric = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0 if logits else 0.5)
        else:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
            metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        self._model.compile(optimizer=keras.optimizers.Adam(), loss=loss, metrics=[metric])

    def _check_loss(self) -> None:
        """See what the loss wants: positions or one-hot labels, probabilities or logits."""
        loss = self._model.loss
        if isinstance(loss, dict):
            loss = list(loss.values())
        if isinstance(loss, list | tuple):
            loss = loss[0] if len(loss) == 1 else None
        if loss is None:
            raise self._error("the model is compiled without a loss for its output")
        name = _spelling(loss)
        if self._outputs == 1 and ("categorical" in name or _last_activation(self._model) == "softmax"):
            raise self._error(
                "the model has one output with softmax or a categorical loss, which cannot learn anything; "
                "use sigmoid with binary_crossentropy, or an output for every class"
            )
        self._sparse = "sparse" in name
        self._logits = bool(getattr(loss, "from_logits", False))

    def _arrays(self, part: Part) -> tuple[NDArray[np.generic], ...]:
        """Return matrix, labels and weights, if there are any, as Keras wants them."""
        return part.data, self._target(part.labels), *([] if part.weights is None else [part.weights])

    def _target(self, labels: NDArray[np.int64]) -> NDArray[np.generic]:
        """Return the labels as the loss wants them: a column of 0 and 1, positions, or one-hot rows."""
        if self._outputs == 1:
            return labels.astype(np.float32).reshape((-1, 1) if self._column else -1)
        if self._sparse:
            return labels
        hot = np.zeros((len(labels), self._outputs), np.float32)
        hot[np.arange(len(labels)), labels] = 1.0
        return hot

    def _error(self, text: str, cause: Exception | None = None) -> ModelError:
        if cause is None:
            return ModelError(f"{self._where}: {text}")
        return ModelError(f"{self._where}: {text} ({type(cause).__name__}: {_first_line(cause)})")


def _spelling(loss: object) -> str:
    """Return the name of a loss in one spelling, whether it came as text, as a function or as an object."""
    if isinstance(loss, str):
        name = loss
    elif isinstance(loss, keras.losses.Loss):
        name = type(loss).__name__
    else:
        name = getattr(loss, "__name__", type(loss).__name__)
    return name.replace("_", "").casefold()


def _last_activation(model: object) -> str:
    """Return the name of the last activation, or an empty string where it is not known."""
    steps = getattr(model, "layers" if isinstance(model, keras.Sequential) else "operations", None)
    if not steps:
        return ""
    last = steps[-1]
    if isinstance(last, keras.Model):
        return _last_activation(last)
    activation = getattr(last, "activation", None)
    if activation is not None:
        return str(getattr(activation, "__name__", type(activation).__name__.casefold()))
    name = type(last).__name__.casefold()
    return name if name in {"sigmoid", "softmax"} else ""


def _first_line(error: Exception) -> str:
    """Return the first line of a message that says something, without Keras's frame around it."""
    lines = [_COLOR.sub("", line).strip() for line in str(error).splitlines()]
    return next((line for line in lines if line and not line.startswith(_FRAME)), "")
