//! `Formulas`: what formulas and cuts were compiled to, and what they do to columns.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use mlaas4hep_core::column::{Column, Table};
use mlaas4hep_core::expr::{Cut, NewBranch, Program, Reduction, Type, compile, compile_one, names as names_of};
use mlaas4hep_core::plan::steps_to_json;
use mlaas4hep_core::run::{Evaluation, Out, Passed, select};
use mlaas4hep_core::scan::scan_new;
use mlaas4hep_core::schema::{DType, Kind, Schema, TypeSet};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PySlice;

use crate::error::{ParamsError, raise};
use crate::input::Columns;
use crate::scan::{Weights, slice_of};
use crate::specs::{PySentinels, Specs, sentinels_of};

/// Kind and type of every branch, by NumPy's names.
type PySchema = BTreeMap<String, (String, String)>;

/// Formulas and cuts, compiled for branches of certain kinds and types; immutable.
#[pyclass(frozen, module = "mlaas4hep._rust")]
pub(crate) struct Formulas(pub(crate) Program, Schema);

fn schema_of(branches: PySchema) -> PyResult<Schema> {
    let each = branches.into_iter().map(|(name, (kind, dtype))| {
        let found = Kind::from_name(&kind).zip(DType::from_name(&dtype));
        let found = found.ok_or_else(|| ParamsError::new_err(format!("branch '{name}' is {kind}, of type {dtype}")));
        found.map(|found| (name, found))
    });
    each.collect()
}

/// What a table promises.
fn promised(table: &Table<'_>) -> Schema {
    let of = |column: &Column<'_>| {
        let types = column.pieces().iter().map(|piece| TypeSet::of(piece.values().data().dtype()));
        let dtype = types.reduce(TypeSet::union).map_or(DType::Float64, TypeSet::promoted);
        (column.name().to_owned(), (column.kind(), dtype))
    };
    table.columns().iter().map(of).collect()
}

/// The columns that formulas name, if they are there.
fn named<'py>(data: &Bound<'py, PyAny>, formulas: &[String]) -> PyResult<Columns> {
    let names: HashSet<String> = formulas.iter().flat_map(|formula| names_of(formula)).collect();
    let columns = Columns::of(data, &|name| names.contains(name).then(|| (0, Arc::from(name))))?;
    columns.refuse_unusable()?;
    Ok(columns)
}

/// What columns promise: kind and type of each, or only of those that the formulas name.
#[pyfunction]
#[pyo3(signature = (columns, formulas=None))]
pub(crate) fn schema(
    columns: &Bound<'_, PyAny>,
    formulas: Option<Vec<String>>,
) -> PyResult<BTreeMap<String, (&'static str, &'static str)>> {
    let columns = match formulas {
        None => Columns::all(columns)?,
        Some(formulas) => named(columns, &formulas)?,
    };
    if columns.is_empty() {
        return Ok(BTreeMap::new());
    }
    let schema = promised(&columns.table().map_err(raise)?);
    Ok(schema.into_iter().map(|(name, (kind, dtype))| (name, (kind.name(), dtype.name()))).collect())
}

/// The values of a formula: content, offsets of a jagged one, and nulls where there are some.
#[pyfunction]
pub(crate) fn evaluate<'py>(
    data: &Bound<'py, PyAny>,
    formula: String,
    threads: Option<usize>,
) -> PyResult<PyEvaluated<'py>> {
    let formulas = [formula];
    let mut columns = named(data, &formulas)?;
    if columns.is_empty() {
        columns = Columns::all(data)?; // they tell how many events there are
    }
    let table = columns.table().map_err(raise)?;
    let Ok(program) = compile_one(&promised(&table), &formulas[0]) else {
        // What is wrong is said in view of all columns.
        let all = Columns::all(data)?;
        let program = compile_one(&promised(&all.table().map_err(raise)?), &formulas[0]).map_err(raise)?;
        return values(&columns, &program, 0, &table, threads, data.py());
    };
    values(&columns, &program, 0, &table, threads, data.py())
}

