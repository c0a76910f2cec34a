"""An output folder that takes several runs if one of them is interrupted."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlaas4hep.errors import OutputError, SpecsError, note
from mlaas4hep.export.journal import Finished, Journal, draft_of, sync
from mlaas4hep.lock import Lock
from mlaas4hep.output import JOURNAL, OutputFolder, contents
from mlaas4hep.specs import Specs

__all__ = ["PartFolder"]

OURS = re.compile(
    r"chunk-[0-9]{5,}\.[a-z0-9]+|\.chunk-[0-9]{5,}\.[a-z0-9]+\.part"
    r"|(chunks|specs|plan|preproc|mlaas4hep)\.json|\.(specs|plan|preproc)\.json\.[0-9]+"
    rf"|{re.escape(JOURNAL)}|\.{re.escape(JOURNAL)}\.part"
)
"""Names of what we write into such a folder."""

SPECS = "specs.json"


class PartFolder(OutputFolder):
    """An output folder whose finished files outlive the run that made them.

    What is to be at ``DIR`` is made in ``DIR.part``, which takes its place at the end. There a journal says which job
    it is for and which chunks are finished. Another run of the same job keeps these; what is there of another job is
    removed, with a note. A folder ``DIR.part`` that is not ours is refused, and so is one on which another process
    is at work. An exception that ends a run gets a note (``add_note``) of what is kept.
    """

    def __init__(self, path: str | os.PathLike[str], job: Mapping[str, Any]) -> None:
        super().__init__(path)
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._lock = Lock(self.path)
        self._taken = False
        self._journal = Journal(self._part / JOURNAL, json.loads(json.dumps(job)))

    @property
    def finished(self) -> Mapping[str, Finished]:
        """The chunks that are finished, by the names of their files."""
        return self._journal.chunks

    def specs(self) -> Specs | None:
        """Return the specs that an earlier run of this job found, if they are there as they were."""
        path = self._part / SPECS
        if not self._journal.begun or not path.is_file():
            return None
        try:
            specs = Specs.from_json(path)
        except SpecsError:
            return None
        return specs if _hash(specs) == self._journal.specs else None

    def start(self, specs: Specs) -> None:
        """Begin or go on to make chunks: keep the specs, and of the chunks those that were made with them."""
        if self._journal.begun and self._journal.specs != _hash(specs):
            self._forget("with other specs")
        self._journal.specs = _hash(specs)
        self._journal.write()
        if self.specs() is None:
            specs.to_json(self._part / SPECS)

    def add(self, name: str, finished: Finished) -> None:
        """Write down that a chunk is finished."""
        self._journal.add(name, finished)

    def _begin(self) -> None:
        self._lock.take()
        found = self._read() if self._part.exists() or self._part.is_symlink() else None
        self._part.mkdir(exist_ok=True)
        self._taken = True
        if found is not None:
            self._journal.specs, self._journal.chunks = found.specs, found.chunks
            if other := found.other(self._journal.job):
                self._forget(f"of another job ({', '.join(other)})")
            self._verify()
        self._clean()

    def _read(self) -> Journal | None:
        """Return the journal of the folder, None where it is empty, or raise where the folder is not ours."""
        journal = None
        if self._part.is_symlink() or not self._part.is_dir():
            what = "exists and is no folder"
        else:
            files, folders = contents(self._part)
            journal = Journal.read(self._part / JOURNAL)
            strange = sorted({name for name in files if not OURS.fullmatch(name)} | folders)
            what = f"holds something that is not ours: {strange[0]!r}" if strange else ""
            if not what and journal is None and files - {draft_of(Path(JOURNAL)).name}:
                lacks = "is not one that we wrote" if JOURNAL in files else "is missing"
                what = f"exists, and its {JOURNAL} {lacks}"
        if what:
            raise OutputError(
                f"{self._part}: {what}; this is where the chunks are made: move it away, or name another folder"
            )
        return journal

    def _forget(self, why: str) -> None:
        """Keep nothing that is finished, and say so."""
        kept = f"{len(self._journal.chunks)} finished chunks" if self._journal.chunks else "what was begun"
        note(f"{self._part}: {kept} {why} cannot be used, and all is made anew")
        self._journal.chunks, self._journal.specs = {}, ""

    def _verify(self) -> None:
        """Keep the chunks whose files are as they were written."""
        for name, finished in list(self._journal.chunks.items()):
            if wrong := finished.wrong(self._part / name):
                note(f"{self._part / name}: the file {wrong}; it is written again")
                del self._journal.chunks[name]

    def _clean(self) -> None:
        """Remove what no run can use; the journal last, without which the folder would not be ours."""
        used = {*self._journal.chunks, *([JOURNAL, SPECS] if self._journal.begun else [])}
        for name in sorted(contents(self._part)[0] - used, key=JOURNAL.__eq__):
            if OURS.fullmatch(name):
                (self._part / name).unlink()

    def _finish(self) -> None:
        self._read()
        for name in contents(self._part)[0] - set(self._journal.chunks):
            with (self._part / name).open("rb") as file:
                os.fsync(file.fileno())
        super()._finish()
        with suppress(OSError):  # everything is in its place, and a journal beside it does no harm
            (self.path / JOURNAL).unlink()
            sync(self.path.parent)
        self._lock.give_back()

    def _give_up(self, error: BaseException) -> None:
        if self._taken:
            with suppress(OSError):  # what went wrong before is what counts
                self._keep(error)
        self._lock.give_back()
        self._drop_parents()

    def _keep(self, error: BaseException) -> None:
        """Leave what is finished, and say so."""
        self._clean()
        if not self._journal.begun:
            self._part.rmdir()
            return
        number = len(self._journal.chunks)
        kept = f"finished chunks ({number})" if number else "specs"
        error.add_note(f"{kept} kept in {self._part}: start the same command again to go on")


def _hash(specs: Specs) -> str:
    return hashlib.sha256(specs.to_text().encode()).hexdigest()
