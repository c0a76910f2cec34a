//! The natural logarithm of many numbers at once.
//!
//! The method, and its coefficients, are those of `e_log.c` in fdlibm (Sun, 1993), which the `libm` crate follows, so
//! the bits are those of [`libm::log`]: with x = 2^k (1 + f), where 1 + f is within a factor sqrt(2) of 1, and
//! s = f / (2 + f),
//!
//! log(1 + f) = 2 s + s R,  R = 2/3 s^2 + 2/5 s^4 + ...
//!
//! of which R is a polynomial in s^2 that was fitted. The largest error is below 1 ulp. Here nothing branches, so that
//! the compiler takes several numbers at once; what is not a normal, positive number is mended afterwards.

use crate::simd::{Work, fastest};

/// log(2) in two parts: so many bits of the first are 0 that its products with exponents are exact.
const LN2: (f64, f64) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);

/// Coefficients of R, of s^2 first.
const R: [f64; 7] = [
    6.666_666_666_666_735e-1,
    3.999_999_999_940_942e-1,
    2.857_142_874_366_239e-1,
    2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1,
    1.531_383_769_920_937_3e-1,
    1.479_819_860_511_658_6e-1,
];

/// Bits of the smallest normal number, and of infinity.
const NORMAL: u64 = 0x0010_0000_0000_0000;
const INFINITY: u64 = 0x7ff0_0000_0000_0000;
/// The upper half of the bits of about sqrt(1/2), where the range of 1 + f begins.
const LEAST: u64 = 0x3fe6_a09e << 32;
/// The bits of 1.
const ONE: u64 = 0x3ff0_0000_0000_0000;
/// 1.5 * 2^52: the last bits of a number of that size are whole numbers.
const WHOLE: f64 = 6_755_399_441_055_744.0;

/// `out[i] = log(a[i])`.
pub(crate) fn log(a: &[f64], out: &mut [f64]) {
    if fastest(Log { a, out }) {
        for (out, &x) in out.iter_mut().zip(a).filter(|(_, x)| !is_normal(**x)) {
            *out = libm::log(x);
        }
    }
}

#[inline(always)]
fn is_normal(x: f64) -> bool {
    (NORMAL..INFINITY).contains(&x.to_bits())
}

struct Log<'l> {
    a: &'l [f64],
    out: &'l mut [f64],
}

impl Work for Log<'_> {
    /// Whether a number was not normal and positive.
    type Output = bool;

    #[inline(always)]
    fn work(self) -> bool {
        let mut special = false;
        for (out, &x) in self.out.iter_mut().zip(self.a) {
            special |= !is_normal(x);
            *out = of_normal(x);
        }
        special
    }
}

#[inline(always)]
fn of_normal(x: f64) -> f64 {
    let shifted = x.to_bits().wrapping_add(ONE - LEAST);
    // The exponent, less that of 1, as a float: added to the last bits of a number in which they count ones.
    let k = f64::from_bits(WHOLE.to_bits().wrapping_add(shifted >> 52)) - (WHOLE + 1023.0);
    let f = f64::from_bits((shifted & (NORMAL - 1)).wrapping_add(LEAST)) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (R[1] + w * (R[3] + w * R[5]));
    let odd = z * (R[0] + w * (R[2] + w * (R[4] + w * R[6])));
    let half = 0.5 * f * f;
    s * (half + (odd + even)) + k * LN2.1 - half + f + k * LN2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_bits_are_those_of_libm(bits in prop::collection::vec(any::<u64>(), 1..40), near_one in 0.5_f64..2.0) {
            let mut numbers: Vec<f64> = bits.into_iter().map(f64::from_bits).collect();
            numbers.extend([near_one, 1.0, 0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, 5e-324, f64::MIN_POSITIVE, f64::MAX]);
            let mut out = vec![0.0; numbers.len()];
            log(&numbers, &mut out);
            for (found, x) in out.into_iter().zip(numbers) {
                let expected = libm::log(x);
                prop_assert!(found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()), "{x}");
            }
        }
    }
}
