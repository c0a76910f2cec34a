//! What the scan learned of each branch; mergeable across chunks, files and machines in any order.

mod bins;
mod json;
pub(crate) mod lengths;
pub(crate) mod moments;
mod number;
mod parts_json;
pub(crate) mod sketch;
mod statistics;
mod statistics_json;

use std::collections::BTreeMap;

pub use bins::Bins;
pub(crate) use json::{NUMBERS, sentinels_from_json};
pub use moments::Moments;
pub use number::Number;
pub(crate) use number::{larger, smaller};
pub use statistics::Statistics;

use crate::error::{Error, Result, hint};
use crate::schema::{DType, Kind, Schema, TypeSet};
use crate::sentinel::Sentinels;

/// How many values there were. Merging adds them up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Values: entries of all lists, or events of a flat branch; nulls among them included.
    pub values: u64,
    /// Nulls: null values and null lists.
    pub nulls: u64,
    /// Values that are NaN.
    pub nan: u64,
    /// Values that are infinite.
    pub infinite: u64,
}

impl Counts {
    /// Both together.
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            values: self.values + other.values,
            nulls: self.nulls + other.nulls,
            nan: self.nan + other.nan,
            infinite: self.infinite + other.infinite,
        }
    }
}

/// What is known of one branch.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchSpecs {
    /// Flat or jagged.
    pub kind: Kind,
    /// The types it was seen with.
    pub types: TypeSet,
    /// Largest length of a list; 1 for a flat branch.
    pub width: u64,
    /// Smallest and largest finite value; absent where there is none.
    pub range: Option<(Number, Number)>,
    /// Absent in specs of the original.
    pub counts: Option<Counts>,
    /// How values and lengths are distributed; absent in specs of the original.
    pub statistics: Option<Statistics>,
}

impl BranchSpecs {
    /// The one type that holds every value.
    pub fn dtype(&self) -> DType {
        self.types.promoted()
    }

    fn merged(&self, other: &BranchSpecs) -> BranchSpecs {
        let split = |range: Option<(Number, Number)>| (range.map(|range| range.0), range.map(|range| range.1));
        let ((min, max), (other_min, other_max)) = (split(self.range), split(other.range));
        BranchSpecs {
            kind: self.kind,
            types: self.types.union(other.types),
            width: self.width.max(other.width),
            range: smaller(min, other_min).zip(larger(max, other_max)),
            counts: self.counts.zip(other.counts).map(|(left, right)| left.plus(right)),
            statistics: self.statistics.as_ref().zip(other.statistics.as_ref()).map(|(left, right)| left.merged(right)),
        }
    }
}

/// Events of a file that are used, by part: train, validation, test.
pub type Parts = [u64; 3];

/// What the first pass learned of one file, kept so that it can be told whether the file changed since, and so that only
/// what changed is scanned again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// What tells the file from itself when it has changed.
    pub fingerprint: String,
    /// What else its specs follow from.
    pub made_with: String,
    /// Entries of it that were used.
    pub events: u64,
    /// Its specs, packed by whoever scanned it.
    pub specs: String,
}

/// What the first pass learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Specs {
    /// Whether types are missing, as in the original's files; every branch then counts as float64.
    untyped: bool,
    branches: BTreeMap<String, BranchSpecs>,
    /// Entries of each file.
    files: BTreeMap<String, u64>,
    total: u64,
    selected: BTreeMap<String, Parts>,
    /// The hash of the formulas and cuts that they were made with.
    preproc: Option<String>,
    /// Kind and type of every branch that formulas and cuts read.
    reads: Schema,
    /// Numbers that stood for a missing value.
    sentinels: Sentinels,
    /// Whether mean and deviation count every event with its weight.
    weighted: bool,
    /// Files that were skipped, each with the reason and the number of its events, if that is known.
    bad_files: BTreeMap<String, (String, Option<u64>)>,
    /// What was learned of single files.
    parts: BTreeMap<String, FilePart>,
}

impl Specs {
    /// Specs of these branches, over `total` events in memory.
    pub fn new(branches: BTreeMap<String, BranchSpecs>, total: u64) -> Specs {
        Specs { branches, total, ..Specs::default() }
    }

    /// The branches in the order of their names' code points.
    pub fn branches(&self) -> impl Iterator<Item = (&str, &BranchSpecs)> {
        self.branches.iter().map(|(name, branch)| (name.as_str(), branch))
    }

