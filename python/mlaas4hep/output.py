"""Output folders that are written whole or not at all.

A run writes into a temporary folder beside the wanted one, which is renamed into place at the very end. A
folder of ours carries a manifest, ``mlaas4hep.json``, that lists its files; such a folder, with nothing else
in it, is replaced by a newer one. Anything else that stands in the way is left alone and refused.
"""

import errno
import json
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from mlaas4hep.errors import OutputError

__all__ = ["JOURNAL", "MANIFEST", "OutputFolder", "cannot_write", "contents"]

MANIFEST = "mlaas4hep.json"
JOURNAL = "mlaas4hep.part.jsonl"
"""What a folder holds while it is made in several runs; a run that is killed at its very end leaves it behind."""
_FORMAT = 1
_FULL = {errno.ENOSPC, errno.EDQUOT}


class OutputFolder:
    """A context manager that yields the temporary folder to write into.

    Without an exception the folder takes its place at ``path`` when the block ends; with one, of whatever
    kind, nothing of it is left and what stood at ``path`` before is as it was. Missing parents are created.
    A symbolic link at ``path`` stays, and what it points to is written.

    Raises :class:`~mlaas4hep.errors.OutputError` on entry, before any work, where ``path`` is a file, a
    folder that holds anything which is not ours, the working directory, or a place that cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     with OutputFolder(Path(home, "results")) as folder:
    ...         _ = (folder / "metrics.json").write_text("{}")
    ...     sorted(path.name for path in Path(home, "results").iterdir())
    ['metrics.json', 'mlaas4hep.json']
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _resolve(Path(path))
        self._part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        self._parents: list[Path] = []

    def check(self) -> Self:
        """Raise ``OutputError`` if what stands at the path may not be replaced; nothing is written."""
        try:
            foreign = _foreign(self.path)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        if foreign:
            raise OutputError(f"{self.path}: {foreign}; nothing was written, name a new or an empty folder")
        return self

    def __enter__(self) -> Path:
        self.check()
        try:
            self._parents = _make_parents(self.path.parent)
            self._begin()
        except BaseException as error:
            self._fail(error, convert=True)
            raise
        return self._part

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._fail(error, convert=isinstance(error, OSError) and error.errno in _FULL)
            return
        try:
            self.check()
            self._finish()
        except BaseException as failure:
            self._fail(failure, convert=True)
            raise

    def _begin(self) -> None:
        """Make the folder to write into."""
        self._part.mkdir()

    def _finish(self) -> None:
        """Put what was written in its place."""
        _write_manifest(self._part)
        _put_in_place(self._part, self.path)

    def _fail(self, error: BaseException, convert: bool) -> None:
        """Clean up, and raise another exception if this one is the system's and says no more than that."""
        if not convert or not isinstance(error, OSError) or isinstance(error, OutputError):
            self._give_up(error)
            return
        failure = cannot_write(self.path, error)
        self._give_up(failure)
        raise failure from error

    def _give_up(self, error: BaseException) -> None:
        """Leave nothing behind but what a later run can use, of which ``error`` is to tell."""
        self._discard()

    def _discard(self) -> None:
        """Remove the temporary folder and those parents that were made for it."""
        shutil.rmtree(self._part, ignore_errors=True)
        self._drop_parents()

    def _drop_parents(self) -> None:
        """Remove those parents that were made for the folder, and are empty."""
        for parent in self._parents:
            try:
                parent.rmdir()
            except OSError:  # someone else uses it by now
                return


def _resolve(path: Path) -> Path:
    try:
        resolved = path.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise OutputError(f"{path}: not a folder that can be written ({error})") from error
    if not resolved.name:
        raise OutputError(f"{path}: this is the root of all folders; name a new or an empty folder")
    return resolved


def _foreign(path: Path) -> str:
    """Say why ``path`` is not ours to replace, or return an empty string."""
    if Path.cwd().is_relative_to(path):
        return "is or holds the working directory"
    if not path.exists():
        return ""
    if not path.is_dir():
        return "exists and is no folder"
    files, folders = contents(path)
    if not files and not folders:
        return ""
    if MANIFEST not in files:
        return f"exists, is not empty, and is not one of our output folders (it has no {MANIFEST})"
    listed = _listed(path / MANIFEST)
    if listed is None:
        return f"exists, and its {MANIFEST} is not one that we wrote"
    known = {parent.as_posix() for name in listed for parent in Path(name).parents}
    strange = sorted(files - listed - {MANIFEST, JOURNAL}) + sorted(folders - known)
    return f"holds something that is not ours: {strange[0]!r}" if strange else ""


def contents(path: Path) -> tuple[set[str], set[str]]:
    """Return files and folders below ``path``; a link counts as a folder, so that it is never ours."""
    files, folders = set[str](), set[str]()
    for entry in os.scandir(path):
        if entry.is_symlink() or not entry.is_dir():
            (folders if entry.is_symlink() else files).add(entry.name)
            continue
        below_files, below_folders = contents(Path(entry))
        folders |= {entry.name} | {f"{entry.name}/{name}" for name in below_folders}
        files |= {f"{entry.name}/{name}" for name in below_files}
    return files, folders


def _listed(manifest: Path) -> set[str] | None:
    """Return the files that a manifest lists; None where it is not one of ours."""
    try:
        content = json.loads(manifest.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    files = content.get("files") if isinstance(content, dict) and content.get("version") == _FORMAT else None
    return {name for name in files if isinstance(name, str)} if isinstance(files, list) else None


def _write_manifest(folder: Path) -> None:
    files, _ = contents(folder)
    text = json.dumps({"version": _FORMAT, "files": sorted(files - {MANIFEST, JOURNAL})}, indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")


def _make_parents(folder: Path) -> list[Path]:
    """Create ``folder`` with its parents; return those that were missing, the deepest first."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _put_in_place(part: Path, path: Path) -> None:
    """Rename ``part`` to ``path``; an older folder there is put aside first and put back if that fails."""
    if not path.exists():
        part.rename(path)
        return
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
    path.rename(aside)
    try:
        part.rename(path)
    except BaseException:
        aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Return the error that says why a folder cannot be written."""
    return OutputError(f"{path}: cannot be written ({error.strerror or error})")
