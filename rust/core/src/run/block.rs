//! One block of events, from columns to rows.
//!
//! A block's columns are normalised first, each in one sweep over its contiguous content, into a scratch of float32:
//! there every type, missing value and rounding is handled, without gaps. Then the rows are written one after the
//! other, values and mask; a row is only copied. Starts and lengths of lists are looked up once for all branches that
//! share them. Missing values are marked in the mask afterwards, in blocks that have some.
//!
//! ```text
//! scratch:  | ht of all rows | jetPt: a0 a1 | c0 | ... | jetEta ... |        one region a branch
//! row:      | ht | ... | jetPt_0 jetPt_1 pad pad | jetEta_0 jetEta_1 pad pad | ...
//! mask:     |  . | ... |    .       .     X   X  |     .        .     X   X  | ...
//! ```

use super::normalize::{self, Region};
use super::output::Rows;
use super::row::Field;
use super::{BranchCounts, Work};
use crate::column::{Array, Segment};
use crate::plan::BranchPlan;

/// Consecutive events of a segment that one thread takes at once.
pub(super) struct Block<'s, 'a> {
    pub(super) segment: &'s Segment<'a>,
    /// For each branch of the plan the first one whose lists lie at the same places.
    pub(super) leaders: &'s [usize],
    pub(super) start: usize,
    pub(super) events: usize,
    pub(super) rows: Rows<'s>,
}

/// Begin and end of an event's values within their region.
type Span = (usize, usize);

/// What one thread keeps from block to block.
#[derive(Default)]
pub(super) struct Scratch {
    normal: normalize::Scratch,
    regions: Vec<Region>,
    /// The spans of all events of the block, a run of them for each group of branches.
    spans: Vec<Span>,
    /// For each branch where its run begins; nothing for a flat branch, whose events have one value each.
    runs: Vec<Option<usize>>,
    layout: Layout,
}

/// A row's branches, in the order of their columns.
#[derive(Default)]
struct Layout {
    flat: Vec<Region>,
    jagged: Vec<Field>,
    /// Where the spans of each group of jagged branches begin.
    runs: Vec<usize>,
}

impl Layout {
    fn arrange(&mut self, branches: &[BranchPlan], runs: &[Option<usize>], regions: &[Region]) {
        self.flat.clear();
        self.jagged.clear();
        self.runs.clear();
        for ((branch, run), &region) in branches.iter().zip(runs).zip(regions) {
            let Some(run) = *run else {
                self.flat.push(region);
                continue;
            };
            let known = self.runs.iter().position(|&known| known == run);
            let group = known.unwrap_or(self.runs.len());
            if known.is_none() {
                self.runs.push(run);
            }
            self.jagged.push(Field { group, region, column: branch.column, width: branch.width });
        }
    }
}

impl Scratch {
    #[inline(always)]
    fn span(&self, branch: usize, event: usize) -> Span {
        self.runs[branch].map_or((event, event + 1), |run| self.spans[run + event])
    }
}

impl Block<'_, '_> {
    /// Normalise the block's columns and write its rows; `counts` has an entry for each branch of the plan.
    #[inline(always)]
    pub(super) fn run(&mut self, work: &Work<'_>, scratch: &mut Scratch, counts: &mut [BranchCounts]) {
        self.find_spans(work, scratch);
        self.normalize(work, scratch);
        self.write_rows(work, scratch);
        for (index, (branch, counts)) in work.plan.branches().iter().zip(counts).enumerate() {
            counts.truncated += self.count_truncated(branch, index, scratch);
            if scratch.regions[index].missing || self.has_null_lists(work, index) {
                counts.missing += self.mark_missing(work, branch, index, scratch);
            }
        }
    }

