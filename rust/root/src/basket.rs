//! One basket: its content as native numbers, and where its lists begin.

use std::ops::Range;
use std::time::{Duration, Instant};

use mlaas4hep_core::schema::DType;

use crate::block;
use crate::branch::{Branch, Layout, Place};
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::fetch;
use crate::key::Key;
use crate::number::Number;

/// Entries that a basket without a table of offsets may have: nothing in it says how many there are.
const MOST_ENTRIES: usize = 1 << 27;

/// The bytes of a basket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'b> {
    /// As they lie in the file, with its key.
    Stored(&'b [u8], Key),
    /// Its content, and where in it each entry begins.
    Held(&'b [u8], Option<&'b [u32]>),
}

impl<'b> Source<'b> {
    /// The bytes of a basket that was fetched, with what its key says; of one that is held by its branch, these.
    pub fn of(place: &'b Place, fetched: &'b [u8]) -> Result<Source<'b>, Fault> {
        if let Place::Held { content, starts } = place {
            return Ok(Source::Held(content, starts.as_deref()));
        }
        let key = Key::read(fetched)?;
        if !key.is_raw() {
            block::check(key.stored(fetched), key.object)?;
        }
        Ok(Source::Stored(fetched, key))
    }

    /// Bytes of the content.
    fn content(&self) -> usize {
        match self {
            Source::Stored(_, key) => key.content,
            Source::Held(content, _) => content.len(),
        }
    }

    /// Check that a table of offsets can be as long as so many entries need it, before room is made for them.
    fn check_table(&self, entries: usize) -> Result<(), Fault> {
        let most = match self {
            Source::Stored(_, key) if key.object > key.content => ((key.object - key.content) / 4).saturating_sub(1),
            Source::Held(_, Some(starts)) => starts.len(),
            Source::Stored(..) | Source::Held(_, None) => MOST_ENTRIES,
        };
        if entries <= most {
            return Ok(());
        }
        Err(Fault::Damaged(format!("it has offsets for {most} entries instead of {entries}")))
    }

    /// How many numbers it holds for so many entries, or why it cannot.
    pub fn numbers(&self, branch: &Branch, entries: usize) -> Result<usize, Fault> {
        let (content, size) = (self.content(), branch.number().stored_size());
        match branch.layout() {
            Layout::Numbers { stride, .. } if entries.checked_mul(*stride) != Some(content) => {
                let found = content / stride;
                Err(Fault::Damaged(format!("the basket holds {found} entries instead of {entries}")))
            }
            Layout::Numbers { length, .. } => Ok(entries * length),
            Layout::Lists { header, .. } => {
                self.check_table(entries)?;
                let numbers = entries.checked_mul(*header).and_then(|headers| content.checked_sub(headers));
                let whole = numbers.filter(|bytes| bytes % size == 0);
                whole.map(|bytes| bytes / size).ok_or_else(Fault::lists)
            }
        }
    }
}

/// What a thread needs for its work, and how long it worked.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    object: Vec<u8>,
    /// Of the basket that was decoded last: where each list begins in its numbers, and the end of the last one.
    pub starts: Vec<u32>,
    pub decompression: Duration,
    pub decoding: Duration,
}

/// How much of a basket of lists is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Content and starts.
    Whole,
    /// Only the content; the starts are known.
    Content,
}

impl Scratch {
    /// Decode a basket of so many entries into `into`, which has room for exactly its numbers.
    pub fn decode<B: Bytes>(
        &mut self,
        bytes: &B,
        branch: &Branch,
        entries: Range<u64>,
        source: Source<'_>,
        depth: Depth,
        into: &mut [u8],
    ) -> Result<(), Fault> {
        let begin = Instant::now();
        let (content, table) = parts(source, depth, &mut self.object)?;
        let decompressed = Instant::now();
        self.decompression += decompressed - begin;
        let count = (entries.end - entries.start) as usize;
        let done = match branch.layout() {
            Layout::Numbers { length, stride, skip } => {
                numbers(branch.number(), content, (*length, *stride, *skip), into)
            }
            Layout::Lists { header: 0, .. } if depth == Depth::Content => branch.number().decode(content, into),
            Layout::Lists { header, counter } => {
                let size = branch.number().stored_size();
                match (table, counter) {
                    (Some(table), _) => table.starts(count, &mut self.starts),
                    (None, Some(counter)) => {
                        counted(bytes, counter, entries, (*header, size), content.len(), &mut self.starts)
                    }
                    (None, None) => Err(Fault::Damaged("it has neither offsets nor a counter".to_owned())),
                }
                .and_then(|()| close(&mut self.starts, content.len()))
                .and_then(|()| lists(branch.number(), content, *header, &mut self.starts, into))
            }
        };
        self.decoding += decompressed.elapsed();
        done
    }
}

