//! One block of events, from columns to rows.
//!
//! A block's columns are normalised first, each in one sweep over its contiguous content, into a scratch of float32:
//! there every type, missing value and rounding is handled, without gaps. Then the rows are written one after the
//! other, values and mask; see `row.rs`. Starts and lengths of lists are looked up once for all branches that share
//! them, whether they share a buffer or have equal ones.
//!
//! ```text
//! scratch:  | met of all events | jetPt: a0 a1 | c0 | ... | jetEta ... |        one region a branch
//! lists:    | jets of all events: (0, 2) (2, 0) (2, 1) ... | leptons ... |      one stretch a group
//! ```

use std::borrow::Cow;
use std::cell::Cell;
use std::ptr::without_provenance;

use super::formula::{Columns, Events, Failure, Machine};
use super::normalize::{self, Region};
use super::output::{Rows, prefetch};
use super::row::{self, Layout, List};
use super::stage::{LINE, Stage, settle};
use super::wrap::Wrapped;
use super::{BranchCounts, Job, keep};
use crate::column::{Array, Lists};
use crate::plan::{BranchPlan, Source};

/// Lines of the next column that are asked for while one is normalised.
const EXPECTED: usize = 16;

/// Values, lists and staged values of the largest scratch that is kept: about a megabyte.
const KEPT_VALUES: usize = 1 << 16;

/// Events of a block from which on the masks of runs are worth making.
const MASKS_FROM: usize = 64;

/// Consecutive events that one thread takes at once, as columns of one piece.
pub(super) struct Block<'o, 'a> {
    /// The number of the first event in the table.
    pub(super) first: usize,
    /// The piece of each branch that the matrix takes from the data, and behind them of those that formulas load.
    pub(super) arrays: Vec<Array<'a>>,
    pub(super) rows: Rows<'o>,
}

/// What one thread keeps from block to block.
#[derive(Default)]
pub(super) struct Scratch {
    machine: Machine,
    columns: Columns,
    active: Vec<usize>,
    rows: RowScratch,
}

thread_local! {
    /// What rows were made in by the last call in this thread: to make it anew takes as long as the rows of a few events.
    static KEPT: Cell<Option<RowScratch>> = const { Cell::new(None) };
}

impl Scratch {
    /// One with what was kept, or a new one.
    pub(super) fn take() -> Scratch {
        Scratch { rows: KEPT.take().unwrap_or_default(), ..Scratch::default() }
    }

    /// Keep what rows are made in for the next call in this thread, unless it is large.
    pub(super) fn keep(self) {
        let RowScratch { normal, groups, stage, .. } = &self.rows;
        if normal.values().len() + groups.lists.len() + stage.len() <= KEPT_VALUES {
            KEPT.set(Some(self.rows));
        }
    }
}

/// The part of it that rows are made in.
#[derive(Default)]
struct RowScratch {
    normal: normalize::Scratch,
    regions: Vec<Region>,
    groups: Groups,
    layout: Layout,
    stage: Stage,
    keep: keep::Scratch,
}

/// The lists of a block: branches whose lists lie at the same places are one group.
#[derive(Default)]
pub(super) struct Groups {
    /// The group of each branch; nothing for a flat one.
    of_branch: Vec<Option<usize>>,
    /// The first branch of each group.
    leaders: Vec<usize>,
    /// The length of the longest list of each group.
    longest: Vec<usize>,
    /// The lists of all events, a stretch for each group.
    lists: Vec<List>,
}

