"""ROOT files: TTrees, read by the Rust core or uproot, and RNTuples."""
