//! Lists that are too long keep their largest entries, by the values of one branch, in place of their first ones.

use std::cmp::Reverse;

use super::block::Groups;
use super::convert::{Convert, Converted, Wide, convert, truth};
use super::lengths;
use super::normalize::{self, Region};
use super::output::Rows;
use super::scale::Real;
use crate::column::{Array, Values, with_numbers};
use crate::plan::BranchPlan;
use crate::schema::DType;

/// Branches of one width of which the same entries stay: those with the largest values of the branch `key`.
pub(super) struct Keep {
    key: usize,
    width: usize,
    members: Vec<usize>,
}

/// All of a plan.
pub(super) fn keeps(branches: &[BranchPlan]) -> Vec<Keep> {
    let mut keeps: Vec<Keep> = Vec::new();
    for (branch, key) in lengths::keys(branches) {
        let width = branches[branch].width;
        match keeps.iter_mut().find(|keep| (keep.key, keep.width) == (key, width)) {
            Some(keep) => keep.members.push(branch),
            None => keeps.push(Keep { key, width, members: vec![branch] }),
        }
    }
    keeps
}

/// What is needed for a while.
#[derive(Default)]
pub(super) struct Scratch {
    converted: Converted,
    /// The values of a key as numbers in the same order, and which of them are missing.
    ranks: Vec<u64>,
    missing: Vec<u8>,
    /// Places of a list's entries.
    places: Vec<usize>,
}

impl Keep {
    /// Move the entries that stay to the front of their lists. With `flags` there are flags of missing values.
    pub(super) fn apply(
        &self,
        (arrays, branches): (&[Array<'_>], &[BranchPlan]),
        (groups, rows): (&Groups, &Rows<'_>),
        (regions, normal, flags): (&[Region], &mut normalize::Scratch, bool),
        scratch: &mut Scratch,
    ) {
        let (Array::Jagged(key), Some(lists)) = (&arrays[self.key], groups.lists_of(self.key, rows.events())) else {
            return;
        };
        if groups.longest_of(self.key) <= self.width {
            return;
        }
        rank(&key.inside(), branches[self.key].dtype, scratch);
        let Scratch { ranks, missing, places, .. } = scratch;
        let too_long = |&event: &usize| lists[event].length > self.width && rows.has(event);
        for event in (0..rows.events()).filter(too_long) {
            let start = lists[event].start;
            places.clear();
            places.extend(0..lists[event].length);
            places.sort_unstable_by_key(|&place| (missing[start + place], Reverse(ranks[start + place]), place));
            places.truncate(self.width);
            places.sort_unstable();
            for &member in &self.members {
                if let Some(lists) = groups.lists_of(member, rows.events()) {
                    normal.keep(regions[member].start + lists[event].start, places, flags);
                }
            }
        }
    }
}

/// Write the values of a branch, in its type, as whole numbers of the same order, and which of them are missing, before
/// they are converted or after.
fn rank(values: &Values<'_>, dtype: DType, scratch: &mut Scratch) {
    scratch.missing.clear();
    with_numbers!(values.data(),
        numbers => scratch.missing.extend(numbers.iter().map(|number| u8::from(!number.present()))),
        bools => scratch.missing.resize(bools.len(), 0)
    );
    values.validity().mark_nulls(&mut scratch.missing);
    match dtype {
        DType::Bool => {
            scratch.ranks.clear();
            scratch.ranks.extend(truth(values.data(), &mut scratch.converted).iter().map(|&bool| u64::from(bool)));
        }
        DType::Int8 => ranks::<i8>(values, scratch),
        DType::Int16 => ranks::<i16>(values, scratch),
        DType::Int32 => ranks::<i32>(values, scratch),
        DType::Int64 => ranks::<i64>(values, scratch),
        DType::UInt8 => ranks::<u8>(values, scratch),
        DType::UInt16 => ranks::<u16>(values, scratch),
        DType::UInt32 => ranks::<u32>(values, scratch),
        DType::UInt64 => ranks::<u64>(values, scratch),
        DType::Float32 => ranks::<f32>(values, scratch),
        DType::Float64 => ranks::<f64>(values, scratch),
    }
}

fn ranks<T: Convert>(values: &Values<'_>, scratch: &mut Scratch) {
    scratch.ranks.clear();
    let converted = convert::<T>(values.data(), &mut scratch.converted);
    scratch.ranks.extend(converted.iter().map(|value| rank_of(value.wide())));
    scratch.missing.iter_mut().zip(converted).for_each(|(missing, value)| *missing |= u8::from(!value.present()));
}

/// The sign bit is turned over, so that negative numbers come first; of negative floats the others are, too.
fn rank_of(value: Wide) -> u64 {
    const SIGN: u64 = 1 << 63;
    match value {
        Wide::Unsigned(value) => value,
        Wide::Signed(value) => value as u64 ^ SIGN,
        Wide::Float(value) => {
            let bits = (value + 0.0).to_bits(); // -0 is 0
            if bits & SIGN == 0 { bits | SIGN } else { !bits }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_in_the_order_of_the_numbers() {
        let floats = [f64::MIN, -1.5, -5e-324, 0.0, 5e-324, 1.0, f64::MAX].map(|value| rank_of(Wide::Float(value)));
        assert!(floats.is_sorted_by(|left, right| left < right));
        assert_eq!(rank_of(Wide::Float(-0.0)), rank_of(Wide::Float(0.0)));
        let whole = [i64::MIN, -1, 0, 1, i64::MAX].map(|value| rank_of(Wide::Signed(value)));
        assert!(whole.is_sorted_by(|left, right| left < right));
    }
}
