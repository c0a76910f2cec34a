//! `scan`.

use mlaas4hep_core::scan as core;
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::error::raise;
use crate::input::Columns;
use crate::specs::{PySentinels, Specs, sentinels_of};

/// Weights of the events; none: all count the same.
pub(crate) type Weights<'py> = Option<PyReadonlyArray1<'py, f64>>;

/// The numbers of weights, which lie one behind the other.
pub(crate) fn slice_of<'w>(weights: &'w Weights<'_>) -> PyResult<Option<&'w [f64]>> {
    Ok(weights.as_ref().map(PyReadonlyArray1::as_slice).transpose()?)
}

/// Scan columns; returns the specs, and names and reasons of what was left out.
#[pyfunction]
#[pyo3(signature = (columns, threads, sentinels=None, weights=None))]
pub(crate) fn scan(
    py: Python<'_>,
    columns: &Bound<'_, PyAny>,
    threads: Option<usize>,
    sentinels: Option<PySentinels>,
    weights: Weights<'_>,
) -> PyResult<(Specs, Vec<(String, String)>)> {
    let columns = Columns::all(columns)?;
    let sentinels = sentinels_of(sentinels.unwrap_or_default())?;
    let table = columns.table().map_err(raise)?;
    let weights = slice_of(&weights)?;
    let specs = py.detach(|| core::scan(&table, &sentinels, weights, threads)).map_err(raise)?;
    Ok((Specs(specs), columns.into_left_out()))
}
