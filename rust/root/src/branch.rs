//! What is known of a branch before it is read.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::number::Number;

/// How the entries of a branch lie in the content of its baskets.
#[derive(Clone, Debug)]
pub enum Layout {
    /// As many numbers every entry.
    Numbers {
        /// Numbers of an entry.
        length: usize,
        /// Bytes from one entry to the next.
        stride: usize,
        /// Bytes of an entry in front of its numbers: those of other leaves.
        skip: usize,
    },
    /// A list of numbers an entry.
    Lists {
        /// Bytes in front of each list: ten of a `std::vector`.
        header: usize,
        /// The branch that has the lengths, for baskets without a table of offsets.
        counter: Option<Arc<Branch>>,
    },
}

/// Where a basket lies.
#[derive(Clone, Debug)]
pub enum Place {
    /// In the file.
    Stored {
        /// Where its key begins.
        start: u64,
        /// Bytes of key and object.
        size: usize,
    },
    /// In the tree's own description, and so here.
    Held {
        /// The bytes of its content.
        content: Vec<u8>,
        /// Where in the content each entry begins, and where the last one ends.
        starts: Option<Vec<u32>>,
    },
}

impl Place {
    /// Where it lies in the file, if it does.
    pub(crate) fn in_file(&self) -> Option<(u64, usize)> {
        match self {
            Place::Stored { start, size } => Some((*start, *size)),
            Place::Held { .. } => None,
        }
    }
}

