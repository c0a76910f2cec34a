//! Parts, mixing, chunks and order: a pure function of counts and a seed. Nothing is read or written here.
//!
//! Every random choice follows from the seed by SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014), so that format, threads and the size of reads play no part.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::column::{Data, with_numbers};
use crate::error::{Error, Result};

/// What SplitMix64 in state `state` gives.
pub fn splitmix64(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The part of each of `events` events of file number `file` from entry `start` on: 0 train, 1 validation, 2 test.
///
/// By its number u of stream 0, see [`uniforms`], an event is train below `split[0]`, validation below
/// `split[0] + split[1]`, else test.
pub fn parts(
    seed: u64,
    file: u64,
    start: u64,
    events: usize,
    split: [f64; 3],
    identifiers: &[Data<'_>],
) -> Result<Vec<u8>> {
    let part = |hash| {
        let u = uniform(hash);
        u8::from(u >= split[0]) + u8::from(u >= split[0] && u >= split[0] + split[1])
    };
    Ok(hashes(seed, file, start, events, identifiers)?.into_iter().map(part).collect())
}

/// A number in [0, 1) for each of `events` events of file number `file` from entry `start` on, in one of many streams.
///
/// An event is known by its entry, or by `identifiers`, of which each has a value for every event. Its hash is
/// `s(s(s(seed) + file) + entry)`, with one further `s` for each identifier in place of the entry; in a stream other
/// than 0 that is `s(hash + stream)`. Its upper 53 bits are the number.
pub fn uniforms(
    seed: u64,
    file: u64,
    start: u64,
    events: usize,
    identifiers: &[Data<'_>],
    stream: u64,
) -> Result<Vec<f64>> {
    let of_stream = |hash: u64| if stream == 0 { hash } else { splitmix64(hash.wrapping_add(stream)) };
    let hashes = hashes(seed, file, start, events, identifiers)?;
    Ok(hashes.into_iter().map(|hash| uniform(of_stream(hash))).collect())
}

/// The upper 53 bits of a hash as a number in [0, 1).
fn uniform(hash: u64) -> f64 {
    (hash >> 11) as f64 * 2f64.powi(-53)
}

/// What identifies each event, as 64 bits.
fn hashes(seed: u64, file: u64, start: u64, events: usize, identifiers: &[Data<'_>]) -> Result<Vec<u64>> {
    if let Some(identifier) = identifiers.iter().find(|identifier| identifier.len() != events) {
        return Err(Error::RowCount { found: identifier.len(), expected: events });
    }
    let of_file = splitmix64(splitmix64(seed).wrapping_add(file));
    let mut hashes = vec![of_file; events];
    if identifiers.is_empty() {
        for (hash, entry) in hashes.iter_mut().zip(start..) {
            *hash = splitmix64(hash.wrapping_add(entry));
        }
    }
    for identifier in identifiers {
        mix_in(&mut hashes, identifier);
    }
    Ok(hashes)
}

/// One more identifier in every hash: integers as 64 bits, floats as the bits of a float64.
#[allow(clippy::unnecessary_cast)] // i64 is one of the types that the macro goes through
fn mix_in(hashes: &mut [u64], identifier: &Data<'_>) {
    let mut mix = |index: usize, bits: u64| hashes[index] = splitmix64(hashes[index].wrapping_add(bits));
    match identifier {
        Data::Float32(values) => {
            values.iter().enumerate().for_each(|(index, &value)| mix(index, f64::from(value).to_bits()));
        }
        Data::Float64(values) => values.iter().enumerate().for_each(|(index, &value)| mix(index, value.to_bits())),
        // A sign is carried into the upper bits by the conversion.
        integers => with_numbers!(integers,
            values => values.iter().enumerate().for_each(|(index, &value)| mix(index, value as i64 as u64)),
            bools => (0..bools.len()).for_each(|index| mix(index, bools.get(index).into()))
        ),
    }
}

/// `wanted` events taken from files of these sizes in proportion, by the largest remainder; ties go to the lower file
/// number. Everything if there are not more than `wanted`.
pub fn shares(sizes: &[u64], wanted: u64) -> Vec<u64> {
    let total: u128 = sizes.iter().map(|&size| u128::from(size)).sum();
    let wanted = u128::from(wanted);
    if wanted >= total {
        return sizes.to_vec();
    }
    let product = |size: u64| u128::from(size) * wanted;
    let mut shares: Vec<u64> = sizes.iter().map(|&size| (product(size) / total) as u64).collect();
    let given: u128 = shares.iter().map(|&share| u128::from(share)).sum();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&file| (Reverse(product(sizes[file]) % total), file));
    order.into_iter().take((wanted - given) as usize).for_each(|file| shares[file] += 1);
    shares
}

/// Events of one stream that go into one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Which stream: a file, or a chain of files.
    pub stream: usize,
    /// The first of its events, counted among those that are wanted.
    pub start: u64,
    /// The row of each of them in the chunk.
    pub rows: Vec<i64>,
}

/// The chunks of a pass, one after the other: which events of which stream go to which rows.
///
/// Invariant: after every position what was taken of a stream differs from its share by less than one event, and over
/// the pass every event comes once, in the order of its stream.
#[derive(Clone, Debug)]
pub struct Schedule {
    mixer: Mixer,
    size: u64,
    seed: u64,
    epoch: u64,
    shuffle: bool,
    chunk: u64,
}

impl Schedule {
    /// Chunks of `size` of the `counts[i]` events wanted of stream i; with `shuffle` rows are permuted from seed, epoch
    /// and chunk, else they follow the order of mixing.
    pub fn new(counts: Vec<u64>, size: u64, seed: u64, epoch: u64, shuffle: bool) -> Result<Schedule> {
        if size == 0 {
            let found = size.to_string();
            return Err(Error::Argument { what: "the chunk size", found, expected: "at least 1" });
        }
        Ok(Schedule { mixer: Mixer::new(counts), size, seed, epoch, shuffle, chunk: 0 })
    }

    /// Number of chunks of the whole pass.
    pub fn chunks(&self) -> u64 {
        self.mixer.total.div_ceil(self.size)
    }
}

impl Iterator for Schedule {
    type Item = Vec<Take>;

    fn next(&mut self) -> Option<Vec<Take>> {
        let events = self.size.min(self.mixer.total - self.mixer.position);
        if events == 0 {
            return None;
        }
        let mut rows: Vec<i64> = (0..events as i64).collect();
        if self.shuffle {
            let state = splitmix64(splitmix64(splitmix64(self.seed).wrapping_add(self.epoch)).wrapping_add(self.chunk));
            shuffle(&mut rows, state);
        }
        let streams = self.mixer.counts.len();
        let mut takes: Vec<Option<Take>> = vec![None; streams];
        for row in rows {
            let (stream, event) = self.mixer.next()?;
            let take = takes[stream].get_or_insert_with(|| Take { stream, start: event, rows: Vec::new() });
            take.rows.push(row);
        }
        self.chunk += 1;
        Some(takes.into_iter().flatten().collect())
    }
}

/// The order of mixing: for position c = 1 ... N, among the streams with taken < c * n / N the one with the smallest
/// (taken + 1) * N / n, ties to the lower number.
#[derive(Clone, Debug)]
struct Mixer {
    counts: Vec<u64>,
    taken: Vec<u64>,
    total: u64,
    position: u64,
    /// Streams whose next event may not be taken yet, by the first position at which it may.
    waiting: BinaryHeap<Reverse<(u64, usize)>>,
    /// The others, by the position until which their next event must be taken.
    ready: BinaryHeap<Reverse<Deadline>>,
}

/// `next / count`, the deadline of a stream's next event as a share of the pass.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Deadline {
    next: u64,
    count: u64,
    stream: usize,
}

impl Ord for Deadline {
    fn cmp(&self, other: &Deadline) -> Ordering {
        let product = |next: u64, count: u64| u128::from(next) * u128::from(count);
        product(self.next, other.count).cmp(&product(other.next, self.count)).then(self.stream.cmp(&other.stream))
    }
}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Deadline) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Mixer {
    fn new(counts: Vec<u64>) -> Mixer {
        let waiting = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let waiting = waiting.map(|(stream, _)| Reverse((1, stream))).collect();
        let (taken, total) = (vec![0; counts.len()], counts.iter().sum());
        Mixer { counts, taken, total, position: 0, waiting, ready: BinaryHeap::new() }
    }

    /// The stream of the next position, and which of its events.
    fn next(&mut self) -> Option<(usize, u64)> {
        self.position += 1;
        while let Some(&Reverse((release, stream))) = self.waiting.peek() {
            if release > self.position {
                break;
            }
            self.waiting.pop();
            let (next, count) = (self.taken[stream] + 1, self.counts[stream]);
            self.ready.push(Reverse(Deadline { next, count, stream }));
        }
        let Reverse(Deadline { next, count, stream }) = self.ready.pop()?;
        self.taken[stream] = next;
        if next < count {
            // The first c with next < c * count / total.
            let release = u128::from(next) * u128::from(self.total) / u128::from(count) + 1;
            self.waiting.push(Reverse((release as u64, stream)));
        }
        Some((stream, next - 1))
    }
}

