//! Baskets of the shape of `data.py` to columns, beside decompressing their blocks and nothing else.

#![allow(clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mlaas4hep_root::{Branch, DType, Layout, Number, Place, Ranges, Reader, Stored, decompress};

#[path = "../rust/root/tests/pack/mod.rs"]
mod pack;
mod random;
use pack::{block, key};
use random::{length, uniform};

const EVENTS: usize = 100_000;
const BASKET: usize = 8_000;
const FLAT: usize = 26;
/// Branches, largest length and mean length of each collection.
const COLLECTIONS: [(usize, u64, f64); 4] = [(20, 8, 1.8), (12, 4, 0.6), (12, 6, 1.5), (8, 5, 0.8)];
const KEY: usize = 60;

/// A file that is being written, and the branches in it.
#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    branches: Vec<Arc<Branch>>,
    /// Where the blocks of each basket lie, and what comes of them.
    blocks: Vec<(usize, usize, usize)>,
}

/// A number about 50, as twelve uniform ones give it.
fn normal(state: &mut u64) -> f32 {
    (50.0 + 20.0 * ((0..12).map(|_| uniform(state)).sum::<f64>() - 6.0)) as f32
}

impl File {
    fn basket(&mut self, codec: &str, content: &[u8], table: &[u8]) -> Place {
        let object = [content, table].concat();
        let stored = stored(codec, &object);
        let start = self.bytes.len();
        self.bytes.extend(key(KEY, stored.len(), object.len(), content.len()));
        self.bytes.extend(&stored);
        self.blocks.push((start + KEY, start + KEY + stored.len(), object.len()));
        Place::Stored { start: start as u64, size: KEY + stored.len() }
    }

    /// A branch of floats; `lengths` are those of its lists.
    fn branch(&mut self, codec: &str, name: &str, lengths: Option<&[u64]>, state: &mut u64) {
        let (mut edges, mut places) = (vec![0], Vec::new());
        for first in (0..EVENTS).step_by(BASKET) {
            let stop = (first + BASKET).min(EVENTS);
            let (mut content, mut table) = (Vec::new(), Vec::new());
            if lengths.is_some() {
                table.extend(((stop - first + 1) as u32).to_be_bytes());
            }
            for event in first..stop {
                if lengths.is_some() {
                    table.extend(((KEY + content.len()) as u32).to_be_bytes());
                }
                for _ in 0..lengths.map_or(1, |lengths| lengths[event]) {
                    content.extend(normal(state).to_be_bytes());
                }
            }
            table.extend(lengths.map_or(&[] as &[u8], |_| &[0; 4]));
            places.push(self.basket(codec, &content, &table));
            edges.push(stop as u64);
        }
        let number = Number::new(DType::Float32, Stored::Same).expect("fits");
        let layout = match lengths {
            None => Layout::Numbers { length: 1, stride: 4, skip: 0 },
            Some(_) => Layout::Lists { header: 0, counter: None },
        };
        self.branches.push(Arc::new(Branch::new(name, number, layout, edges, places).expect("fits")));
    }
}

/// The object as one block, or as it is.
fn stored(codec: &str, object: &[u8]) -> Vec<u8> {
    match codec {
        "none" => object.to_vec(),
        "ZLIB" => block(b"ZL", object),
        "ZSTD" => block(b"ZS", object),
        _ => block(b"L4", object),
    }
}

fn file(codec: &str) -> File {
    let (mut file, mut state, mut lengths) = (File::default(), 1, 2);
    (0..FLAT).for_each(|index| file.branch(codec, &format!("flat{index}"), None, &mut state));
    for (branches, most, mean) in COLLECTIONS {
        let counts: Vec<u64> = (0..EVENTS).map(|_| length(&mut lengths, mean, most)).collect();
        (0..branches).for_each(|index| file.branch(codec, &format!("jagged{index}"), Some(&counts), &mut state));
    }
    file
}

/// Read all events, two baskets of each branch at a time, so that buffers are used again.
fn read(reader: &mut Reader<Ranges>, file: &File) {
    for first in (0..EVENTS).step_by(2 * BASKET) {
        let entries = first as u64..EVENTS.min(first + 2 * BASKET) as u64;
        black_box(reader.read(&file.branches, entries, Some(1)).expect("reads"));
    }
}

fn reads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("root");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(10);
    for codec in ["ZLIB", "ZSTD", "LZ4", "none"] {
        let file = file(codec);
        let bytes = || Ranges::new(file.bytes.len() as u64, vec![(0, file.bytes.clone())]);
        group.bench_function(format!("{codec}, read for the first time"), |bencher| {
            let mut reader = Reader::new(bytes());
            bencher.iter(|| {
                file.branches.iter().for_each(|branch| branch.forget());
                read(&mut reader, &file);
            });
        });
        group.bench_function(format!("{codec}, read again"), |bencher| {
            let mut reader = Reader::new(bytes());
            bencher.iter(|| read(&mut reader, &file));
        });
        if codec == "none" {
            continue;
        }
        let mut object = Vec::new();
        group.bench_function(format!("{codec}, decompression alone"), |bencher| {
            bencher.iter(|| {
                for (start, stop, size) in &file.blocks {
                    decompress(&file.bytes[*start..*stop], *size, &mut object).expect("decompresses");
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reads);
criterion_main!(benches);
