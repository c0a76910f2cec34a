//! Reading entries of several branches at once.
//!
//! What is needed is fetched and its keys are read. Then everything is known but the numbers in baskets that the range
//! cuts: these are decoded first. Now each number has its place, and the other baskets are decoded straight into theirs.
//! Branches of a collection share offsets: the first one's are written, those of the others compared with them; or, once
//! that was seen, not even decompressed.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::basket::{Depth, Scratch, Source};
use crate::branch::Branch;
use crate::bytes::Bytes;
use crate::error::{Error, Fault};
use crate::fetch::{self, Fetched};
use crate::groups;
use crate::item::{Decoded, Item, Items, Rests};
use crate::spare::Buffer;
use crate::tasks::{self, Failed};

/// Columns begin at multiples of this.
const ALIGNMENT: usize = 64;

/// Where a column lies in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its numbers.
    pub content: Range<usize>,
    /// Its offsets, int64, from 0 on; of branches with equal lists the same. Lists only.
    pub offsets: Option<Range<usize>>,
}

/// Columns, and the memory that they lie in.
#[derive(Debug)]
pub struct Columns {
    /// The memory.
    pub buffer: Buffer,
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
/// What is left of the baskets in which the last range ended is kept, so that the next range goes on from there; ranges in
/// any other order are right too, only slower.
#[derive(Debug)]
pub struct Reader<B> {
    bytes: B,
    rests: Rests,
    seconds: Seconds,
}

impl<B: Bytes> Reader<B> {
    /// A reader of these bytes.
    pub fn new(bytes: B) -> Reader<B> {
        Reader { bytes, rests: Rests::default(), seconds: Seconds::default() }
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
        fetch::pieces(&self.rests.places(branches, entries)).into_iter().map(|piece| piece.bytes).collect()
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
        let mut items = self.rests.items(branches, entries);
        let mut work =
            Work { bytes: &self.bytes, branches, threads, spent: Scratch::default(), differ: AtomicBool::new(false) };
        let begin = std::time::Instant::now();
        let places: Vec<_> = items.items.iter().map(|item| item.place(&branches[item.branch])).collect();
        let fetched = fetch::fetch(&self.bytes, &places, threads);
        self.seconds.fetching += begin.elapsed().as_secs_f64();
        let read = fetched.and_then(|fetched| work.read(&mut items, &fetched));
        self.seconds.decompression += work.spent.decompression.as_secs_f64();
        self.seconds.decoding += work.spent.decoding.as_secs_f64();
        match read {
            Ok((columns, leaders)) => {
                if work.differ.into_inner() {
                    return Ok(None);
                }
                self.rests.keep(branches, items, &leaders);
                Ok(Some(columns))
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

/// One read.
struct Work<'w, B> {
    bytes: &'w B,
    branches: &'w [Arc<Branch>],
    threads: Option<usize>,
    spent: Scratch,
    /// Whether lists that seemed to be equal are not.
    differ: AtomicBool,
}

/// A basket that is to be decoded, or copied from what is decoded, into its place.
struct Placed<'p> {
    item: usize,
    source: Option<Source<'p>>,
    numbers: &'p mut [u8],
    /// Where the ends of its lists go, or where those lie that they should equal.
    ends: Ends<'p>,
    /// Numbers of the column in front of it.
    before: usize,
}

enum Ends<'p> {
    None,
    Write(&'p mut [u8]),
    Equal(&'p [u8]),
}

impl<B: Bytes> Work<'_, B> {
    fn read(&mut self, items: &mut Items, fetched: &Fetched) -> Result<(Columns, Vec<usize>), Failed> {
        let mut sources = Vec::with_capacity(items.items.len());
        for (position, item) in items.items.iter_mut().enumerate() {
            let branch = &self.branches[item.branch];
            if item.is_rest {
                sources.push(None);
                continue;
            }
            let source = Source::of(branch.place(item.basket), fetched.basket(position));
            let source = source.map_err(|fault| (position, fault))?;
            let entries = (item.entries.end - item.entries.start) as usize;
            item.numbers = source.numbers(branch, entries).map_err(|fault| (position, fault))?;
            sources.push(Some(source));
        }
        let leaders = groups::leaders(self.branches, items);
        self.decode_cut(items, &sources, &leaders, false)?;
        self.decode_cut(items, &sources, &leaders, true)?;
        let columns = self.place(items, &sources, &leaders)?;
        Ok((columns, leaders))
    }

    /// Decode the baskets that are cut: of branches that lead or are alone, or of those that follow one.
    fn decode_cut(
        &mut self,
        items: &mut Items,
        sources: &[Option<Source<'_>>],
        leaders: &[usize],
        following: bool,
    ) -> Result<(), Failed> {
        let follows = |item: &Item| leaders[item.branch] != item.branch;
        let cut = |item: &Item| !item.is_rest && !item.is_whole() && follows(item) == following;
        let positions: Vec<usize> = (0..sources.len()).filter(|position| cut(&items.items[*position])).collect();
        let each = |(scratch, found): &mut (Scratch, Vec<(usize, Decoded)>), position: usize| {
            let item = &items.items[position];
            let Some(source) = sources[position] else { return Ok(()) };
            let branch = &self.branches[item.branch];
            let mut numbers = vec![0; item.numbers * branch.number().size()];
            let leader = following.then(|| leader_of(items, leaders, position));
            let known = leader.and_then(|leader| Some((leader, items.decoded[leader].as_ref()?.starts.clone()?)));
            let depth = self.depth(leaders, item);
            let entries = item.entries.clone();
            let decoded = scratch.decode(self.bytes, branch, entries, source, depth, &mut numbers);
            decoded.map_err(|fault| (position, fault))?;
            let starts = match known {
                Some((_, known)) => {
                    if depth == Depth::Whole {
                        self.compared(leaders, item, *known == scratch.starts);
                    }
                    Some(known)
                }
                None => branch.is_jagged().then(|| Arc::new(scratch.starts.clone())),
            };
            found.push((position, Decoded { numbers, starts }));
            Ok(())
        };
        let done = tasks::run(self.threads, positions.into_iter(), each)?;
        for (scratch, found) in done {
            self.add(&scratch);
            for (position, decoded) in found {
                items.decoded[position] = Some(decoded);
            }
        }
        Ok(())
    }

    /// How much of a basket is to be decoded.
    fn depth(&self, leaders: &[usize], item: &Item) -> Depth {
        let (branch, leader) = (&self.branches[item.branch], &self.branches[leaders[item.branch]]);
        let known = leaders[item.branch] != item.branch && branch.is_known_as(leader, item.basket);
        if known && branch.can_be_short() { Depth::Content } else { Depth::Whole }
    }

    /// Whether the offsets of a basket are to be compared with those of its leader.
    fn is_compared(&self, leaders: &[usize], item: &Item) -> bool {
        leaders[item.branch] != item.branch && self.depth(leaders, item) == Depth::Whole
    }

    /// Note whether the lists of a basket are those of its leader's.
    fn compared(&self, leaders: &[usize], item: &Item, equal: bool) {
        let branch = &self.branches[item.branch];
        if equal {
            branch.set_known_as(&self.branches[leaders[item.branch]], item.basket);
        } else {
            branch.set_alone();
            self.differ.store(true, Ordering::Relaxed);
        }
    }

    fn add(&mut self, scratch: &Scratch) {
        self.spent.decompression += scratch.decompression;
        self.spent.decoding += scratch.decoding;
    }

    /// Give every column its place, and fill it.
    fn place(&mut self, items: &Items, sources: &[Option<Source<'_>>], leaders: &[usize]) -> Result<Columns, Failed> {
        let (columns, size) = self.layout(items, leaders);
        let mut buffer = Buffer::of(size);
        let mut split = Split { rest: buffer.bytes_mut(), at: 0 };
        let mut work: Vec<Vec<Placed<'_>>> = Vec::with_capacity(self.branches.len());
        for (position, column) in columns.iter().enumerate() {
            let leads = leaders[position] == position;
            let mut numbers = split.take(&column.content);
            let ends = column.offsets.as_ref().filter(|_| leads).map(|offsets| split.take(offsets));
            let mut ends = ends.and_then(|ends| {
                let (zero, ends) = ends.split_at_mut_checked(8)?;
                zero.fill(0);
                Some(ends)
            });
            let mut before = 0;
            let placed = items.of[position].clone().map(|item| {
                let found = &items.items[item];
                let wanted = found.wanted_numbers(&self.branches[position], items.decoded[item].as_ref()).len();
                let room = numbers.split_off_mut(..wanted * self.branches[position].number().size());
                let ends = ends.as_mut().and_then(|ends| ends.split_off_mut(..8 * found.used.len()));
                let ends = ends.map_or(Ends::None, Ends::Write);
                before += wanted;
                let source = sources[item].filter(|_| items.decoded[item].is_none());
                Placed { item, source, numbers: room.unwrap_or_default(), ends, before: before - wanted }
            });
            work.push(placed.collect());
        }
        self.fill(items, leaders, work)?;
        Ok(Columns { buffer, columns })
    }

    /// Where each column goes, and how large all are.
    fn layout(&self, items: &Items, leaders: &[usize]) -> (Vec<Column>, usize) {
        let (mut columns, mut size) = (Vec::<Column>::with_capacity(self.branches.len()), 0_usize);
        let mut next = |bytes: usize| {
            let start = size.next_multiple_of(ALIGNMENT);
            size = start + bytes;
            start..size
        };
        for (position, branch) in self.branches.iter().enumerate() {
            let of = items.of[position].clone();
            let wanted =
                of.clone().map(|item| items.items[item].wanted_numbers(branch, items.decoded[item].as_ref()).len());
            let content = next(wanted.sum::<usize>() * branch.number().size());
            let offsets = if !branch.is_jagged() {
                None
            } else if leaders[position] != position {
                columns[leaders[position]].offsets.clone()
            } else {
                let entries: usize = of.map(|item| items.items[item].used.len()).sum();
                Some(next(8 * (entries + 1)))
            };
            columns.push(Column { content, offsets });
        }
        (columns, size)
    }

    /// Fill the places: first of branches whose offsets are written or known, then of those that are compared with these.
    fn fill(&mut self, items: &Items, leaders: &[usize], work: Vec<Vec<Placed<'_>>>) -> Result<(), Failed> {
        let mut first = Vec::new();
        let mut second = Vec::new();
        let mut ends: Vec<Option<&mut [u8]>> = (0..items.items.len()).map(|_| None).collect();
        for mut placed in work.into_iter().flatten() {
            let item = &items.items[placed.item];
            if placed.source.is_some() && self.is_compared(leaders, item) {
                second.push(placed);
                continue;
            }
            if let Ends::Write(into) = std::mem::replace(&mut placed.ends, Ends::None) {
                ends[placed.item] = Some(into);
            }
            first.push(placed);
        }
        let mut lent: Vec<Option<&mut [u8]>> = ends.iter_mut().map(|ends| ends.as_deref_mut()).collect();
        for placed in &mut first {
            placed.ends = lent[placed.item].take().map_or(Ends::None, Ends::Write);
        }
        self.run(items, leaders, first)?;
        for placed in &mut second {
            placed.ends = ends[leader_of(items, leaders, placed.item)].as_deref().map_or(Ends::None, Ends::Equal);
        }
        self.run(items, leaders, second)
    }

    fn run(&mut self, items: &Items, leaders: &[usize], placed: Vec<Placed<'_>>) -> Result<(), Failed> {
        let done = tasks::run(self.threads, placed.into_iter(), |scratch: &mut Scratch, placed| {
            let position = placed.item;
            self.fill_one(scratch, items, leaders, placed).map_err(|fault| (position, fault))
        })?;
        done.iter().for_each(|scratch| self.add(scratch));
        Ok(())
    }

    fn fill_one(
        &self,
        scratch: &mut Scratch,
        items: &Items,
        leaders: &[usize],
        placed: Placed<'_>,
    ) -> Result<(), Fault> {
        let item = &items.items[placed.item];
        let branch = &self.branches[item.branch];
        if let Some(decoded) = &items.decoded[placed.item] {
            let wanted = item.wanted_numbers(branch, Some(decoded));
            let size = branch.number().size();
            placed.numbers.copy_from_slice(&decoded.numbers[wanted.start * size..wanted.end * size]);
            if let (Ends::Write(ends), Some(starts)) = (placed.ends, &decoded.starts) {
                write_ends(&starts[item.used.start..=item.used.end], placed.before, ends);
            }
            return Ok(());
        }
        let Some(source) = placed.source else { return Ok(()) };
        let depth = self.depth(leaders, item);
        scratch.decode(self.bytes, branch, item.entries.clone(), source, depth, placed.numbers)?;
        match placed.ends {
            Ends::Write(ends) => write_ends(&scratch.starts, placed.before, ends),
            Ends::Equal(ends) if depth == Depth::Whole => {
                self.compared(leaders, item, equal_ends(&scratch.starts, placed.before, ends));
            }
            Ends::Equal(_) | Ends::None => {}
        }
        Ok(())
    }
}

/// The item of the leader at the same place as one of a branch that follows it.
fn leader_of(items: &Items, leaders: &[usize], item: usize) -> usize {
    let branch = items.items[item].branch;
    items.of[leaders[branch]].start + (item - items.of[branch].start)
}

/// Write where lists end: `starts` counts from the first one, which has `before` numbers in front.
fn write_ends(starts: &[u32], before: usize, ends: &mut [u8]) {
    let first = starts.first().copied().unwrap_or_default();
    let base = before as i64 - i64::from(first);
    for (into, start) in ends.as_chunks_mut::<8>().0.iter_mut().zip(starts.get(1..).unwrap_or_default()) {
        *into = (base + i64::from(*start)).to_ne_bytes();
    }
}

fn equal_ends(starts: &[u32], before: usize, ends: &[u8]) -> bool {
    let base = before as i64;
    let pairs = ends.as_chunks::<8>().0.iter().zip(starts.get(1..).unwrap_or_default());
    let equal = pairs.fold(true, |equal, (end, start)| equal & (i64::from_ne_bytes(*end) == base + i64::from(*start)));
    equal && ends.len() == 8 * starts.len().saturating_sub(1)
}

/// Takes ranges from a buffer, in order.
struct Split<'s> {
    rest: &'s mut [u8],
    at: usize,
}

impl<'s> Split<'s> {
    fn take(&mut self, range: &Range<usize>) -> &'s mut [u8] {
        let _ = self.rest.split_off_mut(..range.start - self.at);
        self.at = range.end;
        self.rest.split_off_mut(..range.end - range.start).unwrap_or_default()
    }
}
