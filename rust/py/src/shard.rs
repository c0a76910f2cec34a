//! `shard` and `limit`.

use mlaas4hep_core::shard as core;
use pyo3::prelude::*;

use crate::error::raise;

/// First and last event of each stream that reader `rank` of `world` gets.
#[pyfunction]
pub(crate) fn shard(counts: Vec<u64>, rank: u64, world: u64) -> PyResult<Vec<(u64, u64)>> {
    let ranges = core::shard(&counts, rank, world).map_err(raise)?;
    Ok(ranges.into_iter().map(|range| (range.start, range.end)).collect())
}

/// Where piece `number` of a shard begins, and the one before it ends.
#[pyfunction]
pub(crate) fn limit(number: u64, events: u64, largest: u64, size: u64) -> u64 {
    core::limit(number, events, largest, size.max(1))
}