    #[inline(always)]
    fn array(&self, work: &Work<'_>, branch: usize) -> &Array<'_> {
        &self.segment.arrays[work.columns[branch]]
    }

    fn has_null_lists(&self, work: &Work<'_>, branch: usize) -> bool {
        matches!(self.array(work, branch), Array::Jagged(lists) if !lists.validity().all_valid())
    }

    /// Where the lists lie, once for each group of branches.
    #[inline(always)]
    fn find_spans(&self, work: &Work<'_>, scratch: &mut Scratch) {
        scratch.spans.clear();
        scratch.runs.clear();
        for (branch, &leader) in self.leaders.iter().enumerate() {
            let Array::Jagged(lists) = self.array(work, branch) else {
                scratch.runs.push(None);
                continue;
            };
            if leader < branch {
                scratch.runs.push(scratch.runs[leader]);
                continue;
            }
            scratch.runs.push(Some(scratch.spans.len()));
            let first = lists.offsets().start(self.start);
            let spans = (self.start..self.start + self.events).map(|event| lists.span(event));
            scratch.spans.extend(spans.map(|(start, stop)| (start - first, stop - first)));
        }
    }

    /// Fill every branch's region of the scratch.
    #[inline(always)]
    fn normalize(&self, work: &Work<'_>, scratch: &mut Scratch) {
        scratch.normal.clear();
        scratch.regions.clear();
        for (index, (branch, scale)) in work.plan.branches().iter().zip(&work.scales).enumerate() {
            let values = match self.array(work, index) {
                Array::Flat(values) => values.slice(self.start, self.events),
                Array::Jagged(lists) => {
                    let first = lists.offsets().start(self.start);
                    let stop = lists.offsets().start(self.start + self.events);
                    lists.content().slice(first, stop - first)
                }
            };
            scratch.regions.push(scratch.normal.add(&values, branch.dtype, scale, work.plan.pad_value()));
        }
    }

    /// Write the rows of the block's events.
    #[inline(always)]
    fn write_rows(&mut self, work: &Work<'_>, scratch: &mut Scratch) {
        let pad = work.plan.pad_value();
        scratch.layout.arrange(work.plan.branches(), &scratch.runs, &scratch.regions);
        let (layout, values) = (&scratch.layout, scratch.normal.all());
        let mut lists = vec![(0, 0); layout.runs.len()];
        for event in 0..self.events {
            let Some((data, mask)) = self.rows.get(event) else { continue };
            for (list, run) in lists.iter_mut().zip(&layout.runs) {
                let (start, stop) = scratch.spans[run + event];
                *list = (start, stop - start);
            }
            for (place, region) in data.iter_mut().zip(&layout.flat) {
                *place = values[region.start + event];
            }
            mask[..layout.flat.len()].fill(0);
            for field in &layout.jagged {
                field.write(values, lists[field.group], pad, data, mask);
            }
        }
    }

    /// How many values of the written events found no place in their row.
    fn count_truncated(&self, branch: &BranchPlan, index: usize, scratch: &Scratch) -> u64 {
        let Some(run) = scratch.runs[index] else { return 0 };
        let spans = scratch.spans[run..run + self.events].iter().enumerate();
        let beyond = |&(start, stop): &Span| (stop - start).saturating_sub(branch.width);
        spans
            .filter(|&(event, span)| beyond(span) > 0 && self.rows.has(event))
            .map(|(_, span)| beyond(span) as u64)
            .sum()
    }

    /// Mark missing values in the mask, and count them and the null lists of the written events.
    fn mark_missing(&mut self, work: &Work<'_>, branch: &BranchPlan, index: usize, scratch: &Scratch) -> u64 {
        let region = scratch.regions[index];
        let array = self.segment.arrays[work.columns[index]];
        let mut missing = 0;
        for event in 0..self.events {
            let Some((_, mask)) = self.rows.get(event) else { continue };
            let flags = scratch.normal.flags(region, scratch.span(index, event));
            let mask = &mut mask[branch.column..branch.column + branch.width];
            mask.iter_mut().zip(flags).for_each(|(mask, &flag)| *mask |= u8::from(flag));
            missing += flags.iter().filter(|&&flag| flag).count() as u64;
            if let Array::Jagged(lists) = array {
                missing += u64::from(lists.validity().is_null(self.start + event));
            }
        }
        missing
    }
}
