//! The matrix and its mask while a run fills them, row by row, from several threads.
//!
//! Threads get the rows of different events; that different events have
//! different rows is what [`Placement`] proves before a run begins.

#![allow(unsafe_code)]

use std::marker::PhantomData;

use super::stage::{LINE, STREAM_FROM, Stage};
use crate::error::{Error, Result};

/// Values of a row from which on rows that are scattered go past the caches: of shorter ones most lines are not whole.
const SCATTERED: usize = 128;

/// What a plan makes, as `rows` rows each: the matrix with its mask, and other tensors with theirs. The bytes of masks
/// are 1 for padding and 0 for values.
pub struct Output<'a> {
    targets: Vec<Target>,
    rows: usize,
    buffers: PhantomData<(&'a mut [f32], &'a mut [u8])>,
}

/// Values and mask of one tensor, rows of so many values each.
#[derive(Clone, Copy)]
struct Target {
    data: *mut f32,
    mask: *mut u8,
    width: usize,
    mask_width: usize,
}

impl<'a> Output<'a> {
    /// Fill these buffers, in C order, with rows of `width` columns. Both must hold the same whole number of rows.
    pub fn new(data: &'a mut [f32], mask: &'a mut [u8], rows: usize, width: usize) -> Result<Output<'a>> {
        let output = Output { targets: Vec::new(), rows, buffers: PhantomData };
        output.add("the matrix", "the padding mask", (data, width), (mask, width))
    }

    /// Fill these, too, with a tensor of the plan's layout: rows of so many values.
    pub fn with(self, data: (&'a mut [f32], usize), mask: (&'a mut [u8], usize)) -> Result<Output<'a>> {
        self.add("a tensor", "its mask", data, mask)
    }

    fn add(
        mut self,
        what: &'static str,
        what_mask: &'static str,
        (data, width): (&'a mut [f32], usize),
        (mask, mask_width): (&'a mut [u8], usize),
    ) -> Result<Output<'a>> {
        for (what, found, width) in [(what, data.len(), width), (what_mask, mask.len(), mask_width)] {
            if found != self.rows.saturating_mul(width) {
                let expected = format!("{} rows of {width} columns", self.rows);
                return Err(Error::OutShape { what, found, unit: "values", expected });
            }
        }
        self.targets.push(Target { data: data.as_mut_ptr(), mask: mask.as_mut_ptr(), width, mask_width });
        Ok(self)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The values of a row of each tensor and of its mask, those of the matrix first.
    pub fn widths(&self) -> impl Iterator<Item = (usize, usize)> {
        self.targets.iter().map(|target| (target.width, target.mask_width))
    }

    /// Hand out the rows of consecutive events.
    pub(super) fn deal<'p>(&'p mut self, placement: Placement<'p>) -> Deal<'p> {
        let bytes = self.widths().map(|(width, mask_width)| width * size_of::<f32>() + mask_width).sum::<usize>();
        let (past, targets, rows) = (self.rows * bytes >= STREAM_FROM, &self.targets[..], self.rows);
        Deal(Rows { targets, rows, past, placement, first: 0, events: 0 })
    }
}

/// Hands out the rows of consecutive events; those that were handed out last are kept, empty.
pub(super) struct Deal<'a>(Rows<'a>);

impl<'a> Deal<'a> {
    /// The rows of the next `events` events.
    pub(super) fn next(&mut self, events: usize) -> Rows<'a> {
        let Rows { targets, rows, past, placement, first, .. } = self.0;
        self.0.first += events;
        Rows { targets, rows, past, placement, first, events }
    }
}

/// The rows that some consecutive events go to, which nobody else has.
pub(super) struct Rows<'a> {
    targets: &'a [Target],
    rows: usize,
    /// Whether to write past the caches.
    past: bool,
    placement: Placement<'a>,
    first: usize,
    events: usize,
}

// SAFETY: Rows stands for exclusive borrows of plain numbers: `Deal` gives every event to one Rows only, and a
// placement sends no two events to the same row.
unsafe impl Send for Rows<'_> {}

