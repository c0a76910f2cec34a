//! Sweeps over blocks of numbers that stay in the cache: range and counts, moments, and counts by bin.

use super::found::Found;
use super::tally::Tally;
use crate::column::{Bools, Native};
use crate::simd::{Work, fastest};
use crate::specs::sketch::narrow;
use crate::specs::{Counts, Moments, Number, larger, smaller};

/// Numbers that are swept over several times while they are in the cache.
const BLOCK: usize = 1 << 12;

/// Running results of as many values side by side, so that the compiler can use vector instructions.
const LANES: usize = 16;

/// Scan contiguous numbers that are all there, each with a weight or all with 1, and count them by bin.
pub(super) fn sweep<T: Scan>(numbers: &[T], weights: Option<&[f64]>, tally: &mut Tally) -> Found {
    fastest(Sweep { numbers, weights, tally })
}

/// See [`sweep`]; it is compiled for several kinds of CPU.
struct Sweep<'s, T> {
    numbers: &'s [T],
    weights: Option<&'s [f64]>,
    tally: &'s mut Tally,
}

impl<T: Scan> Work for Sweep<'_, T> {
    type Output = Found;

    #[inline(always)]
    fn work(self) -> Found {
        blocks(self.numbers, self.weights, self.tally)
    }
}

#[inline(always)]
fn blocks<T: Scan>(numbers: &[T], weights: Option<&[f64]>, tally: &mut Tally) -> Found {
    let mut found = Found::default();
    for start in (0..numbers.len()).step_by(BLOCK) {
        let range = start..numbers.len().min(start + BLOCK);
        let weights = weights.and_then(|weights| weights.get(range.clone()));
        let block = &numbers[range];
        let extremes = T::extremes(block);
        found.min = smaller(found.min, extremes.min);
        found.max = larger(found.max, extremes.max);
        found.counts = found.counts.plus(extremes.counts);
        let moments = if extremes.counts.nan + extremes.counts.infinite == 0 {
            finite(block, weights, &extremes, tally)
        } else {
            let (block, weights) = only_finite(block, weights);
            finite(&block, weights.as_deref(), &extremes, tally)
        };
        found.moments = found.moments.plus(moments);
    }
    found
}

/// Scan bools; see [`sweep`].
pub(super) fn sweep_bools(bools: &Bools<'_>, weights: Option<&[f64]>, tally: &mut Tally) -> Found {
    if weights.is_some() {
        let bytes: Vec<u8> = (0..bools.len()).map(|index| bools.get(index).into()).collect();
        return sweep(&bytes, weights, tally);
    }
    let (all, mut ones) = (bools.len() as u64, 0);
    (0..bools.len()).for_each(|index| ones += u64::from(bools.get(index)));
    tally.count_bools(all - ones, ones);
    let bound = |value: bool| (all > 0).then_some(Number::Integer(value.into()));
    Found {
        min: bound(ones == all),
        max: bound(ones > 0),
        counts: Counts { values: all, ..Counts::default() },
        moments: Moments::about(0.0, all as f64, ones as f64, ones as f64),
        ..Found::default()
    }
}

/// Count finite numbers by bin, and return their moments.
#[inline(always)]
fn finite<T: Scan>(block: &[T], weights: Option<&[f64]>, extremes: &Extremes, tally: &mut Tally) -> Moments {
    if block.is_empty() {
        return Moments::default();
    }
    let magnitude = |bound: Option<Number>| bound.map_or(0.0, |bound| bound.to_f64().abs());
    let largest = magnitude(extremes.min).max(magnitude(extremes.max));
    tally.count(block, narrow(extremes.least.min(largest)), narrow(largest), T::narrow);
    // A pivot in the midst of the values keeps what is summed small.
    let [sum] = sums(block, |_, value| [value.double()]);
    let pivot = sum / block.len() as f64;
    let Some(weights) = weights else {
        let [sum, squares] = sums(block, |_, value| {
            let distance = value.double() - pivot;
            [distance, distance * distance]
        });
        return Moments::about(pivot, block.len() as f64, sum, squares);
    };
    let [weight, sum, squares] = sums(block, |at, value| {
        let (weight, distance) = (weights[at], value.double() - pivot);
        [weight, weight * distance, weight * distance * distance]
    });
    Moments::about(pivot, weight, sum, squares)
}

