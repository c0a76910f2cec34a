//! `Formulas`: what formulas and cuts were compiled to, and what they do to columns.

use std::collections::BTreeMap;

use mlaas4hep_core::column::{Column, Table};
use mlaas4hep_core::expr::{Cut, NewBranch, Program, Reduction, compile, compile_one};
use mlaas4hep_core::run::{Evaluated, Numbers, Passed, evaluate, select};
use mlaas4hep_core::scan::scan_new;
use mlaas4hep_core::schema::{DType, Kind, Schema, TypeSet};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::error::{ParamsError, raise};
use crate::input::Columns;
use crate::specs::Specs;

/// Kind and type of every branch, by NumPy's names.
type PySchema = BTreeMap<String, (String, String)>;

/// Formulas and cuts, compiled for branches of certain kinds and types; immutable.
#[pyclass(frozen, module = "mlaas4hep._rust")]
pub(crate) struct Formulas(pub(crate) Program);

fn schema_of(branches: PySchema) -> PyResult<Schema> {
    let each = branches.into_iter().map(|(name, (kind, dtype))| {
        let found = Kind::from_name(&kind).zip(DType::from_name(&dtype));
        let found = found.ok_or_else(|| ParamsError::new_err(format!("branch '{name}' is {kind}, of type {dtype}")));
        found.map(|found| (name, found))
    });
    each.collect()
}

/// What columns promise: kind and type of each.
#[pyfunction]
pub(crate) fn schema(columns: &Bound<'_, PyAny>) -> PyResult<BTreeMap<String, (&'static str, &'static str)>> {
    let columns = Columns::all(columns)?;
    let table = columns.table().map_err(raise)?;
    let of = |column: &Column<'_>| {
        let types = column.pieces().iter().map(|piece| TypeSet::of(piece.values().data().dtype()));
        let dtype = types.reduce(TypeSet::union).map_or(DType::Float64, TypeSet::promoted);
        (column.name().to_owned(), (column.kind().name(), dtype.name()))
    };
    Ok(table.columns().iter().map(of).collect())
}

/// The columns of these names.
fn columns_of<'py>(data: &Bound<'py, PyAny>, names: &[String]) -> PyResult<Columns<'py>> {
    Columns::of_names(data, names, &|name| names.iter().position(|known| known == name))
}

fn names(reads: &[(&str, Kind, DType)]) -> Vec<String> {
    reads.iter().map(|read| read.0.to_owned()).collect()
}

/// The numbers of events, by which errors name them; none: they are counted from 0.
pub(crate) type Entries<'py> = Option<PyReadonlyArray1<'py, i64>>;

/// A table whose events have these numbers.
pub(crate) fn numbered<'a>(table: Table<'a>, entries: &'a Entries<'_>) -> PyResult<Table<'a>> {
    match entries {
        None => Ok(table),
        Some(entries) => table.numbered(entries.as_slice()?).map_err(raise),
    }
}

/// What passed, as Python gets it: a bool for each event, and a count for each cut.
type PyPassed<'py> = (Bound<'py, PyArray1<bool>>, Vec<u64>);

/// Apply the cuts of a program to columns.
pub(crate) fn passed<'py>(
    program: &Program,
    data: &Bound<'py, PyAny>,
    training: bool,
    threads: Option<usize>,
    entries: &Entries<'py>,
) -> PyResult<PyPassed<'py>> {
    let columns = columns_of(data, &names(&program.reads()[0]))?;
    let table = numbered(columns.table().map_err(raise)?, entries)?;
    let passed = data.py().detach(|| select(program, &table, training, threads)).map_err(raise)?;
    let Passed { mask, flow } = passed;
    Ok((bools(data.py(), mask)?, flow))
}

