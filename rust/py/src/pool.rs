//! How many threads to use.

use mlaas4hep_core::pool;
use pyo3::prelude::*;

/// How many threads this process may use: its CPU affinity and cgroup's quota count.
#[pyfunction]
pub(crate) fn default_threads() -> usize {
    pool::available()
}
