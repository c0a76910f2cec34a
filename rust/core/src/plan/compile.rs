//! From specs to branches, steps and names of columns.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use super::{BranchPlan, Normalize, Source, Step};
use crate::error::{Error, Result};
use crate::expr::Program;
use crate::schema::Kind;
use crate::specs::Specs;

/// Columns that a matrix can have; beyond it a width is a mistake.
const MAX_COLUMNS: u64 = 1 << 24;

/// How specs are turned into a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// `"minmax"` or `"none"`.
    pub normalize: String,
    /// What stands where there is no value.
    pub pad_value: f32,
    /// Widths by name, in place of the largest lengths of the specs.
    pub widths: BTreeMap<String, u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options { normalize: "minmax".to_owned(), pad_value: 0.0, widths: BTreeMap::new() }
    }
}

/// The branches in the order of the matrix: flat ones by name, then jagged ones by name.
pub(super) fn branches(specs: &Specs, program: &Program, options: &Options) -> Result<Vec<BranchPlan>> {
    let minmax = match options.normalize.as_str() {
        "minmax" => true,
        "none" => false,
        found => return Err(Error::Normalize { found: found.to_owned() }),
    };
    if !options.pad_value.is_finite() {
        let found = options.pad_value.to_string();
        return Err(Error::Argument { what: "pad_value", found, expected: "a finite float32 number" });
    }
    for defined in program.defined() {
        let (kind, _) = program.branch_of(defined);
        if !specs.of_kind(kind).any(|(name, _)| name == defined.name) {
            return Err(Error::NotScanned { branch: defined.name.clone() });
        }
    }
    for branch in options.widths.keys() {
        if specs.branch(branch)?.kind == Kind::Flat {
            return Err(Error::WidthOfFlat { branch: branch.clone() });
        }
    }
    let mut column = 0_usize;
    let mut plans = Vec::new();
    for (name, branch) in specs.of_kind(Kind::Flat).chain(specs.of_kind(Kind::Jagged)) {
        let number = program.defined().iter().position(|defined| defined.name == name);
        let source = number.map_or(Source::Data, Source::Formula);
        let dtype = number.map_or(branch.dtype(), |number| program.branch_of(&program.defined()[number]).1);
        let range = branch.range.map(|(min, max)| (min.promoted(dtype), max.promoted(dtype)));
        let normalize = if minmax { Normalize::MinMax(range) } else { Normalize::None };
        let width = options.widths.get(name).copied().unwrap_or(branch.width);
        let width = usize::try_from(width).unwrap_or(usize::MAX);
        let (name, kind) = (name.to_owned(), branch.kind);
        plans.push(BranchPlan { name, kind, dtype, source, normalize, width, column });
        column = column.saturating_add(width);
    }
    Ok(plans)
}

/// The steps of cuts, the cuts, the steps of new branches, and four steps for each branch of the matrix.
pub(super) fn steps(program: &Program, branches: &[BranchPlan]) -> Vec<Step> {
    let formulas = |range: Range<usize>| range.map(|out| Step::Formula { out });
    let base = program.steps().len();
    let of_branch = |(index, branch): (usize, &BranchPlan)| {
        let slot = base + 3 * index;
        let (name, kind, dtype) = (branch.name.clone(), branch.kind, branch.dtype);
        let first = match branch.source {
            Source::Data => Step::Load { out: slot, branch: name, kind, dtype },
            Source::Formula(number) => Step::Define { input: program.defined()[number].slot, out: slot, number },
        };
        let scale = Step::Scale { input: slot, out: slot + 1, normalize: branch.normalize };
        let pad = Step::Pad { input: slot + 1, out: slot + 2, width: branch.width };
        [first, scale, pad, Step::Store { input: slot + 2, column: branch.column }]
    };
    let mut steps: Vec<Step> = formulas(0..program.cut_steps).collect();
    steps.extend((0..program.selects().len()).map(|number| Step::Select { number }));
    steps.extend(formulas(program.cut_steps..base));
    steps.extend(branches.iter().enumerate().flat_map(of_branch));
    steps
}

/// The branches of the data that rows are made of, each once: those of the matrix first.
pub(super) fn reads(program: &Program, branches: &[BranchPlan]) -> Vec<String> {
    let from_data = branches.iter().filter(|branch| branch.source == Source::Data).map(|branch| branch.name.as_str());
    let [_, new] = program.reads();
    let mut seen = HashSet::new();
    let all = from_data.chain(new.iter().map(|read| read.0));
    all.filter(|name| seen.insert(*name)).map(str::to_owned).collect()
}

/// The program without sentinels of branches that nothing reads.
pub(super) fn with_sentinels_of_reads(program: Program, branches: &[BranchPlan]) -> Program {
    let from_data = branches.iter().filter(|branch| branch.source == Source::Data).map(|branch| branch.name.as_str());
    let formulas = program.reads();
    let read: HashSet<&str> = from_data.chain(formulas.iter().flatten().map(|read| read.0)).collect();
    let sentinels = program.sentinels.select(|name| read.contains(name));
    program.with_sentinels(sentinels)
}

/// `name` for flat branches, `name_0 ...` for jagged ones; each must be unique.
pub(super) fn column_names(branches: &[BranchPlan]) -> Result<Vec<String>> {
    let columns = branches.iter().fold(0_u64, |sum, branch| sum.saturating_add(branch.width as u64));
    if columns > MAX_COLUMNS {
        return Err(Error::TooWide { columns, limit: MAX_COLUMNS });
    }
    let mut owners: HashMap<String, &str> = HashMap::new();
    let mut names = Vec::new();
    for branch in branches {
        for index in 0..branch.width {
            let name = match branch.kind {
                Kind::Flat => branch.name.clone(),
                Kind::Jagged => format!("{}_{index}", branch.name),
            };
            if let Some(first) = owners.insert(name.clone(), &branch.name) {
                let (first, second) = (first.to_owned(), branch.name.clone());
                return Err(Error::ColumnClash { name, first, second });
            }
            names.push(name);
        }
    }
    Ok(names)
}
