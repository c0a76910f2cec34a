//! A jagged piece: content and where each event's list lies in it.

use std::ops::Range;

use super::values::{Validity, Values, memory_of};
use crate::error::{Error, Result};
use crate::simd::{Work, fastest};

/// Where the lists lie in the content.
#[derive(Clone, Copy, Debug)]
pub enum Offsets<'a> {
    /// List i is `content[offsets[i]..offsets[i + 1]]`.
    Int32(&'a [i32]),
    /// The same with 64 bits.
    Int64(&'a [i64]),
    /// Every list has this length; list i begins at `first + i * length`.
    Fixed {
        /// Where list 0 begins.
        first: usize,
        /// Values of every list.
        length: usize,
        /// Number of lists.
        events: usize,
    },
}

impl<'a> Offsets<'a> {
    /// Number of lists.
    pub fn events(&self) -> usize {
        match self {
            Offsets::Int32(offsets) => offsets.len().saturating_sub(1),
            Offsets::Int64(offsets) => offsets.len().saturating_sub(1),
            Offsets::Fixed { events, .. } => *events,
        }
    }

    /// Where list `event` begins; for `event == events()` where the last one ends.
    #[inline]
    pub fn start(&self, event: usize) -> usize {
        match self {
            Offsets::Int32(offsets) => offsets[event] as usize,
            Offsets::Int64(offsets) => offsets[event] as usize,
            Offsets::Fixed { first, length, .. } => first + event * length,
        }
    }

    /// Whether every list of `other` lies at the same place. Equal buffers are told by their address, others compared.
    pub fn same(&self, other: &Offsets<'_>) -> bool {
        match (self, other) {
            (Offsets::Int32(left), Offsets::Int32(right)) => std::ptr::eq(*left, *right) || left == right,
            (Offsets::Int64(left), Offsets::Int64(right)) => std::ptr::eq(*left, *right) || left == right,
            (
                Offsets::Fixed { first, length, events },
                Offsets::Fixed { first: other_first, length: other_length, events: other_events },
            ) => (first, length, events) == (other_first, other_length, other_events),
            _ => false,
        }
    }

    /// The addresses of the memory that holds them.
    pub fn memory(&self) -> Range<usize> {
        match self {
            Offsets::Int32(offsets) => memory_of(offsets),
            Offsets::Int64(offsets) => memory_of(offsets),
            Offsets::Fixed { .. } => 0..0,
        }
    }

    fn slice(&self, start: usize, count: usize) -> Offsets<'a> {
        match self {
            Offsets::Int32(offsets) => Offsets::Int32(&offsets[start..=start + count]),
            Offsets::Int64(offsets) => Offsets::Int64(&offsets[start..=start + count]),
            Offsets::Fixed { first, length, .. } => {
                Offsets::Fixed { first: first + start * length, length: *length, events: count }
            }
        }
    }

    /// Check that offsets are there, not negative, never decrease, and end inside `available` values.
    fn check(&self, branch: &str, available: usize) -> Result<()> {
        match self {
            Offsets::Int32(offsets) => check_offsets(branch, offsets, available),
            Offsets::Int64(offsets) => check_offsets(branch, offsets, available),
            Offsets::Fixed { first, length, events } => {
                let stop = length.checked_mul(*events).and_then(|values| values.checked_add(*first));
                if stop.is_some_and(|stop| stop <= available) {
                    return Ok(());
                }
                let stop = stop.and_then(|stop| i64::try_from(stop).ok()).unwrap_or(i64::MAX);
                Err(Error::OffsetsOutside { branch: branch.to_owned(), stop, available })
            }
        }
    }
}

/// See [`Offsets::check`].
fn check_offsets<T: Copy + Ord + Into<i64>>(branch: &str, offsets: &[T], available: usize) -> Result<()> {
    let branch = || branch.to_owned();
    let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
        return Err(Error::NoOffsets { branch: branch() });
    };
    // The culprit is looked for only where there is one.
    if !fastest(Ordered(offsets)) {
        let pairs = offsets.windows(2).enumerate();
        let found = pairs.map(|(event, pair)| (event, pair[0].into(), pair[1].into())).find(|pair| pair.1 > pair.2);
        let (event, start, stop) = found.unwrap_or_default();
        return Err(Error::OffsetsDecrease { branch: branch(), event, start, stop });
    }
    if first.into() < 0 {
        return Err(Error::OffsetsNegative { branch: branch(), start: first.into() });
    }
    if usize::try_from(last.into()).is_ok_and(|last| last <= available) {
        return Ok(());
    }
    Err(Error::OffsetsOutside { branch: branch(), stop: last.into(), available })
}

