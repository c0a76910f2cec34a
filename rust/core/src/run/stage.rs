//! Where rows are put together before they go to the matrix.
//!
//! The matrix is far larger than the caches. Written directly, every line of it is first read from memory, and drives
//! out what the next block needs. So rows are put together in a small stage that stays in the first-level cache, and
//! leave it as whole lines by stores that go past the caches.

#![allow(unsafe_code)]

use super::row::LANES;

/// Bytes of the matrix that are staged at once.
const STAGE: usize = 1 << 14;

/// Bytes of matrix and mask from which on stores go past the caches; smaller ones are better kept there.
pub(super) const STREAM_FROM: usize = 1 << 22;

/// Some rows of the matrix and of the mask.
#[derive(Default)]
pub(super) struct Stage {
    data: Vec<f32>,
    mask: Vec<u8>,
    width: usize,
}

impl Stage {
    /// Make room for rows of `width` columns; returns how many there are.
    pub(super) fn arrange(&mut self, width: usize) -> usize {
        let rows = (STAGE / (4 * width.max(1))).max(1);
        self.width = width;
        let room = rows * width + LANES;
        self.data.resize(self.data.len().max(room), 0.0);
        self.mask.resize(self.mask.len().max(room), 0);
        rows
    }

    /// Where row `slot` begins, one of those that `arrange` made room for; behind the last there are [`LANES`] more.
    #[inline(always)]
    pub(super) fn row(&mut self, slot: usize) -> (*mut f32, *mut u8) {
        let start = slot * self.width;
        (self.data[start..].as_mut_ptr(), self.mask[start..].as_mut_ptr())
    }

    /// The values and the mask of rows from `slot` on.
    pub(super) fn rows(&self, slot: usize, count: usize) -> (&[f32], &[u8]) {
        let range = slot * self.width..(slot + count) * self.width;
        (&self.data[range.clone()], &self.mask[range])
    }
}

/// Copy `from` to `to`, which does not overlap it; with `past` past the caches.
#[inline(always)]
pub(super) fn copy<T: Copy>(from: &[T], to: &mut [T], past: bool) {
    debug_assert_eq!(from.len(), to.len());
    #[cfg(target_arch = "x86_64")]
    if past {
        let bytes = size_of_val(from).min(size_of_val(to));
        // SAFETY: both are `bytes` long, one is borrowed mutably, and `T` is copied as it stands.
        return unsafe { stream(from.as_ptr().cast(), to.as_mut_ptr().cast(), bytes) };
    }
    let _ = past;
    to.copy_from_slice(from);
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

/// # Safety
/// `bytes` bytes can be read at `from` and written at `to`; they do not overlap.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn stream(from: *const u8, to: *mut u8, bytes: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    const LINE: usize = 64;
    // SAFETY: `head + lines * LINE <= bytes`, and streamed places are multiples of 64.
    unsafe {
        let head = to.align_offset(LINE).min(bytes);
        std::ptr::copy_nonoverlapping(from, to, head);
        let lines = (bytes - head) / LINE;
        for line in 0..lines {
            let at = head + line * LINE;
            for part in 0..LINE / 16 {
                let value = _mm_loadu_si128(from.add(at + 16 * part).cast::<__m128i>());
                _mm_stream_si128(to.add(at + 16 * part).cast::<__m128i>(), value);
            }
        }
        let done = head + lines * LINE;
        std::ptr::copy_nonoverlapping(from.add(done), to.add(done), bytes - done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_is_copied_whole() {
        let from: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for (start, len) in [(0, 0), (1, 1), (3, 60), (0, 64), (7, 200), (63, 900)] {
            let mut to = vec![9; 1000];
            copy(&from[start..start + len], &mut to[start..start + len], true);
            settle();
            let expected = |at: usize| if (start..start + len).contains(&at) { from[at] } else { 9 };
            assert!(to.iter().enumerate().all(|(at, &byte)| byte == expected(at)), "{start} {len}");
        }
    }
}
