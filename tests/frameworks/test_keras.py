"""The Keras adapter: which models it takes, which loss they get, and what they are told."""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlaas4hep import frameworks
from mlaas4hep.errors import ModelError

pytest.importorskip("keras", reason="Keras is not installed")
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
frameworks.start(1)
keras: Any = pytest.importorskip("keras")

TWO, THREE = ["background", "signal"], ["qcd", "ttbar", "ttH"]
WIDTH = 4


def dense(outputs: int, activation: str | None = None, *, width: int | None = WIDTH, **compiled: object) -> Any:
    """Return a network of one layer, compiled if a loss is given."""
    inputs = [keras.Input((width,))] if width is not None else []
    model = keras.Sequential([*inputs, keras.layers.Dense(outputs, activation=activation)])
    if compiled:
        model.compile(**compiled)
    return model


def prepared(model: object, classes: list[str]) -> Any:
    """Return the adapter of a model after its checks."""
    network = frameworks.adapt(model, "model.py")
    network.prepare(WIDTH, classes)
    return network


def fit(network: Any, classes: int, *, epochs: int = 1, events: int = 90) -> list[Any]:
    """Train on events whose class shows in their columns; return what the callbacks heard."""
    labels = np.arange(events) % classes
    data = np.random.default_rng(2).normal(size=(events, WIDTH)).astype(np.float32)
    data[np.arange(events), labels] += 3
    heard: list[Any] = []
    network.fit(
        frameworks.Part(data, labels),
        frameworks.Part(data[:30], labels[:30]),
        epochs=epochs,
        batch_size=32,
        shuffle=True,
        on_batch=lambda *batch: heard.append(batch),
        on_epoch=heard.append,
    )
    return heard


def test_an_uncompiled_model_gets_adam_and_the_standard_loss() -> None:
    model = dense(1, "sigmoid")
    heard = fit(prepared(model, TWO), 2, epochs=2)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert isinstance(model.loss, keras.losses.BinaryCrossentropy)
    assert [batch[0] for batch in heard if isinstance(batch, tuple)] == [32, 32, 26] * 2
    assert [set(epoch) for epoch in heard if isinstance(epoch, dict)] == [
        {"loss", "accuracy", "val_loss", "val_accuracy"}
    ] * 2


@pytest.mark.parametrize(
    ("outputs", "activation", "classes", "loss", "logits"),
    [
        (1, "sigmoid", TWO, "BinaryCrossentropy", False),
        (1, None, TWO, "BinaryCrossentropy", True),
        (2, "softmax", TWO, "SparseCategoricalCrossentropy", False),
        (3, "softmax", THREE, "SparseCategoricalCrossentropy", False),
        (3, None, THREE, "SparseCategoricalCrossentropy", True),
    ],
)
def test_the_standard_loss_follows_the_last_activation(
    outputs: int, activation: str | None, classes: list[str], loss: str, logits: bool
) -> None:
    model = dense(outputs, activation)
    network = prepared(model, classes)
    assert type(model.loss).__name__ == loss
    assert model.loss.from_logits is logits
    before = network.weights()
    fit(network, len(classes))
    assert any((one != two).any() for one, two in zip(before, network.weights(), strict=True))
    scores = network.predict(np.random.default_rng(3).normal(size=(50, WIDTH)).astype(np.float32), batch_size=32)
    assert scores.dtype == np.float64
    assert scores.shape == ((50,) if outputs == 1 else (50, outputs))
    assert ((scores >= 0) & (scores <= 1)).all()
    if outputs > 1:
        assert np.allclose(scores.sum(axis=1), 1)


@pytest.mark.parametrize("ending", ["layer", "op", "nested", "subclass"])
def test_the_last_activation_is_found_however_the_model_is_made(ending: str) -> None:
    inputs = keras.Input((WIDTH,))
    hidden = keras.layers.Dense(3)(inputs)
    if ending == "layer":
        model = keras.Model(inputs, keras.layers.Softmax()(hidden))
    elif ending == "op":
        model = keras.Model(inputs, keras.ops.softmax(hidden))
    elif ending == "nested":
        model = keras.Sequential([keras.Input((WIDTH,)), dense(3, "softmax")])
    else:
        model = Subclassed(3)
    if ending == "subclass":
        with pytest.raises(ModelError, match="not compiled, and its last activation, unknown, does not tell"):
            prepared(model, THREE)
    else:
        prepared(model, THREE)
        assert model.loss.from_logits is False


@keras.saving.register_keras_serializable()
class Subclassed(keras.Model):  # type: ignore[misc]
    """A model without inputs and layers that could be looked at."""

    def __init__(self, outputs: int, broken: bool = False) -> None:
        super().__init__()
        self.outputs_, self.broken = outputs, broken
        self.last = keras.layers.Dense(outputs, activation="softmax")

    def call(self, data: object) -> object:
        """Apply the only layer."""
        if self.broken:
            raise ValueError("this layer is broken\nand more")
        return self.last(data)

    def get_config(self) -> dict[str, object]:
        """Return what makes the same model."""
        return {"outputs": self.outputs_}