    /// The branches of one kind, in the order of their names.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&str, &BranchSpecs)> {
        self.branches().filter(move |(_, branch)| branch.kind == kind)
    }

    /// One branch, or an error that names the nearest.
    pub fn branch(&self, name: &str) -> Result<&BranchSpecs> {
        self.branches.get(name).ok_or_else(|| Error::UnknownBranch {
            branch: name.to_owned(),
            hint: hint(name, self.branches.keys().map(String::as_str)),
        })
    }

    /// Whether the types of the branches are known; if not, each counts as float64.
    pub fn typed(&self) -> bool {
        !self.untyped
    }

    /// Entries of each file, and how many events there are in all.
    pub fn events(&self) -> (&BTreeMap<String, u64>, u64) {
        (&self.files, self.total)
    }

    /// Events used of each file and part.
    pub fn selected(&self) -> &BTreeMap<String, Parts> {
        &self.selected
    }

    /// The hash of the formulas and cuts that they were made with; nothing if there were none.
    pub fn preproc(&self) -> Option<&str> {
        self.preproc.as_deref()
    }

    /// Kind and type of every branch that formulas and cuts read.
    pub fn reads(&self) -> &Schema {
        &self.reads
    }

    /// The same, made with formulas and cuts of that hash, which read these branches.
    pub fn with_preproc(&self, preproc: String, reads: Schema) -> Specs {
        Specs { preproc: Some(preproc), reads, ..self.clone() }
    }

    /// Numbers that stood for a missing value, of these branches and of others that formulas and cuts read.
    pub fn sentinels(&self) -> &Sentinels {
        &self.sentinels
    }

    /// The same, made with these sentinels.
    pub fn with_sentinels(self, sentinels: Sentinels) -> Specs {
        Specs { sentinels, ..self }
    }

    /// Whether mean and deviation count every event with its weight.
    pub fn weighted(&self) -> bool {
        self.weighted
    }

    /// The same, made with weights of the events, or without.
    pub fn with_weighted(self, weighted: bool) -> Specs {
        Specs { weighted, ..self }
    }

    /// The same, made without files that were skipped: each with the reason and the number of its events, if known.
    pub fn with_bad_files(&self, bad_files: BTreeMap<String, (String, Option<u64>)>) -> Specs {
        Specs { bad_files, ..self.clone() }
    }

    /// Files that were skipped, each with the reason and the number of its events, if that is known.
    pub fn bad_files(&self) -> &BTreeMap<String, (String, Option<u64>)> {
        &self.bad_files
    }

    /// What was learned of single files.
    pub fn parts(&self) -> &BTreeMap<String, FilePart> {
        &self.parts
    }

    /// The same, with what was learned of single files.
    pub fn with_parts(&self, parts: BTreeMap<String, FilePart>) -> Specs {
        Specs { parts, ..self.clone() }
    }

    /// The same and further branches, over the same events.
    pub fn with_branches(&self, more: BTreeMap<String, BranchSpecs>) -> Specs {
        let mut specs = self.clone();
        specs.branches.extend(more);
        specs
    }

    /// The same, over these files.
    pub fn with_files(&self, files: BTreeMap<String, u64>, selected: BTreeMap<String, Parts>) -> Specs {
        let total = files.values().sum();
        Specs { files, total, selected, ..self.clone() }
    }

    /// Only these branches.
    pub fn select<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<Specs> {
        let branches = names.map(|name| Ok((name.to_owned(), self.branch(name)?.clone())));
        let branches: BTreeMap<_, _> = branches.collect::<Result<_>>()?;
        let sentinels = self.sentinels.select(|name| branches.contains_key(name) || self.reads.contains_key(name));
        Ok(Specs { branches, sentinels, ..self.clone() })
    }

    /// Both together, the same in any order and grouping. Both must have the same branches of the same kinds.
    pub fn merged(&self, other: &Specs) -> Result<Specs> {
        let mut branches = BTreeMap::new();
        for (name, left) in &self.branches {
            let Some(right) = other.branches.get(name) else {
                return Err(Error::MergeBranches { branch: name.clone() });
            };
            if left.kind != right.kind {
                return Err(Error::MergeKinds { branch: name.clone(), first: left.kind, second: right.kind });
            }
            branches.insert(name.clone(), left.merged(right));
        }
        if let Some(name) = other.branches.keys().find(|name| !self.branches.contains_key(*name)) {
            return Err(Error::MergeBranches { branch: name.clone() });
        }
        let mut files = self.files.clone();
        for (file, events) in &other.files {
            *files.entry(file.clone()).or_default() += events;
        }
        let mut selected = self.selected.clone();
        for (file, parts) in &other.selected {
            let sum = selected.entry(file.clone()).or_default();
            sum.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        if self.preproc != other.preproc {
            return Err(Error::MergePreproc);
        }
        let mut reads = self.reads.clone();
        for (name, &(kind, dtype)) in &other.reads {
            let known = reads.entry(name.clone()).or_insert((kind, dtype));
            known.1 = TypeSet::of(known.1).union(TypeSet::of(dtype)).promoted();
        }
        if self.sentinels != other.sentinels {
            return Err(Error::MergeSentinels);
        }
        if self.weighted != other.weighted {
            return Err(Error::MergeWeights);
        }
        let (untyped, total) = (self.untyped || other.untyped, self.total + other.total);
        let (preproc, sentinels, weighted) = (self.preproc.clone(), self.sentinels.clone(), self.weighted);
        let mut bad_files = self.bad_files.clone();
        bad_files.extend(other.bad_files.clone());
        let mut parts = self.parts.clone();
        parts.extend(other.parts.clone());
        // Of a file in both each part is only half of what was learned.
        parts.retain(|file, _| !(self.files.contains_key(file) && other.files.contains_key(file)));
        Ok(Specs { untyped, branches, files, total, selected, preproc, reads, sentinels, weighted, bad_files, parts })
    }

    /// All of them together.
    pub fn merge<'a>(parts: impl IntoIterator<Item = &'a Specs>) -> Result<Specs> {
        let mut parts = parts.into_iter();
        let first = parts.next().ok_or(Error::NothingToMerge)?;
        parts.try_fold(first.clone(), |merged, part| merged.merged(part))
    }
}
