//! Which branches need lists of equal lengths, and how long those of an image must be.

use super::block::Groups;
use super::output::Rows;
use crate::error::Error;
use crate::plan::{BranchPlan, Plan};
use crate::schema::Kind;

/// A branch whose lists must be as long as those of another, or have a value for each pixel of an image.
pub(super) struct Rule {
    branch: usize,
    needs: Needs,
}

enum Needs {
    LengthOf { other: usize, why: String },
    Pixels { image: String, height: usize, width: usize },
}

/// The event within a block that does not fit, and what is wrong with it.
pub(super) type NotFit = (usize, Error);

/// The rules of a plan.
pub(super) fn rules(plan: &Plan) -> Vec<Rule> {
    let branches = plan.branches();
    let mut rules = Vec::new();
    for (tensor, members) in plan.layout().tensors.iter().zip(plan.positions_of_members().iter().skip(1)) {
        let jagged = members.iter().copied().filter(|&index| branches[index].kind == Kind::Jagged);
        let mut leader = None;
        for branch in jagged {
            let needs = match (tensor.pixels(), leader) {
                (Some((height, width)), _) => Some(Needs::Pixels { image: tensor.name.clone(), height, width }),
                (None, Some(other)) => {
                    let why = format!("the branches of collection '{}' need the same number", tensor.name);
                    Some(Needs::LengthOf { other, why })
                }
                (None, None) => None,
            };
            leader = leader.or(Some(branch));
            rules.extend(needs.map(|needs| Rule { branch, needs }));
        }
    }
    for (branch, key) in keys(branches) {
        let why = format!("which entries of '{}' stay is said by '{}'", branches[branch].name, branches[key].name);
        let why = format!("{why}, so both need the same number");
        rules.extend((branch != key).then_some(Rule { branch, needs: Needs::LengthOf { other: key, why } }));
    }
    rules
}

/// The branches of which the largest entries stay, each with the branch that says which those are.
pub(super) fn keys(branches: &[BranchPlan]) -> impl Iterator<Item = (usize, usize)> {
    branches.iter().enumerate().filter_map(|(branch, plan)| {
        let key = plan.padding.largest.as_ref().filter(|_| plan.kind == Kind::Jagged)?;
        let key = branches.iter().position(|known| known.kind == Kind::Jagged && known.name == *key)?;
        Some((branch, key))
    })
}

impl Rule {
    /// Check the lists of the events that have a row; the first one that does not fit is the error.
    pub(super) fn check(&self, branches: &[BranchPlan], groups: &Groups, rows: &Rows<'_>) -> Result<(), NotFit> {
        let lists = |branch: usize| groups.lists_of(branch, rows.events());
        let Some(found) = lists(self.branch) else { return Ok(()) };
        let name = |branch: usize| branches[branch].name.clone();
        let mut written = (0..rows.events()).filter(|&event| rows.has(event));
        match &self.needs {
            Needs::LengthOf { other, why } => {
                let Some(others) = lists(*other).filter(|others| !std::ptr::eq(*others, found)) else { return Ok(()) };
                let Some(event) = written.find(|&event| found[event].length != others[event].length) else {
                    return Ok(());
                };
                let (first, second, why) = (name(self.branch), name(*other), why.clone());
                let (found, expected) = (found[event].length, others[event].length);
                Err((event, Error::Unequal { event, first, found, second, expected, why }))
            }
            Needs::Pixels { image, height, width } => {
                let expected = height * width;
                let Some(event) = written.find(|&event| found[event].length != expected) else { return Ok(()) };
                let (branch, image, found) = (name(self.branch), image.clone(), found[event].length);
                let (height, width) = (*height, *width);
                Err((event, Error::Pixels { event, branch, found, image, expected, height, width }))
            }
        }
    }
}
