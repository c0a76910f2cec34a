//! `Plan` and its `Run`.

use std::collections::BTreeMap;

use mlaas4hep_core::column::Table;
use mlaas4hep_core::plan::{self as core, BranchOptions, Options, Rule, Tensor};
use mlaas4hep_core::run::{BranchCounts, run};
use mlaas4hep_core::schema::Kind;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::error::{ParamsError, raise};
use crate::formulas::{Entries, Formulas, numbered, passed};
use crate::input::Columns;
use crate::output::{Buffers, check_apart, output};
use crate::specs::Specs;

/// A compiled transformation; immutable.
#[pyclass(frozen, module = "mlaas4hep._rust")]
pub(crate) struct Plan(core::Plan);

/// Columns that were looked at once, of which a plan places events again and again.
#[pyclass(frozen, module = "mlaas4hep._rust")]
pub(crate) struct Held(Columns);

/// What a run made and counted.
#[pyclass(frozen, get_all, module = "mlaas4hep._rust")]
pub(crate) struct Run {
    /// Values and mask of each tensor, the matrix first.
    tensors: Vec<(Py<PyAny>, Py<PyAny>)>,
    truncated: BTreeMap<String, u64>,
    missing: BTreeMap<String, u64>,
}

/// The names of jagged columns, together those whose lists lie at the same places.
#[pyfunction]
pub(crate) fn collections(data: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<String>>> {
    let columns = Columns::all(data)?;
    let table = columns.table().map_err(raise)?;
    let named = |group: Vec<&str>| group.into_iter().map(str::to_owned).collect();
    Ok(table.collections().into_iter().map(named).collect())
}

/// How one branch is treated, as Python says it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Treatment {
    normalize: String,
    clip: Option<(f32, f32)>,
    width: Option<u64>,
    fill: Option<f32>,
    wrap: bool,
    largest: Option<String>,
}

impl Treatment {
    fn options(self) -> mlaas4hep_core::Result<BranchOptions> {
        let Treatment { normalize, clip, width, fill, wrap, largest } = self;
        Ok(BranchOptions { normalize: Rule::from_name(&normalize)?, clip, width, fill, wrap, largest })
    }
}

/// Name, shape and branches of a tensor.
type PyTensor = (String, Vec<usize>, Vec<String>);

#[pymethods]
impl Plan {
    #[new]
    fn new(
        specs: &Specs,
        formulas: Option<&Formulas>,
        pad_value: f32,
        branches: BTreeMap<String, Treatment>,
        layout: String,
        tensors: Vec<PyTensor>,
    ) -> PyResult<Plan> {
        let treated = branches.into_iter().map(|(name, given)| Ok((name, given.options()?)));
        let branches = treated.collect::<mlaas4hep_core::Result<_>>().map_err(raise)?;
        let tensors = tensors.into_iter().map(|(name, shape, branches)| (Tensor { name, shape }, branches)).collect();
        let options = Options { pad_value, branches, layout, tensors };
        let program = formulas.map(|formulas| formulas.0.clone()).unwrap_or_default();
        core::Plan::new(&specs.0, program, &options).map(Plan).map_err(raise)
    }

    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Plan> {
        core::Plan::from_json(text).map(Plan).map_err(raise)
    }

    /// The same for data that passed the cuts and in which the new branches are.
    fn computed(&self) -> PyResult<Plan> {
        self.0.computed().map(Plan).map_err(raise)
    }

    fn to_json(&self) -> &str {
        self.0.to_json()
    }

    #[getter]
    fn hash(&self) -> &str {
        self.0.hash()
    }

    #[getter]
    fn names(&self) -> Vec<&str> {
        self.0.names().iter().map(String::as_str).collect()
    }

    #[getter]
    fn branches(&self) -> Vec<&str> {
        self.0.branches().iter().map(|branch| branch.name.as_str()).collect()
    }

    /// Names of the branches that rows are made of, and of those that cuts read.
    #[getter]
    fn reads(&self) -> (Vec<&str>, Vec<&str>) {
        let [cuts, _] = self.0.program().reads();
        (self.0.reads().iter().map(|name| &**name).collect(), cuts.into_iter().map(|read| read.0).collect())
    }

    /// Names of the cuts in order.
    #[getter]
    fn cuts(&self) -> Vec<&str> {
        self.0.program().selects().iter().map(|select| select.cut.as_str()).collect()
    }

