//! From specs to branches, steps and names of columns.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::{BranchOptions, BranchPlan, Options, Padding, Source, Step};
use crate::error::{Error, Result};
use crate::expr::Program;
use crate::schema::Kind;
use crate::specs::Specs;

/// The branches in the order of the matrix: flat ones by name, then jagged ones by name.
pub(super) fn branches(specs: &Specs, program: &Program, options: &Options) -> Result<Vec<BranchPlan>> {
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
    for (branch, given) in &options.branches {
        given.check(branch, specs)?;
    }
    let (mut plans, default) = (Vec::new(), BranchOptions::default());
    for (name, branch) in specs.of_kind(Kind::Flat).chain(specs.of_kind(Kind::Jagged)) {
        let number = program.defined().iter().position(|defined| defined.name == name);
        let source = number.map_or(Source::Data, Source::Formula);
        let dtype = number.map_or(branch.dtype(), |number| program.branch_of(&program.defined()[number]).1);
        let given = options.branches.get(name).unwrap_or(&default);
        let normalize = given.normalize.of(name, branch, dtype)?;
        let width = usize::try_from(given.width.unwrap_or(branch.width)).unwrap_or(usize::MAX);
        let fill = given.fill.unwrap_or(options.pad_value);
        let padding = Padding { fill, wrap: given.wrap, largest: given.largest.clone() };
        let (name, kind, clip) = (name.to_owned(), branch.kind, given.clip);
        let (tensor, column) = (0, 0); // see `layout::arrange`
        plans.push(BranchPlan { name, kind, dtype, source, normalize, clip, width, padding, tensor, column });
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
        let scale = Step::Scale { input: slot, out: slot + 1, normalize: branch.normalize, clip: branch.clip };
        let pad = Step::Pad { input: slot + 1, out: slot + 2, width: branch.width, padding: branch.padding.clone() };
        [first, scale, pad, Step::Store { input: slot + 2, tensor: branch.tensor, column: branch.column }]
    };
    let mut steps: Vec<Step> = formulas(0..program.cut_steps).collect();
    steps.extend((0..program.selects().len()).map(|number| Step::Select { number }));
    steps.extend(formulas(program.cut_steps..base));
    steps.extend(branches.iter().enumerate().flat_map(of_branch));
    steps
}

/// The branches of the data that rows are made of, each once: those of the matrix first.
pub(super) fn reads(program: &Program, branches: &[BranchPlan]) -> Vec<Arc<str>> {
    let from_data = branches.iter().filter(|branch| branch.source == Source::Data).map(|branch| branch.name.as_str());
    let [_, new] = program.reads();
    let mut seen = HashSet::new();
    let all = from_data.chain(new.iter().map(|read| read.0));
    all.filter(|name| seen.insert(*name)).map(Arc::from).collect()
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
    let mut owners: HashMap<String, &str> = HashMap::new();
    let mut names = Vec::new();
    for branch in branches.iter().filter(|branch| branch.tensor == 0) {
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
