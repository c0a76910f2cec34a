//! What callers may pass as columns, decided once. Contiguous native layouts cross without a copy.
//!
//! [`Columns`] owns what Python gave (arrays, Arrow buffers), so that the core's views of it stay valid while the GIL
//! is released.

mod arrow;
mod masked;
mod numpy;

use ::numpy::PyUntypedArray;
use mlaas4hep_core::column::{Array, Checked, Column, Table};
use mlaas4hep_core::plan::Plan;
use mlaas4hep_core::schema::Kind;
use mlaas4hep_core::{Error, Result};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString, PyTuple};

pub(crate) use masked::Masked;

use crate::error::{BranchError, ColumnError, raise};

/// Columns as Python gave them.
pub(crate) struct Columns {
    columns: Vec<Owned>,
    left_out: Vec<(String, String)>,
}

/// One column.
struct Owned {
    name: String,
    kind: Kind,
    pieces: Vec<Piece>,
}

/// One piece of a column and what keeps its buffers alive.
enum Piece {
    Numpy(numpy::Piece),
    Arrow(arrow::Piece),
}

/// A value that was looked at: a column, or why it cannot be one.
enum Found {
    Pieces(Kind, Vec<Piece>),
    NoNumbers(String),
}

impl Piece {
    fn view<'a>(&'a self, branch: &str, known: &mut Checked<'a>) -> Result<Array<'a>> {
        match self {
            Piece::Numpy(piece) => piece.view(branch, known),
            Piece::Arrow(piece) => piece.view(branch, known),
        }
    }
}

impl Columns {
    /// Every column of numbers; the others are left out, with their reasons.
    pub(crate) fn all(data: &Bound<'_, PyAny>) -> PyResult<Columns> {
        let columns = Columns::of(data, &|_| Some(0))?;
        if columns.columns.is_empty() && !columns.left_out.is_empty() {
            let reasons: Vec<String> =
                columns.left_out.iter().map(|(name, reason)| format!("'{name}' ({reason})")).collect();
            let message = format!("there are no columns of numbers; left out: {}", reasons.join(", "));
            return Err(ColumnError::new_err(message));
        }
        Ok(columns)
    }

    /// The columns of numbers that are wanted; wanted ones that are none are left out, with their reasons.
    pub(crate) fn of(data: &Bound<'_, PyAny>, wanted: Wanted<'_>) -> PyResult<Columns> {
        let mut columns = Columns { columns: Vec::new(), left_out: Vec::new() };
        for (name, _, found) in named(data, wanted)?.found {
            match found {
                Found::Pieces(kind, pieces) => columns.columns.push(Owned { name, kind, pieces }),
                Found::NoNumbers(reason) => columns.left_out.push((name, reason)),
            }
        }
        Ok(columns)
    }

    /// Refuse columns that were wanted and hold no numbers.
    pub(crate) fn refuse_unusable(&self) -> PyResult<()> {
        match self.left_out.first() {
            None => Ok(()),
            Some((name, reason)) => Err(unusable(name, &Found::NoNumbers(reason.clone()))),
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The columns that a plan makes rows of, in the plan's order; others are not looked at.
    pub(crate) fn of_plan(data: &Bound<'_, PyAny>, plan: &Plan) -> PyResult<Columns> {
        Columns::of_names(data, plan.reads(), &|name| plan.position(name))
    }

    /// The columns of these names in their order; others are not looked at. Where no name is given, all of them, so
    /// that the number of events is known.
    pub(crate) fn of_names(data: &Bound<'_, PyAny>, names: &[String], wanted: Wanted<'_>) -> PyResult<Columns> {
        if names.is_empty() {
            return Columns::all(data);
        }
        let named = named(data, wanted)?;
        let mut columns: Vec<Option<Owned>> = names.iter().map(|_| None).collect();
        let mut further = Vec::new();
        for (name, position, found) in named.found {
            let Found::Pieces(kind, pieces) = found else { return Err(unusable(&name, &found)) };
            let owned = Owned { name, kind, pieces };
            if columns[position].is_none() {
                columns[position] = Some(owned);
            } else {
                further.push(owned); // a second column of this name, which the core refuses
            }
        }
        if let Some((absent, _)) = names.iter().zip(&columns).find(|(_, column)| column.is_none()) {
            let found = columns.iter().flatten().map(|column| column.name.as_str());
            let known = found.chain(named.unwanted.iter().map(String::as_str));
            return Err(raise(Error::missing_branch(absent, known)));
        }
        Ok(Columns { columns: columns.into_iter().flatten().chain(further).collect(), left_out: Vec::new() })
    }

    /// The core's view.
    pub(crate) fn table(&self) -> Result<Table<'_>> {
        self.table_of(Checked::default())
    }

    /// The core's view of columns of which [`Columns::table`] was made before: offsets are not checked again.
    pub(crate) fn table_again(&self) -> Result<Table<'_>> {
        self.table_of(Checked::before())
    }

    fn table_of<'a>(&'a self, mut known: Checked<'a>) -> Result<Table<'a>> {
        Table::new(self.columns.iter().map(|column| column.view(&mut known)).collect::<Result<_>>()?)
    }

    /// The NumPy array of int64 offsets of a column, if that is what Python gave.
    pub(crate) fn offsets<'py>(&self, column: usize, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self.columns.get(column)?.pieces.as_slice() {
            [Piece::Numpy(piece)] => piece.offsets(py),
            _ => None,
        }
    }

    /// Names and reasons of what was left out.
    pub(crate) fn into_left_out(self) -> Vec<(String, String)> {
        self.left_out
    }
}

