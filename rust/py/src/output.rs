//! Matrix and mask as NumPy arrays: new ones, or the caller's.

#![allow(unsafe_code)]

use std::ops::Range;

use mlaas4hep_core::column::{Column, Table};
use numpy::{PyArray2, PyArrayDescrMethods, PyArrayMethods, PyReadwriteArray2, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PySlice;

use crate::error::ParamsError;

/// The two arrays that a run fills.
pub(crate) struct Buffers<'py> {
    data: PyReadwriteArray2<'py, f32>,
    mask: PyReadwriteArray2<'py, bool>,
}

impl<'py> Buffers<'py> {
    /// New arrays; every row of them will be filled.
    pub(crate) fn fresh(py: Python<'py>, rows: usize, width: usize) -> Buffers<'py> {
        // SAFETY: a run fills every row of new arrays before Python sees them, and any bits are an f32 or an u8.
        let (data, mask) =
            unsafe { (PyArray2::new(py, [rows, width], false), PyArray2::new(py, [rows, width], false)) };
        Buffers { data: data.readwrite(), mask: mask.readwrite() }
    }

    /// The caller's arrays, checked.
    pub(crate) fn given(out: &Bound<'py, PyAny>, width: usize) -> PyResult<Buffers<'py>> {
        let py = out.py();
        let Ok((data, mask)) = out.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>() else {
            let found = out.get_type().name()?;
            let message = format!("out is a {found}; it must be a pair of arrays: (data, padding_mask)");
            return Err(ParamsError::new_err(message));
        };
        check(py, "out[0], the matrix", &data, "float32", width)?;
        check(py, "out[1], the padding mask", &mask, "bool", width)?;
        let data = data.cast_into::<PyArray2<f32>>()?.try_readwrite().map_err(|error| unusable("out[0]", &error))?;
        let mask = mask.cast_into::<PyArray2<bool>>()?.try_readwrite().map_err(|error| unusable("out[1]", &error))?;
        if data.shape()[0] != mask.shape()[0] {
            let (left, right) = (data.shape()[0], mask.shape()[0]);
            return Err(ParamsError::new_err(format!(
                "out: the matrix has {left} rows and the padding mask {right}; both need the same number"
            )));
        }
        Ok(Buffers { data, mask })
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.data.shape()[0]
    }

    /// Both as slices of numbers.
    pub(crate) fn slices(&mut self) -> PyResult<(&mut [f32], &mut [u8])> {
        let len = self.mask.len();
        let mask = self.mask.as_array_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: the array is contiguous and exclusively ours while the slice lives; a NumPy bool is a byte, and a
        // run writes 0 and 1 only.
        let mask = unsafe { std::slice::from_raw_parts_mut(mask, len) };
        Ok((self.data.as_slice_mut()?, mask))
    }

    /// The arrays, or views of their first `rows` rows where there are more.
    pub(crate) fn finish(self, py: Python<'py>, rows: Option<usize>) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
        let rows = rows.filter(|&rows| rows < self.rows());
        let (data, mask) = (self.data.as_any().clone(), self.mask.as_any().clone());
        drop(self);
        let Some(rows) = rows else {
            return Ok((data.unbind(), mask.unbind()));
        };
        let first = PySlice::new(py, 0, rows as isize, 1);
        Ok((data.get_item(&first)?.unbind(), mask.get_item(&first)?.unbind()))
    }
}

/// Refuse columns that lie in the memory that is to be filled from them.
pub(crate) fn check_apart(data: &[f32], mask: &[u8], table: &Table<'_>) -> PyResult<()> {
    let bytes = |start: usize, len: usize| start..start + len;
    let outputs = [bytes(data.as_ptr().addr(), size_of_val(data)), bytes(mask.as_ptr().addr(), mask.len())];
    let overlaps = |memory: &Range<usize>| outputs.iter().any(|out| out.start < memory.end && memory.start < out.end);
    let shares = |column: &&Column<'_>| column.pieces().iter().any(|piece| piece.memory().iter().any(overlaps));
    match table.columns().iter().find(shares) {
        None => Ok(()),
        Some(column) => Err(ParamsError::new_err(format!(
            "out shares memory with branch '{}', from which it is to be filled; give arrays of their own",
            column.name()
        ))),
    }
}

fn unusable(what: &str, reason: &dyn std::fmt::Display) -> PyErr {
    ParamsError::new_err(format!("{what} cannot be written: {reason}"))
}

/// Check type, shape and order; everything wrong is one message.
fn check(py: Python<'_>, what: &str, array: &Bound<'_, PyAny>, dtype: &str, width: usize) -> PyResult<()> {
    let wanted = format!("a writeable, C-ordered {dtype} array of {width} columns");
    let wrong = |found: String| Err(ParamsError::new_err(format!("{what} is {found}; it must be {wanted}")));
    let Ok(array) = array.cast::<PyUntypedArray>() else {
        return wrong(format!("a {}", array.get_type().name()?));
    };
    if !array.dtype().is_equiv_to(&numpy::PyArrayDescr::new(py, dtype)?) {
        return wrong(format!("of type {}", array.dtype().str()?));
    }
    if array.ndim() != 2 || array.shape()[1] != width {
        return wrong(format!("of shape {}", array.getattr("shape")?));
    }
    if !array.is_c_contiguous() {
        return wrong("not C-ordered".to_owned());
    }
    if !array.getattr("flags")?.getattr("writeable")?.extract::<bool>()? {
        return wrong("read-only".to_owned());
    }
    Ok(())
}
