//! The first pass: minimum, maximum, largest length and counts of every branch.

use std::collections::BTreeMap;

use crate::column::{Array, Bools, Lists, Native, Segment, Table, Validity, Values, with_numbers};
use crate::error::Result;
use crate::expr::Program;
use crate::pool;
use crate::run::each_new;
use crate::schema::{DType, Kind, TypeSet};
use crate::sentinel::Sentinels;
use crate::simd::{Work, fastest};
use crate::specs::{BranchSpecs, Counts, Number, Specs, larger, smaller};

/// Events that one thread scans at a time of one column.
const BLOCK: usize = 1 << 16;

/// Events that are not worth a second thread.
const FEW: usize = 1 << 12;

/// Scan columns in memory on up to `threads` threads; no number: as many as there are CPUs for. The result does not
/// depend on how many there are. Numbers that are `sentinels` count as nulls.
pub fn scan(table: &Table<'_>, sentinels: &Sentinels, threads: Option<usize>) -> Result<Specs> {
    let sentinels = sentinels.select(|name| table.columns().iter().any(|column| column.name() == name));
    let masks = sentinels.find(table);
    let table = masks.hide(table);
    let segments = table.segments();
    let tasks = segments.iter().flat_map(blocks);
    let fresh = || vec![Found::default(); table.columns().len()];
    let parts = pool::share(threads, table.events() > FEW, tasks, fresh, |found, (index, array)| {
        found[index].add(&fastest(BlockScan(array)));
    })?;
    let mut found = fresh();
    for part in parts {
        found.iter_mut().zip(&part).for_each(|(found, part)| found.add(part));
    }
    let branches = table.columns().iter().zip(&found);
    let branches = branches.map(|(column, found)| {
        let types = column.pieces().iter().map(|piece| TypeSet::of(piece.values().data().dtype()));
        // A column that came in no piece has no values; it is of the type that specs without types are taken for.
        let types = types.reduce(TypeSet::union).unwrap_or(TypeSet::of(DType::Float64));
        (column.name().to_owned(), found.branch(column.kind(), types))
    });
    let specs = Specs::new(branches.collect::<BTreeMap<_, _>>(), table.events() as u64);
    Ok(specs.with_sentinels(sentinels))
}

/// Scan the new branches of a program, over all events of a table in memory; see [`scan`].
pub fn scan_new(program: &Program, table: &Table<'_>, threads: Option<usize>) -> Result<BTreeMap<String, BranchSpecs>> {
    let mut found = vec![Found::default(); program.defined().len()];
    let masks = program.sentinels.find(table);
    let table = &masks.hide(table);
    each_new(program, table, threads, |found: &mut Vec<Found>, number, array| {
        found.resize(program.defined().len(), Found::default());
        found[number].add(&fastest(BlockScan(array)));
    })?
    .iter()
    .for_each(|part| found.iter_mut().zip(part).for_each(|(found, part)| found.add(part)));
    let branches = program.defined().iter().zip(&found).map(|(defined, found)| {
        let (kind, dtype) = program.branch_of(defined);
        (defined.name.clone(), found.branch(kind, TypeSet::of(dtype)))
    });
    Ok(branches.collect())
}

/// The blocks of every column of a segment, each with the column's number.
fn blocks<'s, 'a>(segment: &'s Segment<'a>) -> impl Iterator<Item = (usize, Array<'a>)> + 's {
    let starts = || (0..segment.events).step_by(BLOCK);
    segment.arrays.iter().enumerate().flat_map(move |(index, array)| {
        starts().map(move |start| (index, array.slice(start, BLOCK.min(segment.events - start))))
    })
}

/// What is known of some values; adding up is associative and commutative.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    min: Option<Number>,
    max: Option<Number>,
    width: u64,
    counts: Counts,
}

impl Found {
    fn add(&mut self, other: &Found) {
        self.min = smaller(self.min, other.min);
        self.max = larger(self.max, other.max);
        self.width = self.width.max(other.width);
        self.counts = self.counts.plus(other.counts);
    }

