//! What a plan makes beside the matrix: a tensor for each collection or image.
//!
//! A row of a tensor is one event: its branches (or channels) one behind the other, each of as many values as the mask's
//! row has, for the mask is shared: it is true where the place is padding, or where every branch misses its value.
//!
//! ```text
//! shape [3, 4]      | pt0 pt1 pt2 pt3 | eta0 eta1 eta2 eta3 | phi0 phi1 phi2 phi3 |
//! mask              | 0   0   1   1   |
//! ```

use std::collections::HashMap;

use super::json::WHAT;
use super::{BranchPlan, Options};
use crate::error::{Error, Result, hint};
use crate::schema::Kind;

/// The layout that makes nothing but the matrix.
pub(super) const MATRIX: &str = "matrix";

/// Columns that a matrix can have, all tensors counted; beyond it a width is a mistake.
const MAX_COLUMNS: u64 = 1 << 24;

/// What is made beside the matrix, and under which name.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// `"matrix"`, `"collections"` or `"image"`.
    pub name: String,
    /// The tensors beside the matrix.
    pub tensors: Vec<Tensor>,
}

/// The values of some branches, one event a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its shape behind the events: branches and width of a collection; channels, height and width of an image.
    pub shape: Vec<usize>,
}

impl Tensor {
    /// Values of an event.
    pub fn size(&self) -> usize {
        self.shape.iter().fold(1, |size, &length| size.saturating_mul(length))
    }

    /// Values of an event in the mask.
    pub fn mask_size(&self) -> usize {
        self.shape.iter().skip(1).fold(1, |size, &length| size.saturating_mul(length))
    }

    /// Height and width of an image, of which every list must have a value for each pixel.
    pub fn pixels(&self) -> Option<(usize, usize)> {
        match self.shape[..] {
            [_, height, width] => Some((height, width)),
            _ => None,
        }
    }
}

/// Give every branch its tensor and its column there.
pub(super) fn arrange(branches: &mut [BranchPlan], options: &Options) -> Result<Layout> {
    let known: HashMap<String, usize> =
        branches.iter().enumerate().map(|(index, branch)| (branch.name.clone(), index)).collect();
    for (number, (tensor, members)) in options.tensors.iter().enumerate() {
        let mut column = 0_usize;
        for name in members {
            let branch = known.get(name).and_then(|&index| branches.get_mut(index));
            let Some(branch) = branch else {
                let hint = hint(name, known.keys().map(String::as_str));
                return Err(Error::UnknownBranch { branch: name.clone(), hint });
            };
            if branch.tensor != 0 {
                let first = options.tensors[branch.tensor - 1].0.name.clone();
                return Err(Error::TwoTensors { branch: name.clone(), first, second: tensor.name.clone() });
            }
            (branch.tensor, branch.column) = (number + 1, column);
            if branch.kind == Kind::Jagged {
                branch.width = tensor.mask_size();
            }
            column = column.saturating_add(branch.width);
        }
    }
    let mut column = 0_usize;
    for branch in branches.iter_mut().filter(|branch| branch.tensor == 0) {
        branch.column = column;
        column = column.saturating_add(branch.width);
    }
    let tensors = options.tensors.iter().map(|(tensor, _)| tensor.clone()).collect();
    Ok(Layout { name: options.layout.clone(), tensors })
}

/// Refuse a plan that is too wide, and tensors that their branches do not fill exactly.
pub(super) fn check(branches: &[BranchPlan], layout: &Layout) -> Result<()> {
    let matrix = branches.iter().filter(|branch| branch.tensor == 0).map(|branch| branch.width);
    let others = layout.tensors.iter().map(Tensor::size);
    let columns = matrix.chain(others).fold(0_u64, |sum, size| sum.saturating_add(size as u64));
    if columns > MAX_COLUMNS {
        return Err(Error::TooWide { columns, limit: MAX_COLUMNS });
    }
    for (number, tensor) in layout.tensors.iter().enumerate() {
        let members = members(branches, number + 1);
        let parts = members.iter().filter_map(|&index| branches.get(index));
        let mut column = 0;
        let next = |branch: &BranchPlan| {
            let fits = branch.column == column && (branch.kind == Kind::Flat || branch.width == tensor.mask_size());
            column += branch.width;
            fits
        };
        let filled = parts.clone().all(next) && column == tensor.size();
        let kinds = parts.clone().filter(|branch| branch.kind == Kind::Flat).count();
        let one_kind = kinds == 0 || (kinds == members.len() && tensor.pixels().is_some());
        if !(filled && one_kind) {
            let expected = format!("{:?}, filled by its branches", tensor.shape);
            let found = format!("filled otherwise, by {} branches", members.len());
            return Err(Error::Field { what: WHAT, place: format!("tensor '{}'", tensor.name), found, expected });
        }
    }
    let known = |key: &String| branches.iter().any(|branch| branch.kind == Kind::Jagged && branch.name == *key);
    match branches
        .iter()
        .find_map(|branch| branch.padding.largest.as_ref().filter(|key| !known(key)).map(|key| (branch, key)))
    {
        None => Ok(()),
        Some((branch, key)) => {
            let place = format!("the branch by which entries of '{}' stay", branch.name);
            Err(Error::Field {
                what: WHAT,
                place,
                found: format!("'{key}'"),
                expected: "a jagged branch of it".to_owned(),
            })
        }
    }
}

/// The positions of a tensor's branches, in the order of their columns.
pub(super) fn members(branches: &[BranchPlan], tensor: usize) -> Vec<usize> {
    let mut members: Vec<usize> = (0..branches.len()).filter(|&index| branches[index].tensor == tensor).collect();
    members.sort_by_key(|&index| branches[index].column);
    members
}
