//! One read: baskets that are cut are decoded, every column gets its place, and the other baskets are decoded into it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::basket::{Depth, Scratch, Source};
use crate::branch::Branch;
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::fetch::Fetched;
use crate::groups;
use crate::item::{Decoded, Item, Items};
use crate::reader::{Column, Columns};
use crate::spare::Buffer;
use crate::tasks::{self, Failed};

/// Columns begin at multiples of this.
const ALIGNMENT: usize = 64;

/// One read.
pub(crate) struct Work<'w, B> {
    bytes: &'w B,
    branches: &'w [Arc<Branch>],
    threads: Option<usize>,
    /// What threads spent.
    pub spent: Scratch,
    /// Whether lists that seemed to be equal are not.
    differ: AtomicBool,
}

/// A basket that is to be decoded, or copied from what is decoded, into its place.
struct Placed<'p> {
    item: usize,
    source: Option<Source<'p>>,
    /// Nothing where they stay in the basket.
    numbers: Option<&'p mut [u8]>,
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

/// Where a column will lie.
struct Lies {
    numbers: Numbers,
    /// In the buffer.
    offsets: Option<Range<usize>>,
}

/// Numbers of a column.
enum Numbers {
    /// In the buffer.
    Here(Range<usize>),
    /// In a basket that is decoded, of which they all are part.
    Part(Arc<Buffer>, Range<usize>),
}

impl Lies {
    fn column(self, buffer: &Arc<Buffer>) -> Column {
        let (memory, content) = match self.numbers {
            Numbers::Here(content) => (Arc::clone(buffer), content),
            Numbers::Part(memory, content) => (memory, content),
        };
        Column { memory, content, offsets: self.offsets }
    }
}

