//! A plan: everything that happens to an event on its way into the matrix, as a list of typed steps.
//!
//! A plan is immutable, has one canonical JSON form, and is known by the hash of it. Values are numbered: a step takes
//! one and makes the next, so that new kinds of steps (formulas, cuts, other normalisations and layouts) stand between
//! load and store without a change to those that are there.

mod compile;
mod json;

pub use compile::Options;

use std::collections::HashMap;

use crate::error::Result;
use crate::schema::{DType, Kind};
use crate::specs::{Number, Specs};

/// Number of a value that one step makes and another takes.
pub type Slot = usize;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Take a column of the data and convert its values to `dtype`.
    Load {
        /// The value made.
        out: Slot,
        /// The branch's name.
        branch: String,
        /// Flat or jagged; data of the other kind are refused.
        kind: Kind,
        /// The type that the specs give it.
        dtype: DType,
    },
    /// Normalise every value and round it to float32.
    Scale {
        /// The value taken.
        input: Slot,
        /// The value made.
        out: Slot,
        /// How.
        normalize: Normalize,
    },
    /// Bring every list to `width` values; the first ones of longer lists stay.
    Pad {
        /// The value taken.
        input: Slot,
        /// The value made.
        out: Slot,
        /// Values of every event.
        width: usize,
    },
    /// Write the value into the matrix.
    Store {
        /// The value taken.
        input: Slot,
        /// First column of the matrix that it fills.
        column: usize,
    },
}

/// How values are normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalize {
    /// `(x - min) * (1 / (max - min))`; a branch without finite values has no range and is constant.
    MinMax(Option<(Number, Number)>),
    /// As they stand.
    None,
}

/// What a plan does with one branch: its four steps side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchPlan {
    /// The branch's name.
    pub name: String,
    /// Flat or jagged.
    pub kind: Kind,
    /// The type that values are converted to first.
    pub dtype: DType,
    /// How they are normalised.
    pub normalize: Normalize,
    /// Columns of the matrix; 1 for a flat branch.
    pub width: usize,
    /// First column of the matrix.
    pub column: usize,
}

/// A compiled transformation of columns into matrix and mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    branches: Vec<BranchPlan>,
    /// The position of each branch.
    positions: HashMap<String, usize>,
    names: Vec<String>,
    pad_value: f32,
    json: String,
    hash: String,
}

impl Plan {
    /// Compile specs.
    pub fn new(specs: &Specs, options: &Options) -> Result<Plan> {
        let branches = compile::branches(specs, options)?;
        Plan::of_branches(branches, options.pad_value)
    }

    fn of_branches(branches: Vec<BranchPlan>, pad_value: f32) -> Result<Plan> {
        let names = compile::column_names(&branches)?;
        let json = json::write(&compile::steps(&branches), &names, pad_value);
        let hash = json::hash(&json);
        let positions = branches.iter().enumerate().map(|(at, branch)| (branch.name.clone(), at)).collect();
        Ok(Plan { branches, positions, names, pad_value, json, hash })
    }

    /// Read back what [`Plan::to_json`] gave.
    pub fn from_json(text: &str) -> Result<Plan> {
        let read = json::read(text)?;
        let plan = Plan::of_branches(json::link(&read.steps)?, read.pad_value)?;
        if plan.names == read.names { Ok(plan) } else { Err(json::wrong_names(&read.names)) }
    }

    /// The canonical JSON form: equal plans give equal text.
    pub fn to_json(&self) -> &str {
        &self.json
    }

    /// SHA-256 of the canonical JSON form, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What stands where there is no value.
    pub fn pad_value(&self) -> f32 {
        self.pad_value
    }

    /// The branches in the order of their columns.
    pub fn branches(&self) -> &[BranchPlan] {
        &self.branches
    }

    /// The position of the branch of that name among the branches.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// Names of the matrix's columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Columns of the matrix.
    pub fn width(&self) -> usize {
        self.names.len()
    }
}