/// Bytes of 0 and 1 as NumPy's bools, which are the same.
fn bools(py: Python<'_>, bytes: Vec<u8>) -> PyResult<Bound<'_, PyArray1<bool>>> {
    Ok(bytes.into_pyarray(py).call_method1("view", ("bool",))?.cast_into()?)
}

#[pymethods]
impl Formulas {
    #[new]
    fn new(
        branches: PySchema,
        new: Vec<(String, String, String, bool, String)>,
        cuts: Vec<(String, String, bool, String, String)>,
    ) -> PyResult<Formulas> {
        let new: Vec<NewBranch> = new
            .into_iter()
            .map(|(name, formula, kind, kept, place)| NewBranch {
                name,
                formula,
                kind: Kind::from_name(&kind),
                kept,
                place,
            })
            .collect();
        let cuts: Vec<Cut> = cuts
            .into_iter()
            .map(|(formula, reduction, training, name, place)| Cut {
                formula,
                reduction: Reduction::from_name(&reduction),
                training,
                name,
                place,
            })
            .collect();
        compile(&schema_of(branches)?, &new, &cuts).map(Formulas).map_err(raise)
    }

    #[staticmethod]
    fn of_one(branches: PySchema, formula: &str) -> PyResult<Formulas> {
        compile_one(&schema_of(branches)?, formula).map(Formulas).map_err(raise)
    }

    /// Names of the branches that cuts read.
    #[getter]
    fn cut_reads(&self) -> Vec<String> {
        names(&self.0.reads()[0])
    }

    /// Names of the branches that new branches read.
    #[getter]
    fn new_reads(&self) -> Vec<String> {
        names(&self.0.reads()[1])
    }

    /// Kind and type of every new branch that stays.
    #[getter]
    fn new_branches(&self) -> BTreeMap<&str, (&'static str, &'static str)> {
        let of = |defined| {
            let (kind, dtype) = self.0.branch_of(defined);
            (kind.name(), dtype.name())
        };
        self.0.defined().iter().map(|defined| (defined.name.as_str(), of(defined))).collect()
    }

    /// Names of the cuts in order.
    #[getter]
    fn cuts(&self) -> Vec<&str> {
        self.0.selects().iter().map(|select| select.cut.as_str()).collect()
    }

    /// Which events pass the cuts, and how many passed each and all before it.
    #[pyo3(signature = (columns, training, threads, entries=None))]
    fn select<'py>(
        &self,
        columns: &Bound<'py, PyAny>,
        training: bool,
        threads: Option<usize>,
        entries: Entries<'py>,
    ) -> PyResult<PyPassed<'py>> {
        passed(&self.0, columns, training, threads, &entries)
    }

    /// Specs of columns together with those of the new branches, of the branches that are kept; `hash` names the formulas.
    #[pyo3(signature = (specs, columns, kept, hash, threads, entries=None))]
    #[allow(clippy::too_many_arguments)] // what Python gives by name
    fn complete<'py>(
        &self,
        py: Python<'py>,
        specs: &Specs,
        columns: &Bound<'py, PyAny>,
        kept: Vec<String>,
        hash: String,
        threads: Option<usize>,
        entries: Entries<'py>,
    ) -> PyResult<Specs> {
        let reads = self.0.reads().into_iter().flatten();
        let reads: Schema = reads.map(|(name, kind, dtype)| (name.to_owned(), (kind, dtype))).collect();
        let mut whole = specs.0.clone();
        if !self.0.defined().is_empty() {
            let columns = columns_of(columns, &self.new_reads())?;
            let table = numbered(columns.table().map_err(raise)?, &entries)?;
            let new = py.detach(|| scan_new(&self.0, &table, threads)).map_err(raise)?;
            whole = whole.with_branches(new);
        }
        let whole = whole.select(kept.iter().map(String::as_str)).map_err(raise)?;
        Ok(Specs(whole.with_preproc(hash, reads)))
    }

    /// The values of the only formula: content, offsets of a jagged one, and nulls where there are some.
    fn evaluate<'py>(
        &self,
        columns: &Bound<'py, PyAny>,
        threads: Option<usize>,
    ) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyArray1<i64>>>, Option<Bound<'py, PyArray1<bool>>>)> {
        let py = columns.py();
        let columns = columns_of(columns, &self.new_reads())?;
        let table = columns.table().map_err(raise)?;
        let Evaluated { values, nulls, offsets } = py.detach(|| evaluate(&self.0, &table, threads)).map_err(raise)?;
        let content = match values {
            Numbers::Bool(values) => bools(py, values)?.into_any(),
            Numbers::Int64(values) => values.into_pyarray(py).into_any(),
            Numbers::Float64(values) => values.into_pyarray(py).into_any(),
        };
        let nulls = if nulls.is_empty() { None } else { Some(bools(py, nulls)?) };
        Ok((content, offsets.map(|offsets| offsets.into_pyarray(py)), nulls))
    }
}
