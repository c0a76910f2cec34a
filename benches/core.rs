//! The core alone: both passes over columns of the shape of `data.py`, beside filling matrix and mask.

#![allow(clippy::expect_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mlaas4hep_core::column::{Array, Column, Data, Lists, Offsets, Table, Validity, Values};
use mlaas4hep_core::expr::Program;
use mlaas4hep_core::plan::{Options, Plan};
use mlaas4hep_core::run::{Output, run};
use mlaas4hep_core::scan::scan;
use mlaas4hep_core::schema::Kind;
use mlaas4hep_core::sentinel::Sentinels;

mod random;
use random::{length, uniform};

const EVENTS: usize = 50_000;
const FLAT: usize = 26;
/// Branches, largest length and mean length of each collection.
const COLLECTIONS: [(&str, usize, u64, f64); 4] =
    [("jet", 20, 8, 1.8), ("lepton", 12, 4, 0.6), ("parton", 12, 6, 1.5), ("vertex", 8, 5, 0.8)];

/// The columns of one run, which own their numbers.
struct Columns {
    flat: Vec<(String, Vec<f32>)>,
    jagged: Vec<(String, Vec<i64>, Vec<f32>)>,
}

fn columns() -> Columns {
    let mut state = 1;
    let mut numbers = |count: usize| (0..count).map(|_| (100.0 * uniform(&mut state)) as f32).collect::<Vec<f32>>();
    let flat = (0..FLAT).map(|index| (format!("flat{index:02}"), numbers(EVENTS))).collect();
    let mut jagged = Vec::new();
    let mut lengths = 2;
    for (name, branches, most, mean) in COLLECTIONS {
        let mut offsets = vec![0, most as i64];
        for event in 1..EVENTS {
            offsets.push(offsets[event] + length(&mut lengths, mean, most) as i64);
        }
        for index in 0..branches {
            let content = numbers(offsets[EVENTS] as usize);
            jagged.push((format!("{name}{index:02}"), offsets.clone(), content));
        }
    }
    Columns { flat, jagged }
}

fn values<'a>(name: &str, content: &'a [f32]) -> Values<'a> {
    Values::new(name, Data::Float32(content), Validity::AllValid).expect("fits")
}

/// The columns; `shared`: the branches of a collection share one offsets buffer, else they have equal ones.
fn table(columns: &Columns, shared: bool) -> Table<'_> {
    let mut all = Vec::new();
    for (name, content) in &columns.flat {
        all.push(Column::new(name, Kind::Flat, vec![Array::Flat(values(name, content))]).expect("fits"));
    }
    let mut last: &[i64] = &[];
    for (name, offsets, content) in &columns.jagged {
        last = if shared && last == offsets.as_slice() { last } else { offsets };
        let lists = Lists::new(name, Offsets::Int64(last), Validity::AllValid, values(name, content)).expect("fits");
        all.push(Column::new(name, Kind::Jagged, vec![Array::Jagged(lists)]).expect("fits"));
    }
    Table::new(all).expect("fits")
}

fn passes(criterion: &mut Criterion) {
    let columns = columns();
    let plan = Plan::new(
        &scan(&table(&columns, true), &Sentinels::default(), None, Some(1)).expect("scans"),
        Program::default(),
        &Options::default(),
    )
    .expect("fits");
    let (mut data, mut mask) = (vec![1.0; EVENTS * plan.width()], vec![1; EVENTS * plan.width()]);
    let mut group = criterion.benchmark_group("core");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (name, shared) in [("shared offsets", true), ("equal offsets", false)] {
        let table = table(&columns, shared);
        group.bench_function(format!("flatten, {name}"), |bencher| {
            bencher.iter(|| {
                let mut output = Output::new(&mut data, &mut mask, EVENTS, plan.width()).expect("fits");
                run(&plan, &table, &mut output, None, Some(1)).expect("runs")
            });
        });
    }
    let table = table(&columns, true);
    group.bench_function("scan", |bencher| {
        bencher.iter(|| scan(&table, &Sentinels::default(), None, Some(1)).expect("scans"))
    });
    group.bench_function("fill", |bencher| {
        bencher.iter(|| {
            black_box(&mut data).fill(0.5);
            black_box(&mut mask).fill(1);
        });
    });
    group.finish();
}

criterion_group!(benches, passes);
criterion_main!(benches);
