//! Eight lanes of a row at once: which of them are kept, and what stands in the others.

#![allow(unsafe_code)]

/// Values copied at once.
pub(super) const LANES: usize = 8;

type Lanes = [u32; LANES];

/// All bits in the first half, none in the second: eight lanes from `LANES - n` keep the first `n`.
const KEEP: [u32; 2 * LANES] = {
    let mut window = [0; 2 * LANES];
    let mut lane = 0;
    while lane < LANES {
        window[lane] = u32::MAX;
        lane += 1;
    }
    window
};

/// A 1 in each of eight bytes of the mask.
pub(super) const ONES: u64 = 0x0101_0101_0101_0101;

/// The mask's bytes behind the first `n` values, for each `n`.
pub(super) const PADDING: [u64; LANES + 1] = {
    let mut table = [0; LANES + 1];
    let mut n = 0;
    while n < LANES {
        table[n] = (ONES << (8 * n)).to_le();
        n += 1;
    }
    table
};

/// How many of the eight lanes from `lane` on are there in a list, and where to read them: where nothing is left of it,
/// anything may be read, so do not run out of the values there.
#[inline(always)]
pub(super) fn lanes_from(lane: usize, length: usize) -> (usize, usize) {
    let there = length.saturating_sub(lane).min(LANES);
    (there, if there == 0 { 0 } else { lane })
}

/// Where the values of a list, and their flags, begin.
#[derive(Clone, Copy)]
pub(super) struct Source {
    pub(super) values: *const f32,
    pub(super) flags: *const u8,
}

/// A place in a row of the matrix, and in that of the mask.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) data: *mut f32,
    pub(super) mask: *mut u8,
}

impl Place {
    #[inline(always)]
    pub(super) fn behind(self, columns: usize) -> Place {
        Place { data: self.data.wrapping_add(columns), mask: self.mask.wrapping_add(columns) }
    }
}

/// What to keep of eight lanes and what to put in the others.
pub(super) struct Select {
    keep: Lanes,
    fill: Lanes,
    padding: u64,
}

impl Select {
    /// Keep the first `there` lanes.
    #[inline(always)]
    pub(super) fn new(there: usize, pad: f32) -> Select {
        let mut keep = [0; LANES];
        keep.copy_from_slice(&KEEP[LANES - there..2 * LANES - there]);
        let fill = keep.map(|bits| pad.to_bits() & !bits);
        Select { keep, fill, padding: PADDING[there] }
    }

    /// Write eight lanes of the matrix and of the mask.
    ///
    /// # Safety
    /// Eight values can be read `at` values behind `from`, and with `MISSING` as many flags; eight can be written `to`.
    #[inline(always)]
    pub(super) unsafe fn copy<const MISSING: bool>(&self, from: Source, at: usize, to: Place) {
        // SAFETY: by the caller; nothing needs to be aligned. Flags behind the list do not matter: padding is set there.
        unsafe {
            self.copy_values(from.values.add(at), to.data);
            let missing = if MISSING { from.flags.add(at).cast::<u64>().read_unaligned() } else { 0 };
            to.mask.cast::<u64>().write_unaligned(missing | self.padding);
        }
    }

    /// Write eight lanes of values.
    ///
    /// # Safety
    /// Eight values can be read `from` there, and as many written `to`.
    #[inline(always)]
    pub(super) unsafe fn copy_values(&self, from: *const f32, to: *mut f32) {
        // SAFETY: by the caller; nothing needs to be aligned.
        unsafe {
            let mut lanes = from.cast::<Lanes>().read_unaligned();
            for (lane, value) in lanes.iter_mut().enumerate() {
                *value = (*value & self.keep[lane]) | self.fill[lane];
            }
            to.cast::<Lanes>().write_unaligned(lanes);
        }
    }
}
