//! What a thread found of a branch.

use std::collections::BTreeMap;

use crate::column::Lists;
use crate::schema::{Kind, TypeSet};
use crate::specs::lengths::{EXACT, counted_as};
use crate::specs::{Bins, BranchSpecs, Counts, Moments, Number, Statistics, larger, smaller};

/// What is known of some values; adding up is commutative, and associative but for the last bits of moments.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) min: Option<Number>,
    pub(super) max: Option<Number>,
    pub(super) width: u64,
    pub(super) counts: Counts,
    pub(super) moments: Moments,
    pub(super) sketch: Bins,
    pub(super) lengths: Bins,
}

impl Found {
    /// What is known of the lengths of lists, null ones being empty.
    pub(super) fn of_lengths(lists: &Lists<'_>) -> Found {
        let width = lists.longest() as u64;
        let mut short = vec![0_u64; width.min(EXACT) as usize + 1];
        let mut long = BTreeMap::<u64, u64>::new();
        lists.each(|_, length| match short.get_mut(length) {
            Some(count) => *count += 1,
            None => *long.entry(counted_as(length as u64)).or_default() += 1,
        });
        let short = short.into_iter().enumerate().map(|(length, count)| (length as i64, count));
        let long = long.into_iter().map(|(length, count)| (length as i64, count));
        Found { width, lengths: Bins::of(short.chain(long)), ..Found::default() }
    }

    pub(super) fn add(&mut self, other: &Found) {
        self.min = smaller(self.min, other.min);
        self.max = larger(self.max, other.max);
        self.width = self.width.max(other.width);
        self.counts = self.counts.plus(other.counts);
        self.moments = self.moments.plus(other.moments);
        for (bins, others) in [(&mut self.sketch, &other.sketch), (&mut self.lengths, &other.lengths)] {
            if !others.is_empty() {
                *bins = bins.merged(others);
            }
        }
    }

    pub(super) fn branch(self, kind: Kind, types: TypeSet) -> BranchSpecs {
        let (width, lengths) = if kind == Kind::Flat { (1, None) } else { (self.width, Some(self.lengths)) };
        let range = self.min.zip(self.max);
        let bounds = range.map(|(min, max)| (min.to_f64(), max.to_f64()));
        let statistics = Some(Statistics::new(bounds, self.moments, self.sketch, lengths));
        BranchSpecs { kind, types, width, range, counts: Some(self.counts), statistics }
    }
}
