"""A model file that cannot be used: status 2, and what its own code raised is shown as Python shows it."""

import re
from pathlib import Path

import pytest

from tests.cli.invoke import FILES, PREFIX, TRAIN, Invoke, everything, refused

for name in ("keras", "tensorflow", "sklearn", "matplotlib"):
    pytest.importorskip(name, reason="training needs the extra [keras]")


@pytest.fixture(autouse=True)
def here(folder: Path) -> None:
    """Work in a folder with two good files and a model."""


def model_file(folder: Path, text: str) -> None:
    (folder / "model.py").write_text(text)


def test_a_missing_model_file(invoke: Invoke) -> None:
    message = refused(invoke, "train", *FILES, "--labels", "1,0", "--model", "modle.py", "--fout", "out")
    assert message == "modle.py: there is no such model file (did you mean 'model.py'?)"


def in_the_model(invoke: Invoke) -> tuple[str, str]:
    """Return the traceback within the user's file, which is shown for what happens there, and the message."""
    before = everything(Path())
    answer = invoke(*TRAIN, "--fout", "out")
    assert answer.status == 2
    assert everything(Path()) == before
    traceback, _, message = answer.err.partition(PREFIX)
    assert "site-packages" not in traceback
    return traceback, message


def test_a_syntax_error(invoke: Invoke, folder: Path) -> None:
    model_file(folder, "def model(idim)\n    return None\n")
    traceback, message = in_the_model(invoke)
    assert 'File "model.py", line 1' in traceback
    assert "SyntaxError" in traceback
    assert message.startswith("model.py, line 1: expected ':'")


def test_it_raises(invoke: Invoke, folder: Path) -> None:
    model_file(folder, "width = 1\n\ndef model(idim):\n    return width / 0\n")
    traceback, message = in_the_model(invoke)
    assert traceback.startswith('Traceback (most recent call last):\n  File "model.py", line 4, in model\n')
    assert "ZeroDivisionError: division by zero" in traceback
    assert message == "model.py: model() raises ZeroDivisionError: division by zero\n"


def test_it_raises_when_imported(invoke: Invoke, folder: Path) -> None:
    model_file(folder, "import nothing_like_this\n")
    traceback, message = in_the_model(invoke)
    assert 'File "model.py", line 1' in traceback
    assert message.startswith("model.py: the model file raises ModuleNotFoundError: ")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("def modle(idim): ...", "model.py: defines no function model(idim) (did you mean 'modle'?)"),
        ("model = 3", "model.py: model is of type int, expected a function model(idim)"),
        ("def model(idim): ...", "model.py: model() returns nothing (None); this version trains Keras models only"),
        (
            "from sklearn.linear_model import LogisticRegression as model",
            "an object of scikit-learn; this version trains Keras models only",
        ),
    ],
)
def test_no_model(text: str, wanted: str, invoke: Invoke, folder: Path) -> None:
    model_file(folder, text)
    assert wanted in refused(invoke, *TRAIN, "--fout", "out")


@pytest.mark.parametrize(
    ("width", "outputs", "wanted"),
    [("3", 1, r"3 .*8"), ("idim", 4, r"4 outputs.*2 classes|2 classes.*4 outputs")],
)
def test_wrong_width_or_outputs(width: str, outputs: int, wanted: str, invoke: Invoke, folder: Path) -> None:
    layers = f"[keras.Input(({width},)), keras.layers.Dense({outputs})]"
    model_file(folder, f"import keras\n\ndef model(idim):\n    return keras.Sequential({layers})\n")
    message = refused(invoke, *TRAIN, "--fout", "out")
    assert message.startswith("model.py: ")
    assert re.search(wanted, message), message
