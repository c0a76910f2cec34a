//! `Specs`.

use std::collections::BTreeMap;

use mlaas4hep_core::schema::{DType, Kind, TypeSet};
use mlaas4hep_core::sentinel::Sentinels;
use mlaas4hep_core::specs::{BranchSpecs, FilePart, Number, Parts, Statistics};
use mlaas4hep_core::{Result, specs as core};
use pyo3::prelude::*;

use crate::error::{ParamsError, raise};

/// What the first pass learned; immutable.
#[pyclass(frozen, module = "mlaas4hep._rust")]
pub(crate) struct Specs(pub(crate) core::Specs);

/// A minimum, a maximum or a sentinel as a Python number.
#[derive(IntoPyObject, FromPyObject)]
pub(crate) enum PyNumber {
    Integer(i128),
    Float(f64),
}

impl From<Number> for PyNumber {
    fn from(number: Number) -> PyNumber {
        match number {
            Number::Integer(value) => PyNumber::Integer(value),
            Number::Float(value) => PyNumber::Float(value),
        }
    }
}

/// Sentinels by branch, as Python gives them.
pub(crate) type PySentinels = BTreeMap<String, Vec<PyNumber>>;

/// The core's form of sentinels.
pub(crate) fn sentinels_of(given: PySentinels) -> PyResult<Sentinels> {
    let number = |number: PyNumber| match number {
        PyNumber::Integer(value) => Ok(Number::Integer(value)),
        PyNumber::Float(value) => {
            Number::float(value).ok_or_else(|| ParamsError::new_err("sentinels: give finite numbers"))
        }
    };
    let list = |(name, numbers): (String, Vec<PyNumber>)| {
        Ok((name, numbers.into_iter().map(number).collect::<PyResult<_>>()?))
    };
    Ok(Sentinels::new(given.into_iter().map(list).collect::<PyResult<_>>()?))
}

impl Specs {
    fn names(&self, kind: Kind) -> Vec<&str> {
        self.0.of_kind(kind).map(|(name, _)| name).collect()
    }

    fn statistics(&self) -> impl Iterator<Item = (&str, &Statistics)> {
        self.0.branches().filter_map(|(name, branch)| Some((name, branch.statistics.as_ref()?)))
    }

    fn bounds(&self, pick: impl Fn((Number, Number)) -> Number) -> BTreeMap<&str, Option<PyNumber>> {
        let bound = |branch: &BranchSpecs| Some(PyNumber::from(pick(branch.range?).promoted(branch.dtype())));
        self.0.branches().map(|(name, branch)| (name, bound(branch))).collect()
    }
}

fn fields_of(part: &FilePart) -> (&str, &str, u64, &str) {
    (&part.fingerprint, &part.made_with, part.events, &part.specs)
}

fn wrap(specs: Result<core::Specs>) -> PyResult<Specs> {
    specs.map(Specs).map_err(raise)
}

/// The type that holds values of all these types.
#[pyfunction]
pub(crate) fn promoted(types: Vec<String>) -> PyResult<&'static str> {
    let known = |name: &String| DType::from_name(name).map(TypeSet::of);
    let types: Option<Vec<TypeSet>> = types.iter().map(known).collect();
    let all = types.and_then(|types| types.into_iter().reduce(TypeSet::union));
    all.map(|types| types.promoted().name()).ok_or_else(|| ParamsError::new_err("types: give names of types"))
}

#[pymethods]
impl Specs {
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Specs> {
        wrap(core::Specs::from_json(text))
    }

    fn to_json(&self) -> String {
        self.0.to_json()
    }

    #[getter]
    fn typed(&self) -> bool {
        self.0.typed()
    }

    #[staticmethod]
    fn merge(parts: Vec<PyRef<'_, Specs>>) -> PyResult<Specs> {
        wrap(core::Specs::merge(parts.iter().map(|part| &part.0)))
    }

    fn select(&self, names: Vec<String>) -> PyResult<Specs> {
        wrap(self.0.select(names.iter().map(String::as_str)))
    }

    fn with_files(&self, events: BTreeMap<String, u64>, selected: BTreeMap<String, Parts>) -> Specs {
        Specs(self.0.with_files(events, selected))
    }

    #[getter]
    fn fkeys(&self) -> Vec<&str> {
        self.names(Kind::Flat)
    }

    #[getter]
    fn jkeys(&self) -> Vec<&str> {
        self.names(Kind::Jagged)
    }

    #[getter]
    fn jdim(&self) -> BTreeMap<&str, u64> {
        self.0.of_kind(Kind::Jagged).map(|(name, branch)| (name, branch.width)).collect()
    }