    fn branch(&self, kind: Kind, types: TypeSet) -> BranchSpecs {
        let width = if kind == Kind::Flat { 1 } else { self.width };
        BranchSpecs { kind, types, width, range: self.min.zip(self.max), counts: Some(self.counts) }
    }
}

/// A block's scan, to be compiled for several kinds of CPU.
struct BlockScan<'a>(Array<'a>);

impl Work for BlockScan<'_> {
    type Output = Found;

    #[inline(always)]
    fn work(self) -> Found {
        match self.0 {
            Array::Flat(values) => scan_values(&values),
            Array::Jagged(lists) => scan_lists(&lists),
        }
    }
}

#[inline(always)]
fn scan_lists(lists: &Lists<'_>) -> Found {
    let width = lists.longest() as u64;
    if lists.validity().all_valid() {
        return Found { width, ..scan_values(&lists.inside()) };
    }
    // Values behind null lists do not exist, so lists are looked at one by one.
    let mut found = Found { width, ..Found::default() };
    for event in 0..lists.events() {
        let (start, stop) = lists.span(event);
        found.counts.nulls += u64::from(lists.validity().is_null(event));
        found.add(&scan_values(&lists.content().slice(start, stop - start)));
    }
    found
}

#[inline(always)]
fn scan_values(values: &Values<'_>) -> Found {
    match values.validity() {
        Validity::AllValid => {
            with_numbers!(values.data(), numbers => Scan::scan(numbers), bools => scan_bools(bools))
        }
        validity => scan_masked(values, validity),
    }
}

/// Values among which there are nulls: those that are there are gathered block by block.
fn scan_masked(values: &Values<'_>, validity: &Validity<'_>) -> Found {
    let mut found = Found::default();
    let valid = (0..values.len()).filter(|&index| !validity.is_null(index));
    with_numbers!(values.data(),
        numbers => {
            let present: Vec<_> = valid.map(|index| numbers[index]).collect();
            found.add(&scan_values(&Values::unmasked(Native::data(&present))));
        },
        bools => {
            let present: Vec<u8> = valid.map(|index| u8::from(bools.get(index))).collect();
            found.add(&scan_bools(&Bools::Bytes(&present)));
        }
    );
    found.counts.nulls = values.len() as u64 - found.counts.values;
    found.counts.values = values.len() as u64;
    found
}

#[inline(always)]
fn scan_bools(bools: &Bools<'_>) -> Found {
    let (mut any, mut all) = (false, true);
    for index in 0..bools.len() {
        any |= bools.get(index);
        all &= bools.get(index);
    }
    let bound = |value: bool| (!bools.is_empty()).then_some(Number::Integer(value.into()));
    Found { min: bound(all), max: bound(any), width: 0, counts: count(bools.len()) }
}

fn count(values: usize) -> Counts {
    Counts { values: values as u64, ..Counts::default() }
}

/// The scan of contiguous numbers that are all there.
trait Scan: Native {
    fn scan(numbers: &[Self]) -> Found;
}

macro_rules! scan_integers {
    ($($type:ty),*) => {
        $(impl Scan for $type {
            #[inline(always)]
            fn scan(numbers: &[Self]) -> Found {
                let bound = |value: Option<&Self>| value.map(|&value| Number::Integer(value.into()));
                let (min, max) = (bound(numbers.iter().min()), bound(numbers.iter().max()));
                Found { min, max, width: 0, counts: count(numbers.len()) }
            }
        })*
    };
}
scan_integers!(i8, i16, i32, i64, u8, u16, u32, u64);

/// Running results of as many values side by side, so that the compiler can use vector instructions.
const LANES: usize = 16;

