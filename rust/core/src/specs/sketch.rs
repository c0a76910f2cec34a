//! The bins of a quantile sketch: of equal relative width, as in DDSketch (Masson, Rim, Lee, "DDSketch: a fast and
//! fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019), with their interpolated mapping.
//!
//! A value's bin is its sign, its exponent and the first six bits of its mantissa, as a float32 (rounded): bins are
//! counted, so that the result depends on no order. A bin answers with its middle, which is off by less than 0.79 %
//! (2^-7, and what rounding to float32 adds) of any value in it. Below 2^-126 bins are 2^-132 wide, and those up to
//! 2^-132 count as 0, which is a bin of its own; what is beyond float32 is counted in the outermost bins.

/// Bits of a float32 that do not tell its bin.
const DROPPED: u32 = 17;

/// Bins of one sign.
pub(crate) const MAGNITUDES: usize = 1 << (31 - DROPPED);

/// Magnitudes from here on are those of infinities and NaN.
pub(crate) const FINITE: usize = (0xff << 23) >> DROPPED;

/// The position of a value in a table with a place for each bin: first the positive ones, then the negative ones.
#[inline(always)]
pub(crate) fn position(value: f32) -> usize {
    (value.to_bits() >> DROPPED) as usize
}

/// The nearest float32, or the outermost finite one; the value is finite.
#[inline(always)]
pub(crate) fn narrow(value: f64) -> f32 {
    (value as f32).clamp(-f32::MAX, f32::MAX)
}

/// The middle of a bin; negative bins hold negative values, 0 is that of zero.
pub(super) fn middle(bin: i64) -> f64 {
    let magnitude = (bin.unsigned_abs() as u32) << DROPPED | 1 << (DROPPED - 1);
    match bin {
        0 => 0.0,
        1.. => f64::from(f32::from_bits(magnitude)),
        _ => -f64::from(f32::from_bits(magnitude)),
    }
}

/// Whether a number names a bin.
pub(super) fn is_bin(bin: i64) -> bool {
    bin.unsigned_abs() < FINITE as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bin(value: f64) -> i64 {
        let position = position(narrow(value)) as i64;
        let magnitudes = MAGNITUDES as i64;
        if position < magnitudes { position } else { magnitudes - position }
    }

    #[test]
    fn zero_and_what_is_beyond_float32_have_bins() {
        assert_eq!((bin(0.0), bin(-0.0), bin(1e-45), middle(0)), (0, 0, 0, 0.0));
        assert_eq!((bin(1e300), bin(-1e300)), (FINITE as i64 - 1, 1 - FINITE as i64));
        assert!(is_bin(bin(1e300)) && !is_bin(FINITE as i64));
        assert!(bin(-2.0) < bin(-1.0) && bin(-1.0) < bin(0.5));
    }

    proptest! {
        #[test]
        fn the_middle_is_less_than_the_stated_error_away(value in any::<f32>()) {
            prop_assume!(value.is_normal());
            let value = f64::from(value);
            prop_assert!((middle(bin(value)) - value).abs() <= value.abs() * 2f64.powi(-7));
            prop_assert!((middle(bin(value * 1.000_000_03)) - value).abs() <= value.abs() * 0.0079);
        }
    }
}
