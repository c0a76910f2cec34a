//! What callers may pass as columns, decided once. Contiguous native layouts cross without a copy.
//!
//! [`Columns`] owns what Python gave (arrays, Arrow buffers), so that the core's views of it stay valid while the GIL
//! is released.

mod arrow;
mod masked;
mod numpy;

use std::sync::Arc;

use ::numpy::PyUntypedArray;
use mlaas4hep_core::column::{Array, Checked, Column, Pieces, Table};
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
    /// Their order in the table.
    order: Vec<usize>,
    /// Whether no two have the same name for sure.
    distinct: bool,
    left_out: Vec<(String, String)>,
}

/// One column.
struct Owned {
    name: Arc<str>,
    kind: Kind,
    pieces: Pieces<Piece>,
}

/// One piece of a column and what keeps its buffers alive.
enum Piece {
    Numpy(numpy::Piece),
    Arrow(arrow::Piece),
}

/// A value that was looked at: a column, or why it cannot be one.
enum Found {
    Pieces(Kind, Pieces<Piece>),
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
        let columns = Columns::of(data, &|name| Some((0, Arc::from(name))))?;
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
        let Named { columns, left_out, .. } = named(data, wanted)?;
        let order = (0..columns.len()).collect();
        Ok(Columns { columns, order, distinct: false, left_out })
    }

    /// Refuse columns that were wanted and hold no numbers.
    pub(crate) fn refuse_unusable(&self) -> PyResult<()> {
        match self.left_out.first() {
            None => Ok(()),
            Some((name, reason)) => Err(unusable(name, reason)),
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

    /// The columns of these names in their order, which `position` knows; others are not looked at. Where no name is
    /// given, all of them, so that the number of events is known.
    pub(crate) fn of_names(
        data: &Bound<'_, PyAny>,
        names: &[Arc<str>],
        position: &dyn Fn(&str) -> Option<usize>,
    ) -> PyResult<Columns> {
        if names.is_empty() {
            return Columns::all(data);
        }
        let Named { columns, positions, left_out, unwanted } =
            named(data, &|name| position(name).map(|at| (at, Arc::clone(&names[at]))))?;
        if let Some((name, reason)) = left_out.first() {
            return Err(unusable(name, reason));
        }
        let (mut order, mut further) = (vec![usize::MAX; names.len()], Vec::new());
        for (index, &position) in positions.iter().enumerate() {
            if order[position] == usize::MAX {
                order[position] = index;
            } else {
                further.push(index); // a second column of this name, which the core refuses
            }
        }
        if let Some((absent, _)) = names.iter().zip(&order).find(|(_, index)| **index == usize::MAX) {
            let known = columns.iter().map(|column| &*column.name).chain(unwanted.iter().map(String::as_str));
            return Err(raise(Error::missing_branch(absent, known)));
        }
        let distinct = further.is_empty();
        order.extend(further);
        Ok(Columns { columns, order, distinct, left_out })
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
        let mut columns = Vec::with_capacity(self.order.len());
        for &index in &self.order {
            columns.push(self.columns[index].view(&mut known)?);
        }
        if self.distinct { Table::distinct(columns) } else { Table::new(columns) }
    }

    /// The NumPy array of int64 offsets of a column, if that is what Python gave.
    pub(crate) fn offsets<'py>(&self, column: usize, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &*self.columns[*self.order.get(column)?].pieces {
            [Piece::Numpy(piece)] => piece.offsets(py),
            _ => None,
        }
    }

    /// Names and reasons of what was left out.
    pub(crate) fn into_left_out(self) -> Vec<(String, String)> {
        self.left_out
    }
}

fn unusable(name: &str, reason: &str) -> PyErr {
    BranchError::new_err(format!("branch '{name}' has no numbers that can be used: {reason}"))
}

impl Owned {
    fn view<'a>(&'a self, known: &mut Checked<'a>) -> Result<Column<'a>> {
        Column::new(&self.name, self.kind, self.pieces.try_map(|piece| piece.view(&self.name, known))?)
    }
}

/// The position of a column of that name among those that are wanted, and the name; nothing if it is not.
pub(crate) type Wanted<'w> = &'w dyn Fn(&str) -> Option<(usize, Arc<str>)>;

/// The same data in a form that can be read more than once: an Arrow stream gives its events only once.
#[pyfunction]
pub(crate) fn held<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let plain = data.cast::<PyDict>().is_ok() || !is_arrow(data)?;
    if plain { Ok(data.clone()) } else { arrow::held(data) }
}

/// Wanted columns with their positions, those that hold no numbers, and the names of the others.
#[derive(Default)]
struct Named {
    columns: Vec<Owned>,
    positions: Vec<usize>,
    left_out: Vec<(String, String)>,
    unwanted: Vec<String>,
}

impl Named {
    /// With room for so many.
    fn with_room(columns: usize) -> Named {
        let (positions, columns) = (Vec::with_capacity(columns), Vec::with_capacity(columns));
        Named { columns, positions, ..Named::default() }
    }

    /// Look at a column if it is wanted.
    fn add(&mut self, name: &str, wanted: Wanted<'_>, look: impl FnOnce() -> PyResult<Found>) -> PyResult<()> {
        let Some((position, name)) = wanted(name) else {
            self.unwanted.push(name.to_owned());
            return Ok(());
        };
        match look()? {
            Found::Pieces(kind, pieces) => {
                self.columns.push(Owned { name, kind, pieces });
                self.positions.push(position);
            }
            Found::NoNumbers(reason) => self.left_out.push((name.as_ref().to_owned(), reason)),
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
    let mut named = Named::with_room(dict.len());
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
    if !is_plain_array(value) && value.cast::<PyTuple>().is_err() && value.cast_exact::<Masked>().is_err() {
        return Ok(None);
    }
    numpy::piece(name, value).map(|found| {
        Some(match found {
            Ok(piece) => Found::Pieces(piece.kind(), Pieces::One(Piece::Numpy(piece))),
            Err(reason) => Found::NoNumbers(reason),
        })
    })
}

/// Whether it is an ndarray itself: subclasses such as masked arrays mean something else by the same buffer.
fn is_plain_array(value: &Bound<'_, PyAny>) -> bool {
    value.cast_exact::<PyUntypedArray>().is_ok()
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
