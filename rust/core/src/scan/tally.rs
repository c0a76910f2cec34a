//! Counting values by bin: a table with a place for every bin, of which few are touched.

use crate::specs::Bins;
use crate::specs::sketch::{FINITE, MAGNITUDES, position};

/// Two counts a bin, for values in turn: an equal one that follows need not wait until the last count is written.
type Table = [[u32; 2]; 2 * MAGNITUDES];

/// Values that are counted before the table is emptied, so that no count overflows.
const MOST: u64 = 1 << 31;

/// Places that are looked at together, to see whether one of them has a count.
const GROUP: usize = 64;

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
        let least = self.least.max(1);
        let magnitudes = least..(self.most.min(FINITE - 1) + 1).max(least); // none where all values are 0
        let (positive, negative) = self.table.split_at_mut(MAGNITUDES);
        let mut counts = Vec::with_capacity(GROUP);
        take(&mut negative[magnitudes.clone()], |place, count| counts.push((-((least + place) as i64), count)));
        counts.reverse();
        take(&mut negative[..1], |_, count| counts.push((0, count)));
        take(&mut positive[..1], |_, count| match counts.last_mut() {
            Some((0, zeros)) => *zeros += count,
            _ => counts.push((0, count)),
        });
        take(&mut positive[magnitudes], |place, count| counts.push(((least + place) as i64, count)));
        let found = Bins::of(counts.into_iter());
        self.values = 0;
        self.done = if self.done.is_empty() { found } else { self.done.merged(&found) };
    }
}

/// Take the counts of some places, those that are not 0; the others, mostly very many, are passed over in groups.
fn take(table: &mut [[u32; 2]], mut found: impl FnMut(usize, u64)) {
    for (number, group) in table.chunks_mut(GROUP).enumerate() {
        if group.iter().fold(0, |any, [first, second]| any | first | second) == 0 {
            continue;
        }
        for (place, counts) in group.iter_mut().enumerate().filter(|(_, counts)| **counts != [0; 2]) {
            let [first, second] = std::mem::take(counts);
            found(number * GROUP + place, u64::from(first) + u64::from(second));
        }
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
