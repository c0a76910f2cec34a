//! A plan: everything that happens to an event on its way into the matrix, as a list of typed steps.
//!
//! A plan is immutable, has one canonical JSON form, and is known by the hash of it. Values are numbered: a step takes
//! one and makes the next, so that new kinds of steps (formulas, cuts, other normalisations and layouts) stand between
//! load and store without a change to those that are there.

mod compile;
mod formula_json;
mod json;
mod layout;
mod options;
mod reader;

pub use formula_json::steps_to_json;
pub use layout::{Layout, Tensor};
pub use options::{BranchOptions, Options, Rule};

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::expr::Program;
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
        /// Between which numbers; nothing: any.
        clip: Option<(f32, f32)>,
    },
    /// Bring every list to `width` values: of longer lists some stay, shorter ones are padded.
    Pad {
        /// The value taken.
        input: Slot,
        /// The value made.
        out: Slot,
        /// Values of every event.
        width: usize,
        /// What stands where a value is missing, and how lists become longer and shorter.
        padding: Padding,
    },
    /// Compute a value; its number is that of the step in the program.
    Formula {
        /// The value made.
        out: Slot,
    },
    /// Keep the events that pass a cut.
    Select {
        /// The program's cut of this number.
        number: usize,
    },
    /// Take a value as a new branch.
    Define {
        /// The value taken.
        input: Slot,
        /// The value made.
        out: Slot,
        /// The program's new branch of this number.
        number: usize,
    },
    /// Write the value into the matrix or another tensor.
    Store {
        /// The value taken.
        input: Slot,
        /// The number of the tensor: 0 for the matrix, 1 for the first one of the layout.
        tensor: usize,
        /// First column that it fills of the tensor's rows.
        column: usize,
    },
}

/// Where the values of a branch come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the data.
    Data,
    /// From the program's new branch of this number.
    Formula(usize),
}

/// How values are normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalize {
    /// `(x - min) * (1 / (max - min))`; a branch without finite values has no range and is constant.
    MinMax(Option<(Number, Number)>),
    /// `(x - center) * (1 / scale)`: mean and standard deviation. A branch without finite values has neither, and is
    /// constant.
    Standard(Option<(f64, f64)>),
    /// The same with the median and the range of the quantiles from 16 to 84 %.
    Robust(Option<(f64, f64)>),
    /// As they stand.
    None,
}

/// What stands where there is no value, and which values stay where there are too many.
#[derive(Clone, Debug, PartialEq)]
pub struct Padding {
    /// What stands where a value is missing.
    pub fill: f32,
    /// Whether lists are repeated until there are enough values, instead of the pad value.
    pub wrap: bool,
    /// The jagged branch whose largest values say which entries stay of a list that is too long; nothing: the first.
    pub largest: Option<String>,
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
    /// Where they come from.
    pub source: Source,
    /// How they are normalised.
    pub normalize: Normalize,
    /// Between which numbers they are clipped then.
    pub clip: Option<(f32, f32)>,
    /// Columns that it fills; 1 for a flat branch.
    pub width: usize,
    /// How lists are brought to the width.
    pub padding: Padding,
    /// The tensor that it is part of: 0 for the matrix.
    pub tensor: usize,
    /// First column that it fills of the tensor's rows.
    pub column: usize,
}

/// A compiled transformation of columns into matrix and mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    program: Program,
    branches: Vec<BranchPlan>,
    /// The branches of the data that rows are made of: those of the matrix in its order, then those of formulas.
    reads: Vec<Arc<str>>,
    /// The position of each of them.
    positions: FxHashMap<Arc<str>, usize>,
    names: Vec<String>,
    layout: Layout,
    /// The positions of the branches of each tensor, the matrix first, in the order of their columns.
    members: Vec<Vec<usize>>,
    pad_value: f32,
    json: String,
    hash: String,
}

impl Plan {
    /// Compile specs, and the formulas and cuts of `program`, with which the specs were made.
    pub fn new(specs: &Specs, program: Program, options: &Options) -> Result<Plan> {
        let mut branches = compile::branches(specs, &program, options)?;
        let layout = layout::arrange(&mut branches, options)?;
        let program = program.with_sentinels(specs.sentinels().clone());
        Plan::of_branches(program, branches, layout, options.pad_value)
    }

    fn of_branches(program: Program, branches: Vec<BranchPlan>, layout: Layout, pad_value: f32) -> Result<Plan> {
        layout::check(&branches, &layout)?;
        let program = compile::with_sentinels_of_reads(program, &branches);
        let names = compile::column_names(&branches)?;
        let steps = compile::steps(&program, &branches);
        let json = json::write(&program, &steps, &names, &layout, pad_value);
        let hash = json::hash(&json);
        let reads = compile::reads(&program, &branches);
        let positions = reads.iter().enumerate().map(|(at, branch)| (Arc::clone(branch), at)).collect();
        let members = (0..=layout.tensors.len()).map(|tensor| layout::members(&branches, tensor)).collect();
        Ok(Plan { program, branches, reads, positions, names, layout, members, pad_value, json, hash })
    }

    /// The same for data that passed the cuts and in which the new branches are: these are loaded instead of computed.
    pub fn computed(&self) -> Result<Plan> {
        let from_data = |name: &str| self.branches.iter().any(|one| one.name == name && one.source == Source::Data);
        let program = Program::default().with_sentinels(self.program.sentinels().select(from_data));
        let branches = self.branches.iter().map(|branch| BranchPlan { source: Source::Data, ..branch.clone() });
        Plan::of_branches(program, branches.collect(), self.layout.clone(), self.pad_value)
    }

    /// Read back what [`Plan::to_json`] gave.
    pub fn from_json(text: &str) -> Result<Plan> {
        let read = json::read(text)?;
        let (program, branches) = json::link(read.formulas, &read.steps)?;
        let program = program.with_sentinels(read.sentinels);
        let plan = Plan::of_branches(program, branches, read.layout, read.pad_value)?;
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

    /// Formulas and cuts.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The branches of the data that rows are made of: those of the matrix in its order, then those that only formulas of
    /// new branches take. What cuts read is [`Program::reads`]' to say.
    pub fn reads(&self) -> &[Arc<str>] {
        &self.reads
    }

    /// The position of the branch of that name among those that are read.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// What is made beside the matrix.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The branches of a tensor, in the order of its columns; tensor 0 is the matrix.
    pub fn members(&self, tensor: usize) -> impl Iterator<Item = &BranchPlan> {
        self.members.get(tensor).into_iter().flatten().filter_map(|&index| self.branches.get(index))
    }

    /// The positions of the branches of each tensor, the matrix first, in the order of their columns.
    pub(crate) fn positions_of_members(&self) -> &[Vec<usize>] {
        &self.members
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
