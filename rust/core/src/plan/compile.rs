//! From specs to branches, steps and names of columns.

use std::collections::{BTreeMap, HashMap};

use super::{BranchPlan, Normalize, Step};
use crate::error::{Error, Result};
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
pub(super) fn branches(specs: &Specs, options: &Options) -> Result<Vec<BranchPlan>> {
    let minmax = match options.normalize.as_str() {
        "minmax" => true,
        "none" => false,
        found => return Err(Error::Normalize { found: found.to_owned() }),
    };
    if !options.pad_value.is_finite() {
        let found = options.pad_value.to_string();
        return Err(Error::Argument { what: "pad_value", found, expected: "a finite float32 number" });
    }
    for branch in options.widths.keys() {
        if specs.branch(branch)?.kind == Kind::Flat {
            return Err(Error::WidthOfFlat { branch: branch.clone() });
        }
    }
    let mut column = 0_usize;
    let mut plans = Vec::new();
    for (name, branch) in specs.of_kind(Kind::Flat).chain(specs.of_kind(Kind::Jagged)) {
        let dtype = branch.dtype();
        let range = branch.range.map(|(min, max)| (min.promoted(dtype), max.promoted(dtype)));
        let normalize = if minmax { Normalize::MinMax(range) } else { Normalize::None };
        let width = options.widths.get(name).copied().unwrap_or(branch.width);
        let width = usize::try_from(width).unwrap_or(usize::MAX);
        plans.push(BranchPlan { name: name.to_owned(), kind: branch.kind, dtype, normalize, width, column });
        column = column.saturating_add(width);
    }
    Ok(plans)
}

/// Four steps for each branch.
pub(super) fn steps(branches: &[BranchPlan]) -> Vec<Step> {
    let of_branch = |(index, branch): (usize, &BranchPlan)| {
        let slot = 3 * index;
        let load = Step::Load { out: slot, branch: branch.name.clone(), kind: branch.kind, dtype: branch.dtype };
        let scale = Step::Scale { input: slot, out: slot + 1, normalize: branch.normalize };
        let pad = Step::Pad { input: slot + 1, out: slot + 2, width: branch.width };
        [load, scale, pad, Step::Store { input: slot + 2, column: branch.column }]
    };
    branches.iter().enumerate().flat_map(of_branch).collect()
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
