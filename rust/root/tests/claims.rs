//! Claims: what files say of their blocks is checked, and the ranges that a reader says it needs are all that it needs.

#![cfg(test)]

mod pack;

use std::ops::Range;
use std::sync::Arc;

use mlaas4hep_root::{
    Branch, Column, Columns, DType, Error, Layout, Number, Place, Ranges, Reader, Stored, decode_once,
};
use pack::{KINDS, block, key, wrap};

const KEY: usize = 40;
/// The most that a block can claim to hold.
const MOST: usize = 0xff_ffff;
const FLAT: Layout = Layout::Numbers { length: 1, stride: 4, skip: 0 };

/// A file that is being written.
#[derive(Default)]
struct File(Vec<u8>);

impl File {
    fn put(&mut self, bytes: &[u8]) -> Place {
        let start = self.0.len() as u64;
        self.0.extend(bytes);
        Place::Stored { start, size: bytes.len() }
    }

    /// A basket of an object that begins with so many bytes of content; `stored` is what there is of it in the file.
    fn basket(&mut self, stored: &[u8], object: usize, content: usize) -> Place {
        let mut basket = key(KEY, stored.len(), object, content);
        basket.extend(stored);
        self.put(&basket)
    }

    /// As many numbers of one value, without a table of offsets.
    fn numbers(&mut self, count: usize, value: i32) -> Place {
        let content = value.to_be_bytes().repeat(count);
        self.basket(&content, content.len(), content.len())
    }

    /// Lists of these lengths, and a table of their offsets; every number is the length of its list.
    fn lists(&mut self, lengths: &[i32]) -> Place {
        let mut object: Vec<u8> =
            lengths.iter().flat_map(|length| length.to_be_bytes().repeat(*length as usize)).collect();
        let (content, mut start) = (object.len(), KEY as i32);
        object.extend((lengths.len() as i32 + 1).to_be_bytes());
        for length in lengths {
            object.extend(start.to_be_bytes());
            start += 4 * length;
        }
        object.extend([0; 4]);
        self.basket(&object, object.len(), content)
    }

    /// Everything.
    fn whole(&self) -> Ranges {
        Ranges::new(self.0.len() as u64, vec![(0, self.0.clone())])
    }

    /// Only these ranges.
    fn only(&self, ranges: &[Range<u64>]) -> Ranges {
        let part = |range: &Range<u64>| (range.start, self.0[range.start as usize..range.end as usize].to_vec());
        Ranges::new(self.0.len() as u64, ranges.iter().map(part).collect())
    }

    /// Read entries, with nothing at hand but the ranges that the reader says it needs.
    fn read(
        &self,
        reader: &mut Reader<Ranges>,
        branches: &[Arc<Branch>],
        entries: Range<u64>,
    ) -> Result<Columns, Error> {
        reader.set_bytes(self.only(&reader.ranges(branches, &entries)));
        reader.read(branches, entries, Some(1))
    }
}

fn branch(layout: Layout, edges: &[u64], places: Vec<Place>) -> Arc<Branch> {
    let number = Number::new(DType::Int32, Stored::Same).unwrap();
    Arc::new(Branch::new("x", number, layout, edges.to_vec(), places).unwrap())
}

/// Content and offsets of a column of lists.
fn found(columns: &Columns, Column { memory, content, offsets }: &Column) -> (Vec<i32>, Vec<i64>) {
    let (content, offsets) = (content.clone(), offsets.clone().unwrap_or_default());
    let content = memory.bytes()[content].as_chunks().0.iter().map(|bytes| i32::from_ne_bytes(*bytes));
    let offsets = columns.buffer.bytes()[offsets].as_chunks().0.iter().map(|bytes| i64::from_ne_bytes(*bytes));
    (content.collect(), offsets.collect())
}

