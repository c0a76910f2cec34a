//! Memory that is used again: new memory costs as much as what is written there, for the system clears it page by page.

use std::sync::{Mutex, MutexGuard};
use std::{iter, thread};

/// Bytes that are kept while nobody uses them.
const MOST: usize = 96 << 20;
/// Sizes are multiples of the first of these, large ones of the second.
const STEPS: (usize, usize) = (4 << 10, 64 << 10);
/// How often one tries to get at them.
const TRIES: usize = 100;

static SPARE: Mutex<Vec<Vec<u64>>> = Mutex::new(Vec::new());

/// The spare memory, unless it is at work for long: a lock that another thread held while this process was forked is
/// never released here.
fn spare() -> Option<MutexGuard<'static, Vec<Vec<u64>>>> {
    let tries = iter::repeat_with(|| {
        SPARE.try_lock().ok().or_else(|| {
            thread::yield_now();
            None
        })
    });
    tries.take(TRIES).flatten().next()
}

/// Bytes, aligned for every number. When it is dropped, the next buffer of about its size takes its memory.
#[derive(Debug, Default)]
pub struct Buffer {
    words: Vec<u64>,
    len: usize,
}

impl Buffer {
    /// A buffer of so many bytes, whose content means nothing.
    pub fn of(len: usize) -> Buffer {
        let step = if len < 4 * STEPS.1 { STEPS.0 } else { STEPS.1 };
        let words = len.div_ceil(step) * (step / 8);
        let spare = spare().and_then(|mut spare| {
            let fits = |buffer: &Vec<u64>| (words..=words.saturating_mul(2)).contains(&buffer.len());
            let fitting = spare.iter().enumerate().filter(|(_, buffer)| fits(buffer));
            let position = fitting.min_by_key(|(_, buffer)| buffer.len())?.0;
            Some(spare.swap_remove(position))
        });
        Buffer { words: spare.unwrap_or_else(|| vec![0; words]), len }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }

    /// All bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let words = std::mem::take(&mut self.words);
        if !words.is_empty()
            && let Some(mut spare) = spare()
        {
            let mut total = 8 * words.len();
            spare.push(words);
            // Those that were given back last are kept.
            let kept = spare.iter().rev().skip(1).take_while(|buffer| {
                total += 8 * buffer.len();
                total <= MOST
            });
            let given_back = spare.len() - 1 - kept.count();
            spare.drain(..given_back);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_large_enough_and_aligned() {
        for bytes in [0, 1, STEPS.0, STEPS.0 + 1, STEPS.1 - 1, 10 * STEPS.1 + 5] {
            let mut buffer = Buffer::of(bytes);
            assert_eq!(buffer.bytes().len(), bytes);
            assert_eq!(buffer.bytes_mut().as_ptr().addr() % 8, 0);
        }
    }
}