def test_a_compiled_subclass_is_trained() -> None:
    model = Subclassed(3)
    model.compile(loss="sparse_categorical_crossentropy")
    fit(prepared(model, THREE), 3)


@pytest.mark.parametrize("built", [True, False])
def test_an_unbuilt_model_gets_the_width_of_the_matrix(built: bool) -> None:
    model = dense(1, "sigmoid", width=WIDTH if built else None)
    prepared(model, TWO)
    assert [tuple(weight.shape) for weight in model.weights] == [(WIDTH, 1), (1,)]


@pytest.mark.parametrize(
    ("outputs", "loss", "classes"),
    [
        (1, "binary_crossentropy", TWO),
        (1, "mse", TWO),
        (1, "hinge", TWO),
        (2, "binary_crossentropy", TWO),
        (2, "categorical_crossentropy", TWO),
        (2, "sparse_categorical_crossentropy", TWO),
        (3, "mse", THREE),
        (3, "kl_divergence", THREE),
        (3, "categorical_crossentropy", THREE),
    ],
)
def test_a_compiled_model_gets_labels_as_its_loss_wants_them(outputs: int, loss: str, classes: list[str]) -> None:
    fast = keras.optimizers.Adam(0.3)
    model = dense(outputs, "sigmoid" if outputs == 1 else "softmax", loss=loss, optimizer=fast)
    network = prepared(model, classes)
    fit(network, len(classes), epochs=6)
    labels = np.arange(30) % len(classes)
    data = np.zeros((30, WIDTH), np.float32)
    data[np.arange(30), labels] = 3
    scores = network.predict(data, batch_size=8)
    assert ((scores > scores.mean()) == labels).all() if outputs == 1 else (scores.argmax(1) == labels).all()


def test_losses_as_objects_and_functions() -> None:
    categorical = keras.losses.CategoricalCrossentropy(from_logits=True, name="mine")
    network = prepared(dense(3, None, loss=[categorical]), THREE)
    fit(network, 3)
    scores = network.predict(np.ones((5, WIDTH), np.float32), batch_size=8)
    assert np.allclose(scores.sum(axis=1), 1)

    def my_loss(truth: Any, scores: Any) -> Any:
        assert truth.shape[1:] == scores.shape[1:] == (3,)
        return keras.ops.mean((truth - scores) ** 2, axis=-1)

    fit(prepared(dense(3, "softmax", loss=my_loss), THREE), 3)


def two_inputs() -> object:
    """Return a model with two inputs."""
    first, second = keras.Input((WIDTH,)), keras.Input((WIDTH,))
    return keras.Model([first, second], keras.layers.Dense(1)(first + second))


def two_tensors() -> object:
    """Return a model with two outputs of one number."""
    inputs = keras.Input((WIDTH,))
    return keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])


