"""CSV: text with a line an event, the names of the columns in the first one."""

from mlaas4hep.sources.format import Format, from_module, packed_or_not

__all__ = ["FORMAT"]

FORMAT = Format("CSV", *from_module("tables.csv"), suffixes=packed_or_not(".csv", ".tsv", ".tab"))