    /// Which events pass the cuts, and how many passed each and all before it.
    fn select<'py>(
        &self,
        columns: &Bound<'py, PyAny>,
        training: bool,
        threads: Option<usize>,
    ) -> PyResult<(Bound<'py, PyArray1<bool>>, Vec<u64>)> {
        passed(self.0.program(), columns, training, threads, &None)
    }

    #[getter]
    fn widths(&self) -> BTreeMap<&str, usize> {
        let jagged = self.0.branches().iter().filter(|branch| branch.kind == Kind::Jagged);
        jagged.map(|branch| (branch.name.as_str(), branch.width)).collect()
    }

    /// The layout's name.
    #[getter]
    fn layout(&self) -> &str {
        &self.0.layout().name
    }

    /// Name, shape and branches of each tensor beside the matrix.
    #[getter]
    fn tensors(&self) -> Vec<PyTensor> {
        let tensors = self.0.layout().tensors.iter().enumerate();
        let of = |(number, tensor): (usize, &Tensor)| {
            let branches = self.0.members(number + 1).map(|branch| branch.name.clone()).collect();
            (tensor.name.clone(), tensor.shape.clone(), branches)
        };
        tensors.map(of).collect()
    }

    /// Fill `out`, or new arrays, with a row for each event, or for those that `rows` places; cuts are not applied.
    /// Errors name events by
    /// their `entries`.
    #[pyo3(signature = (columns, threads, out=None, rows=None))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        columns: &Bound<'py, PyAny>,
        threads: Option<usize>,
        out: Option<Vec<Bound<'py, PyAny>>>,
        rows: Option<PyReadonlyArray1<'py, i64>>,
    ) -> PyResult<Run> {
        let columns = Columns::of_plan(columns, &self.0)?;
        let table = columns.table().map_err(raise)?;
        self.run_table(py, &table, threads, out, rows)
    }

    /// Look at the columns of the plan once, for [`Plan::place`].
    fn hold(&self, columns: &Bound<'_, PyAny>) -> PyResult<Held> {
        let columns = Columns::of_plan(columns, &self.0)?;
        columns.table().map_err(raise)?;
        Ok(Held(columns))
    }

    /// Run it over the events from `start` on of columns that are held, as many as there are rows; no start: over all.
    #[pyo3(signature = (held, start, threads, out, rows, entries=None))]
    #[allow(clippy::too_many_arguments)] // what Python gives
    fn place<'py>(
        &self,
        py: Python<'py>,
        held: &Held,
        start: Option<usize>,
        threads: Option<usize>,
        out: Vec<Bound<'py, PyAny>>,
        rows: PyReadonlyArray1<'py, i64>,
        entries: Entries<'py>,
    ) -> PyResult<Run> {
        let mut table = held.0.table_again().map_err(raise)?;
        if let Some(start) = start {
            table = table.slice(start, rows.as_slice()?.len()).map_err(raise)?;
        }
        let table = numbered(table, &entries)?;
        self.run_table(py, &table, threads, Some(out), Some(rows))
    }
}

impl Plan {
    fn run_table<'py>(
        &self,
        py: Python<'py>,
        table: &Table<'_>,
        threads: Option<usize>,
        out: Option<Vec<Bound<'py, PyAny>>>,
        rows: Option<PyReadonlyArray1<'py, i64>>,
    ) -> PyResult<Run> {
        let in_order = rows.is_none();
        let mut buffers = match out {
            Some(out) => Buffers::given(&out, &self.0)?,
            None if in_order => Buffers::fresh(py, table.events(), &self.0),
            None => return Err(ParamsError::new_err("rows need out: the arrays in which they are placed")),
        };
        let rows = rows.as_ref().map(|rows| rows.as_slice()).transpose()?;
        let (height, slices) = buffers.slices()?;
        check_apart(&slices, table)?;
        let counts = py.detach(|| {
            let mut output = output(&self.0, height, slices)?;
            run(&self.0, table, &mut output, rows, threads)
        });
        let counts = counts.map_err(raise)?;
        let tensors = buffers.finish(py, in_order.then(|| table.events()))?;
        let count = |of: fn(&BranchCounts) -> u64| {
            let counted = self.0.branches().iter().zip(&counts).filter(|(_, counts)| of(counts) > 0);
            counted.map(|(branch, counts)| (branch.name.clone(), of(counts))).collect()
        };
        let (truncated, missing) = (count(|counts| counts.truncated), count(|counts| counts.missing));
        Ok(Run { tensors, truncated, missing })
    }
}