@pytest.mark.parametrize(
    ("make", "classes", "message"),
    [
        (lambda: dense(1, "sigmoid", width=9), TWO, "takes 9 numbers an event, the matrix has 4 columns"),
        (lambda: dense(3, "softmax"), TWO, r"has 3 outputs, expected 1 or 2 outputs for 2 classes \(background, sig"),
        (lambda: dense(1, "sigmoid"), THREE, r"has 1 output, expected 3 outputs for 3 classes \(qcd, ttbar, ttH\)"),
        (two_inputs, TWO, "has 2 inputs, expected one of 4 numbers an event"),
        (two_tensors, TWO, "gives 2 tensors an event, expected one tensor of 1 or 2 outputs"),
        (lambda: keras.Sequential([keras.layers.Reshape((1, WIDTH))]), TWO, r"gives shape \(1, 4\) an event"),
        (lambda: Subclassed(1, broken=True), TWO, r"cannot be applied .* \(ValueError: this layer is broken\)"),
        (lambda: keras.Sequential([keras.layers.Lambda(lambda x: x[:, :1])]), TWO, "no weights that training"),
        (lambda: dense(1, "relu"), TWO, "not compiled, and its last activation, relu, does not tell the loss"),
        (lambda: dense(3, "sigmoid"), THREE, "end it with softmax for 3 classes, or compile it"),
        pytest.param(
            lambda: dense(1, "softmax", loss="mse"),
            TWO,
            "one output with softmax or a categorical loss",
            marks=pytest.mark.filterwarnings("ignore:You are using a softmax"),
        ),
        (lambda: dense(1, "sigmoid", loss="sparse_categorical_crossentropy"), TWO, "cannot learn anything"),
        (lambda: dense(1, "sigmoid", optimizer="adam"), TWO, "compiled without a loss"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(make: Any, classes: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=f"^model.py: .*{message}"):
        prepared(make(), classes)


def test_a_failure_in_training_is_the_model_s() -> None:
    def bad_loss(truth: object, scores: object) -> object:
        raise TypeError("no such loss")

    network = prepared(dense(1, "sigmoid", loss=bad_loss), TWO)
    with pytest.raises(ModelError, match=r"model.py: the model fails in training \(TypeError: .*no such loss"):
        fit(network, 2)


def test_an_error_of_ours_passes_through_a_fit() -> None:
    network = prepared(dense(1, "sigmoid"), TWO)

    def stop(events: int, loss: float) -> None:
        raise ModelError("stop")

    part = frameworks.Part(np.zeros((8, WIDTH), np.float32), np.arange(8) % 2)
    with pytest.raises(ModelError, match="stop"):
        network.fit(part, None, epochs=1, batch_size=4, shuffle=False, on_batch=stop, on_epoch=print)


def test_evaluation_is_that_of_the_whole_part() -> None:
    model = dense(1, "sigmoid")
    network = prepared(model, TWO)
    data = np.random.default_rng(4).normal(size=(40, WIDTH)).astype(np.float32)
    labels = np.arange(40) % 2
    found = network.evaluate(frameworks.Part(data, labels), batch_size=16)
    scores = network.predict(data, batch_size=16)
    assert found["accuracy"] == pytest.approx(((scores >= 0.5) == labels).mean())
    expected = -np.log(np.where(labels == 1, scores, 1 - scores)).mean()
    assert found["loss"] == pytest.approx(expected, rel=1e-4)


def test_a_saved_model_gives_the_same_numbers(tmp_path: Path) -> None:
    network = prepared(dense(3, "softmax"), THREE)
    fit(network, 3)
    data = np.random.default_rng(5).normal(size=(7, WIDTH)).astype(np.float32)
    path = network.save(tmp_path)
    assert path == tmp_path / "model.keras"
    again = keras.models.load_model(path)
    assert np.array_equal(again.predict(data, verbose=0).astype(np.float64), network.predict(data, batch_size=32))


def test_the_same_seed_gives_the_same_weights() -> None:
    weights = []
    for seed in (5, 5, 2**40 + 6):
        frameworks.start(seed)
        network = prepared(dense(1, "sigmoid"), TWO)
        fit(network, 2)
        weights.append(network.weights()[0])
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_versions_name_keras_and_what_it_computes_with() -> None:
    assert prepared(dense(1, "sigmoid"), TWO).versions()["keras"] == keras.__version__


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (None, r"nothing \(None\)"),
        ("text", "builtins.str"),
        (type("Forest", (), {"__module__": "sklearn.ensemble"})(), "an object of scikit-learn"),
        (type("Net", (type("Module", (), {"__module__": "torch.nn"}),), {})(), "an object of PyTorch"),
    ],
)
def test_other_objects_are_refused(model: object, what: str) -> None:
    with pytest.raises(ModelError, match=rf"model\.py: model\(\) returns .*{what}; this version trains Keras"):
        frameworks.adapt(model, "model.py")


def test_a_start_is_quiet_and_passes_on_what_others_write() -> None:
    script = """
        import os, sys
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
        from mlaas4hep import frameworks
        from mlaas4hep.frameworks.quiet import quiet_start
        assert not {"keras", "tensorflow", "sklearn", "matplotlib"} & set(sys.modules)
        assert frameworks.installed()
        with quiet_start():
            os.write(2, b"kept\\n2026-01-01 00:00:00.1: I tensorflow/core/x.cc:1] noise\\n")
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL")
        frameworks.start(1)
        import keras
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert run.stdout == ""
    assert run.stderr == "kept\n"


def test_a_missing_package_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ModelError, match=r"which is not installed: pip install 'mlaas4hep\[keras\]'"):
        frameworks.start(1)


def test_events_of_weight_zero_teach_nothing() -> None:
    """A model that is trained on two classes, one of which has no weight, says the other one always."""
    network = prepared(dense(1, "sigmoid", loss="binary_crossentropy", optimizer=keras.optimizers.Adam(0.1)), TWO)
    labels = np.arange(200) % 2
    data = np.random.default_rng(3).normal(size=(200, WIDTH)).astype(np.float32)
    part = frameworks.Part(data, labels, labels.astype(np.float32))
    heard: list[object] = []
    network.fit(
        part,
        part,
        epochs=20,
        batch_size=20,
        shuffle=False,
        on_batch=lambda *batch: heard.append(batch),
        on_epoch=heard.append,
    )
    assert network.predict(data, batch_size=50).min() > 0.8
    plain = network.evaluate(frameworks.Part(data, labels), batch_size=50)["loss"]
    assert network.evaluate(part, batch_size=50)["loss"] < plain / 4