macro_rules! scan_floats {
    ($($type:ty),*) => {
        $(impl Scan for $type {
            #[inline(always)]
            fn scan(numbers: &[Self]) -> Found {
                const INFINITY: $type = <$type>::INFINITY;
                let (mut min, mut max) = ([INFINITY; LANES], [-INFINITY; LANES]);
                let (mut nan, mut finite) = ([0; LANES], [0; LANES]);
                let mut take = |lane: usize, value: $type| {
                    let is_finite = value.abs() < INFINITY;
                    min[lane] = if is_finite & (value < min[lane]) { value } else { min[lane] };
                    max[lane] = if is_finite & (value > max[lane]) { value } else { max[lane] };
                    nan[lane] += u64::from(value.is_nan());
                    finite[lane] += u64::from(is_finite);
                };
                let chunks = numbers.chunks_exact(LANES);
                let rest = chunks.remainder();
                for chunk in chunks {
                    chunk.iter().enumerate().for_each(|(lane, &value)| take(lane, value));
                }
                rest.iter().enumerate().for_each(|(lane, &value)| take(lane, value));
                let bound = |value: $type| Number::float(value.into());
                let (values, nan) = (numbers.len() as u64, nan.iter().sum());
                let infinite = values - nan - finite.iter().sum::<u64>();
                Found {
                    min: bound(min.into_iter().fold(INFINITY, <$type>::min)),
                    max: bound(max.into_iter().fold(-INFINITY, <$type>::max)),
                    width: 0,
                    counts: Counts { values, nulls: 0, nan, infinite },
                }
            }
        })*
    };
}
scan_floats!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{Column, Data, Offsets};
    use proptest::prelude::*;

    fn flat<'a>(numbers: &'a [f64]) -> Column<'a> {
        let values = Values::new("x", Data::Float64(numbers), Validity::AllValid).unwrap();
        Column::new("x", Kind::Flat, vec![Array::Flat(values)]).unwrap()
    }

    fn specs_of(numbers: &[f64], threads: usize) -> Specs {
        scan(&Table::new(vec![flat(numbers)]).unwrap(), &Sentinels::default(), Some(threads)).unwrap()
    }

    #[test]
    fn only_finite_values_bound_the_range() {
        let specs = specs_of(&[f64::NAN, -0.0, f64::INFINITY, 0.0, -3.5, f64::NEG_INFINITY], 1);
        let branch = specs.branch("x").unwrap();
        let (min, max) = branch.range.unwrap();
        assert_eq!((min.to_f64(), max.to_f64().to_bits()), (-3.5, 0));
        assert_eq!(branch.counts.unwrap(), Counts { values: 6, nulls: 0, nan: 1, infinite: 2 });
        assert_eq!(specs_of(&[f64::NAN], 1).branch("x").unwrap().range, None);
    }

    #[test]
    fn null_lists_are_empty_and_what_lies_behind_them_is_not_seen() {
        let content = Values::new("j", Data::Int64(&[1, 2, 900, 3]), Validity::AllValid).unwrap();
        let validity = Validity::Mask { flags: Bools::Bytes(&[1, 0, 1]), valid_when: true };
        let lists = Lists::new("j", Offsets::Int32(&[0, 2, 3, 4]), validity, content).unwrap();
        let column = Column::new("j", Kind::Jagged, vec![Array::Jagged(lists)]).unwrap();
        let specs = scan(&Table::new(vec![column]).unwrap(), &Sentinels::default(), Some(1)).unwrap();
        let branch = specs.branch("j").unwrap();
        assert_eq!((branch.width, branch.dtype()), (2, DType::Int64));
        assert_eq!(branch.range, Some((Number::Integer(1), Number::Integer(3))));
        assert_eq!(branch.counts.unwrap(), Counts { values: 3, nulls: 1, nan: 0, infinite: 0 });
    }

    proptest! {
        #[test]
        fn merging_is_associative_commutative_and_the_same_as_one_scan(
            a in prop::collection::vec(any::<f64>(), 0..40),
            b in prop::collection::vec(any::<f64>(), 0..40),
            c in prop::collection::vec(any::<f64>(), 0..40),
        ) {
            let [x, y, z] = [&a, &b, &c].map(|numbers| specs_of(numbers, 2));
            let left = x.merged(&y).unwrap().merged(&z).unwrap();
            let right = z.merged(&y).unwrap().merged(&x).unwrap();
            let whole = specs_of(&[a, b, c].concat(), 1);
            prop_assert_eq!(left.to_json(), right.to_json());
            prop_assert_eq!(left.to_json(), whole.to_json());
        }
    }
}
