//! How a row is written.
//!
//! Eight lanes at a time: values where the list has them, `pad` behind, and the same for the mask, both by tables
//! indexed by the length. What spills beyond a branch's columns is overwritten by the next branch, which is written
//! after it; only where the row ends the copy is exact.
//!
//! ```text
//! length 3, width 5:   | a0 a1 a2 pad pad | pad pad pad    <- one 8-lane store; the last three lanes spill
//! next branch:                            | b0 b1 ...      <- and are overwritten
//! ```

use super::normalize::Region;

/// Values copied at once.
pub(super) const LANES: usize = 8;

/// All bits of the first `n` lanes, for each `n`.
const KEEP: [[u32; LANES]; LANES + 1] = {
    let mut table = [[0; LANES]; LANES + 1];
    let mut n = 0;
    while n <= LANES {
        let mut lane = 0;
        while lane < n {
            table[n][lane] = u32::MAX;
            lane += 1;
        }
        n += 1;
    }
    table
};

/// The mask's bytes for the first `n` lanes being values, for each `n`.
const MASK: [[u8; LANES]; LANES + 1] = {
    let mut table = [[1; LANES]; LANES + 1];
    let mut n = 0;
    while n <= LANES {
        let mut lane = 0;
        while lane < n {
            table[n][lane] = 0;
            lane += 1;
        }
        n += 1;
    }
    table
};

/// A jagged branch in the row: which list it takes, where its values lie, and its columns.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) group: usize,
    pub(super) region: Region,
    pub(super) column: usize,
    pub(super) width: usize,
}

impl Field {
    /// Write the list `start..start + length` of the branch's values, cut or padded to its width. `values` has
    /// [`LANES`] more values behind the last list.
    #[inline(always)]
    pub(super) fn write(
        &self,
        values: &[f32],
        (start, length): (usize, usize),
        pad: f32,
        data: &mut [f32],
        mask: &mut [u8],
    ) {
        let source = self.region.start + start;
        let length = length.min(self.width);
        let mut lane = 0;
        while lane < self.width {
            let there = length.saturating_sub(lane).min(LANES);
            // Behind the list's end nothing is read that counts: do not run out of the values there.
            let from = if there == 0 { 0 } else { source + lane };
            let to = self.column + lane;
            let lanes = values[from..].first_chunk::<LANES>();
            let places = (data[to..].first_chunk_mut::<LANES>(), mask[to..].first_chunk_mut::<LANES>());
            let Some(lanes) = lanes else { return };
            if let (Some(data), Some(mask)) = places {
                *data = select(lanes, there, pad);
                *mask = MASK[there];
            } else {
                let stop = self.column + self.width;
                data[to..stop].copy_from_slice(&select(lanes, there, pad)[..stop - to]);
                mask[to..stop].copy_from_slice(&MASK[there][..stop - to]);
            }
            lane += LANES;
        }
    }
}

/// The first `there` of `lanes`, `pad` behind. By bits, so that the compiler makes no branches of it.
#[inline(always)]
fn select(lanes: &[f32; LANES], there: usize, pad: f32) -> [f32; LANES] {
    let keep = &KEEP[there];
    let mut selected = [0.0; LANES];
    for lane in 0..LANES {
        let bits = (lanes[lane].to_bits() & keep[lane]) | (pad.to_bits() & !keep[lane]);
        selected[lane] = f32::from_bits(bits);
    }
    selected
}