/// Sums over numbers of what `of` makes of each and its position.
#[inline(always)]
fn sums<T: Copy, const N: usize>(numbers: &[T], of: impl Fn(usize, T) -> [f64; N]) -> [f64; N] {
    let mut lanes = [[0.0; LANES]; N];
    let mut take = |at: usize, lane: usize, number: T| {
        let terms = of(at, number);
        for (lanes, term) in lanes.iter_mut().zip(terms) {
            lanes[lane] += term;
        }
    };
    let chunks = numbers.chunks_exact(LANES);
    let (rest, whole) = (chunks.remainder(), numbers.len() - chunks.remainder().len());
    for (chunk, numbers) in chunks.enumerate() {
        numbers.iter().enumerate().for_each(|(lane, &number)| take(chunk * LANES + lane, lane, number));
    }
    rest.iter().enumerate().for_each(|(lane, &number)| take(whole + lane, lane, number));
    lanes.map(|lanes| lanes.iter().sum())
}

/// The finite numbers, and their weights.
fn only_finite<T: Scan>(block: &[T], weights: Option<&[f64]>) -> (Vec<T>, Option<Vec<f64>>) {
    let there = |index: &usize| block[*index].double().is_finite();
    let numbers = (0..block.len()).filter(there).map(|index| block[index]).collect();
    let weights = weights.map(|weights| (0..block.len()).filter(there).map(|index| weights[index]).collect());
    (numbers, weights)
}

/// Range and counts of a block.
pub(super) struct Extremes {
    min: Option<Number>,
    max: Option<Number>,
    /// No magnitude but 0 is smaller.
    least: f64,
    counts: Counts,
}

/// A type of numbers that can be scanned.
pub(super) trait Scan: Native {
    /// Range and counts of these numbers.
    fn extremes(numbers: &[Self]) -> Extremes;
    /// The nearest float64.
    fn double(self) -> f64;
    /// The nearest float32, or the outermost finite one; the number is finite.
    fn narrow(self) -> f32;
}

macro_rules! scan_integers {
    ($($type:ty),*) => {
        $(impl Scan for $type {
            #[inline(always)]
            fn extremes(numbers: &[Self]) -> Extremes {
                let bound = |value: Option<&Self>| value.map(|&value| Number::Integer(value.into()));
                let (min, max) = (bound(numbers.iter().min()), bound(numbers.iter().max()));
                let counts = Counts { values: numbers.len() as u64, ..Counts::default() };
                Extremes { min, max, least: 1.0, counts }
            }

            #[inline(always)]
            fn double(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn narrow(self) -> f32 {
                self as f64 as f32
            }
        })*
    };
}
scan_integers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! scan_floats {
    ($($type:ty => $narrow:expr),*) => {
        $(impl Scan for $type {
            #[inline(always)]
            fn extremes(numbers: &[Self]) -> Extremes {
                const INFINITY: $type = <$type>::INFINITY;
                let (mut min, mut max, mut least) = ([INFINITY; LANES], [-INFINITY; LANES], [INFINITY; LANES]);
                let (mut nan, mut finite) = ([0; LANES], [0; LANES]);
                let mut take = |lane: usize, value: $type| {
                    let magnitude = value.abs();
                    let is_finite = magnitude < INFINITY;
                    min[lane] = if is_finite & (value < min[lane]) { value } else { min[lane] };
                    max[lane] = if is_finite & (value > max[lane]) { value } else { max[lane] };
                    least[lane] = if (magnitude > 0.0) & (magnitude < least[lane]) { magnitude } else { least[lane] };
                    nan[lane] += u32::from(value.is_nan());
                    finite[lane] += u32::from(is_finite);
                };
                let chunks = numbers.chunks_exact(LANES);
                let rest = chunks.remainder();
                for chunk in chunks {
                    chunk.iter().enumerate().for_each(|(lane, &value)| take(lane, value));
                }
                rest.iter().enumerate().for_each(|(lane, &value)| take(lane, value));
                let bound = |value: $type| Number::float(value.into());
                let count = |lanes: [u32; LANES]| lanes.iter().copied().map(u64::from).sum::<u64>();
                let (values, nan) = (numbers.len() as u64, count(nan));
                Extremes {
                    min: bound(min.into_iter().fold(INFINITY, <$type>::min)),
                    max: bound(max.into_iter().fold(-INFINITY, <$type>::max)),
                    least: least.into_iter().fold(INFINITY, <$type>::min).into(),
                    counts: Counts { values, nulls: 0, nan, infinite: values - nan - count(finite) },
                }
            }

            #[inline(always)]
            fn double(self) -> f64 {
                self.into()
            }

            #[inline(always)]
            fn narrow(self) -> f32 {
                $narrow(self)
            }
        })*
    };
}
scan_floats!(f32 => std::convert::identity, f64 => narrow);
