"""The user's ``model.py``: read, executed under a private name, and asked for its model."""

import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Self

from mlaas4hep.errors import ModelError, nearest

__all__ = ["ModelFile", "blame"]

_NAME = "_mlaas4hep_model"
_FUNCTION = "model"


class ModelFile:
    """A model file that was read and compiled, but not yet executed."""

    def __init__(self, path: Path, code: CodeType) -> None:
        self.path = path
        self._code = code

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read and compile the file; ``ModelError`` says why that is not possible."""
        path = Path(path)
        try:
            source = path.read_bytes()
        except FileNotFoundError as error:
            raise ModelError(f"{path}: there is no such model file{_sibling(path)}") from error
        except OSError as error:
            raise ModelError(f"{path}: the model file cannot be read ({error.strerror})") from error
        try:
            return cls(path, compile(source, path, "exec", dont_inherit=True))
        except SyntaxError as error:
            where = f", line {error.lineno}" if error.lineno else ""
            raise _with_traceback(ModelError(f"{path}{where}: {error.msg}"), path, error) from error
        except ValueError as error:  # null bytes
            raise ModelError(f"{path}: is no Python source ({error})") from error

    def build(self, width: int) -> object:
        """Execute the file and return what its ``model(width)``, or ``model()``, returns.

        Modules beside the file can be imported by it; ``sys.path`` is afterwards as it was.
        """
        with _importing_from(self.path.resolve().parent), blame(self.path):
            module = self._execute()
            function = self._function(module)
            arguments = (width,) if _takes_width(function, self.path) else ()
            try:
                return function(*arguments)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                raise ModelError(f"{self.path}: model() raises {_describe(error)}") from error

    def _execute(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(_NAME, self.path)
        if spec is None:  # a file name that does not end in .py
            spec = importlib.util.spec_from_loader(_NAME, loader=None, origin=str(self.path))
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        module.__file__ = str(self.path)
        sys.modules[_NAME] = module
        try:
            exec(self._code, module.__dict__)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ModelError(f"{self.path}: the model file raises {_describe(error)}") from error
        return module

    def _function(self, module: ModuleType) -> Callable[..., object]:
        function: object = getattr(module, _FUNCTION, None)
        if function is None:
            others = [name for name, value in vars(module).items() if inspect.isfunction(value)]
            raise ModelError(f"{self.path}: defines no function model(idim){nearest(_FUNCTION, others)}")
        if not callable(function):
            kind = type(function).__name__
            raise ModelError(f"{self.path}: model is of type {kind}, expected a function model(idim)")
        return function


@contextmanager
def blame(path: Path) -> Iterator[None]:
    """Give a ModelError that passes the frames of the user's file, as ``user_traceback``."""
    try:
        yield
    except ModelError as error:
        if error.__cause__ is not None and not getattr(error, "user_traceback", ""):
            raise _with_traceback(error, path, error.__cause__)  # noqa: B904 (the cause is kept)
        raise


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    before = sys.path[:]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _takes_width(function: Callable[..., object], path: Path) -> bool:
    """Whether the function wants the width of the matrix; more than one argument is an error."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a built-in without a signature
        return True
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(needed) > 1 or (needed and not places):
        raise ModelError(f"{path}: model() has the arguments {', '.join(needed)}; expected model(idim) or model()")
    return bool(places) or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _with_traceback(error: ModelError, path: Path, cause: BaseException) -> ModelError:
    """Add ``user_traceback``: the frames of the user's file with the exception, as Python prints them."""
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if Path(frame.filename) == path]
    if frames or isinstance(cause, SyntaxError):
        lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
        error.user_traceback = "".join([*lines, *traceback.format_exception_only(cause)])
    return error


def _describe(error: BaseException) -> str:
    try:
        text = str(error).strip().splitlines()
    except Exception:  # an exception of the user's that cannot be shown
        text = []
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _sibling(path: Path) -> str:
    try:
        return nearest(path.name, [found.name for found in path.parent.glob("*.py")])
    except OSError:
        return ""
