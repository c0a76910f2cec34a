"""CSV: text with a line an event, the names of the columns in the first one."""

from mlaas4hep.sources.format import Format, from_module

__all__ = ["FORMAT"]

NAMES = (".csv", ".tsv", ".tab")
PACKED = ("", ".gz", ".bz2", ".zst", ".lz4")

FORMAT = Format("CSV", *from_module("csvfile"), suffixes=tuple(name + end for name in NAMES for end in PACKED))
