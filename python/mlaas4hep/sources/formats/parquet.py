"""Parquet files."""

from mlaas4hep.sources.format import Format, from_module

__all__ = ["FORMAT"]

FORMAT = Format("Parquet", *from_module("tables.parquet"), magic=(b"PAR1",))
