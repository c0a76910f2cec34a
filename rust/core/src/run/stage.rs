//! Where rows are put together before they go to the matrix.
//!
//! The matrix is far larger than the caches. Written directly, every line of it is first read from memory, and drives
//! out what the next block needs. So rows are put together in a small stage that stays in the first-level cache, and
//! leave it as whole lines by stores that go past the caches.

#![allow(unsafe_code)]

use super::row::SPILL;
#[cfg(target_arch = "x86_64")]
use crate::simd::only_base;

/// Bytes of the matrix that are staged at once.
const STAGE: usize = 1 << 13;

/// Bytes of matrix and mask from which on stores go past the caches; smaller ones are better kept there.
pub(super) const STREAM_FROM: usize = 1 << 22;

/// What goes past the caches at once.
pub(super) const LINE: usize = 64;

/// Some rows of the matrix and of the mask.
#[derive(Default)]
pub(super) struct Stage {
    data: Part<f32>,
    mask: Part<u8>,
    width: usize,
    mask_width: usize,
}

/// Values of rows, behind those of the rows before them that did not fill a line.
#[derive(Default)]
struct Part<T> {
    values: Vec<T>,
    /// How many values are left of the rows before.
    lead: usize,
}

impl Stage {
    /// Make room for rows of so many values, and so many of their mask; returns how many there are.
    pub(super) fn arrange(&mut self, (width, mask_width): (usize, usize)) -> usize {
        let rows = (STAGE / (4 * width.max(1))).max(1);
        (self.width, self.mask_width) = (width, mask_width);
        let room = |width: usize| LINE + rows * width + SPILL;
        self.data.values.resize(self.data.values.len().max(room(width)), 0.0);
        self.mask.values.resize(self.mask.values.len().max(room(mask_width)), 0);
        rows
    }

    /// How many values there is room for.
    pub(super) fn len(&self) -> usize {
        self.data.values.len()
    }

    /// Where row `slot` begins, one of those that `arrange` made room for; behind the last there are [`SPILL`] more.
    #[inline(always)]
    pub(super) fn row(&mut self, slot: usize) -> (*mut f32, *mut u8) {
        let (data, mask) = (self.data.lead + slot * self.width, self.mask.lead + slot * self.mask_width);
        (self.data.values[data..].as_mut_ptr(), self.mask.values[mask..].as_mut_ptr())
    }

    /// The values of row `slot`.
    pub(super) fn values(&mut self, slot: usize) -> &mut [f32] {
        let start = self.data.lead + slot * self.width;
        &mut self.data.values[start..start + self.width]
    }

    /// Send `count` rows from `slot` on to `data` and `mask`; with `past` past the caches.
    ///
    /// Unless they are the `last`, what fills no line is kept: the next rows, from slot 0 on, must go right behind.
    ///
    /// # Safety
    /// Both have room for them, and nobody else uses it meanwhile.
    #[inline(always)]
    pub(super) unsafe fn send(
        &mut self,
        (slot, count): (usize, usize),
        data: *mut f32,
        mask: *mut u8,
        past: bool,
        last: bool,
    ) {
        let (width, mask_width) = (self.width, self.mask_width);
        // SAFETY: by the caller.
        unsafe {
            self.data.send(slot * width, count * width, data, past, last);
            self.mask.send(slot * mask_width, count * mask_width, mask, past, last);
        }
    }
}

impl<T: Copy> Part<T> {
    /// See [`Stage::send`].
    ///
    /// # Safety
    /// There is room for `count` values at `to`, and for what was kept right before it.
    #[inline(always)]
    unsafe fn send(&mut self, start: usize, count: usize, to: *mut T, past: bool, last: bool) {
        let values = &mut self.values[start..start + self.lead + count];
        // SAFETY: by the caller; a line holds whole values, so head and rest do too.
        unsafe {
            let (from, to) = (values.as_ptr().cast::<u8>(), to.sub(self.lead).cast::<u8>());
            let bytes = size_of_val(values);
            if !past {
                return from.copy_to_nonoverlapping(to, bytes);
            }
            let head = to.align_offset(LINE).min(bytes);
            from.copy_to_nonoverlapping(to, head);
            let lines = (bytes - head) / LINE;
            stream(from.add(head), to.add(head), lines);
            let done = head + lines * LINE;
            if last {
                from.add(done).copy_to_nonoverlapping(to.add(done), bytes - done);
                self.lead = 0;
            } else {
                values.copy_within(done / size_of::<T>().., 0);
                self.lead = (bytes - done) / size_of::<T>();
            }
        }
    }
}