/// Whether offsets never decrease; without an early exit, and of two slices side by side, it is vectorised.
struct Ordered<'o, T>(&'o [T]);

impl<T: Copy + Ord> Work for Ordered<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn work(self) -> bool {
        let pairs = self.0.iter().zip(self.0.get(1..).unwrap_or_default());
        pairs.fold(true, |ordered, (start, stop)| ordered & (start <= stop))
    }
}

/// The largest difference of neighbours.
#[inline(always)]
fn longest<T: Copy>(offsets: &[T], position: impl Fn(T) -> usize) -> usize {
    // Two slices side by side are vectorised, windows are not.
    let ends = offsets.get(1..).unwrap_or_default();
    let lengths = offsets.iter().zip(ends).map(|(&start, &stop)| position(stop) - position(start));
    lengths.fold(0, |longest, length| if length > longest { length } else { longest })
}

#[inline(always)]
fn each_between<T: Copy>(offsets: &[T], position: impl Fn(T) -> usize, mut list: impl FnMut(usize, usize)) {
    let first = offsets.first().map_or(0, |&first| position(first));
    for (&start, &stop) in offsets.iter().zip(offsets.get(1..).unwrap_or_default()) {
        list(position(start) - first, position(stop) - position(start));
    }
}

/// Offsets that were checked, each with the number of values that it was checked against.
#[derive(Clone, Debug, Default)]
pub struct Checked<'a> {
    known: Vec<(Offsets<'a>, usize)>,
    before: bool,
}

impl<'a> Checked<'a> {
    /// For offsets that were all checked before, and did not change since: they are not checked again.
    pub fn before() -> Checked<'a> {
        Checked { known: Vec::new(), before: true }
    }

    /// Equal offsets that were checked against no more values; those checked last are the likeliest.
    fn find(&self, offsets: &Offsets<'_>, available: usize) -> Option<Offsets<'a>> {
        let mut checked = self.known.iter().rev();
        let found = checked.find(|(known, values)| *values <= available && known.same(offsets));
        found.map(|(known, _)| *known)
    }
}

/// Lists of numbers, one an event.
#[derive(Clone, Copy, Debug)]
pub struct Lists<'a> {
    offsets: Offsets<'a>,
    validity: Validity<'a>,
    content: Values<'a>,
}

impl<'a> Lists<'a> {
    /// Lists of `branch`; `validity` masks whole lists. The offsets are checked here, once.
    pub fn new(branch: &str, offsets: Offsets<'a>, validity: Validity<'a>, content: Values<'a>) -> Result<Lists<'a>> {
        Lists::checked(branch, offsets, validity, content, &mut Checked::default())
    }

    /// The same, where offsets that equal `known` ones need no check, and these are taken in their place: the branches of
    /// a collection have equal offsets, and those that lie in one memory are told by their address from then on.
    pub fn checked(
        branch: &str,
        offsets: Offsets<'a>,
        validity: Validity<'a>,
        content: Values<'a>,
        known: &mut Checked<'a>,
    ) -> Result<Lists<'a>> {
        let offsets = match known.find(&offsets, content.len()) {
            Some(equal) => equal,
            None => {
                if !known.before {
                    offsets.check(branch, content.len())?;
                }
                known.known.push((offsets, content.len()));
                offsets
            }
        };
        validity.check(branch, offsets.events())?;
        Ok(Lists { offsets, validity, content })
    }

    /// Number of lists.
    pub fn events(&self) -> usize {
        self.offsets.events()
    }

