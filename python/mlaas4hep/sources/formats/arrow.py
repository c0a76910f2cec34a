"""Arrow IPC files, which Feather 2 is as well, and streams."""

from mlaas4hep.sources.format import Format, from_module

__all__ = ["FORMAT"]

FORMAT = Format("Arrow", *from_module("tables.arrow"), magic=(b"ARROW1", b"\xff\xff\xff\xff"))
