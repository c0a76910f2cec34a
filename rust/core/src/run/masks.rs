//! The masks of runs where no value is missing: there they depend on the length of the list alone.
//!
//! Branches of a run have the same list and the same width, so the mask of all of them together is one of `width + 1`
//! stretches of bytes. These are made once, and copied by whole registers.
//!
//! ```text
//! width 3, two branches | 1 1 1 1 1 1 | 0 1 1 0 1 1 | 0 0 1 0 0 1 | 0 0 0 0 0 0 |
//! length                       0             1             2             3
//! ```

#![allow(unsafe_code)]

/// Bytes copied at once.
pub(super) const CHUNK: usize = 32;

/// Bytes of masks up to which they are made: more would drive the values out of the cache.
const MOST: usize = 1 << 12;

/// The masks of some runs.
#[derive(Default)]
pub(super) struct Masks {
    bytes: Vec<u8>,
    /// Width and branches of the runs that they are for.
    made: Vec<(usize, usize)>,
}

impl Masks {
    /// Bytes of all masks of a run of so many branches of this width, if they are worth making behind `before` others.
    pub(super) fn size(before: usize, width: usize, branches: usize) -> Option<usize> {
        Some((width + 1) * width * branches).filter(|&size| before + size <= MOST)
    }

    /// Make those of runs with these widths and numbers of branches, one run behind the other.
    pub(super) fn make(&mut self, shapes: impl Iterator<Item = (usize, usize)> + Clone) {
        if shapes.clone().eq(self.made.iter().copied()) {
            return;
        }
        self.made.clear();
        self.made.extend(shapes);
        self.bytes.clear();
        for &(width, branches) in &self.made {
            for length in 0..=width {
                let mask = (0..width).map(|place| u8::from(place >= length));
                (0..branches).for_each(|_| self.bytes.extend(mask.clone()));
            }
        }
        self.bytes.resize(self.bytes.len() + CHUNK, 0);
    }

    /// Copy `count` bytes from `start` on, by whole chunks.
    ///
    /// # Safety
    /// They are those of a run that masks were made for, and there is room for them and a chunk more.
    #[inline(always)]
    pub(super) unsafe fn copy(&self, start: usize, count: usize, to: *mut u8) {
        for at in (0..count).step_by(CHUNK) {
            // SAFETY: by the caller; behind the last mask there is a chunk more to read.
            unsafe {
                let chunk = self.bytes.as_ptr().add(start + at).cast::<[u8; CHUNK]>().read_unaligned();
                to.add(at).cast::<[u8; CHUNK]>().write_unaligned(chunk);
            }
        }
    }
}
