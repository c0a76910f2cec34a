//! The first pass: range, largest length and counts of every branch, and how its values and lengths are distributed.

mod found;
mod sweep;
mod tally;

use std::collections::BTreeMap;

use crate::column::{Array, Bools, Lists, Native, Segment, Table, Values, with_numbers};
use crate::error::{Error, Result};
use crate::expr::Program;
use crate::pool;
use crate::run::each_new;
use crate::schema::{DType, TypeSet};
use crate::sentinel::Sentinels;
use crate::specs::moments::WEIGHTS;
use crate::specs::{BranchSpecs, Specs};
use found::Found;
use sweep::{sweep, sweep_bools};
use tally::Tally;

/// Events that one thread scans at a time of one column.
const BLOCK: usize = 1 << 16;

/// Events that are not worth a second thread.
const FEW: usize = 1 << 12;

/// Scan columns in memory on up to `threads` threads; no number: as many as there are CPUs for. The result does not
/// depend on how many there are, but for the last bits of mean and deviation. Numbers that are `sentinels` count as
/// nulls. With `weights`, one an event, mean and deviation count every value with its event's weight.
pub fn scan(
    table: &Table<'_>,
    sentinels: &Sentinels,
    weights: Option<&[f64]>,
    threads: Option<usize>,
) -> Result<Specs> {
    check_weights(table, weights)?;
    let sentinels = sentinels.select(|name| table.columns().iter().any(|column| column.name() == name));
    let masks = sentinels.find(table);
    let table = masks.hide(table);
    let segments = table.segments();
    let tasks = segments.iter().flat_map(tasks);
    let fresh = || (vec![Found::default(); table.columns().len()], Tally::default());
    let parts = pool::share(threads, table.events() > FEW, tasks, fresh, |(found, tally), task| match task {
        Task::Lengths(columns, lists) => {
            let lengths = Found::of_lengths(&lists);
            columns.iter().for_each(|&column| found[column].add(&lengths));
        }
        Task::Values(column, first, array) => {
            let weights = weights.and_then(|weights| weights.get(first..first + array.events()));
            found[column].add(&scan_array(&array, weights, tally));
            found[column].add(&Found { sketch: tally.take(), ..Found::default() });
        }
    })?;
    let parts = parts.into_iter().map(|(found, _)| found).reduce(|mut found, part| {
        found.iter_mut().zip(&part).for_each(|(found, part)| found.add(part));
        found
    });
    let found = parts.unwrap_or_else(|| fresh().0);
    let branches = table.columns().iter().zip(found).map(|(column, found)| {
        let types = column.pieces().iter().map(|piece| TypeSet::of(piece.values().data().dtype()));
        // A column that came in no piece has no values; it is of the type that specs without types are taken for.
        let types = types.reduce(TypeSet::union).unwrap_or(TypeSet::of(DType::Float64));
        (column.name().to_owned(), found.branch(column.kind(), types))
    });
    let specs = Specs::new(branches.collect::<BTreeMap<_, _>>(), table.events() as u64);
    Ok(specs.with_sentinels(sentinels).with_weighted(weights.is_some()))
}

/// Scan the new branches of a program, over all events of a table in memory; see [`scan`].
pub fn scan_new(
    program: &Program,
    table: &Table<'_>,
    weights: Option<&[f64]>,
    threads: Option<usize>,
) -> Result<BTreeMap<String, BranchSpecs>> {
    check_weights(table, weights)?;
    let masks = program.sentinels.find(table);
    let table = &masks.hide(table);
    let parts = each_new(program, table, threads, |kept: &mut Vec<(Found, Tally)>, number, first, array| {
        kept.resize_with(program.defined().len(), Default::default);
        let (found, tally) = &mut kept[number];
        if let Array::Jagged(lists) = &array {
            found.add(&Found::of_lengths(lists));
        }
        let weights = weights.and_then(|weights| weights.get(first..first + array.events()));
        found.add(&scan_array(&array, weights, tally));
    })?;
    let mut found = vec![Found::default(); program.defined().len()];
    for part in parts {
        for (found, (part, mut tally)) in found.iter_mut().zip(part) {
            found.add(&Found { sketch: tally.take(), ..part });
        }
    }
    let branches = program.defined().iter().zip(found).map(|(defined, found)| {
        let (kind, dtype) = program.branch_of(defined);
        (defined.name.clone(), found.branch(kind, TypeSet::of(dtype)))
    });
    Ok(branches.collect())
}

/// Weights are one an event, finite, and not so large that sums of weighted squares are beyond float64.
fn check_weights(table: &Table<'_>, weights: Option<&[f64]>) -> Result<()> {
    let Some(weights) = weights else { return Ok(()) };
    if weights.len() != table.events() {
        return Err(Error::WeightCount { found: weights.len(), expected: table.events() });
    }
    match weights.iter().position(|weight| weight.is_nan() || weight.abs() >= WEIGHTS) {
        None => Ok(()),
        Some(event) => {
            let number = table.numbers().map_or(event, |numbers| numbers[event] as usize);
            Err(Error::Weight { event: number, found: weights[event] })
        }
    }
}