/// Where the entries begin, as the basket says.
enum Table<'b> {
    /// Behind the content: a count, the positions counted from the begin of the key, one unused.
    Behind(&'b [u8], usize),
    Held(&'b [u32]),
}

/// Content and table of a basket; `object` holds what had to be decompressed.
fn parts<'b>(
    source: Source<'b>,
    depth: Depth,
    object: &'b mut Vec<u8>,
) -> Result<(&'b [u8], Option<Table<'b>>), Fault> {
    let (bytes, key) = match source {
        Source::Held(content, starts) => return Ok((content, starts.map(Table::Held))),
        Source::Stored(bytes, key) => (bytes, key),
    };
    let whole = if key.is_raw() {
        key.stored(bytes)
    } else {
        let wanted = match depth {
            Depth::Whole => key.object,
            Depth::Content => block::enough(key.stored(bytes), key.content, key.object),
        };
        block::decompress(key.stored(bytes), wanted, object)?;
        &object[..wanted]
    };
    let (content, behind) = whole.split_at(key.content);
    Ok((content, (!behind.is_empty()).then_some(Table::Behind(behind, key.len))))
}

impl Table<'_> {
    /// Where in the content each of so many entries begins.
    fn starts(&self, entries: usize, starts: &mut Vec<u32>) -> Result<(), Fault> {
        starts.clear();
        match self {
            Table::Behind(table, key) => {
                let table = table.get(4..).unwrap_or_default().as_chunks::<4>().0;
                let found = table.get(..entries).ok_or_else(Fault::lists)?;
                let key = *key as u32;
                starts.extend(found.iter().map(|start| u32::from_be_bytes(*start).wrapping_sub(key)));
            }
            Table::Held(found) => starts.extend(found.get(..entries).ok_or_else(Fault::lists)?),
        }
        Ok(())
    }
}

/// Put the end of the content behind the starts, and check that they begin at 0 and never go back.
fn close(starts: &mut Vec<u32>, end: usize) -> Result<(), Fault> {
    starts.push(u32::try_from(end).map_err(|_| Fault::lists())?);
    // Without an early exit, and of two slices side by side, it is vectorised.
    let ordered = starts.iter().zip(&starts[1..]).fold(true, |ordered, (start, stop)| ordered & (start <= stop));
    if ordered && starts[0] == 0 { Ok(()) } else { Err(Fault::lists()) }
}

/// Convert the numbers of lists, and turn `starts` from bytes into numbers.
fn lists(number: Number, content: &[u8], header: usize, starts: &mut [u32], into: &mut [u8]) -> Result<(), Fault> {
    let size = number.stored_size();
    if header > 0 {
        return with_headers(number, content, header, starts, into);
    }
    let rests = match size {
        1 => 0,
        2 | 4 | 8 => {
            let (shift, mask) = (size.trailing_zeros(), size as u32 - 1);
            let rests = starts.iter().fold(0, |rests, start| rests | (start & mask));
            starts.iter_mut().for_each(|start| *start >>= shift);
            rests
        }
        _ => {
            let rests = starts.iter().fold(0, |rests, start| rests | (start % size as u32));
            starts.iter_mut().for_each(|start| *start /= size as u32);
            rests
        }
    };
    if rests == 0 { number.decode(content, into) } else { Err(Fault::lists()) }
}

