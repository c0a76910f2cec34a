//! Any baskets, read in any ranges: columns whose lengths and offsets fit each other, or a message; never anything else.
//! Where nothing is damaged, the columns have what the baskets were made of. What was read once is read again with the
//! same result, although less is decompressed then.

#![no_main]

mod input;
#[path = "../../../tests/pack/mod.rs"]
mod pack;
mod tree;

use std::ops::Range;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mlaas4hep_root::{Branch, Buffer, Error, Fault, Layout, Ranges, Reader, decode_once};

use input::Input;
use tree::{Made, Tree};

/// The content of a column, and its offsets.
type Found = (Vec<u8>, Option<Vec<i64>>);

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let tree = match Tree::new(&mut input) {
        Ok(tree) => tree,
        Err(message) => return assert!(!message.is_empty()),
    };
    let claimed = if input.rarely() { u64::from(input.byte()) } else { 0 };
    let whole = || Ranges::new(tree.file.len() as u64 + claimed, vec![(0, tree.file.clone())]);
    let mut reader = Reader::new(whole());
    for _ in 0..=input.below(4) {
        let chosen = choose(&mut input, &tree.branches);
        let branches: Vec<Arc<Branch>> = chosen.iter().map(|made| made.branch.clone()).collect();
        let entries = range(&mut input, &branches);
        let sparing = claimed == 0 && input.byte() >= 128;
        let mut read = |filler| {
            let ranges = reader.ranges(&branches, &entries);
            reader.set_bytes(if sparing { only(&tree.file, ranges) } else { whole() });
            spoil(filler);
            let found = read(&mut reader, &branches, &entries);
            if let Err(error) = &found {
                assert!(!tree.intact, "{error}");
                assert!(claimed > 0 || !matches!(error.fault, Fault::Absent { .. }), "{error}");
            }
            found
        };
        let (first, second) = (read(0x5a), read(0xa5));
        let Ok(first) = first else { continue };
        assert!(first == second.unwrap(), "the same entries once more");
        if tree.intact {
            chosen.iter().zip(first).for_each(|(made, found)| compare(made, &entries, found));
        }
    }
    for made in &tree.branches {
        for basket in 0..made.baskets {
            match decode_once(&whole(), &made.branch, basket) {
                Ok(found) => assert_eq!(found.len() % made.branch.number().size(), 0),
                Err(fault) => assert!(!tree.intact, "{fault}"),
            }
        }
    }
});

/// Some of the branches.
fn choose<'m>(input: &mut Input<'_>, branches: &'m [Made]) -> Vec<&'m Made> {
    let without = input.byte();
    branches.iter().enumerate().filter(|(position, _)| without & (1 << position) == 0).map(|(_, made)| made).collect()
}

/// Entries that all branches have; not too many, for whoever reads chooses how many.
fn range(input: &mut Input<'_>, branches: &[Arc<Branch>]) -> Range<u64> {
    let all = branches.iter().map(|branch| branch.entries()).min().unwrap_or_default();
    let (from, count) = (input.word() as u64, input.word() as u64 % 2048);
    let start = if input.rarely() { all.saturating_sub(from) } else { from.min(all) };
    let count = if count == 0 { 2048 } else { count - 1 };
    start..start.saturating_add(count).min(all)
}

/// Only these ranges of a file.
fn only(file: &[u8], ranges: Vec<Range<u64>>) -> Ranges {
    let there = |range: &Range<u64>| {
        let part = file.get(range.start as usize..(range.end as usize).min(file.len()));
        part.unwrap_or_default().to_vec()
    };
    Ranges::new(file.len() as u64, ranges.iter().map(|range| (range.start, there(range))).collect())
}

/// Let the buffers that are used next hold something, so that it is seen where nothing is written.
fn spoil(filler: u8) {
    let mut buffers = [Buffer::of(1), Buffer::of(1)];
    buffers.iter_mut().for_each(|buffer| buffer.bytes_mut().fill(filler));
}

fn read(reader: &mut Reader<Ranges>, branches: &[Arc<Branch>], entries: &Range<u64>) -> Result<Vec<Found>, Error> {
    let read = reader.read(branches, entries.clone(), Some(1))?;
    let bytes = read.buffer.bytes();
    let count = (entries.end - entries.start) as usize;
    assert_eq!(read.columns.len(), branches.len());
    let found = branches.iter().zip(&read.columns).map(|(branch, column)| {
        let content = column.memory.bytes()[column.content.clone()].to_vec();
        let numbers = content.len() / branch.number().size();
        assert_eq!(content.len() % branch.number().size(), 0);
        let offsets = column.offsets.clone().map(|offsets| {
            let offsets = bytes[offsets].chunks_exact(8).map(|offset| i64::from_ne_bytes(offset.try_into().unwrap()));
            offsets.collect::<Vec<i64>>()
        });
        match (branch.layout(), &offsets) {
            (Layout::Numbers { length, .. }, None) => assert_eq!(numbers, count * length),
            (Layout::Lists { .. }, Some(offsets)) => {
                assert_eq!(offsets.len(), count + 1);
                assert_eq!((offsets[0], offsets[count]), (0, numbers as i64));
                assert!(offsets.is_sorted());
            }
            _ => panic!("offsets, or none, of numbers that have none, or some"),
        }
        (content, offsets)
    });
    Ok(found.collect())
}

/// Compare what was read with what the branch was made of.
fn compare(made: &Made, entries: &Range<u64>, (content, offsets): Found) {
    let starts = &made.starts[entries.start as usize..=entries.end as usize];
    if let Some(offsets) = offsets {
        assert!(offsets.iter().zip(starts).all(|(offset, start)| *offset as usize == start - starts[0]));
    }
    if let Some(numbers) = &made.numbers {
        let size = made.branch.number().size();
        assert!(content == numbers[starts[0] * size..starts[starts.len() - 1] * size]);
    }
}
