//! `scan`.

use mlaas4hep_core::scan as core;
use pyo3::prelude::*;

use crate::error::raise;
use crate::input::Columns;
use crate::specs::Specs;

/// Scan columns; returns the specs, and names and reasons of what was left out.
#[pyfunction]
pub(crate) fn scan(
    py: Python<'_>,
    columns: &Bound<'_, PyAny>,
    threads: Option<usize>,
) -> PyResult<(Specs, Vec<(String, String)>)> {
    let columns = Columns::all(columns)?;
    let table = columns.table().map_err(raise)?;
    let specs = py.detach(|| core::scan(&table, threads)).map_err(raise)?;
    Ok((Specs(specs), columns.into_left_out()))
}
