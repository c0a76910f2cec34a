//! How a row is written: the inner loop of the second pass.
//!
//! A block's values are normalised already (see `normalize.rs`), so a row is only copied, eight lanes at a time: the
//! values of a list where it has them, the pad value behind, and the same for the mask. What spills beyond a branch's
//! columns is overwritten by the next branch, which is written after it; behind the last column there is room.
//!
//! ```text
//! columns        | met nJets | jetEta_0 .. jetEta_4 | jetPt_0 .. jetPt_4 | lepPt_0 lepPt_1 | room
//! flat           | f0  f1    |
//! run 1, 3 jets              | a0 a1 a2  p  p [ p  p  p ]                                    one store of 8 lanes,
//!                                             | b0 b1 b2  p  p [ p  p  p ]                   3 of them spill
//! run 2, 1 lepton                                                | c0  p [ p  p  p  p  p  p ]
//! mask           | 0   0     | 0  0  0  1  1    0  0  0  1  1      0   1 |
//! ```
//!
//! What makes it fast, and what each is worth (one thread, 346 columns, AVX2 on Zen 2; `benches/history.md` has more):
//! - branches of one collection that stand side by side are a *run*: the list's place and length, and the lanes to
//!   keep, are looked up once for all of them: 1.1 x;
//! - lanes are chosen by bits (`value & keep | fill`), never by a branch, and stored eight at a time with their
//!   padding (see `lanes.rs`): 2.1 x with AVX2 against a loop over values;
//! - the mask of a run is copied whole, where nothing is missing: there it depends on the length alone (see `masks.rs`):
//!   1.07 x;
//! - values that later rows begin with are asked for, since so many regions at once are more than the processor foresees:
//!   1.05 x;
//! - places are checked once a block, not once a copy, which is why this file may be unsafe: with the runs;
//! - regions of the scratch do not begin in the same few sets of the cache (see `normalize.rs`), and the mask of flat
//!   branches is written by eight bytes: 1.1 x;
//! - rows are staged in the first-level cache and leave it as whole lines, past the caches (see `stage.rs`): 1.4 x.

#![allow(unsafe_code)]

use super::lanes::{LANES, ONES, PADDING, Place, Select, Source, lanes_from};
use super::masks::{CHUNK, Masks};
use super::normalize::Region;
use super::output::prefetch;
use crate::plan::BranchPlan;

/// How many places behind a row may be written, of values and of the mask.
pub(super) const SPILL: usize = CHUNK;

/// Where the list of an event lies among the values of its branch.
#[derive(Clone, Copy, Default)]
pub(super) struct List {
    pub(super) start: usize,
    pub(super) length: usize,
}

/// Jagged branches side by side in the row that have the same lists and the same width.
struct Run {
    group: usize,
    width: usize,
    /// Its branches: positions in `Layout::sources`.
    first: usize,
    stop: usize,
    /// Where its masks begin, if they were made.
    masks: Option<usize>,
}

/// A row's branches, in the order of their columns.
#[derive(Default)]
pub(super) struct Layout {
    /// Where the values of each flat branch lie.
    flat: Vec<usize>,
    runs: Vec<Run>,
    /// Where the values of each jagged branch lie.
    sources: Vec<usize>,
    masks: Masks,
}

impl Layout {
    /// Arrange the branches of one tensor, which are these `members`, and whose values lie in `regions`; `groups` has the
    /// group of lists of each jagged one.
    pub(super) fn arrange(
        &mut self,
        members: &[usize],
        branches: &[BranchPlan],
        groups: &[Option<usize>],
        regions: &[Region],
    ) {
        self.flat.clear();
        self.runs.clear();
        self.sources.clear();
        for &member in members {
            let (branch, region) = (&branches[member], &regions[member]);
            let Some(group) = groups[member] else {
                self.flat.push(region.start);
                continue;
            };
            if branch.width == 0 {
                continue;
            }
            let first = self.sources.len();
            self.sources.push(region.start);
            match self.runs.last_mut() {
                Some(run) if run.group == group && run.width == branch.width => run.stop = first + 1,
                _ => self.runs.push(Run { group, width: branch.width, first, stop: first + 1, masks: None }),
            }
        }
    }

    /// Make the masks of the runs.
    pub(super) fn make_masks(&mut self) {
        let mut start = 0;
        for run in &mut self.runs {
            run.masks = Masks::size(start, run.width, run.stop - run.first).map(|size| {
                start += size;
                start - size
            });
        }
        let made = self.runs.iter().filter(|run| run.masks.is_some());
        self.masks.make(made.map(|run| (run.width, run.stop - run.first)));
    }
}

