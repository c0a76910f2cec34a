//! Padding by repetition: a list goes round until its columns are full.

use crate::plan::BranchPlan;
use crate::schema::Kind;

/// A branch that repeats its lists.
pub(super) struct Wrapped {
    pub(super) branch: usize,
    column: usize,
    width: usize,
}

/// Those of the members of a tensor that do.
pub(super) fn wrapped(branches: &[BranchPlan], members: &[usize]) -> Vec<Wrapped> {
    let repeats = |&&branch: &&usize| branches[branch].padding.wrap && branches[branch].kind == Kind::Jagged;
    let of = |&branch: &usize| Wrapped { branch, column: branches[branch].column, width: branches[branch].width };
    members.iter().filter(repeats).map(of).collect()
}

impl Wrapped {
    /// Repeat the first `length` values of the branch in a row; of an empty list the pad value stays.
    #[inline(always)]
    pub(super) fn repeat(&self, row: &mut [f32], length: usize) {
        if length == 0 {
            return;
        }
        for place in self.column + length..self.column + self.width {
            row[place] = row[place - length];
        }
    }
}
