"""JSON lines: text with an object a line."""

from mlaas4hep.sources.format import Format, from_module, packed_or_not

__all__ = ["FORMAT"]

FORMAT = Format("JSON lines", *from_module("tables.jsonlines"), suffixes=packed_or_not(".jsonl", ".ndjson", ".json"))