    #[getter]
    fn minv(&self) -> BTreeMap<&str, Option<PyNumber>> {
        self.bounds(|(min, _)| min)
    }

    #[getter]
    fn maxv(&self) -> BTreeMap<&str, Option<PyNumber>> {
        self.bounds(|(_, max)| max)
    }

    #[getter]
    fn types(&self) -> BTreeMap<&str, &'static str> {
        self.0.branches().map(|(name, branch)| (name, branch.dtype().name())).collect()
    }

    #[getter]
    fn counts(&self) -> BTreeMap<&str, BTreeMap<&'static str, u64>> {
        let counted = self.0.branches().filter_map(|(name, branch)| Some((name, branch.counts?)));
        let by_key = |c: core::Counts| [("values", c.values), ("nulls", c.nulls), ("nan", c.nan), ("inf", c.infinite)];
        counted.map(|(name, counts)| (name, by_key(counts).into())).collect()
    }

    /// The mean of each branch with statistics.
    #[getter]
    fn mean(&self) -> BTreeMap<&str, Option<f64>> {
        self.statistics().map(|(name, found)| (name, found.mean())).collect()
    }

    /// The standard deviation of each branch with statistics.
    #[getter]
    fn std(&self) -> BTreeMap<&str, Option<f64>> {
        self.statistics().map(|(name, found)| (name, found.deviation())).collect()
    }

    /// A quantile of a branch's values.
    fn quantile(&self, name: &str, q: f64) -> PyResult<Option<f64>> {
        let branch = self.0.branch(name).map_err(raise)?;
        Ok(branch.statistics.as_ref().and_then(|found| found.quantile(q)))
    }

    /// A quantile of a branch's lengths.
    fn length_quantile(&self, name: &str, q: f64) -> PyResult<Option<u64>> {
        let branch = self.0.branch(name).map_err(raise)?;
        Ok(branch.statistics.as_ref().and_then(|found| found.length_quantile(q)))
    }

    /// How many lists of a branch there are of each length; nothing where that is not known.
    fn lengths(&self, name: &str) -> PyResult<Option<BTreeMap<i64, u64>>> {
        let branch = self.0.branch(name).map_err(raise)?;
        let lengths = branch.statistics.as_ref().and_then(Statistics::lengths);
        Ok(lengths.map(|lengths| lengths.iter().collect()))
    }

    /// Whether mean and deviation count events with weights.
    #[getter]
    fn weighted(&self) -> bool {
        self.0.weighted()
    }

    #[getter]
    fn files(&self) -> BTreeMap<String, u64> {
        self.0.events().0.clone()
    }

    #[getter]
    fn total(&self) -> u64 {
        self.0.events().1
    }

    #[getter]
    fn selected(&self) -> BTreeMap<String, Parts> {
        self.0.selected().clone()
    }

    #[getter]
    fn preproc(&self) -> Option<&str> {
        self.0.preproc()
    }

    #[getter]
    fn reads(&self) -> BTreeMap<&str, (&'static str, &'static str)> {
        let reads = self.0.reads().iter();
        reads.map(|(name, (kind, dtype))| (name.as_str(), (kind.name(), dtype.name()))).collect()
    }

    #[getter]
    fn sentinels(&self) -> BTreeMap<&str, Vec<PyNumber>> {
        let all = self.0.sentinels().branches().iter();
        all.map(|(name, numbers)| (name.as_str(), numbers.iter().copied().map(PyNumber::from).collect())).collect()
    }

    /// Files that were skipped: name, reason, and number of events if that is known.
    #[getter]
    fn bad_files(&self) -> BTreeMap<String, (String, Option<u64>)> {
        self.0.bad_files().clone()
    }

    fn with_bad_files(&self, bad_files: BTreeMap<String, (String, Option<u64>)>) -> Specs {
        Specs(self.0.with_bad_files(bad_files))
    }

    /// What was learned of single files: fingerprint, what else it follows from, events, and packed specs.
    #[getter]
    fn parts(&self) -> BTreeMap<&str, (&str, &str, u64, &str)> {
        self.0.parts().iter().map(|(file, part)| (file.as_str(), fields_of(part))).collect()
    }

    fn with_parts(&self, parts: BTreeMap<String, (String, String, u64, String)>) -> Specs {
        let part = |(fingerprint, made_with, events, specs)| FilePart { fingerprint, made_with, events, specs };
        Specs(self.0.with_parts(parts.into_iter().map(|(file, given)| (file, part(given))).collect()))
    }

    fn __eq__(&self, other: &Specs) -> bool {
        self.0 == other.0
    }
}