    /// Where the lists lie.
    pub fn offsets(&self) -> &Offsets<'a> {
        &self.offsets
    }

    /// Which lists are null.
    pub fn validity(&self) -> &Validity<'a> {
        &self.validity
    }

    /// All numbers that the offsets point into.
    pub fn content(&self) -> &Values<'a> {
        &self.content
    }

    /// Where list `event` begins and ends; a null list is empty.
    #[inline]
    pub fn span(&self, event: usize) -> (usize, usize) {
        let start = self.offsets.start(event);
        if self.validity.is_null(event) { (start, start) } else { (start, self.offsets.start(event + 1)) }
    }

    /// Where each list begins, counted from the begin of the first one, and its length; a null list is empty.
    #[inline(always)]
    pub(crate) fn each(&self, mut list: impl FnMut(usize, usize)) {
        if self.validity.all_valid() {
            match self.offsets {
                Offsets::Int32(offsets) => each_between(offsets, |offset| offset as usize, list),
                Offsets::Int64(offsets) => each_between(offsets, |offset| offset as usize, list),
                Offsets::Fixed { length, events, .. } => (0..events).for_each(|event| list(event * length, length)),
            }
            return;
        }
        let first = self.offsets.start(0);
        for event in 0..self.events() {
            let (start, stop) = self.span(event);
            list(start - first, stop - start);
        }
    }

    /// Where the first list begins and the last one ends.
    pub fn extent(&self) -> (usize, usize) {
        (self.offsets.start(0), self.offsets.start(self.events()))
    }

    /// The values from the first list's begin to the last one's end.
    pub fn inside(&self) -> Values<'a> {
        let (start, stop) = self.extent();
        self.content.slice(start, stop - start)
    }

    /// The same lists with other nulls among the numbers.
    pub(super) fn masked(&self, validity: Validity<'a>) -> Lists<'a> {
        Lists { content: self.content.masked(validity), ..*self }
    }

    /// Length of the longest list, 0 if there is none.
    #[inline(always)]
    pub fn longest(&self) -> usize {
        match (&self.offsets, self.validity.all_valid()) {
            (Offsets::Int32(offsets), true) => longest(offsets, |offset| offset as usize),
            (Offsets::Int64(offsets), true) => longest(offsets, |offset| offset as usize),
            _ => {
                let spans = (0..self.events()).map(|event| self.span(event));
                spans.map(|(start, stop)| stop - start).max().unwrap_or(0)
            }
        }
    }

    /// Whether the lists of both lie at the same places, so that starts and lengths can be shared.
    pub fn same_layout(&self, other: &Lists<'_>) -> bool {
        self.validity.all_valid() && other.validity.all_valid() && self.offsets.same(&other.offsets)
    }

    pub(super) fn slice(&self, start: usize, count: usize) -> Lists<'a> {
        let validity = self.validity.slice(start, count);
        Lists { offsets: self.offsets.slice(start, count), validity, content: self.content }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Data;

    fn lists<'a>(offsets: &'a [i64], content: &'a [f32]) -> Result<Lists<'a>> {
        let content = Values::new("b", Data::Float32(content), Validity::AllValid)?;
        Lists::new("b", Offsets::Int64(offsets), Validity::AllValid, content)
    }

    #[test]
    fn offsets_are_checked_once() {
        let content = [1.0, 2.0, 3.0];
        assert!(lists(&[1, 1, 3], &content).is_ok());
        let message = |offsets: &[i64]| lists(offsets, &content).map(|_| ()).unwrap_err().to_string();
        assert_eq!(message(&[0, 2, 1]), "branch 'b': the offsets of event 1 go backwards, from 2 to 1");
        assert_eq!(message(&[0, 4]), "branch 'b': the offsets end at 4, but the content has 3 values");
        assert_eq!(message(&[-1, 2]), "branch 'b': the offsets begin at -1; they cannot be negative");
        assert_eq!(message(&[]), "branch 'b': offsets are empty; n events need n + 1 of them");
    }

    #[test]
    fn fixed_lengths_cannot_overflow() {
        let content = Values::new("b", Data::Float32(&[]), Validity::AllValid).unwrap();
        let offsets = Offsets::Fixed { first: 0, length: usize::MAX, events: 2 };
        assert!(Lists::new("b", offsets, Validity::AllValid, content).is_err());
    }

    #[test]
    fn a_slice_keeps_its_lists() {
        let content = [1.0, 2.0, 3.0];
        let whole = lists(&[0, 1, 1, 3], &content).unwrap();
        let part = whole.slice(1, 2);
        assert_eq!((part.span(0), part.span(1), part.extent()), ((1, 1), (1, 3), (1, 3)));
    }
}
