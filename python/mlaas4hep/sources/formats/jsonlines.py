"""JSON lines: text with an object a line."""

from mlaas4hep.sources.format import Format, from_module

__all__ = ["FORMAT"]

NAMES = (".jsonl", ".ndjson", ".json")
PACKED = ("", ".gz", ".bz2", ".zst", ".lz4")

FORMAT = Format("JSON lines", *from_module("jsonlines"), suffixes=tuple(name + end for name in NAMES for end in PACKED))