impl Groups {
    /// Find the groups, and where their lists lie.
    #[inline(always)]
    fn find(&mut self, arrays: &[Array<'_>]) {
        self.of_branch.clear();
        self.leaders.clear();
        self.longest.clear();
        self.lists.clear();
        for (branch, array) in arrays.iter().enumerate() {
            let Array::Jagged(lists) = array else {
                self.of_branch.push(None);
                continue;
            };
            // Branches of a collection mostly stand side by side: the last group is the likeliest.
            let same = |&group: &usize| match &arrays[self.leaders[group]] {
                Array::Jagged(leader) => lists.same_layout(leader),
                Array::Flat(_) => false,
            };
            let group = (0..self.leaders.len()).rev().find(same).unwrap_or_else(|| self.add(branch, lists));
            self.of_branch.push(Some(group));
        }
    }

    #[inline(always)]
    fn add(&mut self, branch: usize, lists: &Lists<'_>) -> usize {
        let mut longest = 0;
        self.lists.reserve(lists.events());
        lists.each(|start, length| {
            longest = longest.max(length);
            self.lists.push(List { start, length });
        });
        self.leaders.push(branch);
        self.longest.push(longest);
        self.leaders.len() - 1
    }

    fn of(&self, group: usize, events: usize) -> &[List] {
        &self.lists[group * events..(group + 1) * events]
    }

    /// The lists of a branch, of which there are as many as events; nothing for a flat one.
    pub(super) fn lists_of(&self, branch: usize, events: usize) -> Option<&[List]> {
        self.of_branch[branch].map(|group| self.of(group, events))
    }

    /// The length of a branch's longest list.
    pub(super) fn longest_of(&self, branch: usize) -> usize {
        self.of_branch[branch].map_or(0, |group| self.longest[group])
    }
}

impl Block<'_, '_> {
    /// Compute the block's new branches, where the plan has some.
    pub(super) fn compute(&self, job: &Job<'_>, scratch: &mut Scratch) -> Result<(), Failure> {
        let Some(formulas) = &job.formulas else { return Ok(()) };
        let count = self.rows.events();
        scratch.active.clear();
        scratch.active.extend((0..count).filter(|&event| self.rows.has(event)));
        let active = (scratch.active.len() < count).then_some(scratch.active.as_slice());
        let events = Events { first: self.first, count, active };
        let loaded = self.arrays.len() - formulas.columns.len();
        scratch.machine.run(formulas, &self.arrays[loaded..], events)?;
        scratch.columns.fill(formulas.program, &scratch.machine, &events);
        Ok(())
    }

    /// Normalise the block's columns and write its rows; `counts` has an entry for each branch of the plan.
    #[inline(always)]
    pub(super) fn run(
        &mut self,
        job: &Job<'_>,
        scratch: &mut Scratch,
        counts: &mut [BranchCounts],
    ) -> Result<(), Failure> {
        let branches = job.plan.branches();
        let arrays = match job.formulas {
            None => Cow::Borrowed(&self.arrays),
            Some(_) => Cow::Owned(self.with_new(job, &scratch.columns)),
        };
        let scratch = &mut scratch.rows;
        scratch.groups.find(&arrays);
        self.check(job, &scratch.groups)?;
        Self::normalize(&arrays, job, scratch);
        for (index, (branch, counts)) in branches.iter().zip(counts).enumerate() {
            counts.truncated += self.count_truncated(branch, index, scratch);
            counts.missing += self.count_missing(&arrays[index], index, scratch);
        }
        let missing = scratch.regions.iter().any(|region| region.missing);
        if missing {
            scratch.normal.complete_flags(&scratch.regions);
        }
        for keep in &job.keeps {
            let RowScratch { groups, regions, normal, keep: places, .. } = scratch;
            keep.apply((&arrays, branches), (groups, &self.rows), (regions, normal, missing), places);
        }
        self.write(job, scratch, missing);
        Ok(())
    }