/// Lists of two branches are taken for equal until baskets show that they are not, and then everything is read again: the
/// ranges that were fetched are enough for that too, although a basket that was kept is already in use.
#[test]
fn a_second_try_needs_no_other_ranges() {
    let mut file = File::default();
    let first = vec![file.lists(&[1, 2, 3]), file.lists(&[1, 2, 3])];
    file.put(&[0; 100_000]); // more than is read along with neighbours
    let second = vec![file.lists(&[1, 2, 3]), file.lists(&[3, 2, 1])];
    let lists = || Layout::Lists { header: 0, counter: None };
    let branches = [first, second].map(|places| branch(lists(), &[0, 3, 6], places));
    let mut reader = Reader::new(Ranges::default());
    file.read(&mut reader, &branches, 0..2).unwrap();
    assert_eq!(reader.ranges(&branches, &(2..6)).len(), 2);
    let columns = file.read(&mut reader, &branches, 2..6).unwrap();
    let wanted = [[3, 1, 2, 3], [3, 3, 2, 1]].map(|lengths| {
        let content: Vec<i32> = lengths.iter().flat_map(|length| vec![*length; *length as usize]).collect();
        let ends = (0..=4).map(|end| lengths[..end].iter().map(|length| i64::from(*length)).sum()).collect();
        (content, ends)
    });
    assert_eq!([&columns.columns[0], &columns.columns[1]].map(|column| found(&columns, column)), wanted);
}

/// The baskets of a counter are fetched apart from those that need it, although they are neighbours in the file.
#[test]
fn ranges_are_enough_beside_those_of_a_counter() {
    // Counter and first basket fit into one piece, and so do both baskets, but not all three.
    let (first, second) = (170_000, 169_000);
    let mut file = File::default();
    let lengths = vec![file.numbers(2 * first, 1)];
    let lists = vec![file.numbers(first, 7), file.numbers(second, 8)];
    let edges = [0, first as u64, (first + second) as u64];
    let counter = branch(FLAT, &[0, 2 * first as u64], lengths);
    let layout = Layout::Lists { header: 0, counter: Some(counter) };
    let branches = [branch(layout, &edges, lists)];
    let columns = file.read(&mut Reader::new(Ranges::default()), &branches, 0..edges[2]).unwrap();
    let (content, offsets) = found(&columns, &columns.columns[0]);
    assert!(content == [vec![7; first], vec![8; second]].concat());
    assert!(offsets.iter().copied().eq(0..=edges[2] as i64));
}

/// Almost 2 GB of blocks that have nothing in them, in a file of a kilobyte, whether all of it is wanted or its begin.
#[test]
fn blocks_of_nothing_are_refused() {
    let count = i32::MAX as usize / MOST - 1;
    let object = count * MOST;
    for kind in KINDS {
        for content in [object / 4 * 4, 4] {
            let mut file = File::default();
            let place = file.basket(&wrap(kind, &[], MOST).repeat(count), object, content);
            let entries = content as u64 / 4;
            let branch = branch(FLAT, &[0, entries], vec![place]);
            let wanted = "the compressed data are damaged (a block claims to hold more than it can)";
            assert_eq!(decode_once(&file.whole(), &branch, 0).unwrap_err().to_string(), wanted);
            let error = Reader::new(file.whole()).read(&[branch], 0..entries, Some(1)).unwrap_err();
            assert_eq!(error.to_string(), format!("branch 'x', entries 0 to {entries}: {wanted}"));
        }
    }
}

/// Nothing compresses better than zeros, and what they claim is true.
#[test]
fn zeros_are_not_refused() {
    let size = 2 << 20;
    for kind in KINDS {
        let stored = block(kind, &vec![0; size]);
        let mut file = File::default();
        let place = file.basket(&stored, size, size);
        let branch = branch(FLAT, &[0, size as u64 / 4], vec![place]);
        let found = decode_once(&file.whole(), &branch, 0).unwrap();
        assert!(found == vec![0; size], "{kind:?} of {} bytes", stored.len());
    }
}
