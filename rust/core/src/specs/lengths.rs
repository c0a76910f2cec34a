//! Lengths of lists, counted.

/// Lengths below this are counted one by one.
pub(crate) const EXACT: u64 = 1 << 10;

/// The length as which one counts: itself up to 1024; beyond the next one that has no more than ten binary digits
/// before its zeros, which is at most 0.2 % longer.
pub(crate) fn counted_as(length: u64) -> u64 {
    let dropped = (u64::BITS - length.leading_zeros()).saturating_sub(EXACT.ilog2());
    let below = (1 << dropped) - 1;
    length.checked_add(below).map_or(u64::MAX >> 1, |length| length & !below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lengths_are_exact_and_long_ones_nearly() {
        assert!((0..=EXACT).all(|length| counted_as(length) == length));
        assert_eq!((counted_as(1025), counted_as(2047), counted_as(2049)), (1026, 2048, 2052));
        for length in (1..1_000_000).step_by(37) {
            let counted = counted_as(length);
            assert!(counted >= length && counted as f64 <= length as f64 * 1.002 && counted_as(counted) == counted);
        }
        assert!(counted_as(u64::MAX) > u64::MAX >> 2);
    }
}
