//! The baskets that a range of entries needs, and those that it cuts.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::branch::{Branch, Layout};
use crate::spare::Buffer;

/// Entries of a basket as native numbers.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// Columns that are part of them share them.
    pub numbers: Arc<Buffer>,
    /// Where each list begins in the numbers, and the end of the last one. Branches of a collection share it.
    pub starts: Option<Arc<Vec<u32>>>,
}

/// A basket in which an earlier range ended. It is kept as it is: copies of what is left would take longer, and memory
/// of their own beside columns that are part of it.
#[derive(Debug)]
pub(crate) struct Kept {
    basket: usize,
    decoded: Decoded,
}

/// A basket that is needed.
#[derive(Debug)]
pub(crate) struct Item {
    /// The position of its branch among those that are read.
    pub branch: usize,
    pub basket: usize,
    /// The entries that are there.
    pub entries: Range<u64>,
    /// Those of them that are wanted, counted from the first that is there.
    pub used: Range<usize>,
    /// How many numbers are there; known if it was kept, else from the key.
    pub numbers: usize,
    /// Whether it was kept.
    pub was_kept: bool,
}

impl Item {
    /// Whether all its entries are wanted, so that it can be decoded straight into its place.
    pub fn is_whole(&self) -> bool {
        !self.was_kept && self.used == (0..(self.entries.end - self.entries.start) as usize)
    }

    /// The numbers of the entries that are wanted.
    pub fn wanted_numbers(&self, branch: &Branch, decoded: Option<&Decoded>) -> Range<usize> {
        match (branch.layout(), decoded.and_then(|decoded| decoded.starts.as_ref())) {
            (Layout::Numbers { length, .. }, _) => self.used.start * length..self.used.end * length,
            (Layout::Lists { .. }, Some(starts)) => starts[self.used.start] as usize..starts[self.used.end] as usize,
            (Layout::Lists { .. }, None) => 0..self.numbers,
        }
    }

    /// Whether entries behind those that are wanted are there.
    pub fn leaves_some(&self) -> bool {
        self.used.end < (self.entries.end - self.entries.start) as usize
    }

    /// Where its bytes lie in the file, if they are needed from there.
    pub fn place(&self, branch: &Branch) -> Option<(u64, usize)> {
        if self.was_kept { None } else { branch.place(self.basket).in_file() }
    }
}

/// The baskets in which earlier ranges ended, by branch.
#[derive(Debug, Default)]
pub(crate) struct KeptBaskets(HashMap<u64, Kept>);

/// Where the baskets lie that a range needs of a branch, save the one that was kept.
fn needed(branch: &Branch, entries: &Range<u64>, kept: Option<&Kept>) -> Vec<Option<(u64, usize)>> {
    let held = |basket: &usize| kept.is_some_and(|kept| kept.basket == *basket);
    branch.baskets(entries).filter(|basket| !held(basket)).map(|basket| branch.place(basket).in_file()).collect()
}

/// The baskets that a range of entries needs of some branches, in order, and what is decoded of them.
pub(crate) struct Items {
    pub items: Vec<Item>,
    pub decoded: Vec<Option<Decoded>>,
    /// The items of each branch.
    pub of: Vec<Range<usize>>,
}

impl KeptBaskets {
    /// Where everything lies that a read would fetch, and the baskets of counters, for branches without tables of offsets.
    pub fn places(&self, branches: &[Arc<Branch>], entries: &Range<u64>) -> [Vec<Option<(u64, usize)>>; 2] {
        let [mut places, mut counters] = [Vec::new(), Vec::new()];
        for branch in branches {
            places.extend(needed(branch, entries, self.0.get(&branch.id())));
            if let Layout::Lists { counter: Some(counter), .. } = branch.layout()
                && let (Some(first), Some(last)) = (branch.baskets(entries).next(), branch.baskets(entries).next_back())
            {
                counters.extend(needed(counter, &(branch.span(first).start..branch.span(last).end), None));
            }
        }
        [places, counters]
    }

    /// The items of a range. What was kept and is of use moves there; what else was kept of these branches is dropped.
    pub fn items(&mut self, branches: &[Arc<Branch>], entries: &Range<u64>) -> Items {
        let mut found = Items { items: Vec::new(), decoded: Vec::new(), of: Vec::with_capacity(branches.len()) };
        for (position, branch) in branches.iter().enumerate() {
            let first = found.items.len();
            let mut kept = self.0.remove(&branch.id());
            for basket in branch.baskets(entries) {
                let span = branch.span(basket);
                let decoded = kept.take_if(|kept| kept.basket == basket).map(|kept| kept.decoded);
                let used = (entries.start.max(span.start) - span.start) as usize
                    ..(entries.end.min(span.end) - span.start) as usize;
                let numbers = decoded.as_ref().map_or(0, |kept| kept.numbers.bytes().len() / branch.number().size());
                let was_kept = decoded.is_some();
                found.items.push(Item { branch: position, basket, entries: span, used, numbers, was_kept });
                found.decoded.push(decoded);
            }
            found.of.push(first..found.items.len());
        }
        found
    }

    /// Keep the baskets in which a range ended; or after a read that is to be made again what it took from here.
    pub fn keep(&mut self, branches: &[Arc<Branch>], items: Items, right: bool) {
        for (item, decoded) in items.items.into_iter().zip(items.decoded) {
            let kept = if right { item.leaves_some() } else { item.was_kept };
            if let Some(decoded) = decoded.filter(|_| kept) {
                let kept = Kept { basket: item.basket, decoded };
                self.0.insert(branches[item.branch].id(), kept);
            }
        }
    }
}
