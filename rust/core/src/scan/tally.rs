//! Counting values by bin: a table with a place for every bin, of which few are touched.

use std::iter;

use crate::specs::Bins;
use crate::specs::sketch::{FINITE, MAGNITUDES, position};

/// Two counts a bin, for values in turn: an equal one that follows need not wait until the last count is written.
type Table = [[u32; 2]; 2 * MAGNITUDES];

/// Values that are counted before the table is emptied, so that no count overflows.
const MOST: u64 = 1 << 31;

/// Counts of values by bin.
#[derive(Default)]
pub(super) struct Tally {
    /// Empty, or as long as a [`Table`]; all are 0 but those between `least` and `most`.
    table: Vec<[u32; 2]>,
    values: u64,
    /// The bounds of the magnitudes that were counted, 0 apart.
    least: usize,
    most: usize,
    done: Bins,
}

impl Tally {
    /// Count finite values, whose magnitudes are 0 or from `least` to `most`.
    #[inline(always)]
    pub(super) fn count<T: Copy>(&mut self, values: &[T], least: f32, most: f32, narrow: impl Fn(T) -> f32) {
        if self.values >= MOST {
            self.empty();
        }
        let (least, most) = (position(least), position(most));
        self.least = if self.values == 0 { least } else { self.least.min(least) };
        self.most = if self.values == 0 { most } else { self.most.max(most) };
        self.values += values.len() as u64;
        if self.table.is_empty() {
            self.table = vec![[0; 2]; 2 * MAGNITUDES]; // whose memory is taken when it is touched
        }
        // With its length known, and positions masked, there are no checks in the loop.
        let Ok(table) = <&mut Table>::try_from(self.table.as_mut_slice()) else { return };
        let position = |value: T| position(narrow(value)) & (2 * MAGNITUDES - 1);
        let pairs = values.chunks_exact(2);
        for &value in pairs.remainder() {
            table[position(value)][0] += 1;
        }
        for pair in pairs {
            table[position(pair[0])][0] += 1;
            table[position(pair[1])][1] += 1;
        }
    }

    /// Count `zeros` and `ones`.
    pub(super) fn count_bools(&mut self, zeros: u64, ones: u64) {
        let one = position(1.0) as i64;
        self.done = self.done.merged(&Bins::of([(0, zeros), (one, ones)].into_iter()));
    }

    /// What was counted; begins anew.
    pub(super) fn take(&mut self) -> Bins {
        self.empty();
        std::mem::take(&mut self.done)
    }

    fn empty(&mut self) {
        if self.values == 0 {
            return;
        }
        let mut take = |position: usize| {
            let [first, second] = std::mem::take(&mut self.table[position]);
            u64::from(first) + u64::from(second)
        };
        let zeros = take(0) + take(MAGNITUDES);
        let magnitudes = self.least.max(1)..=self.most.min(FINITE - 1);
        let negative: Vec<_> = magnitudes.clone().rev().map(|at| (-(at as i64), take(MAGNITUDES + at))).collect();
        let positive = magnitudes.map(|at| (at as i64, take(at)));
        let found = Bins::of(negative.into_iter().chain(iter::once((0, zeros))).chain(positive));
        self.values = 0;
        self.done = if self.done.is_empty() { found } else { self.done.merged(&found) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(tally: &mut Tally, values: &[f32]) -> Bins {
        let magnitudes = || values.iter().map(|value| value.abs());
        let least = magnitudes().filter(|&value| value > 0.0).fold(f32::INFINITY, f32::min);
        tally.count(values, least, magnitudes().fold(0.0, f32::max), |value| value);
        tally.take()
    }

    #[test]
    fn a_tally_is_empty_after_it_was_taken() {
        let mut tally = Tally::default();
        let values = [1.0, -1.0, 0.0, -0.0, f32::MAX, f32::MIN_POSITIVE, 1e-45, 1.0, -2.5];
        let found = counted(&mut tally, &values);
        assert_eq!(found.total(), values.len() as u64);
        assert_eq!(counted(&mut tally, &values), found);
        assert_eq!(counted(&mut tally, &[]), Bins::default());
        assert_eq!(counted(&mut tally, &[0.0]).iter().collect::<Vec<_>>(), [(0, 1)]);
    }
}
