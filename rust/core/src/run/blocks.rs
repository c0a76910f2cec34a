//! Cutting a table into blocks of events that stay in the cache.

use crate::column::{Array, Segment};

/// Consecutive events of some columns, each in one piece.
pub(super) struct Piece<'a> {
    /// The number of the first event in the table.
    pub(super) first: usize,
    /// How many there are.
    pub(super) events: usize,
    /// One piece for each column that was asked for.
    pub(super) arrays: Vec<Array<'a>>,
}

/// How large blocks are.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Events of a block, if their lists are not very long.
    pub(super) events: usize,
    /// Values of all columns together that a block should not exceed.
    pub(super) values: usize,
}

/// The blocks of a segment, of the columns with these numbers.
pub(super) fn blocks<'s, 'a>(
    columns: &'s [usize],
    segment: &'s Segment<'a>,
    limits: Limits,
) -> impl Iterator<Item = Piece<'a>> + 's {
    let mut arrays: Vec<Array<'a>> = columns.iter().map(|&column| segment.arrays[column]).collect();
    let mut start = 0;
    std::iter::from_fn(move || {
        if start == segment.events {
            return None;
        }
        let mut events = limits.events.min(segment.events - start);
        while events > 1 && values(&arrays, start, events) > limits.values {
            events = events.div_ceil(2);
        }
        start += events;
        let first = start - events;
        let arrays = if events == segment.events {
            std::mem::take(&mut arrays)
        } else {
            arrays.iter().map(|array| array.slice(first, events)).collect()
        };
        Some(Piece { first: segment.start + first, events, arrays })
    })
}

/// How many values these events have in all columns.
fn values(arrays: &[Array<'_>], start: usize, events: usize) -> usize {
    let of_column = |array: &Array<'_>| match array {
        Array::Flat(_) => events,
        Array::Jagged(lists) => lists.offsets().start(start + events) - lists.offsets().start(start),
    };
    arrays.iter().map(of_column).sum()
}
