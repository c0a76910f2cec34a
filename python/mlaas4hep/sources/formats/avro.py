"""Avro object container files."""

from mlaas4hep.sources.format import Format, from_module

__all__ = ["FORMAT"]

FORMAT = Format("Avro", *from_module("tables.avro"), magic=(b"Obj\x01",))
