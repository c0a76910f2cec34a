"""What earlier specs know of single files: what changed since is noticed, and what did not is not scanned again."""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.errors import BranchError, SpecsError
from mlaas4hep.reading import Reading
from mlaas4hep.sources.localfile import LocalFile
from mlaas4hep.sources.place import open_place
from mlaas4hep.sources.root.identity import uuid_of
from mlaas4hep.specs import FilePart, Specs

__all__ = ["changed_files", "others", "parts_of", "unchanged"]

LEVEL = 4
"""Of compression: the best one makes specs a tenth shorter and takes four times as long, for every file of a scan."""

LONGEST = 2**28
"""Bytes that the specs of a file may have when they are unpacked."""


def fingerprint_of(file: File, reading: Reading) -> str:
    """Return what tells a file from itself when it has changed: its size, its time, and the UUID of a ROOT file."""
    place = open_place(file.input.path, reading)
    try:
        time = f"{place.modified} ns" if isinstance(place, LocalFile) else place.stamp
        uuid = uuid_of(place)
    finally:
        place.close()
    tree = f"tree {file.tree}, " if file.tree else ""
    return f"{tree}{file.entries} entries, {place.size} bytes, of {time}" + (f", UUID {uuid}" if uuid else "")


def made_with(wanted: Wanted) -> str:
    """Return a hash of what the specs of a file follow from, besides the file and the number of its events."""
    return sha256(json.dumps(wanted.made_with, sort_keys=True, default=repr).encode()).hexdigest()[:32]


def parts_of(files: Sequence[File], specs: Mapping[int, Specs], wanted: Wanted) -> dict[str, FilePart]:
    """Return what to keep of each file that was scanned; of one that is an input twice there is nothing."""
    made, single = made_with(wanted), _single(files)
    return {
        str(file.input): FilePart(fingerprint_of(file, wanted.reading), made, file.used, pack(specs[file.input.number]))
        for file in files
        if file.input.number in specs and file in single
    }


def changed_files(specs: Specs, files: Sequence[File], reading: Reading) -> list[File]:
    """Return the files that changed since the specs were made; those that the specs do not know did not."""
    known = specs.parts
    of_specs = [file for file in _single(files) if str(file.input) in known]
    return [file for file in of_specs if known[str(file.input)].fingerprint != fingerprint_of(file, reading)]


def unchanged(specs: Specs, files: Sequence[File], wanted: Wanted, branches: Sequence[str]) -> dict[str, Specs]:
    """Return the specs of each file that is what it was, of as many events, made with the same."""
    made, found = made_with(wanted), {}
    for file in _single(files):
        name = str(file.input)
        part = specs.parts.get(name)
        if part is None or (part.made_with, part.events) != (made, file.used):
            continue
        if part.fingerprint == fingerprint_of(file, wanted.reading):
            try:
                found[name] = unpack(name, part).select(branches)
            except BranchError:
                continue
    return found


def others(specs: Specs, changed: Iterable[File]) -> dict[str, Specs]:
    """Return the specs of each file but those that changed; an error where they are not known one by one."""
    left = {name for name in specs.events if name != "total"} - {str(file.input) for file in changed}
    if lacking := sorted(left - set(specs.parts)):
        raise SpecsError(
            f"the specs do not fit: {', '.join(str(file.input) for file in changed)} changed since, and they do not "
            f"hold {lacking[0]} apart; scan the files again"
        )
    return {name: unpack(name, specs.parts[name]).select(specs.branches) for name in sorted(left)}


def pack(specs: Specs) -> str:
    """Return specs as a short text."""
    text = json.dumps(json.loads(specs.to_text()), separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), LEVEL)).decode()


def unpack(name: str, part: FilePart) -> Specs:
    """Return the specs that a part holds; an error where it is damaged."""
    try:
        packed = zlib.decompressobj()
        text = packed.decompress(base64.b64decode(part.specs, validate=True), LONGEST)
        if not packed.eof:
            raise ValueError("it ends too early, or is too long")
        return Specs.from_text(text.decode())
    except (ValueError, zlib.error, SpecsError) as error:
        raise SpecsError(f"specs: 'specs' of {name!r} in 'parts' cannot be unpacked: {error}") from None


def _single(files: Sequence[File]) -> list[File]:
    """The files that are no input twice."""
    times = Counter(str(file.input) for file in files)
    return [file for file in files if times[str(file.input)] == 1]