/// What one thread does at a time.
enum Task<'a> {
    /// Count the lengths of lists, which are those of the columns with these numbers.
    Lengths(Vec<usize>, Lists<'a>),
    /// Scan the values of the column with this number; its first event is also given.
    Values(usize, usize, Array<'a>),
}

/// The tasks of a segment, block by block; the lengths of columns that share them are counted once.
fn tasks<'s, 'a>(segment: &'s Segment<'a>) -> impl Iterator<Item = Task<'a>> + 's {
    let starts = || (0..segment.events).step_by(BLOCK).map(|start| (start, BLOCK.min(segment.events - start)));
    let values = segment.arrays.iter().enumerate().flat_map(move |(column, array)| {
        starts().map(move |(start, events)| Task::Values(column, segment.start + start, array.slice(start, events)))
    });
    let lengths = layouts(segment).into_iter().flat_map(move |(columns, lists)| {
        starts().filter_map(move |(start, events)| match Array::Jagged(lists).slice(start, events) {
            Array::Jagged(lists) => Some(Task::Lengths(columns.clone(), lists)),
            Array::Flat(_) => None,
        })
    });
    lengths.chain(values)
}

/// The jagged columns of a segment by where their lists lie, each with the lists of the first of them.
fn layouts<'a>(segment: &Segment<'a>) -> Vec<(Vec<usize>, Lists<'a>)> {
    let mut layouts: Vec<(Vec<usize>, Lists<'a>)> = Vec::new();
    for (column, array) in segment.arrays.iter().enumerate() {
        let Array::Jagged(lists) = array else { continue };
        match layouts.iter_mut().rev().find(|(_, known)| known.same_layout(lists)) {
            Some((columns, _)) => columns.push(column),
            None => layouts.push((vec![column], *lists)),
        }
    }
    layouts
}

/// Scan the values of an array, and count them by bin; weights are those of its events.
fn scan_array(array: &Array<'_>, weights: Option<&[f64]>, tally: &mut Tally) -> Found {
    match array {
        Array::Flat(values) if values.validity().all_valid() => scan_data(values, weights, tally),
        Array::Jagged(lists) if lists.validity().all_valid() && lists.content().validity().all_valid() => {
            let spread = weights.map(|weights| of_values(lists, weights));
            scan_data(&lists.inside(), spread.as_deref(), tally)
        }
        array => scan_masked(array, weights, tally),
    }
}

fn scan_data(values: &Values<'_>, weights: Option<&[f64]>, tally: &mut Tally) -> Found {
    with_numbers!(values.data(), numbers => sweep(numbers, weights, tally),
        bools => sweep_bools(bools, weights, tally))
}

/// The weight of each value, which is that of its event.
fn of_values(lists: &Lists<'_>, weights: &[f64]) -> Vec<f64> {
    let mut spread = Vec::with_capacity(lists.inside().len());
    let mut weights = weights.iter();
    lists.each(|_, length| {
        if let Some(&weight) = weights.next() {
            spread.extend(std::iter::repeat_n(weight, length));
        }
    });
    spread
}

/// Values among which there are nulls, or which lie in lists of which some are null: those that are there are gathered.
fn scan_masked(array: &Array<'_>, weights: Option<&[f64]>, tally: &mut Tally) -> Found {
    let weights = weights.map(|weights| gathered(array, |event, _| weights[event]).0);
    let weights = weights.as_deref();
    let (mut found, nulls) = with_numbers!(array.values().data(),
        numbers => {
            let (present, nulls) = gathered(array, |_, index| numbers[index]);
            (scan_data(&Values::unmasked(Native::data(&present)), weights, tally), nulls)
        },
        bools => {
            let (present, nulls) = gathered(array, |_, index| u8::from(bools.get(index)));
            (sweep_bools(&Bools::Bytes(&present), weights, tally), nulls)
        }
    );
    found.counts.values += nulls.values;
    found.counts.nulls = nulls.values + nulls.lists;
    found
}

/// How many values are null, and how many lists.
#[derive(Default)]
struct Nulls {
    values: u64,
    lists: u64,
}

/// What `of` makes of each value that is there, given its event and where it lies; what lies behind null lists does not
/// exist.
fn gathered<T>(array: &Array<'_>, of: impl Fn(usize, usize) -> T) -> (Vec<T>, Nulls) {
    let validity = array.values().validity();
    let (mut present, mut nulls) = (Vec::new(), Nulls::default());
    for event in 0..array.events() {
        let (start, stop) = match array {
            Array::Flat(_) => (event, event + 1),
            Array::Jagged(lists) => {
                nulls.lists += u64::from(lists.validity().is_null(event));
                lists.span(event)
            }
        };
        for index in start..stop {
            if validity.is_null(index) {
                nulls.values += 1;
            } else {
                present.push(of(event, index));
            }
        }
    }
    (present, nulls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{Column, Data, Offsets, Validity};
    use crate::schema::Kind;
    use crate::specs::{Bins, Counts, Number};
    use proptest::prelude::*;

    fn flat<'a>(numbers: &'a [f64]) -> Column<'a> {
        let values = Values::new("x", Data::Float64(numbers), Validity::AllValid).unwrap();
        Column::new("x", Kind::Flat, vec![Array::Flat(values)]).unwrap()
    }

    fn specs_of(numbers: &[f64], threads: usize) -> Specs {
        scan(&Table::new(vec![flat(numbers)]).unwrap(), &Sentinels::default(), None, Some(threads)).unwrap()
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
        let specs = scan(&Table::new(vec![column]).unwrap(), &Sentinels::default(), None, Some(1)).unwrap();
        let branch = specs.branch("j").unwrap();
        assert_eq!((branch.width, branch.dtype()), (2, DType::Int64));
        assert_eq!(branch.range, Some((Number::Integer(1), Number::Integer(3))));
        assert_eq!(branch.counts.unwrap(), Counts { values: 3, nulls: 1, nan: 0, infinite: 0 });
    }

    type Exact = (Option<(Number, Number)>, Option<Counts>, Bins);

    /// What is the same in any order to the last bit.
    fn exact(specs: &Specs) -> Vec<Exact> {
        let of = |branch: &BranchSpecs| {
            let sketch = branch.statistics.as_ref().map(|found| found.sketch().clone());
            (branch.range, branch.counts, sketch.unwrap_or_default())
        };
        specs.branches().map(|(_, branch)| of(branch)).collect()
    }

    fn mean_and_deviation(specs: &Specs) -> (f64, f64) {
        let found = specs.branch("x").unwrap().statistics.clone().unwrap();
        (found.mean().unwrap_or_default(), found.deviation().unwrap_or_default())
    }

    #[test]
    fn weights_are_finite_and_one_an_event() {
        let numbers = [1.0, 2.0, 4.0];
        let table = Table::new(vec![flat(&numbers)]).unwrap().numbered(&[7, 8, 9]).unwrap();
        let of = |weights: &[f64]| scan(&table, &Sentinels::default(), Some(weights), Some(1));
        let specs = of(&[1.0, 2.0, 1.0]).unwrap();
        assert_eq!(mean_and_deviation(&specs), (2.25, 1.1875_f64.sqrt()));
        assert!(specs.weighted());
        assert_eq!(
            of(&[1.0]).unwrap_err().to_string(),
            "weights: there are 1 of them for 3 events; each event needs one"
        );
        assert_eq!(
            of(&[1.0, f64::NAN, 1.0]).unwrap_err().to_string(),
            "weights: that of event 8 is NaN; it must be a finite number, below 1e60 in magnitude"
        );
        assert_eq!(
            specs.merged(&specs_of(&numbers, 1)).unwrap_err().to_string(),
            "specs cannot be merged: some were made with weights of the events and some without"
        );
    }

    #[test]
    fn of_infinities_and_what_is_too_large_there_are_no_moments() {
        let specs = specs_of(&[f64::INFINITY, f64::NAN], 1);
        let found = specs.branch("x").unwrap().statistics.clone().unwrap();
        assert_eq!((found.mean(), found.deviation(), found.quantile(0.5)), (None, None, None));
        let specs = specs_of(&[1e200, 3.0], 1);
        let found = specs.branch("x").unwrap().statistics.clone().unwrap();
        assert_eq!((found.mean(), found.deviation(), found.quantile(0.5)), (None, None, Some(3.015625)));
        assert_eq!(Specs::from_json(&specs.to_json()).unwrap(), specs);
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
            prop_assert_eq!(exact(&left), exact(&right));
            prop_assert_eq!(exact(&left), exact(&whole));
        }

        #[test]
        fn moments_are_the_same_in_any_order_within_the_stated_error(
            a in prop::collection::vec(-1e6..1e6, 1..40),
            b in prop::collection::vec(1e5..1e5 + 1.0, 0..40),
        ) {
            let both = specs_of(&a, 1).merged(&specs_of(&b, 1)).unwrap();
            let whole = specs_of(&[b, a].concat(), 1);
            let ((mean, deviation), (other_mean, other_deviation)) = (mean_and_deviation(&both), mean_and_deviation(&whole));
            prop_assert!((mean - other_mean).abs() <= 1e-6, "{mean} {other_mean}");
            prop_assert!((deviation - other_deviation).abs() <= 1e-6, "{deviation} {other_deviation}");
        }
    }
}