/// Everything that the rows of one block are copied from.
///
/// Invariants: of every branch, `values` (and `flags`, where they are read) hold from its place in the layout one value
/// an event, or all its lists, and [`LANES`] more behind; `lists` has one list an event for each group.
pub(super) struct Rows<'s> {
    pub(super) layout: &'s Layout,
    pub(super) values: &'s [f32],
    pub(super) flags: &'s [u8],
    pub(super) lists: &'s [List],
    pub(super) events: usize,
    pub(super) pad: f32,
}

impl Rows<'_> {
    /// Ask for the values that the rows of `event` and those behind it begin with.
    #[inline(always)]
    pub(super) fn expect(&self, event: usize) {
        if event >= self.events {
            return;
        }
        let values = self.values.as_ptr();
        for &source in &self.layout.flat {
            prefetch(values.wrapping_add(source + event));
        }
        for run in &self.layout.runs {
            let start = self.lists[run.group * self.events + event].start;
            for &source in &self.layout.sources[run.first..run.stop] {
                prefetch(values.wrapping_add(source + start));
            }
        }
    }

    /// Write the row of `event` and its mask; with `MISSING` the flags mark values that are missing.
    ///
    /// # Safety
    /// The invariants hold, `event < self.events`, and from `data` and `mask` on there is room for every column and
    /// [`SPILL`] more.
    #[inline(always)]
    pub(super) unsafe fn write<const MISSING: bool>(&self, event: usize, data: *mut f32, mask: *mut u8) {
        // SAFETY: by the caller.
        unsafe { self.write_flat::<MISSING>(event, data, mask) };
        let mut to = Place { data, mask }.behind(self.layout.flat.len());
        for run in &self.layout.runs {
            // SAFETY: by the caller. What a run spills falls on the next one, which is written after it.
            unsafe { self.write_run::<MISSING>(run, event, to) };
            to = to.behind((run.stop - run.first) * run.width);
        }
    }

    /// Write the branches of a run, and their mask.
    ///
    /// # Safety
    /// As for `write`.
    #[inline(always)]
    unsafe fn write_run<const MISSING: bool>(&self, run: &Run, event: usize, to: Place) {
        // SAFETY: by the caller: a run's branches are in the layout, and eight values can be read where a list begins.
        unsafe {
            let ((from, length), sources) =
                (self.list(run, event), self.layout.sources.get_unchecked(run.first..run.stop));
            let select = Select::new(length.min(LANES), self.pad);
            if let (false, Some(masks)) = (MISSING, run.masks) {
                let columns = sources.len() * run.width;
                self.layout.masks.copy(masks + length * columns, columns, to.mask);
                self.write_values(run.width, &select, (from, length), sources, to.data);
                return;
            }
            let mut to = to;
            for &source in sources {
                select.copy::<MISSING>(from, source, to);
                if run.width > LANES {
                    self.write_wide::<MISSING>(run.width, length, from, source, to);
                }
                to = to.behind(run.width);
            }
        }
    }

    /// The values of branches side by side of one list, of which `first` selects the first lanes; returns what is behind.
    ///
    /// # Safety
    /// As for `write`: the list's values can be read at the sources, and their columns written `to`.
    #[inline(always)]
    unsafe fn write_values(
        &self,
        width: usize,
        first: &Select,
        (from, length): (Source, usize),
        sources: &[usize],
        to: *mut f32,
    ) -> *mut f32 {
        let mut to = to;
        if width <= LANES {
            for &source in sources {
                // SAFETY: by the caller.
                unsafe { first.copy_values(from.values.wrapping_add(source), to) };
                to = to.wrapping_add(width);
            }
            return to;
        }
        for &source in sources {
            // SAFETY: by the caller.
            unsafe {
                first.copy_values(from.values.wrapping_add(source), to);
                for lane in (LANES..width).step_by(LANES) {
                    let (there, at) = lanes_from(lane, length);
                    let select = Select::new(there, self.pad);
                    select.copy_values(from.values.wrapping_add(source + at), to.wrapping_add(lane));
                }
            }
            to = to.wrapping_add(width);
        }
        to
    }

    /// Write the row of `event` of a tensor whose branches share a mask of `size` places: those are marked that are
    /// padding, or where every branch misses its value.
    ///
    /// # Safety
    /// As for `write`, with room for `size` places of the mask and [`SPILL`] more; lists of all branches are as long as
    /// each other, and as wide as the mask.
    #[inline(always)]
    pub(super) unsafe fn write_shared<const MISSING: bool>(
        &self,
        event: usize,
        data: *mut f32,
        mask: *mut u8,
        size: usize,
    ) {
        // SAFETY: by the caller.
        unsafe {
            if self.layout.runs.is_empty() {
                return self.write_pixels::<MISSING>(event, data, mask, size);
            }
            let mut to = data;
            for run in &self.layout.runs {
                let (from, length) = self.list(run, event);
                let first = Select::new(length.min(LANES), self.pad);
                let sources = self.layout.sources.get_unchecked(run.first..run.stop);
                to = self.write_values(run.width, &first, (from, length), sources, to);
            }
            self.write_shared_mask::<MISSING>(event, mask, size);
        }
    }

    /// The mask that jagged branches share.
    ///
    /// # Safety
    /// As for `write_shared`.
    #[inline(always)]
    unsafe fn write_shared_mask<const MISSING: bool>(&self, event: usize, mask: *mut u8, size: usize) {
        for lane in (0..size).step_by(LANES) {
            let (mut absent, mut padding) = (if MISSING { ONES } else { 0 }, 0);
            let runs = if MISSING { &self.layout.runs[..] } else { &self.layout.runs[..1] };
            // SAFETY: by the caller.
            unsafe {
                for run in runs {
                    let (from, length) = self.list(run, event);
                    let (there, at) = lanes_from(lane, length);
                    padding = PADDING[there];
                    for &source in self.layout.sources.get_unchecked(run.first..run.stop) {
                        if MISSING {
                            absent &= from.flags.wrapping_add(source + at).cast::<u64>().read_unaligned();
                        }
                    }
                }
                mask.add(lane).cast::<u64>().write_unaligned(absent | padding);
            }
        }
    }

    /// Where the list of an event begins, and how many of its values have a place.
    ///
    /// # Safety
    /// As for `write`.
    #[inline(always)]
    unsafe fn list(&self, run: &Run, event: usize) -> (Source, usize) {
        // SAFETY: there is a list for each group and event.
        let list = unsafe { *self.lists.get_unchecked(run.group * self.events + event) };
        let from = Source {
            values: self.values.as_ptr().wrapping_add(list.start),
            flags: self.flags.as_ptr().wrapping_add(list.start),
        };
        (from, run.width.min(list.length))
    }

    /// The flat branches that are the pixels of an image, and their mask: of all channels, each `size` pixels.
    ///
    /// # Safety
    /// As for `write_shared`.
    #[inline(always)]
    unsafe fn write_pixels<const MISSING: bool>(&self, event: usize, data: *mut f32, mask: *mut u8, size: usize) {
        let (values, flags) = (self.values.as_ptr(), self.flags.as_ptr());
        // SAFETY: by the caller.
        unsafe {
            for (column, source) in self.layout.flat.iter().enumerate() {
                *data.add(column) = *values.add(source + event);
            }
            for place in 0..size {
                let mut channels = self.layout.flat.iter().skip(place).step_by(size);
                *mask.add(place) = u8::from(MISSING && channels.all(|source| *flags.add(source + event) != 0));
            }
        }
    }

    /// The columns of flat branches, and their mask.
    ///
    /// # Safety
    /// As for `write`: a flat branch has a value for each event, and the row a column for each flat branch.
    #[inline(always)]
    unsafe fn write_flat<const MISSING: bool>(&self, event: usize, data: *mut f32, mask: *mut u8) {
        let (values, flags) = (self.values.as_ptr(), self.flags.as_ptr());
        // SAFETY: by the caller.
        unsafe {
            for (column, source) in self.layout.flat.iter().enumerate() {
                *data.add(column) = *values.add(source + event);
                if MISSING {
                    *mask.add(column) = *flags.add(source + event);
                }
            }
            if !MISSING {
                for column in (0..self.layout.flat.len()).step_by(LANES) {
                    mask.add(column).cast::<u64>().write_unaligned(0);
                }
            }
        }
    }

    /// The lanes of one branch behind its first eight.
    ///
    /// # Safety
    /// As for `write`: the list's values can be read at `source` behind `from`, and `width` columns written `to`.
    #[inline(always)]
    unsafe fn write_wide<const MISSING: bool>(
        &self,
        width: usize,
        length: usize,
        from: Source,
        source: usize,
        to: Place,
    ) {
        for lane in (LANES..width).step_by(LANES) {
            let (there, at) = lanes_from(lane, length);
            // SAFETY: by the caller.
            unsafe { Select::new(there, self.pad).copy::<MISSING>(from, source + at, to.behind(lane)) };
        }
    }
}
