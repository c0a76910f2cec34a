"""The UUID that ROOT gives every file that it makes."""

import struct
from uuid import UUID

from mlaas4hep.sources.place import Place

__all__ = ["uuid_of"]

SMALL, LARGE = 47, 59
"""Where the UUID begins: behind the header's numbers, of which three have 64 bits in files that may exceed 2 GB."""

LARGE_FROM = 1_000_000
"""Versions from here on are those of such files."""


def uuid_of(place: Place) -> str | None:
    """Return the UUID in the header of a ROOT file; None for any other file."""
    header = place.read(0, min(place.size, LARGE + 16))
    if not header.startswith(b"root") or len(header) < LARGE + 16:
        return None
    (version,) = struct.unpack_from(">i", header, 4)
    start = LARGE if version >= LARGE_FROM else SMALL
    return str(UUID(bytes=header[start : start + 16]))
