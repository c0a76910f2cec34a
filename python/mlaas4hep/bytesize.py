"""Sizes in bytes as users write them."""

import math
import re

from mlaas4hep.errors import ParamsError

__all__ = ["bytes_text", "parse_bytes"]

UNITS = {"": 1, "b": 1} | {
    f"{letter}{middle}b": base**power
    for power, letter in enumerate("kmgt", 1)
    for middle, base in (("", 1000), ("i", 1024))
}
WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_bytes(what: str, given: object) -> int:
    """Return a size that is given as a number of bytes, or as a text with a unit; ``ParamsError`` if it is none.

    Units are B, kB, MB, GB and TB (powers of 1000), and KiB, MiB, GiB and TiB (of 1024).

    >>> parse_bytes("memory", "2 GB"), parse_bytes("memory", "1.5 KiB"), parse_bytes("memory", 4096)
    (2000000000, 1536, 4096)
    """
    if isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given) and given >= 1:
        return int(given)
    found = WRITTEN.fullmatch(given) if isinstance(given, str) else None
    unit = UNITS.get(found[2].lower()) if found else None
    size = float(found[1]) * unit if found and unit else 0.0
    if size < 1:
        raise ParamsError(f"{what} is {given!r}; it must be a number of bytes, or a text as '500 MB' or '2 GiB'")
    return int(size)


def bytes_text(size: float) -> str:
    """Return a size for people.

    >>> bytes_text(2_000_000_000), bytes_text(1536)
    ('2.00 GB', '1.54 kB')
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}" if size >= 100 * factor else f"{size / factor:.2f} {unit}"
    return f"{size:.0f} B"
