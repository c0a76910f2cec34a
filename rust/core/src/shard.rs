//! Shards of a pass for several readers: disjoint, complete, and cut into equal numbers of pieces.

use std::ops::Range;

use crate::error::{Error, Result};

/// The events of each stream, of `counts[i]`, that reader `rank` of `world` gets: one range of each, so that a reader
/// reads only its own clusters.
///
/// Invariants: over the ranks the ranges follow one another without a gap, for each stream their sizes differ by at most
/// one, and so do their sums over the streams: what is left over of a stream goes on with the rank at which that of the
/// stream before it ended.
pub fn shard(counts: &[u64], rank: u64, world: u64) -> Result<Vec<Range<u64>>> {
    if rank >= world {
        let found = format!("({rank}, {world})");
        return Err(Error::Argument { what: "shard", found, expected: "(rank, world) with 0 <= rank < world" });
    }
    let mut first = 0;
    let range = |&count: &u64| {
        let (share, rest) = (count / world, count % world);
        let start = |rank: u64| rank * share + dealt(rank, first, rest, world);
        let range = start(rank)..start(rank + 1);
        first = (first + rest) % world;
        range
    };
    Ok(counts.iter().map(range).collect())
}

/// How many of `rest` events, dealt one by one from rank `first` on, go to ranks below `rank`.
fn dealt(rank: u64, first: u64, rest: u64, world: u64) -> u64 {
    let around = rest.saturating_sub(world - first);
    rank.min(around) + rank.saturating_sub(first).min(rest - around)
}

/// Where piece `number` of a shard begins, and the one before it ends; pieces have `size` events.
///
/// Every shard has as many pieces as the one of `largest` events. A shard of one event fewer whose last piece would be
/// empty so has it take the last event of the piece before, unless that has no other: then there are fewer events than
/// pieces, and the last one is empty.
pub fn limit(number: u64, events: u64, largest: u64, size: u64) -> u64 {
    let pieces = largest.div_ceil(size);
    let start = number.saturating_mul(size);
    let borrows = number.checked_add(1) == Some(pieces) && start == events && size > 1 && number > 0;
    if borrows { events - 1 } else { start.min(events) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shards_are_disjoint_complete_and_even(counts in prop::collection::vec(0..50_u64, 0..7), world in 1..9_u64) {
            let shards: Vec<Vec<Range<u64>>> = (0..world).map(|rank| shard(&counts, rank, world).unwrap()).collect();
            for (stream, &count) in counts.iter().enumerate() {
                let mut stop = 0;
                for shard in &shards {
                    prop_assert_eq!(shard[stream].start, stop);
                    stop = shard[stream].end;
                    prop_assert!(shard[stream].clone().count() as u64 - count / world <= 1);
                }
                prop_assert_eq!(stop, count);
            }
            let sizes: Vec<usize> = shards.iter().map(|shard| shard.iter().cloned().map(Iterator::count).sum()).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }

        #[test]
        fn pieces_cover_a_shard_and_none_is_empty_that_need_not_be(largest in 1..60_u64, fewer in 0..2_u64, size in 1..70_u64) {
            let (events, pieces) = (largest - fewer, largest.div_ceil(size));
            let limits: Vec<u64> = (0..=pieces).map(|number| limit(number, events, largest, size)).collect();
            prop_assert_eq!((limits[0], limits[pieces as usize]), (0, events));
            for pair in limits.windows(2) {
                prop_assert!(pair[0] <= pair[1] && pair[1] - pair[0] <= size);
                prop_assert!(pair[0] < pair[1] || events < pieces);
            }
        }
    }

    #[test]
    fn a_rank_that_does_not_exist_is_refused() {
        assert_eq!(
            shard(&[5], 2, 2).unwrap_err().to_string(),
            "shard is (2, 2); it must be (rank, world) with 0 <= rank < world"
        );
    }

    #[test]
    fn many_events_do_not_overflow() {
        let ranges = shard(&[u64::MAX, 3], 6, 7).unwrap();
        assert_eq!(ranges[0].end, u64::MAX);
        assert_eq!(limit(u64::MAX, 10, 10, 3), 10);
    }
}
