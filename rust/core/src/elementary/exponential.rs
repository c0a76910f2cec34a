//! Exponentials and logarithms to about 70 bits, from which other functions are made.
//!
//! The exponential is reduced to 2^(j/32) as by P. T. P. Tang ("Table-driven implementation of the exponential
//! function", 1989); logarithms are one step of Newton's method from the crate's.

use super::double::{Double, add, add_ordered, fast_two_sum, mul, pow2, two_sum};

const L32_1: f64 = 0.021660849392446835;

const L32_2: f64 = 5.1456092446457696e-14;

const L32_3: f64 = 9.568252300058288e-26;

pub(super) const LN2_1: f64 = 0.6931471805601177;

pub(super) const LN2_2: f64 = -1.7239444525610826e-13;

pub(super) const LN2_3: f64 = -4.00865610552017e-26;

const SIXTH: (f64, f64) = (0.16666666666666666, 9.25185853854297e-18);

/// 2^(j/32) as (high, low).
#[rustfmt::skip]
static EXP2_32: [(f64, f64); 32] = [(1.0, 0.0), (1.0218971486541166, 5.109225028973444e-17), (1.0442737824274138, 8.551889705537965e-17), (1.0671404006768237, -7.899853966841582e-17), (1.0905077326652577, -3.046782079812471e-17), (1.1143867425958924, 1.0410278456845571e-16), (1.1387886347566916, 8.912812676025408e-17), (1.1637248587775775, 3.8292048369240935e-17), (1.189207115002721, 3.982015231465646e-17), (1.215247359980469, -7.712630692681488e-17), (1.241857812073484, 4.658027591836937e-17), (1.2690509571917332, 2.667932131342186e-18), (1.2968395546510096, 2.5382502794888315e-17), (1.3252366431597413, -2.8587312100388614e-17), (1.3542555469368927, 7.70094837980299e-17), (1.383909881963832, -6.770511658794786e-17), (1.4142135623730951, -9.667293313452913e-17), (1.4451808069770467, -3.0237581349939873e-17), (1.4768261459394993, -3.483994556892796e-17), (1.5091644275934228, -1.016455327754295e-16), (1.5422108254079407, 7.949834809697621e-17), (1.5759808451078865, -1.0136916471278304e-17), (1.6104903319492543, 2.4707192569797888e-17), (1.645755478153965, -1.0125679913674773e-16), (1.681792830507429, 8.199010020581497e-17), (1.718619298122478, -1.851380418263111e-17), (1.7562521603732995, 2.960140695448873e-17), (1.7947090750031072, 1.8227458427912087e-17), (1.8340080864093424, 3.283107224245627e-17), (1.8741676341103, -6.122763413004143e-17), (1.9152065613971474, -1.0619946056195963e-16), (1.9571441241754002, 8.960767791036668e-17)];

/// exp(r) - 1 for |r| <= 0.011, relative error about 2^-70.
#[inline(always)]
pub(super) fn em1_small(r: Double) -> Double {
    let x = r.0;
    let p = x
        * (1.0 / 24.0
            + x * (1.0 / 120.0 + x * (1.0 / 720.0 + x * (1.0 / 5040.0 + x * (1.0 / 40320.0 + x * (1.0 / 362880.0))))));
    let t = add_ordered(SIXTH, (p, 0.0));
    let t = add_ordered((0.5, 0.0), mul(t, r));
    add_ordered(r, mul(mul(r, r), t))
}

/// exp(x) = 2^k (h + l), |x| <= 800.
#[inline(always)]
pub(super) fn exp_dd(x: Double) -> (Double, i32) {
    let n = x.0 * 46.16624130844683;
    let n = (n + 6755399441055744.0) - 6755399441055744.0; // nearest integer
    let (a, b) = two_sum(x.0, -n * L32_1);
    let (c, d) = two_sum(a, -n * L32_2);
    let r = fast_two_sum(c, d + b + x.1 - n * L32_3);
    let n = n as i32;
    let t = EXP2_32[(n & 31) as usize];
    (add_ordered(t, mul(t, em1_small(r))), n >> 5)
}

/// exp(x) - 1 with a small relative error, |x| <= 40.
#[inline(always)]
pub(super) fn expm1_dd(x: Double) -> Double {
    if x.0.abs() < 0.0108 {
        return em1_small(x);
    }
    let (e, k) = exp_dd(x);
    let s = pow2(k);
    add((e.0 * s, e.1 * s), (-1.0, 0.0))
}

/// One Newton step on exp(y) - 1 = a from y0; |a| < 1/2.
#[inline(always)]
pub(super) fn log1p_newton(a: Double, y0: f64) -> Double {
    let e = expm1_dd((y0, 0.0));
    let u = ((a.0 - e.0) + (a.1 - e.1)) / (1.0 + a.0);
    fast_two_sum(y0, u + 0.5 * u * u)
}

/// log(x), x > 0 finite (subnormal allowed with low part 0).
pub(super) fn log_dd(mut x: Double) -> Double {
    let mut k = 0;
    if x.0 < f64::MIN_POSITIVE {
        x.0 *= pow2(54);
        k = -54;
    }
    let e = ((x.0.to_bits() + 0x0009_5f62_0000_0000) >> 52) as i32 - 1023; // to [sqrt(1/2), sqrt(2))
    k += e;
    let (s1, s2) = (pow2(-(e / 2)), pow2(-(e - e / 2)));
    let f = (x.0 * s1 * s2, x.1 * s1 * s2);
    let y = log1p_newton((f.0 - 1.0, f.1), libm::log(f.0));
    if k == 0 {
        return y;
    }
    let k = k as f64;
    let c = two_sum(k * LN2_1, k * LN2_2);
    add(c, (y.0, y.1 + k * LN2_3))
}

/// log(1 + x), x > -1, small relative error.
pub(super) fn log1p_dd(x: f64) -> Double {
    if x.abs() < 0.25 { log1p_newton((x, 0.0), libm::log1p(x)) } else { log_dd(two_sum(1.0, x)) }
}