/// The values of the new branch of this number, or of the only formula of a program.
fn values<'py>(
    columns: &Columns,
    program: &Program,
    number: usize,
    table: &Table<'_>,
    threads: Option<usize>,
    py: Python<'py>,
) -> PyResult<PyEvaluated<'py>> {
    let evaluation = Evaluation::new(program, number, table).map_err(raise)?;
    let room = evaluation.capacity();
    let jagged = evaluation.kind() == Kind::Jagged;
    let shared = evaluation.same_offsets().and_then(|column| columns.offsets(column, py));
    let offsets = PyArray1::<i64>::zeros(py, if jagged && shared.is_none() { table.events() + 1 } else { 0 }, false);
    let mut nulls = vec![0; if evaluation.ty() == Type::Int { room } else { 0 }];
    let (content, count) = {
        let mut stops = offsets.readwrite();
        let stops = stops.as_slice_mut()?;
        let mut run = |out: Out<'_>| py.detach(|| evaluation.run(out, &mut nulls, stops, threads)).map_err(raise);
        match evaluation.ty() {
            Type::Bool => {
                let mut bytes = vec![0; room];
                let count = run(Out::Bool(&mut bytes))?;
                (bools(py, bytes)?.into_any(), count)
            }
            Type::Int => {
                let content = PyArray1::<i64>::zeros(py, room, false);
                let count = run(Out::Int64(content.readwrite().as_slice_mut()?))?;
                (content.into_any(), count)
            }
            Type::Float => {
                let content = PyArray1::<f64>::zeros(py, room, false);
                let count = run(Out::Float64(content.readwrite().as_slice_mut()?))?;
                (content.into_any(), count)
            }
        }
    };
    nulls.truncate(count);
    let nulls = if nulls.contains(&1) { Some(bools(py, nulls)?) } else { None };
    Ok((
        content.get_item(PySlice::new(py, 0, count as isize, 1))?,
        jagged.then(|| shared.unwrap_or(offsets.into_any())),
        nulls,
    ))
}

/// The columns that formulas read.
fn columns_of<'py>(data: &Bound<'py, PyAny>, reads: &[(&str, Kind, DType)]) -> PyResult<Columns> {
    let names: Vec<Arc<str>> = reads.iter().map(|read| Arc::from(read.0)).collect();
    Columns::of_names(data, &names, &|name| names.iter().position(|known| &**known == name))
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

/// Content, offsets and nulls, as Python gets them.
type PyEvaluated<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyArray1<bool>>>);

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
    let columns = columns_of(data, &program.reads()[0])?;
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
    #[pyo3(signature = (branches, new, cuts, sentinels=None))]
    fn new(
        branches: PySchema,
        new: Vec<(String, String, String, bool, String)>,
        cuts: Vec<(String, String, bool, String, String)>,
        sentinels: Option<PySentinels>,
    ) -> PyResult<Formulas> {
        let sentinels = sentinels_of(sentinels.unwrap_or_default())?;
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
        let (program, reads) = compile(&schema_of(branches)?, &new, &cuts).map_err(raise)?;
        Ok(Formulas(program.with_sentinels(sentinels), reads))
    }

    #[staticmethod]
    fn of_one(branches: PySchema, formula: &str) -> PyResult<Formulas> {
        let schema = schema_of(branches)?;
        compile_one(&schema, formula).map(|program| Formulas(program, schema)).map_err(raise)
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
    #[pyo3(signature = (specs, columns, kept, hash, threads, entries=None, weights=None))]
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
        weights: Weights<'py>,
    ) -> PyResult<Specs> {
        let mut whole = specs.0.clone();
        if !self.0.defined().is_empty() {
            let columns = columns_of(columns, &self.0.reads()[1])?;
            let table = numbered(columns.table().map_err(raise)?, &entries)?;
            let weights = slice_of(&weights)?;
            let new = py.detach(|| scan_new(&self.0, &table, weights, threads)).map_err(raise)?;
            whole = whole.with_branches(new);
        }
        let sentinels = whole.sentinels().union(self.0.sentinels());
        let whole = whole.with_preproc(hash, self.1.clone()).with_sentinels(sentinels);
        whole.select(kept.iter().map(String::as_str)).map(Specs).map_err(raise)
    }

    /// The values of the new branches: of each content, offsets of a jagged one, and nulls where there are some.
    #[pyo3(signature = (columns, threads, entries=None))]
    fn compute<'py>(
        &self,
        py: Python<'py>,
        columns: &Bound<'py, PyAny>,
        threads: Option<usize>,
        entries: Entries<'py>,
    ) -> PyResult<BTreeMap<&str, PyEvaluated<'py>>> {
        let columns = columns_of(columns, &self.0.reads()[1])?;
        let table = numbered(columns.table().map_err(raise)?, &entries)?;
        let masks = self.0.sentinels().find(&table);
        let table = masks.hide(&table);
        let each = self.0.defined().iter().enumerate().map(|(number, defined)| {
            Ok((defined.name.as_str(), values(&columns, &self.0, number, &table, threads, py)?))
        });
        each.collect()
    }

    /// The steps as a plan has them, and the number of the value of the first new branch.
    fn steps(&self) -> (String, usize) {
        (steps_to_json(&self.0), self.0.defined().first().map_or(0, |defined| defined.slot))
    }
}
