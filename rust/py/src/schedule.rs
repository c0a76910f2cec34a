//! `parts`, `uniforms`, `shares` and `Schedule`.

use mlaas4hep_core::schedule as core;
use numpy::{IntoPyArray, PyArray1, PyUntypedArray};
use pyo3::prelude::*;

use crate::error::raise;
use crate::input;

/// The part of each event from entry `start` to `stop`: 0 train, 1 validation, 2 test.
#[pyfunction]
pub(crate) fn parts<'py>(
    py: Python<'py>,
    seed: u64,
    file: u64,
    start: u64,
    stop: u64,
    split: [f64; 3],
    identifiers: Vec<Bound<'py, PyUntypedArray>>,
) -> PyResult<Bound<'py, PyArray1<u8>>> {
    let owned = input::identifiers(&identifiers)?;
    let data: Vec<_> = owned.iter().map(|identifier| identifier.data()).collect();
    let events = stop.saturating_sub(start) as usize;
    let parts = py.detach(|| core::parts(seed, file, start, events, split, &data)).map_err(raise)?;
    Ok(parts.into_pyarray(py))
}

/// A number in [0, 1) for each event from entry `start` to `stop`, in one of many streams.
#[pyfunction]
pub(crate) fn uniforms<'py>(
    py: Python<'py>,
    seed: u64,
    file: u64,
    start: u64,
    stop: u64,
    identifiers: Vec<Bound<'py, PyUntypedArray>>,
    stream: u64,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let owned = input::identifiers(&identifiers)?;
    let data: Vec<_> = owned.iter().map(|identifier| identifier.data()).collect();
    let events = stop.saturating_sub(start) as usize;
    let numbers = py.detach(|| core::uniforms(seed, file, start, events, &data, stream)).map_err(raise)?;
    Ok(numbers.into_pyarray(py))
}

/// `wanted` events taken from files of these sizes in proportion.
#[pyfunction]
pub(crate) fn shares(sizes: Vec<u64>, wanted: u64) -> Vec<u64> {
    core::shares(&sizes, wanted)
}

/// The chunks of a pass, one after the other.
#[pyclass(module = "mlaas4hep._rust")]
pub(crate) struct Schedule(core::Schedule);

/// Stream, first and last event of it, and their rows.
type Take<'py> = (usize, u64, u64, Bound<'py, PyArray1<i64>>);

#[pymethods]
impl Schedule {
    #[new]
    fn new(counts: Vec<u64>, size: u64, seed: u64, epoch: u64, shuffle: bool) -> PyResult<Schedule> {
        core::Schedule::new(counts, size, seed, epoch, shuffle).map(Schedule).map_err(raise)
    }

    fn __len__(&self) -> usize {
        self.0.chunks() as usize
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> Option<Vec<Take<'py>>> {
        let takes = py.detach(|| self.0.next())?;
        let convert = |take: core::Take| {
            let stop = take.start + take.rows.len() as u64;
            (take.stream, take.start, stop, take.rows.into_pyarray(py))
        };
        Some(takes.into_iter().map(convert).collect())
    }
}