impl Rows<'_> {
    /// Number of events.
    pub(super) fn events(&self) -> usize {
        self.events
    }

    /// Whether the event, counted within these, has a row.
    #[inline(always)]
    pub(super) fn has(&self, event: usize) -> bool {
        self.placement.row(self.first + event).is_some()
    }

    /// Whether for sure every event has a row.
    pub(super) fn has_all(&self) -> bool {
        matches!(self.placement, Placement::Consecutive(_))
    }

    /// How many values a row of a tensor has, and of its mask.
    pub(super) fn width(&self, tensor: usize) -> (usize, usize) {
        (self.targets[tensor].width, self.targets[tensor].mask_width)
    }

    /// Send the first `count` rows of a stage to the rows of a tensor, for the events from `event` on, which must be that
    /// many; those of events that are left out are skipped. Batches of a tensor come in order, all before the next one's.
    #[inline(always)]
    pub(super) fn put(&mut self, tensor: usize, event: usize, count: usize, stage: &mut Stage) {
        let first = self.first + event;
        let Target { data, mask, width, mask_width } = self.targets[tensor];
        let past = self.past && (width >= SCATTERED || self.has_all());
        let mut send = |slot: usize, row: usize, count: usize, last: bool| {
            assert!(row + count <= self.rows, "rows are inside the output");
            // SAFETY: `Output::add` saw buffers of rows * width values, borrowed as long as these Rows, and the rows
            // belong to events of these Rows. What a stage keeps belongs to the batch before, right before these.
            unsafe {
                let (data, mask) = (data.add(row * width), mask.add(row * mask_width));
                stage.send((slot, count), data, mask, past, last);
            }
        };
        match self.placement {
            Placement::Consecutive(begin) => send(0, begin + first, count, event + count == self.events),
            Placement::Mapped(_) => {
                for slot in 0..count {
                    if let Some(row) = self.placement.row(first + slot) {
                        send(slot, row, 1, true);
                    }
                }
                self.expect(tensor, first + count, count.min(self.events - event - count));
            }
        }
    }

    /// Ask for the lines of the rows of the first `count` events, before they are put.
    #[inline(always)]
    pub(super) fn expect_first(&self, tensor: usize, count: usize) {
        if !self.has_all() {
            self.expect(tensor, self.first, count.min(self.events));
        }
    }

    /// Ask for the lines of rows of later events that are not written whole, and so must be read: those in which a row
    /// begins and ends, of a short one all.
    #[inline(always)]
    fn expect(&self, tensor: usize, first: usize, count: usize) {
        let Target { data, mask, width, mask_width } = self.targets[tensor];
        for row in (first..first + count).filter_map(|event| self.placement.row(event)) {
            let step = if width < SCATTERED { LINE / size_of::<f32>() } else { width };
            for at in (0..width).step_by(step).chain([width - 1]) {
                prefetch(data.wrapping_add(row * width + at));
            }
            for edge in [0, 1] {
                prefetch(mask.wrapping_add((row + edge) * mask_width).wrapping_sub(edge));
            }
        }
    }
}

/// Which row each event of a run goes to. No two events go to the same one.
#[derive(Clone, Copy, Debug)]
pub enum Placement<'a> {
    /// Event i goes to the row i behind this one.
    Consecutive(usize),
    /// Event i goes to this row, or nowhere if that is -1.
    Mapped(&'a [i64]),
}

impl<'a> Placement<'a> {
    /// Event i goes to row i of `available` ones.
    pub fn in_order(events: usize, available: usize) -> Result<Placement<'static>> {
        if events > available {
            let expected = format!("at least {events}");
            return Err(Error::OutShape { what: "the matrix", found: available, unit: "rows", expected });
        }
        Ok(Placement::Consecutive(0))
    }

    /// Event i goes to row `rows[i]`; those with -1 are left out.
    pub fn mapped(rows: &'a [i64], events: usize, available: usize) -> Result<Placement<'a>> {
        if rows.len() != events {
            return Err(Error::RowCount { found: rows.len(), expected: events });
        }
        let first = rows.first().and_then(|first| usize::try_from(*first).ok());
        if let Some(first) = first.filter(|first| first + events <= available)
            && rows.iter().zip(first as i64..).all(|(row, expected)| *row == expected)
        {
            return Ok(Placement::Consecutive(first));
        }
        let mut taken = vec![false; available];
        for (event, &row) in rows.iter().enumerate().filter(|(_, row)| **row != -1) {
            match usize::try_from(row).ok().and_then(|row| taken.get_mut(row)) {
                None => return Err(Error::RowOutside { event, row, available }),
                Some(taken) if *taken => return Err(Error::RowTwice { row }),
                Some(taken) => *taken = true,
            }
        }
        Ok(Placement::Mapped(rows))
    }

    /// The row of an event, or nothing if it is left out.
    #[inline(always)]
    pub(super) fn row(&self, event: usize) -> Option<usize> {
        match self {
            Placement::Consecutive(first) => Some(first + event),
            Placement::Mapped(rows) => usize::try_from(rows[event]).ok(),
        }
    }
}

/// Let the processor get a line that is going to be read or written; where it cannot be asked, nothing happens.
#[inline(always)]
pub(super) fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address is without effect on the program.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_must_be_different_and_inside() {
        let message = |rows: &[i64]| Placement::mapped(rows, rows.len(), 3).map(|_| ()).unwrap_err().to_string();
        assert_eq!(message(&[0, 2, 0]), "rows: two events go to row 0");
        assert_eq!(message(&[3]), "rows: event 0 goes to row 3, but the output has 3 rows");
        assert_eq!(message(&[0, -2]), "rows: event 1 goes to row -2, but the output has 3 rows");
        let placement = Placement::mapped(&[2, -1, 0], 3, 3).unwrap();
        assert_eq!([0, 1, 2].map(|event| placement.row(event)), [Some(2), None, Some(0)]);
    }
}