/// Permute by Fisher and Yates with numbers of SplitMix64, each bounded without bias (Lemire, "Fast random integer
/// generation in an interval", ACM TOMACS 29, 2019).
fn shuffle(rows: &mut [i64], mut state: u64) {
    let mut draw = || {
        let number = splitmix64(state);
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        number
    };
    for last in (1..rows.len()).rev() {
        let bound = last as u64 + 1;
        let mut product = u128::from(draw()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(draw()) * u128::from(bound);
            }
        }
        rows.swap(last, (product >> 64) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule as it is written down, in quadratic time.
    fn by_the_rule(counts: &[u64]) -> Vec<usize> {
        let total: u64 = counts.iter().sum();
        let mut taken = vec![0; counts.len()];
        let place = |c: u64| {
            let may = (0..counts.len()).filter(|&i| taken[i] * total < c * counts[i]);
            let next =
                may.min_by(|&i, &j| ((taken[i] + 1) * counts[j]).cmp(&((taken[j] + 1) * counts[i])).then(i.cmp(&j)));
            let next = next.unwrap();
            taken[next] += 1;
            next
        };
        (1..=total).map(place).collect()
    }

    fn counts() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(prop_oneof![Just(0), Just(1), 0..60_u64], 1..7)
    }

    /// The stream and event at every position, from the chunks of an unshuffled schedule.
    fn positions(counts: &[u64], size: u64) -> Vec<(usize, u64)> {
        let mut positions = Vec::new();
        for takes in Schedule::new(counts.to_vec(), size, 21, 0, false).unwrap() {
            let mut chunk: Vec<(i64, usize, u64)> = Vec::new();
            for take in takes {
                chunk.extend(take.rows.iter().zip(take.start..).map(|(&row, event)| (row, take.stream, event)));
            }
            chunk.sort_unstable();
            assert!(chunk.iter().map(|row| row.0).eq(0..chunk.len() as i64), "rows are no permutation");
            positions.extend(chunk.into_iter().map(|(_, stream, event)| (stream, event)));
        }
        positions
    }

    proptest! {
        #[test]
        fn the_order_is_the_rules_whatever_the_chunk_size(counts in counts(), size in 1..80_u64) {
            let streams: Vec<usize> = positions(&counts, size).into_iter().map(|(stream, _)| stream).collect();
            prop_assert_eq!(streams, by_the_rule(&counts));
        }

        #[test]
        fn shares_differ_by_less_than_one_event_and_every_event_comes_once(counts in counts(), size in 1..80_u64) {
            let total: u64 = counts.iter().sum();
            let mut taken = vec![0_u64; counts.len()];
            for (c, (stream, event)) in (1..).zip(positions(&counts, size)) {
                prop_assert_eq!(event, taken[stream]);
                taken[stream] += 1;
                for (&taken, &count) in taken.iter().zip(&counts) {
                    prop_assert!((taken * total).abs_diff(c * count) < total);
                }
            }
            prop_assert_eq!(taken, counts);
        }

        #[test]
        fn shuffling_permutes_rows_within_chunks(counts in counts(), size in 1..80_u64, seed: u64, epoch in 0..3_u64) {
            let chunks = |shuffle| Schedule::new(counts.clone(), size, seed, epoch, shuffle).unwrap();
            for (plain, shuffled) in chunks(false).zip(chunks(true)) {
                let ranges = |takes: &[Take]| takes.iter().map(|t| (t.stream, t.start, t.rows.len())).collect::<Vec<_>>();
                prop_assert_eq!(ranges(&plain), ranges(&shuffled));
                let mut rows: Vec<i64> = shuffled.into_iter().flat_map(|take| take.rows).collect();
                rows.sort_unstable();
                prop_assert!(rows.iter().copied().eq(0..rows.len() as i64));
            }
            prop_assert_eq!(chunks(true).count() as u64, chunks(true).chunks());
        }

        #[test]
        fn shares_add_up_and_are_off_by_less_than_one(sizes in prop::collection::vec(0..1000_u64, 1..8), wanted in 0..4000_u64) {
            let total: u64 = sizes.iter().sum();
            let shares = shares(&sizes, wanted);
            prop_assert_eq!(shares.iter().sum::<u64>(), wanted.min(total));
            for (&share, &size) in shares.iter().zip(&sizes) {
                prop_assert!(share <= size);
                prop_assert!(wanted >= total || (share * total).abs_diff(size * wanted) < total);
            }
        }
    }

    #[test]
    fn splitmix64_is_the_published_generator() {
        // The first numbers of the reference implementation from seed 1234567.
        let states = (0..3_u64).map(|step| 1_234_567_u64.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let numbers: Vec<u64> = states.map(splitmix64).collect();
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn parts_follow_the_fractions_and_the_identity_only() {
        let split = [0.64, 0.16, 0.2];
        let whole = parts(21, 3, 0, 100_000, split, &[]).unwrap();
        assert_eq!(whole[500..600], parts(21, 3, 500, 100, split, &[]).unwrap());
        for (part, fraction) in (0..).zip(split) {
            let found = whole.iter().filter(|&&of| of == part).count() as f64 / 100_000.0;
            assert!((found - fraction).abs() < 0.005, "part {part}: {found}");
        }
        let (narrow, wide) = ([-5_i32, 7], [-5_i64, 7]);
        let by = |identifier| parts(21, 0, 0, 2, split, &[identifier]).unwrap();
        assert_eq!(by(Data::Int32(&narrow)), by(Data::Int64(&wide)));
        assert!(parts(21, 0, 0, 3, split, &[Data::Int64(&wide)]).is_err());
    }

    #[test]
    fn streams_are_independent_of_each_other() {
        let of = |stream| uniforms(21, 3, 0, 100_000, &[], stream).unwrap();
        let (split, other) = (of(0), of(1));
        let train = parts(21, 3, 0, 100_000, [0.5, 0.0, 0.5], &[]).unwrap();
        assert!(train.iter().zip(&split).all(|(&part, &u)| (part == 0) == (u < 0.5)));
        let both = split.iter().zip(&other).filter(|&(&one, &two)| one < 0.5 && two < 0.2).count();
        assert!((both as f64 / 100_000.0 - 0.1).abs() < 0.005, "{both}");
        assert_eq!(other[500..600], uniforms(21, 3, 500, 100, &[], 1).unwrap());
        assert!(uniforms(21, 0, 0, 3, &[Data::Int32(&[1, 2])], 1).is_err());
    }

    #[test]
    fn many_events_do_not_overflow() {
        let mut mixer = Mixer::new(vec![u64::MAX / 4, u64::MAX / 4 - 1]);
        let first: Vec<_> = (0..4).filter_map(|_| mixer.next()).collect();
        assert_eq!(first, [(0, 0), (1, 0), (0, 1), (1, 1)]);
    }
}
