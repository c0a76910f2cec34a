"""Files with one table, or several: their columns come as Arrow data, or, from HDF5, as NumPy arrays."""
