//! Reading entries of several branches at once.
//!
//! What is needed is fetched and its keys are read. Then everything is known but the numbers in baskets that the range
//! cuts: these are decoded first. Now each number has its place, and the other baskets are decoded straight into theirs.
//! Branches of a collection share offsets: the first one's are written, those of the others compared with them; or, once
//! that was seen, not even decompressed.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::branch::Branch;
use crate::bytes::Bytes;
use crate::error::{Error, Fault};
use crate::fetch;
use crate::fill::Work;
use crate::item::{Item, KeptBaskets};
use crate::spare::Buffer;

/// Where a column lies.
#[derive(Clone, Debug)]
pub struct Column {
    /// The memory of its numbers: that of the columns together, or of a basket that they all are part of.
    pub memory: Arc<Buffer>,
    /// Its numbers in there.
    pub content: Range<usize>,
    /// Its offsets in the memory of the columns together, int64, from 0 on; of branches with equal lists the same. Lists
    /// only.
    pub offsets: Option<Range<usize>>,
}

/// Columns, and the memory that they lie in.
#[derive(Debug)]
pub struct Columns {
    /// The memory of all that is not part of one basket.
    pub buffer: Arc<Buffer>,
    /// One column for each branch.
    pub columns: Vec<Column>,
}

/// What threads spent, added up over them, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seconds {
    /// Getting bytes.
    pub fetching: f64,
    /// Decompressing them.
    pub decompression: f64,
    /// Making numbers and offsets of them.
    pub decoding: f64,
}

/// Reads branches of one file.
///
/// The baskets in which the last range ended are kept decoded, so that the next range goes on from there; ranges in any
/// other order are right too, only slower.
#[derive(Debug)]
pub struct Reader<B> {
    bytes: B,
    kept: KeptBaskets,
    seconds: Seconds,
}

impl<B: Bytes> Reader<B> {
    /// A reader of these bytes.
    pub fn new(bytes: B) -> Reader<B> {
        Reader { bytes, kept: KeptBaskets::default(), seconds: Seconds::default() }
    }

    /// What was spent so far.
    pub fn seconds(&self) -> Seconds {
        self.seconds
    }

    /// The bytes of another place for the next reads.
    pub fn set_bytes(&mut self, bytes: B) {
        self.bytes = bytes;
    }

    /// The ranges of the file that a read of these entries would fetch.
    pub fn ranges(&self, branches: &[Arc<Branch>], entries: &Range<u64>) -> Vec<Range<u64>> {
        let [baskets, counters] = self.kept.places(branches, entries);
        let pieces = fetch::pieces(&baskets).into_iter().chain(fetch::pieces(&counters));
        pieces.map(|piece| piece.bytes).collect()
    }

    /// Read the entries of a range that every branch has. The branches must be distinct.
    pub fn read(
        &mut self,
        branches: &[Arc<Branch>],
        entries: Range<u64>,
        threads: Option<usize>,
    ) -> Result<Columns, Error> {
        loop {
            // Nothing comes where lists that seemed to be equal were not; this is known now, and the next try ends.
            if let Some(columns) = self.attempt(branches, &entries, threads)? {
                return Ok(columns);
            }
        }
    }

    fn attempt(
        &mut self,
        branches: &[Arc<Branch>],
        entries: &Range<u64>,
        threads: Option<usize>,
    ) -> Result<Option<Columns>, Error> {
        let mut items = self.kept.items(branches, entries);
        let mut work = Work::new(&self.bytes, branches, threads);
        let begin = Instant::now();
        let places: Vec<_> = items.items.iter().map(|item| item.place(&branches[item.branch])).collect();
        let fetched = fetch::fetch(&self.bytes, &places, threads);
        self.seconds.fetching += begin.elapsed().as_secs_f64();
        let read = fetched.and_then(|fetched| work.read(&mut items, &fetched));
        self.seconds.decompression += work.spent.decompression.as_secs_f64();
        self.seconds.decoding += work.spent.decoding.as_secs_f64();
        match read {
            Ok(columns) => {
                let right = !work.differs();
                self.kept.keep(branches, items, right);
                Ok(right.then_some(columns))
            }
            Err((position, fault)) => Err(located(branches, &items.items, position, fault)),
        }
    }
}

fn located(branches: &[Arc<Branch>], items: &[Item], position: usize, fault: Fault) -> Error {
    let (branch, entries) = match items.get(position) {
        Some(item) => (branches[item.branch].name(), branches[item.branch].span(item.basket)),
        None => ("", 0..0),
    };
    Error { branch: branch.to_owned(), entries, fault }
}