/// A branch of numbers: where its baskets lie, what they hold, and what earlier reads learned of them.
#[derive(Debug)]
pub struct Branch {
    name: String,
    number: Number,
    layout: Layout,
    edges: Vec<u64>,
    places: Vec<Place>,
    id: u64,
    /// For each basket what it has in common with others of the same value: their tables of offsets were compared.
    groups: Vec<AtomicU64>,
    /// Branches whose lists once were seen to differ from its own, though their baskets have the same sizes.
    apart: Mutex<Vec<u64>>,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Branch {
    /// A branch whose basket `number` has the entries from `edges[number]` to `edges[number + 1]`.
    pub fn new(
        name: &str,
        number: Number,
        layout: Layout,
        edges: Vec<u64>,
        places: Vec<Place>,
    ) -> Result<Branch, String> {
        if edges.len() != places.len() + 1 || edges[0] != 0 || !edges.is_sorted() {
            return Err("its list of baskets is damaged: they do not begin at 0 or go back".to_owned());
        }
        if let Layout::Numbers { length, stride, skip } = &layout {
            let numbers = number.stored_size().checked_mul(*length).and_then(|bytes| bytes.checked_add(*skip));
            if *length == 0 || numbers.is_none_or(|bytes| bytes > *stride) {
                return Err(format!("{length} numbers do not fit into {stride} bytes from byte {skip} on"));
            }
        }
        let groups = places.iter().map(|_| AtomicU64::new(0)).collect();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Branch { name: name.to_owned(), number, layout, edges, places, id, groups, apart: Mutex::default() })
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its numbers are.
    pub fn number(&self) -> Number {
        self.number
    }

    /// How its entries lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of entries, which may be less than the tree's.
    pub fn entries(&self) -> u64 {
        self.edges.last().copied().unwrap_or(0)
    }

    /// Whether an entry is a list.
    pub(crate) fn is_jagged(&self) -> bool {
        matches!(self.layout, Layout::Lists { .. })
    }

    /// Whether the content of its baskets can be read without their tables of offsets: no headers lie between the lists.
    pub(crate) fn can_be_short(&self) -> bool {
        matches!(self.layout, Layout::Lists { header: 0, .. })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn place(&self, basket: usize) -> &Place {
        &self.places[basket]
    }

    /// The entries of a basket.
    pub(crate) fn span(&self, basket: usize) -> Range<u64> {
        self.edges[basket]..self.edges[basket + 1]
    }

    /// The baskets that have entries of a range, in order.
    pub(crate) fn baskets(&self, entries: &Range<u64>) -> std::vec::IntoIter<usize> {
        let first = self.edges.partition_point(|edge| *edge <= entries.start).saturating_sub(1);
        let behind = self.edges.partition_point(|edge| *edge < entries.end).min(self.places.len());
        let spans: Vec<usize> = (first..behind).filter(|basket| !self.span(*basket).is_empty()).collect();
        spans.into_iter()
    }

    /// Whether the table of offsets of a basket was seen to equal that of another branch's basket of this number.
    pub(crate) fn is_known_as(&self, other: &Branch, basket: usize) -> bool {
        let group = self.groups[basket].load(Ordering::Relaxed);
        group != 0 && group == other.groups[basket].load(Ordering::Relaxed)
    }

    /// Note that both tables were compared, and are equal.
    pub(crate) fn set_known_as(&self, other: &Branch, basket: usize) {
        let group = &other.groups[basket];
        let known = group.compare_exchange(0, other.id, Ordering::Relaxed, Ordering::Relaxed);
        self.groups[basket].store(known.map_or_else(|known| known, |_| other.id), Ordering::Relaxed);
    }

    /// Forget what earlier reads learned, so that the next one verifies everything again.
    pub fn forget(&self) {
        self.groups.iter().for_each(|group| group.store(0, Ordering::Relaxed));
        if let Ok(mut apart) = self.apart.lock() {
            apart.clear();
        }
    }

    /// Whether its lists were seen to differ from those of another.
    pub(crate) fn is_apart_from(&self, other: &Branch) -> bool {
        self.apart.lock().is_ok_and(|apart| apart.contains(&other.id))
    }

    pub(crate) fn set_apart_from(&self, other: &Branch) {
        if let Ok(mut apart) = self.apart.lock() {
            apart.push(other.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Stored;
    use mlaas4hep_core::schema::DType;

    fn branch(edges: &[u64]) -> Result<Branch, String> {
        let number = Number::new(DType::Int32, Stored::Same).unwrap();
        let places = edges[1..].iter().map(|_| Place::Stored { start: 0, size: 0 }).collect();
        Branch::new("x", number, Layout::Lists { header: 0, counter: None }, edges.to_vec(), places)
    }

    #[test]
    fn a_range_needs_the_baskets_that_it_touches() {
        let branch = branch(&[0, 10, 10, 25, 30]).unwrap();
        let of = |start, stop| branch.baskets(&(start..stop)).collect::<Vec<_>>();
        assert_eq!(of(0, 10), [0]);
        assert_eq!(of(9, 11), [0, 2]);
        assert_eq!(of(10, 30), [2, 3]);
        assert_eq!(of(24, 26), [2, 3]);
        assert_eq!(branch.entries(), 30);
    }

    #[test]
    fn baskets_that_go_back_are_refused() {
        assert!(branch(&[0, 10, 5]).is_err());
        assert!(branch(&[1, 10]).is_err());
    }

    #[test]
    fn numbers_must_fit_their_entry() {
        let number = Number::new(DType::Int32, Stored::Same).unwrap();
        let of = |length, stride, skip| {
            Branch::new("x", number, Layout::Numbers { length, stride, skip }, vec![0], Vec::new()).is_ok()
        };
        assert!(of(1, 4, 0) && of(2, 12, 4));
        assert!(!of(1, 3, 0) && !of(2, 12, 5) && !of(0, 4, 0) && !of(usize::MAX, 4, 0));
    }

    #[test]
    fn tables_that_equal_a_third_equal_each_other() {
        let all: Vec<Branch> = (0..3).map(|_| branch(&[0, 10]).unwrap()).collect();
        assert!(!all[1].is_known_as(&all[2], 0));
        all[1].set_known_as(&all[0], 0);
        all[2].set_known_as(&all[0], 0);
        assert!(all[1].is_known_as(&all[2], 0) && all[2].is_known_as(&all[0], 0));
        all[1].set_apart_from(&all[0]);
        assert!(all[1].is_apart_from(&all[0]) && !all[1].is_apart_from(&all[2]));
        all[1].forget();
        assert!(!all[1].is_apart_from(&all[0]) && !all[1].is_known_as(&all[2], 0));
    }
}