/// Copy lines past the caches.
///
/// # Safety
/// They can be read at `from` and written at `to`, which begins a line.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn stream(from: *const u8, to: *mut u8, lines: usize) {
    // SAFETY: by the caller; the CPU has AVX where it says so.
    unsafe {
        if std::arch::is_x86_feature_detected!("avx") && !only_base() {
            stream_wide(from, to, lines);
        } else {
            stream_narrow(from, to, lines);
        }
    }
}

/// The same in two parts a line.
///
/// # Safety
/// As for `stream`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn stream_wide(from: *const u8, to: *mut u8, lines: usize) {
    use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_stream_si256};
    for at in (0..lines * LINE).step_by(size_of::<__m256i>()) {
        // SAFETY: by the caller.
        unsafe { _mm256_stream_si256(to.add(at).cast(), _mm256_loadu_si256(from.add(at).cast())) };
    }
}

/// The same in four parts a line.
///
/// # Safety
/// As for `stream`.
#[cfg(target_arch = "x86_64")]
unsafe fn stream_narrow(from: *const u8, to: *mut u8, lines: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    for at in (0..lines * LINE).step_by(LINE) {
        for part in (at..at + LINE).step_by(size_of::<__m128i>()) {
            // SAFETY: by the caller.
            unsafe { _mm_stream_si128(to.add(part).cast(), _mm_loadu_si128(from.add(part).cast())) };
        }
    }
}

/// Elsewhere an ordinary copy.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn stream(from: *const u8, to: *mut u8, lines: usize) {
    // SAFETY: by the caller.
    unsafe { from.copy_to_nonoverlapping(to, lines * LINE) }
}

/// Wait until what was copied past the caches can be seen by other threads.
#[inline(always)]
pub(super) fn settle() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of every x86-64.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::ONLY_BASE;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_whole_and_nothing_else_changes(
            width in 1_usize..80,
            start in 0_usize..40,
            counts in prop::collection::vec(1_usize..4, 1..6),
            past in any::<bool>(),
            base in any::<bool>(),
        ) {
            ONLY_BASE.set(base);
            let mut stage = Stage::default();
            let rows: usize = counts.iter().sum();
            let (mut data, mut mask) = (vec![-1.0; start + rows * width + 9], vec![9; start + rows * width + 9]);
            let mut row = 0;
            for (batch, &count) in counts.iter().enumerate() {
                prop_assert!(stage.arrange((width, width)) >= count);
                for slot in 0..count {
                    let (to, to_mask) = stage.row(slot);
                    for column in 0..width {
                        let index = (row + slot) * width + column;
                        // SAFETY: there is room for the row.
                        unsafe { (*to.add(column), *to_mask.add(column)) = (index as f32, index as u8) };
                    }
                }
                let at = start + row * width;
                let last = batch + 1 == counts.len();
                // SAFETY: both are longer than that.
                unsafe { stage.send((0, count), data[at..].as_mut_ptr(), mask[at..].as_mut_ptr(), past, last) };
                row += count;
            }
            settle();
            ONLY_BASE.set(false);
            for (at, (&value, &flag)) in data.iter().zip(&mask).enumerate() {
                let inside = (start..start + rows * width).contains(&at);
                let expected = if inside { ((at - start) as f32, (at - start) as u8) } else { (-1.0, 9) };
                prop_assert_eq!((value, flag), expected);
            }
        }
    }
}
