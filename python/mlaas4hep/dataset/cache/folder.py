"""The folder of a cache: what is in it, what has room in it, and that it is whole."""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash

from mlaas4hep.bytesize import bytes_text
from mlaas4hep.dataset.cache.draft import Draft, NoRoom
from mlaas4hep.dataset.cache.kept import Kept
from mlaas4hep.errors import OutputError, first_line, note
from mlaas4hep.jsonfile import write_text
from mlaas4hep.lock import Busy, Lock
from mlaas4hep.output import cannot_write

__all__ = ["Cache"]

MARKER = "mlaas4hep-cache.json"
"""Says that a folder is a cache of ours, in which we may delete files."""

FORMAT = 1
PIECE = 2**22
PATIENCE = 60.0
"""Seconds for which another process may look after the folder."""


class Cache:
    """A folder of at most ``limit`` bytes, which any number of processes share.

    What is kept of a file are ``KEY.arrow``, the columns, and ``KEY.json``, which says what they are and is written
    last. A ``TOKEN.draft`` is being written by the process that holds its lock.
    """

    def __init__(self, folder: str | os.PathLike[str], limit: int) -> None:
        self.folder, self.limit = Path(folder).expanduser().absolute(), limit
        self._verified: dict[str, tuple[int, int, int]] = {}
        self._used: set[str] = set()
        try:
            self._begin()
        except OutputError as error:
            raise OutputError(f"cache: {error}") from None
        except OSError as error:
            raise OutputError(f"cache: {cannot_write(self.folder, error)}") from error

    @staticmethod
    def key(of: Mapping[str, Any]) -> str:
        """Return the name of what follows from these values of JSON."""
        text = json.dumps({"format": FORMAT, **of}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    def open(self, key: str, file: str) -> Kept | None:
        """Return what was kept of a file, None where nothing was; what is damaged is deleted, and that is said."""
        head = self.folder / f"{key}.json"
        try:
            known = json.loads(head.read_text("utf-8"))
            self._verify(key, known)
            kept = Kept(self._columns(key), known["ranges"], known["passed"], known["columns"], known["new"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            why = first_line(error)
            note(f"cache: what {self.folder} keeps of {file} is damaged ({why}): the file is read again")
            with suppress(OSError), self._alone():  # where it cannot be deleted, it is damaged the next time too
                self._delete(key)
            return None
        self._used.add(key)
        with suppress(OSError):
            os.utime(head)  # the time at which it was used last
        return kept

    @contextmanager
    def writing(self, key: str, file: str, of: Mapping[str, Any]) -> Generator[Draft]:
        """Keep what is added to the draft, unless the block ends with an exception or there is no room for it.

        ``of`` says what it is, for people.
        """
        path = self.folder / f"{secrets.token_hex(8)}.draft"
        lock = Lock(path)
        self._used.add(key)
        try:
            draft = self._begun(lock, path)
            try:
                yield draft
                draft.finish()
            finally:
                draft.close()
            if failure := draft.failure or self._publish(key, draft, of):
                note(f"cache: {self.folder}: what is read of {file} is not kept: {failure}")
        finally:
            with suppress(OSError):  # who opens the folder next removes it
                path.unlink(missing_ok=True)
            lock.give_back()

    def _begun(self, lock: Lock, path: Path) -> Draft:
        """Begin with a draft that others know as ours."""
        try:
            lock.take()
            return Draft(path, self._make_room)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"cache: {cannot_write(self.folder, error)}") from error

    def _begin(self) -> None:
        """See that the folder is ours, and remove what killed processes left behind."""
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder}: exists and is no folder; name a new or an empty one")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            marker, found = self.folder / MARKER, sorted(path.name for path in self.folder.iterdir())
            strange = [name for name in found if not name.startswith(".cache.lock")]
            if strange and not marker.exists():
                raise OutputError(
                    f"{self.folder}: holds {strange[0]!r} and is no cache of ours (it has no {MARKER}); nothing in it "
                    "was touched, name a new or an empty folder"
                )
            if not marker.exists():
                write_text(marker, json.dumps({"version": FORMAT}) + "\n")
            self._clean()

    def _clean(self) -> None:
        """Remove drafts of dead processes, and columns that nothing says what they are."""
        locked = (path.name.removeprefix(".").removesuffix(".lock") for path in self.folder.glob(".*.draft.lock"))
        for name in {*locked, *(path.name for path in self.folder.glob("*.draft"))}:
            lock = Lock(self.folder / name)
            with suppress(Busy):
                lock.take()
                (self.folder / name).unlink(missing_ok=True)
                lock.give_back()
        for columns in self.folder.glob("*.arrow"):
            if not columns.with_suffix(".json").exists():
                columns.unlink(missing_ok=True)

    def _publish(self, key: str, draft: Draft, of: Mapping[str, Any]) -> str:
        """Put a draft in its place, and beside it what it is; return why that cannot be, if it cannot."""
        known = {
            "of": of,
            "size": draft.size,
            "checksum": draft.checksum,
            "ranges": draft.ranges,
            "passed": draft.passed,
            "columns": of["columns"],
            "new": of["new"],
        }
        try:
            with self._alone():
                self._delete(key)
                draft.path.replace(self._columns(key))
                write_text(self.folder / f"{key}.json", json.dumps(known) + "\n")
                self._verified[key] = _state(self._columns(key))
        except OSError as error:
            return f"cannot be written ({error.strerror or error})"
        return ""

    def _make_room(self, size: int) -> int:
        """Delete what was not used for longest until so many bytes fit; return how many do."""
        with self._alone():
            found = {path.stem: path.stat().st_size for path in self.folder.glob("*.arrow")}
            others = sorted((key for key in found if key not in self._used), key=self._last_used)
            room = self.limit - sum(found.values())
            while room < size and others:
                self._delete(others[0])
                room += found[others.pop(0)]
        if room < size:
            raise NoRoom(f"there is no room for it within the limit of {bytes_text(self.limit)}")
        return room

    def _last_used(self, key: str) -> float:
        try:
            return (self.folder / f"{key}.json").stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _delete(self, key: str) -> None:
        """Delete what is kept; who has mapped it keeps it."""
        (self.folder / f"{key}.json").unlink(missing_ok=True)
        self._columns(key).unlink(missing_ok=True)

    def _columns(self, key: str) -> Path:
        return self.folder / f"{key}.arrow"

    def _verify(self, key: str, known: Mapping[str, Any]) -> None:
        """Raise ``ValueError`` unless the columns are what was written; all bytes are looked at once."""
        path = self._columns(key)
        state = _state(path)
        if state[1] != known["size"]:
            raise ValueError(f"it has {state[1]} bytes in place of {known['size']}")
        if self._verified.get(key) == state:
            return
        found = xxhash.xxh3_128()
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                found.update(piece)
        if found.hexdigest() != known["checksum"]:
            raise ValueError("its checksum is another")
        self._verified[key] = state

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Be the only process that looks after the folder."""
        lock, end = Lock(self.folder / "cache"), time.monotonic() + PATIENCE
        while not lock.held:
            try:
                lock.take()
            except Busy:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
        try:
            yield
        finally:
            lock.give_back()


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