fn unusable(name: &str, found: &Found) -> PyErr {
    let reason = if let Found::NoNumbers(reason) = found { reason } else { "" };
    BranchError::new_err(format!("branch '{name}' has no numbers that can be used: {reason}"))
}

impl Owned {
    fn view<'a>(&'a self, known: &mut Checked<'a>) -> Result<Column<'a>> {
        let pieces = self.pieces.iter().map(|piece| piece.view(&self.name, known));
        Column::new(&self.name, self.kind, pieces.collect::<Result<_>>()?)
    }
}

/// The position of a column of that name among those that are wanted; nothing if it is not.
pub(crate) type Wanted<'w> = &'w dyn Fn(&str) -> Option<usize>;

/// The same data in a form that can be read more than once: an Arrow stream gives its events only once.
#[pyfunction]
pub(crate) fn held<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let plain = data.cast::<PyDict>().is_ok() || !is_arrow(data)?;
    if plain { Ok(data.clone()) } else { arrow::held(data) }
}

/// Wanted columns with name and position, and the names of the others.
#[derive(Default)]
struct Named {
    found: Vec<(String, usize, Found)>,
    unwanted: Vec<String>,
}

impl Named {
    /// Look at a column if it is wanted.
    fn add(&mut self, name: &str, wanted: Wanted<'_>, look: impl FnOnce() -> PyResult<Found>) -> PyResult<()> {
        match wanted(name) {
            Some(position) => self.found.push((name.to_owned(), position, look()?)),
            None => self.unwanted.push(name.to_owned()),
        }
        Ok(())
    }
}

/// The columns of a dict or another mapping, of an Arrow object, or of what `mlaas4hep.columns` makes of other data.
fn named<'py>(data: &Bound<'py, PyAny>, wanted: Wanted<'_>) -> PyResult<Named> {
    if let Ok(dict) = data.cast::<PyDict>() {
        return of_dict(dict, wanted, value_of);
    }
    if is_arrow(data)? {
        return arrow::columns(data, wanted);
    }
    if let Ok(mapping) = data.cast::<PyMapping>() {
        return of_dict(&PyDict::from_sequence(mapping.items()?.as_any())?, wanted, value_of);
    }
    let adapted = data.py().import(intern!(data.py(), "mlaas4hep.columns"))?.call_method1("adapt_data", (data,))?;
    of_dict(adapted.cast::<PyDict>()?, wanted, adapted_value)
}

type Look = fn(&str, &Bound<'_, PyAny>) -> PyResult<Found>;

fn of_dict<'py>(dict: &Bound<'py, PyDict>, wanted: Wanted<'_>, look: Look) -> PyResult<Named> {
    let mut named = Named::default();
    for (key, value) in dict {
        let Ok(key) = key.cast::<PyString>() else {
            return Err(ColumnError::new_err(format!("the name of a column is {}; it must be a string", key.repr()?)));
        };
        let name = key.to_str()?;
        named.add(name, wanted, || look(name, &value))?;
    }
    Ok(named)
}

/// Look at one value of a dict.
fn value_of<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Found> {
    if let Some(found) = native(name, value)? {
        return Ok(found);
    }
    if is_arrow(value)? {
        return arrow::column(name, value);
    }
    let py = value.py();
    adapted_value(name, &py.import(intern!(py, "mlaas4hep.columns"))?.call_method1("adapt", (value,))?)
}

/// Look at what `mlaas4hep.columns` made of a value: a column, or a text that says why it is none.
fn adapted_value<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Found> {
    if let Ok(reason) = value.cast::<PyString>() {
        return Ok(Found::NoNumbers(reason.to_str()?.to_owned()));
    }
    native(name, value)?.ok_or_else(|| ColumnError::new_err(format!("branch '{name}': {value} is no column")))
}

/// NumPy arrays, pairs of offsets and content, and masked ones of both.
fn native<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Option<Found>> {
    if value.cast_exact::<Masked>().is_err() && value.cast::<PyTuple>().is_err() && !is_plain_array(value) {
        return Ok(None);
    }
    numpy::piece(name, value).map(|found| {
        Some(match found {
            Ok(piece) => Found::Pieces(piece.kind(), vec![Piece::Numpy(piece)]),
            Err(reason) => Found::NoNumbers(reason),
        })
    })
}

/// Whether it is an ndarray itself: subclasses such as masked arrays mean something else by the same buffer.
fn is_plain_array(value: &Bound<'_, PyAny>) -> bool {
    value.cast::<PyUntypedArray>().is_ok() && value.get_type().is(value.py().get_type::<PyUntypedArray>())
}

fn is_arrow(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = value.py();
    Ok(value.hasattr(intern!(py, "__arrow_c_array__"))? || value.hasattr(intern!(py, "__arrow_c_stream__"))?)
}

/// Arrays of identifiers, one value an event.
pub(crate) fn identifiers<'py>(arrays: &[Bound<'py, PyUntypedArray>]) -> PyResult<Vec<numpy::Numbers>> {
    let numbers = arrays.iter().map(numpy::numbers);
    numbers.map(|looked| looked?.map_err(|reason| ColumnError::new_err(format!("an identifier is {reason}")))).collect()
}