    /// The arrays of all branches of the plan, new ones among them.
    fn with_new<'s>(&'s self, job: &Job<'_>, columns: &'s Columns) -> Vec<Array<'s>> {
        let mut loaded = self.arrays.iter();
        let of_branch = |branch: &BranchPlan| match branch.source {
            Source::Data => loaded.next().copied(),
            Source::Formula(number) => columns.array(job.plan.program(), number).ok(),
        };
        job.plan.branches().iter().filter_map(of_branch).collect()
    }

    /// Check the lengths of lists.
    fn check(&self, job: &Job<'_>, groups: &Groups) -> Result<(), Failure> {
        let mut rules = job.rules.iter().enumerate();
        rules.try_for_each(|(number, rule)| {
            let named = |(event, error)| job.failure(number, self.first + event, error);
            rule.check(job.plan.branches(), groups, &self.rows).map_err(named)
        })
    }

    /// Write the rows of every tensor, one tensor after the other; `missing`: the flags tell of missing values.
    #[inline(always)]
    fn write(&mut self, job: &Job<'_>, scratch: &mut RowScratch, missing: bool) {
        let tensors = job.plan.positions_of_members().iter().enumerate();
        for (tensor, members) in tensors.filter(|(_, members)| !members.is_empty()) {
            scratch.layout.arrange(members, job.plan.branches(), &scratch.groups.of_branch, &scratch.regions);
            if tensor == 0 && !missing && self.rows.events() >= MASKS_FROM {
                scratch.layout.make_masks();
            }
            match (missing, tensor) {
                (true, 0) => self.write_rows::<true, false>(tensor, job, scratch),
                (false, 0) => self.write_rows::<false, false>(tensor, job, scratch),
                (true, _) => self.write_rows::<true, true>(tensor, job, scratch),
                (false, _) => self.write_rows::<false, true>(tensor, job, scratch),
            }
        }
        settle();
    }

    /// Fill every branch's region of the scratch.
    #[inline(always)]
    fn normalize(arrays: &[Array<'_>], job: &Job<'_>, scratch: &mut RowScratch) {
        let values = arrays.iter().map(|array| array.inside().len()).sum();
        scratch.normal.clear(arrays.len(), values);
        scratch.regions.clear();
        let branches = job.plan.branches().iter().zip(&job.scales);
        for (number, ((branch, scale), array)) in branches.zip(arrays).enumerate() {
            arrays.get(number + 1).into_iter().for_each(expect);
            scratch.regions.push(scratch.normal.add(&array.inside(), branch, scale));
        }
    }

    /// Write the rows of the block's events in one tensor, by way of the stage; its branches may share their mask.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn write_rows<const MISSING: bool, const SHARED: bool>(
        &mut self,
        tensor: usize,
        job: &Job<'_>,
        scratch: &mut RowScratch,
    ) {
        let events = self.rows.events();
        let (width, mask_width) = self.rows.width(tensor);
        if width == 0 {
            return;
        }
        let rows = row::Rows {
            layout: &scratch.layout,
            values: scratch.normal.values(),
            flags: scratch.normal.flags(),
            lists: &scratch.groups.lists,
            events,
            pad: job.plan.pad_value(),
        };
        let slots = scratch.stage.arrange((width, mask_width));
        self.rows.expect_first(tensor, slots);
        for first in (0..events).step_by(slots) {
            let count = slots.min(events - first);
            rows.expect(first + 2 * slots);
            for slot in (0..count).filter(|slot| self.rows.has(first + slot)) {
                let (data, mask) = scratch.stage.row(slot);
                // SAFETY: the layout was arranged from the regions, which hold every value of the block and LANES more;
                // a list lies inside its region, and those of a shared mask have equal lengths by the rules; and the
                // stage has room for this row and SPILL more.
                unsafe {
                    if SHARED {
                        rows.write_shared::<MISSING>(first + slot, data, mask, mask_width);
                    } else {
                        rows.write::<MISSING>(first + slot, data, mask);
                    }
                }
            }
            self.repeat(&job.wrapped[tensor], (first, count), &scratch.groups, &mut scratch.stage);
            self.rows.put(tensor, first, count, &mut scratch.stage);
        }
    }

    /// Repeat the lists of branches that go round, in the rows of `count` events that are staged.
    fn repeat(&self, wrapped: &[Wrapped], (first, count): (usize, usize), groups: &Groups, stage: &mut Stage) {
        for wrapped in wrapped {
            let lists = groups.lists_of(wrapped.branch, self.rows.events());
            for slot in (0..count).filter(|slot| self.rows.has(first + slot)) {
                let length = lists.map_or(0, |lists| lists[first + slot].length);
                wrapped.repeat(stage.values(slot), length);
            }
        }
    }

    /// How many values of the written events found no place in their row.
    fn count_truncated(&self, branch: &BranchPlan, index: usize, scratch: &RowScratch) -> u64 {
        let groups = &scratch.groups;
        let Some(group) = groups.of_branch[index].filter(|&group| groups.longest[group] > branch.width) else {
            return 0;
        };
        let lists = groups.of(group, self.rows.events()).iter().enumerate();
        let written = lists.filter(|&(event, _)| self.rows.has(event));
        written.map(|(_, list)| list.length.saturating_sub(branch.width) as u64).sum()
    }

    /// How many values, and null lists, of the written events are missing.
    #[inline(always)]
    fn count_missing(&self, array: &Array<'_>, index: usize, scratch: &RowScratch) -> u64 {
        let region = scratch.regions[index];
        let nulls = match array {
            Array::Jagged(lists) => *lists.validity(),
            Array::Flat(_) => Default::default(),
        };
        if !region.missing && nulls.all_valid() {
            return 0;
        }
        let flags = if region.missing { &scratch.normal.flags()[region.start..][..region.len] } else { &[] };
        let count = |flags: &[u8]| flags.iter().map(|&flag| u64::from(flag)).sum::<u64>();
        if nulls.all_valid() && self.rows.has_all() {
            return count(flags);
        }
        let events = self.rows.events();
        let of_event = |event: usize| {
            let List { start, length } = match scratch.groups.of_branch[index] {
                Some(group) => scratch.groups.of(group, events)[event],
                None => List { start: event, length: 1 },
            };
            let values = if flags.is_empty() { flags } else { &flags[start..start + length] };
            count(values) + u64::from(nulls.is_null(event))
        };
        (0..events).filter(|&event| self.rows.has(event)).map(of_event).sum()
    }
}

/// Ask for the first numbers of an array's events: a block has few of many columns, so the processor foresees none.
#[inline(always)]
fn expect(array: &Array<'_>) {
    let lines = array.inside().data().memory().step_by(LINE);
    lines.take(EXPECTED).for_each(|line| prefetch(without_provenance::<u8>(line)));
}