fn with_headers(
    number: Number,
    content: &[u8],
    header: usize,
    starts: &mut [u32],
    mut into: &mut [u8],
) -> Result<(), Fault> {
    let (mut begin, mut count) = (0, 0);
    for stop in starts.get_mut(1..).unwrap_or_default() {
        let end = *stop as usize;
        let list = content.get(begin + header..end).ok_or_else(Fault::lists)?;
        let numbers = list.len() / number.stored_size();
        let room = into.split_off_mut(..numbers * number.size()).ok_or_else(Fault::lists)?;
        number.decode(list, room)?;
        count += numbers;
        *stop = count as u32;
        begin = end;
    }
    if into.is_empty() { Ok(()) } else { Err(Fault::lists()) }
}

/// Convert numbers of which there are as many every entry.
fn numbers(
    number: Number,
    content: &[u8],
    (length, stride, skip): (usize, usize, usize),
    into: &mut [u8],
) -> Result<(), Fault> {
    let bytes = length * number.stored_size();
    if bytes == stride {
        return number.decode(content, into);
    }
    let entries = content.chunks_exact(stride).zip(into.chunks_exact_mut(length * number.size()));
    entries.into_iter().try_for_each(|(entry, into)| number.decode(&entry[skip..skip + bytes], into))
}

/// Where the lists of some entries begin, in bytes: the counter has their lengths. Its baskets need not begin at the same
/// entries.
fn counted<B: Bytes>(
    bytes: &B,
    counter: &Branch,
    entries: Range<u64>,
    (header, size): (usize, usize),
    content: usize,
    starts: &mut Vec<u32>,
) -> Result<(), Fault> {
    let counts = read_counts(bytes, counter, &entries)?;
    starts.clear();
    let mut start = Some(0_usize);
    for count in counts {
        let here = start.and_then(|start| u32::try_from(start).ok()).ok_or_else(Fault::lists)?;
        starts.push(here);
        let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(size)?.checked_add(header));
        start = bytes.and_then(|bytes| bytes.checked_add(here as usize));
    }
    // The content must end where the counts say.
    let complete = starts.len() as u64 == entries.end - entries.start && start == Some(content);
    if complete { Ok(()) } else { Err(Fault::lists()) }
}

fn read_counts<B: Bytes>(bytes: &B, counter: &Branch, entries: &Range<u64>) -> Result<Vec<i64>, Fault> {
    let mut counts = Vec::new();
    for basket in counter.baskets(entries) {
        let span = counter.span(basket);
        let values = decode_once(bytes, counter, basket)?;
        let first = entries.start.saturating_sub(span.start) as usize;
        let stop = (entries.end.min(span.end) - span.start) as usize;
        let found = integers(counter.number().dtype(), &values).ok_or_else(Fault::lists)?;
        counts.extend(found.get(first..stop).ok_or_else(Fault::lists)?);
    }
    Ok(counts)
}

fn integers(dtype: DType, bytes: &[u8]) -> Option<Vec<i64>> {
    macro_rules! of {
        ($type:ty) => {{
            let whole = bytes.as_chunks::<{ size_of::<$type>() }>().0.iter();
            whole.map(|bytes| i64::try_from(<$type>::from_ne_bytes(*bytes)).ok()).collect()
        }};
    }
    match dtype {
        DType::Bool | DType::Float32 | DType::Float64 => None,
        DType::Int8 => of!(i8),
        DType::Int16 => of!(i16),
        DType::Int32 => of!(i32),
        DType::Int64 => of!(i64),
        DType::UInt8 => of!(u8),
        DType::UInt16 => of!(u16),
        DType::UInt32 => of!(u32),
        DType::UInt64 => of!(u64),
    }
}

/// The numbers of one basket, fetched and decoded by itself.
pub fn decode_once<B: Bytes>(bytes: &B, branch: &Branch, basket: usize) -> Result<Vec<u8>, Fault> {
    let place = branch.place(basket);
    let fetched = fetch::fetch(bytes, &[place.in_file()], Some(1)).map_err(|(_, fault)| fault)?;
    let (source, span) = (Source::of(place, fetched.basket(0))?, branch.span(basket));
    let numbers = source.numbers(branch, (span.end - span.start) as usize)?;
    let mut into = vec![0; numbers * branch.number().size()];
    Scratch::default().decode(bytes, branch, span, source, Depth::Whole, &mut into)?;
    Ok(into)
}
