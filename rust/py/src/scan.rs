//! `scan`.

use mlaas4hep_core::scan as core;
use pyo3::prelude::*;

use crate::error::raise;
use crate::input::Columns;
use crate::specs::{PySentinels, Specs, sentinels_of};

/// Scan columns; returns the specs, and names and reasons of what was left out.
#[pyfunction]
#[pyo3(signature = (columns, threads, sentinels=None))]
pub(crate) fn scan(
    py: Python<'_>,
    columns: &Bound<'_, PyAny>,
    threads: Option<usize>,
    sentinels: Option<PySentinels>,
) -> PyResult<(Specs, Vec<(String, String)>)> {
    let columns = Columns::all(columns)?;
    let sentinels = sentinels_of(sentinels.unwrap_or_default())?;
    let table = columns.table().map_err(raise)?;
    let specs = py.detach(|| core::scan(&table, &sentinels, threads)).map_err(raise)?;
    Ok((Specs(specs), columns.into_left_out()))
}
