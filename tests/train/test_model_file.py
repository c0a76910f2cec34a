"""The user's model file: what it may be, and what is said where it cannot be used."""

import sys
from pathlib import Path

import pytest
from mlaas4hep.errors import ModelError
from mlaas4hep.train.model_file import ModelFile, blame


def build(folder: Path, text: str, width: int = 3) -> object:
    """Write a model file and build its model."""
    path = folder / "model.py"
    path.write_text(text)
    return ModelFile.read(path).build(width)


def failure(folder: Path, text: str) -> ModelError:
    """Return the error that a model file ends in."""
    with pytest.raises(ModelError) as caught:
        build(folder, text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def model(idim): return ['network', idim]", ["network", 3]),
        ("def model(): return 'forest'", "forest"),
        ("def model(idim=7): return idim", 3),
        ("def model(idim, depth=2): return (idim, depth)", (3, 2)),
        ("def model(*sizes): return sizes", (3,)),
        ("def model(*, depth=2): return depth", 2),
        ("class model:\n    def __new__(cls, idim): return idim", 3),
        ("model = dict", None),
    ],
)
def test_the_model_gets_the_width_if_it_takes_an_argument(tmp_path: Path, text: str, expected: object) -> None:
    if expected is None:
        assert "model() raises TypeError" in str(failure(tmp_path, text))
    else:
        assert build(tmp_path, text) == expected


def test_the_file_is_a_module_with_a_private_name(tmp_path: Path) -> None:
    text = "import sys\ndef model(): return __name__, __file__, sys.modules[__name__].model is model"
    found = build(tmp_path, text)
    assert isinstance(found, tuple)
    name, file, registered = found
    assert name.startswith("_mlaas4hep")
    assert file == str(tmp_path / "model.py")
    assert registered


def test_modules_beside_the_file_are_found_and_the_path_is_restored(tmp_path: Path) -> None:
    (tmp_path / "layers_of_mine.py").write_text("DEPTH = 4")
    before = sys.path[:]
    text = "import sys\nsys.path.append('/nowhere')\nfrom layers_of_mine import DEPTH\ndef model(): return DEPTH"
    assert build(tmp_path, text) == 4
    assert sys.path == before
    assert not (tmp_path / "__pycache__/model.cpython-311.pyc").exists()


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "model.py").touch()
    with pytest.raises(ModelError, match=r"modle\.py: there is no such model file \(did you mean 'model\.py'\?\)"):
        ModelFile.read(tmp_path / "modle.py")


def test_a_folder_is_no_model_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be read \(Is a directory\)"):
        ModelFile.read(tmp_path)


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    error = failure(tmp_path, "def model(idim):\n    return (idim\n")
    assert "model.py, line 2: '(' was never closed" in str(error)
    assert "return (idim" in error.user_traceback


def test_null_bytes_are_no_source(tmp_path: Path) -> None:
    assert "model.py" in str(failure(tmp_path, "x = 1\0"))


def test_a_file_without_model_names_the_nearest_function(tmp_path: Path) -> None:
    error = failure(tmp_path, "def modle(idim): return idim")
    assert "defines no function model(idim) (did you mean 'modle'?)" in str(error)


def test_a_model_that_is_no_function(tmp_path: Path) -> None:
    assert "model is of type int, expected a function model(idim)" in str(failure(tmp_path, "model = 3"))


@pytest.mark.parametrize("text", ["def model(a, b): ...", "def model(*, width): ..."])
def test_a_model_with_other_arguments(tmp_path: Path, text: str) -> None:
    assert "expected model(idim) or model()" in str(failure(tmp_path, text))


@pytest.mark.parametrize("text", ["1 / 0", "def model(idim):\n    return idim / 0"])
def test_an_exception_shows_the_frames_of_the_file_only(tmp_path: Path, text: str) -> None:
    error = failure(tmp_path, text)
    assert "raises ZeroDivisionError: division by zero" in str(error)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert error.user_traceback.startswith("Traceback (most recent call last):\n")
    assert error.user_traceback.count("File ") == 1
    assert str(tmp_path / "model.py") in error.user_traceback
    assert error.user_traceback.endswith("ZeroDivisionError: division by zero\n")


def test_leaving_the_process_is_an_error(tmp_path: Path) -> None:
    assert "the model file raises SystemExit: 3" in str(failure(tmp_path, "import sys\nsys.exit(3)"))


def test_an_interrupt_passes(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, "raise KeyboardInterrupt")


def test_an_exception_of_ours_has_no_traceback_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught, blame(tmp_path / "model.py"):
        raise ModelError("ours") from ValueError("inner")
    assert not getattr(caught.value, "user_traceback", "")