impl<'w, B: Bytes> Work<'w, B> {
    /// Read these branches.
    pub fn new(bytes: &'w B, branches: &'w [Arc<Branch>], threads: Option<usize>) -> Work<'w, B> {
        let (spent, differ) = (Scratch::default(), AtomicBool::new(false));
        Work { bytes, branches, threads, spent, differ }
    }

    /// Whether lists were taken for equal that are not, so that the columns are wrong.
    pub fn differs(&mut self) -> bool {
        *self.differ.get_mut()
    }

    /// Decode everything into columns.
    pub fn read(&mut self, items: &mut Items, fetched: &Fetched) -> Result<Columns, Failed> {
        let mut sources = Vec::with_capacity(items.items.len());
        for (position, item) in items.items.iter_mut().enumerate() {
            let branch = &self.branches[item.branch];
            if item.was_kept {
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
        self.place(items, &sources, &leaders)
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
        let cut = |item: &Item| !item.was_kept && !item.is_whole() && follows(item) == following;
        let positions: Vec<usize> = (0..sources.len()).filter(|position| cut(&items.items[*position])).collect();
        let each = |(scratch, found): &mut (Scratch, Vec<(usize, Decoded)>), position: usize| {
            let item = &items.items[position];
            let Some(source) = sources[position] else { return Ok(()) };
            let branch = &self.branches[item.branch];
            let mut numbers = Buffer::of(item.numbers * branch.number().size());
            let leader = following.then(|| leader_of(items, leaders, position));
            let known = leader.and_then(|leader| items.decoded[leader].as_ref()?.starts.clone());
            let depth = self.depth(leaders, item);
            let entries = item.entries.clone();
            let decoded = scratch.decode(self.bytes, branch, entries, source, depth, numbers.bytes_mut());
            decoded.map_err(|fault| (position, fault))?;
            let starts = match known {
                Some(known) => {
                    if depth == Depth::Whole {
                        self.compared(leaders, item, *known == scratch.starts);
                    }
                    Some(known)
                }
                None => branch.is_jagged().then(|| Arc::new(scratch.starts.clone())),
            };
            found.push((position, Decoded { numbers: Arc::new(numbers), starts }));
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
        let (branch, leader) = (&self.branches[item.branch], &self.branches[leaders[item.branch]]);
        if equal {
            branch.set_known_as(leader, item.basket);
        } else {
            branch.set_apart_from(leader);
            self.differ.store(true, Ordering::Relaxed);
        }
    }

    fn add(&mut self, scratch: &Scratch) {
        self.spent.decompression += scratch.decompression;
        self.spent.decoding += scratch.decoding;
    }

    /// Give every column its place, and fill it.
    fn place(&mut self, items: &Items, sources: &[Option<Source<'_>>], leaders: &[usize]) -> Result<Columns, Failed> {
        let (places, size) = self.layout(items, leaders);
        let mut buffer = Buffer::of(size);
        let mut split = Split { rest: buffer.bytes_mut(), at: 0 };
        let (mut all, mut all_ends) = (Vec::with_capacity(items.items.len()), Vec::with_capacity(items.items.len()));
        for (position, place) in places.iter().enumerate() {
            let leads = leaders[position] == position;
            let mut numbers = match &place.numbers {
                Numbers::Here(range) => Some(split.take(range)),
                Numbers::Part(..) => None,
            };
            let ends = place.offsets.as_ref().filter(|_| leads).map(|offsets| split.take(offsets));
            let mut ends = ends.and_then(|ends| {
                let (zero, ends) = ends.split_at_mut_checked(8)?;
                zero.fill(0);
                Some(ends)
            });
            let mut before = 0;
            for item in items.of[position].clone() {
                let found = &items.items[item];
                let wanted = found.wanted_numbers(&self.branches[position], items.decoded[item].as_ref()).len();
                let size = wanted * self.branches[position].number().size();
                let numbers = numbers.as_mut().and_then(|numbers| numbers.split_off_mut(..size));
                let source = sources[item].filter(|_| items.decoded[item].is_none());
                all.push(Placed { item, source, numbers, ends: Ends::None, before });
                all_ends.push(ends.as_mut().and_then(|ends| ends.split_off_mut(..8 * found.used.len())));
                before += wanted;
            }
        }
        self.fill(items, leaders, all, all_ends)?;
        let buffer = Arc::new(buffer);
        let columns = places.into_iter().map(|place| place.column(&buffer)).collect();
        Ok(Columns { buffer, columns })
    }

    /// Where each column goes, and how large is what goes into a buffer.
    fn layout(&self, items: &Items, leaders: &[usize]) -> (Vec<Lies>, usize) {
        let (mut columns, mut size) = (Vec::<Lies>::with_capacity(self.branches.len()), 0_usize);
        let mut next = |bytes: usize| {
            let start = size.next_multiple_of(ALIGNMENT);
            size = start + bytes;
            start..size
        };
        for (position, branch) in self.branches.iter().enumerate() {
            let of = items.of[position].clone();
            let wanted = |item: usize| items.items[item].wanted_numbers(branch, items.decoded[item].as_ref());
            let bytes = branch.number().size();
            let numbers = match (of.len(), items.decoded.get(of.start)) {
                (1, Some(Some(decoded))) => {
                    let Range { start, end } = wanted(of.start);
                    Numbers::Part(Arc::clone(&decoded.numbers), start * bytes..end * bytes)
                }
                _ => Numbers::Here(next(of.clone().map(|item| wanted(item).len()).sum::<usize>() * bytes)),
            };
            let offsets = if !branch.is_jagged() {
                None
            } else if leaders[position] != position {
                columns[leaders[position]].offsets.clone()
            } else {
                let entries: usize = of.map(|item| items.items[item].used.len()).sum();
                Some(next(8 * (entries + 1)))
            };
            columns.push(Lies { numbers, offsets });
        }
        (columns, size)
    }

    /// Fill the places: first of branches whose offsets are written or known, then of those that are compared with these.
    /// `ends` has for each item where the ends of its lists go, if they are written.
    fn fill(
        &mut self,
        items: &Items,
        leaders: &[usize],
        placed: Vec<Placed<'_>>,
        mut ends: Vec<Option<&mut [u8]>>,
    ) -> Result<(), Failed> {
        let is_second =
            |placed: &Placed<'_>| placed.source.is_some() && self.is_compared(leaders, &items.items[placed.item]);
        let (mut second, mut first): (Vec<_>, Vec<_>) = placed.into_iter().partition(is_second);
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
        let each = |scratch: &mut Scratch, placed: Placed<'_>| {
            let position = placed.item;
            let Some(decoded) = &items.decoded[position] else {
                return self.fill_from_basket(scratch, items, leaders, placed).map_err(|fault| (position, fault));
            };
            self.fill_from_decoded(&items.items[position], decoded, placed);
            Ok(())
        };
        for scratch in tasks::run(self.threads, placed.into_iter(), each)? {
            self.add(&scratch);
        }
        Ok(())
    }

    /// Copy what is wanted of a basket that is decoded, unless it stays there.
    fn fill_from_decoded(&self, item: &Item, decoded: &Decoded, placed: Placed<'_>) {
        let branch = &self.branches[item.branch];
        let size = branch.number().size();
        let wanted = item.wanted_numbers(branch, Some(decoded));
        if let Some(numbers) = placed.numbers {
            numbers.copy_from_slice(&decoded.numbers.bytes()[wanted.start * size..wanted.end * size]);
        }
        if let (Ends::Write(ends), Some(starts)) = (placed.ends, &decoded.starts) {
            write_ends(&starts[item.used.start..=item.used.end], placed.before, ends);
        }
    }

    fn fill_from_basket(
        &self,
        scratch: &mut Scratch,
        items: &Items,
        leaders: &[usize],
        placed: Placed<'_>,
    ) -> Result<(), Fault> {
        let item = &items.items[placed.item];
        let branch = &self.branches[item.branch];
        let Some(source) = placed.source else { return Ok(()) };
        let depth = self.depth(leaders, item);
        scratch.decode(self.bytes, branch, item.entries.clone(), source, depth, placed.numbers.unwrap_or_default())?;
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
