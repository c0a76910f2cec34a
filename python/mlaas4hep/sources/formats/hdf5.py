"""HDF5 files."""

from mlaas4hep.sources.format import Format, from_module

__all__ = ["FORMAT"]

FORMAT = Format("HDF5", *from_module("tables.hdf5"), magic=(b"\x89HDF\r\n\x1a\n",))
