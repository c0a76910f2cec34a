//! Memory that is used again: new memory costs as much as what is written there, for the system clears it page by page.

use std::sync::Mutex;

/// Buffers that are kept while nobody uses them.
const MOST: usize = 4;
/// Larger ones are given back at once.
const LARGEST: usize = 64 << 20;
/// Sizes are multiples of this.
const STEP: usize = 64 << 10;

static SPARE: Mutex<Vec<Vec<u64>>> = Mutex::new(Vec::new());

/// Bytes, aligned for every number. When it is dropped, the next buffer of about its size takes its memory.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u64>);

impl Buffer {
    /// A buffer of at least so many bytes, whose content means nothing.
    pub fn of(bytes: usize) -> Buffer {
        let words = bytes.div_ceil(STEP) * (STEP / 8);
        let spare = SPARE.lock().ok().and_then(|mut spare| {
            let fits = |buffer: &Vec<u64>| (words..=words.saturating_mul(4)).contains(&buffer.len());
            let fitting = spare.iter().enumerate().filter(|(_, buffer)| fits(buffer));
            let position = fitting.min_by_key(|(_, buffer)| buffer.len())?.0;
            Some(spare.swap_remove(position))
        });
        Buffer(spare.unwrap_or_else(|| vec![0; words]))
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }

    /// All bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        if buffer.is_empty() || buffer.len() * 8 > LARGEST {
            return;
        }
        if let Ok(mut spare) = SPARE.lock() {
            spare.push(buffer);
            if spare.len() > MOST {
                spare.remove(0);
            }
        }
    }
}

/// Give the memory back that nobody uses.
pub fn clear_spare() {
    if let Ok(mut spare) = SPARE.lock() {
        spare.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_large_enough_and_aligned() {
        for bytes in [0, 1, STEP, STEP + 1, 10 * STEP] {
            let mut buffer = Buffer::of(bytes);
            assert!(buffer.bytes().len() >= bytes);
            assert_eq!(buffer.bytes_mut().as_ptr().addr() % 8, 0);
        }
    }
}
