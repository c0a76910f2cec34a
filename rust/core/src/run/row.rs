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
//!   padding: 2.1 x with AVX2 against a loop over values;
//! - places are checked once a block, not once a copy, which is why this file may be unsafe: with the runs;
//! - regions of the scratch do not begin in the same few sets of the cache (see `normalize.rs`), and the mask of flat
//!   branches is written by eight bytes: 1.1 x;
//! - rows are staged in the first-level cache and leave it as whole lines, past the caches (see `stage.rs`): 1.4 x.

#![allow(unsafe_code)]

use super::normalize::Region;
use crate::plan::BranchPlan;

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
const ONES: u64 = 0x0101_0101_0101_0101;

/// The mask's bytes behind the first `n` values, for each `n`.
const PADDING: [u64; LANES + 1] = {
    let mut table = [0; LANES + 1];
    let mut n = 0;
    while n < LANES {
        table[n] = (ONES << (8 * n)).to_le();
        n += 1;
    }
    table
};

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
}

/// A row's branches, in the order of their columns.
#[derive(Default)]
pub(super) struct Layout {
    /// Where the values of each flat branch lie.
    flat: Vec<usize>,
    runs: Vec<Run>,
    /// Where the values of each jagged branch lie.
    sources: Vec<usize>,
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
                _ => self.runs.push(Run { group, width: branch.width, first, stop: first + 1 }),
            }
        }
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
    /// Write the row of `event` and its mask; with `MISSING` the flags mark values that are missing.
    ///
    /// # Safety
    /// The invariants hold, `event < self.events`, and from `data` and `mask` on there is room for every column and
    /// [`LANES`] more.
    #[inline(always)]
    pub(super) unsafe fn write<const MISSING: bool>(&self, event: usize, data: *mut f32, mask: *mut u8) {
        // SAFETY: by the caller.
        unsafe { self.write_flat::<MISSING>(event, data, mask) };
        let mut to = Place { data, mask }.behind(self.layout.flat.len());
        for run in &self.layout.runs {
            // SAFETY: by the caller; a run's branches are in the layout.
            let ((from, length), sources) =
                unsafe { (self.list(run, event), self.layout.sources.get_unchecked(run.first..run.stop)) };
            let select = Select::new(length.min(LANES), self.pad);
            for &source in sources {
                // SAFETY: eight values can be read from the start of a list, and written from inside the row. What a
                // wide branch spills falls on the next one, which is written after it.
                unsafe {
                    select.copy::<MISSING>(from, source, to);
                    if run.width > LANES {
                        self.write_wide::<MISSING>(run.width, length, from, source, to);
                    }
                }
                to = to.behind(run.width);
            }
        }
    }

    /// Write the row of `event` of a tensor whose branches share a mask of `size` places: those are marked that are
    /// padding, or where every branch misses its value.
    ///
    /// # Safety
    /// As for `write`, with room for `size` places of the mask and [`LANES`] more; lists of all branches are as long as
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
                for &source in self.layout.sources.get_unchecked(run.first..run.stop) {
                    first.copy_values(from.values.wrapping_add(source), to);
                    for lane in (LANES..run.width).step_by(LANES) {
                        let (there, at) = lanes_from(lane, length);
                        let select = Select::new(there, self.pad);
                        select.copy_values(from.values.wrapping_add(source + at), to.wrapping_add(lane));
                    }
                    to = to.wrapping_add(run.width);
                }
            }
            for lane in (0..size).step_by(LANES) {
                let mut absent = ONES;
                let mut padding = 0;
                for run in &self.layout.runs {
                    let (from, length) = self.list(run, event);
                    let (there, at) = lanes_from(lane, length);
                    padding = PADDING[there];
                    if MISSING {
                        for &source in self.layout.sources.get_unchecked(run.first..run.stop) {
                            absent &= from.flags.wrapping_add(source + at).cast::<u64>().read_unaligned();
                        }
                    } else {
                        absent = 0;
                        break;
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

/// How many of the eight lanes from `lane` on are there in a list, and where to read them: where nothing is left of it,
/// anything may be read, so do not run out of the values there.
#[inline(always)]
fn lanes_from(lane: usize, length: usize) -> (usize, usize) {
    let there = length.saturating_sub(lane).min(LANES);
    (there, if there == 0 { 0 } else { lane })
}

/// Where the values of a list, and their flags, begin.
#[derive(Clone, Copy)]
struct Source {
    values: *const f32,
    flags: *const u8,
}

/// A place in a row of the matrix, and in that of the mask.
#[derive(Clone, Copy)]
struct Place {
    data: *mut f32,
    mask: *mut u8,
}

impl Place {
    #[inline(always)]
    fn behind(self, columns: usize) -> Place {
        Place { data: self.data.wrapping_add(columns), mask: self.mask.wrapping_add(columns) }
    }
}

/// What to keep of eight lanes and what to put in the others.
struct Select {
    keep: Lanes,
    fill: Lanes,
    padding: u64,
}

impl Select {
    /// Keep the first `there` lanes.
    #[inline(always)]
    fn new(there: usize, pad: f32) -> Select {
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
    unsafe fn copy<const MISSING: bool>(&self, from: Source, at: usize, to: Place) {
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
    unsafe fn copy_values(&self, from: *const f32, to: *mut f32) {
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
