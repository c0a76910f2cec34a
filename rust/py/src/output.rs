//! Matrix, other tensors and their masks as NumPy arrays: new ones, or the caller's.

#![allow(unsafe_code)]

use std::ops::Range;

use mlaas4hep_core::column::{Column, Table};
use mlaas4hep_core::plan::Plan;
use mlaas4hep_core::run::Output;
use numpy::{
    PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::PySlice;

use crate::error::ParamsError;

/// What a run fills: for each tensor, the matrix first, an array of values and one of the mask.
pub(crate) struct Buffers<'py>(Vec<Pair<'py>>);

struct Pair<'py> {
    data: PyReadwriteArrayDyn<'py, f32>,
    mask: PyReadwriteArrayDyn<'py, bool>,
}

/// How the arrays of a tensor are called in messages, and their shapes behind the number of events.
struct Form {
    names: [String; 2],
    shapes: [Vec<usize>; 2],
}

/// The form of each tensor of a plan.
fn forms(plan: &Plan) -> Vec<Form> {
    let names = ["out[0], the matrix", "out[1], the padding mask"].map(str::to_owned);
    let mut forms = vec![Form { names, shapes: [vec![plan.width()], vec![plan.width()]] }];
    for tensor in &plan.layout().tensors {
        let names = [format!("out['{}'][0], the data", tensor.name), format!("out['{}'][1], the mask", tensor.name)];
        forms.push(Form { names, shapes: [tensor.shape.clone(), tensor.shape[1..].to_vec()] });
    }
    forms
}

/// A slice of the values of an array and one of the bytes of its mask.
pub(crate) type Slices<'s> = (&'s mut [f32], &'s mut [u8]);

impl<'py> Buffers<'py> {
    /// New arrays; every row of them will be filled.
    pub(crate) fn fresh(py: Python<'py>, rows: usize, plan: &Plan) -> Buffers<'py> {
        let all = |shape: &[usize]| [&[rows], shape].concat();
        let pair = |Form { shapes: [data, mask], .. }: Form| {
            // SAFETY: a run fills every row of new arrays before Python sees them, and any bits are an f32 or an u8.
            let (data, mask) =
                unsafe { (PyArrayDyn::new(py, all(&data), false), PyArrayDyn::new(py, all(&mask), false)) };
            Pair { data: data.readwrite(), mask: mask.readwrite() }
        };
        Buffers(forms(plan).into_iter().map(pair).collect())
    }

    /// The caller's arrays, a pair for each tensor, checked.
    pub(crate) fn given(out: &[Bound<'py, PyAny>], plan: &Plan) -> PyResult<Buffers<'py>> {
        let forms = forms(plan);
        if forms.len() != out.len() {
            let (found, expected) = (out.len(), forms.len());
            return Err(ParamsError::new_err(format!("out has {found} pairs of arrays; the plan makes {expected}")));
        }
        let pairs = out.iter().zip(&forms).map(|(out, form)| given_pair(out, form)).collect::<PyResult<Vec<_>>>()?;
        let rows = pairs.first().map_or(0, |pair| pair.data.shape()[0]);
        for (Pair { data, .. }, form) in pairs.iter().zip(&forms) {
            if data.shape()[0] != rows {
                let found = data.shape()[0];
                let message =
                    format!("{} has {found} rows and the matrix {rows}; both need the same number", form.names[0]);
                return Err(ParamsError::new_err(message));
            }
        }
        Ok(Buffers(pairs))
    }

    /// Number of rows.
    fn rows(&self) -> usize {
        self.0.first().map_or(0, |pair| pair.data.shape()[0])
    }

    /// All as slices of numbers, with the number of rows.
    pub(crate) fn slices(&mut self) -> PyResult<(usize, Vec<Slices<'_>>)> {
        let rows = self.rows();
        Ok((rows, self.0.iter_mut().map(slices_of).collect::<PyResult<_>>()?))
    }

    /// The arrays, or views of their first `rows` rows where there are more.
    pub(crate) fn finish(self, py: Python<'py>, rows: Option<usize>) -> PyResult<Vec<(Py<PyAny>, Py<PyAny>)>> {
        let rows = rows.filter(|&rows| rows < self.rows());
        let first = rows.map(|rows| PySlice::new(py, 0, rows as isize, 1));
        let part = |array: Bound<'py, PyAny>| match &first {
            None => Ok(array.unbind()),
            Some(first) => array.get_item(first).map(Bound::unbind),
        };
        let pair = |Pair { data, mask }: Pair<'py>| {
            let arrays = (data.as_any().clone(), mask.as_any().clone());
            drop((data, mask));
            Ok((part(arrays.0)?, part(arrays.1)?))
        };
        self.0.into_iter().map(pair).collect()
    }
}

fn slices_of<'s>(Pair { data, mask }: &'s mut Pair<'_>) -> PyResult<Slices<'s>> {
    let len = mask.len();
    let mask = mask.as_array_mut().as_mut_ptr().cast::<u8>();
    // SAFETY: the array is contiguous and exclusively ours while the slice lives; a NumPy bool is a byte, and a run
    // writes 0 and 1 only.
    let mask = unsafe { std::slice::from_raw_parts_mut(mask, len) };
    Ok((data.as_slice_mut()?, mask))
}

/// What the core fills.
pub(crate) fn output<'a>(plan: &Plan, rows: usize, slices: Vec<Slices<'a>>) -> mlaas4hep_core::Result<Output<'a>> {
    let mut slices = slices.into_iter();
    let (data, mask) = slices.next().unwrap_or_default();
    let output = Output::new(data, mask, rows, plan.width())?;
    let mut tensors = slices.zip(&plan.layout().tensors);
    tensors.try_fold(output, |output, ((data, mask), tensor)| {
        output.with((data, tensor.size()), (mask, tensor.mask_size()))
    })
}

/// The arrays of one tensor.
fn given_pair<'py>(out: &Bound<'py, PyAny>, form: &Form) -> PyResult<Pair<'py>> {
    let py = out.py();
    let Ok((data, mask)) = out.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>() else {
        let found = out.get_type().name()?;
        let message = format!("out is a {found}; it must be a pair of arrays: (data, padding_mask)");
        return Err(ParamsError::new_err(message));
    };
    let [name, mask_name] = &form.names;
    check(py, name, &data, "float32", &form.shapes[0])?;
    check(py, mask_name, &mask, "bool", &form.shapes[1])?;
    let data = data.cast_into::<PyArrayDyn<f32>>()?.try_readwrite().map_err(|error| unusable(name, &error))?;
    let mask = mask.cast_into::<PyArrayDyn<bool>>()?.try_readwrite().map_err(|error| unusable(mask_name, &error))?;
    if data.shape()[0] != mask.shape()[0] {
        let (left, right) = (data.shape()[0], mask.shape()[0]);
        let of = |name: &str| name.split_once(", ").map_or(name, |(_, name)| name).to_owned();
        return Err(ParamsError::new_err(format!(
            "out: {} has {left} rows and {} {right}; both need the same number",
            of(name),
            of(mask_name)
        )));
    }
    Ok(Pair { data, mask })
}

/// Refuse columns that lie in the memory that is to be filled from them.
pub(crate) fn check_apart(slices: &[Slices<'_>], table: &Table<'_>) -> PyResult<()> {
    let bytes = |start: usize, len: usize| start..start + len;
    let of = |(data, mask): &Slices<'_>| {
        [bytes(data.as_ptr().addr(), size_of_val(&**data)), bytes(mask.as_ptr().addr(), mask.len())]
    };
    let outputs: Vec<Range<usize>> = slices.iter().flat_map(of).collect();
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
fn check(py: Python<'_>, what: &str, array: &Bound<'_, PyAny>, dtype: &str, shape: &[usize]) -> PyResult<()> {
    let wanted = match shape {
        [width] => format!("{width} columns"),
        _ => format!("shape (events, {})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let wanted = format!("a writeable, C-ordered {dtype} array of {wanted}");
    let wrong = |found: String| Err(ParamsError::new_err(format!("{what} is {found}; it must be {wanted}")));
    let Ok(array) = array.cast::<PyUntypedArray>() else {
        return wrong(format!("a {}", array.get_type().name()?));
    };
    if !array.dtype().is_equiv_to(&numpy::PyArrayDescr::new(py, dtype)?) {
        return wrong(format!("of type {}", array.dtype().str()?));
    }
    if array.shape().get(1..) != Some(shape) {
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
