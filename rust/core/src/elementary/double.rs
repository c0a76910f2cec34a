//! Numbers of twice the digits: arithmetic on unevaluated sums of two float64.
//!
//! Exact sums are Knuth's, exact products Dekker's ("A floating-point technique for extending the available precision",
//! 1971). Nothing but additions, multiplications and divisions is used, none of them fused, so that the bits are the
//! same on every CPU.

/// A sum that is not carried out: high and low part, of which the low one is at most half an ulp of the high one.
pub(crate) type Double = (f64, f64);

#[inline(always)]
pub(super) fn fast_two_sum(a: f64, b: f64) -> Double {
    let s = a + b;
    (s, b - (s - a))
}

#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> Double {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

/// Dekker's exact product; |a|, |b| < 2^990, |a b| > 2^-960 (or 0).
#[inline(always)]
pub(crate) fn two_prod(a: f64, b: f64) -> Double {
    const S: f64 = 134_217_729.0;
    let (ca, cb) = (a * S, b * S);
    let (ah, bh) = (ca - (ca - a), cb - (cb - b));
    let (al, bl) = (a - ah, b - bh);
    let p = a * b;
    (p, ((ah * bh - p) + ah * bl + al * bh) + al * bl)
}

#[inline(always)]
pub(crate) fn add(a: Double, b: Double) -> Double {
    let (s, e) = two_sum(a.0, b.0);
    let (t, f) = two_sum(a.1, b.1);
    let (s, e) = fast_two_sum(s, e + t);
    fast_two_sum(s, e + f)
}

/// a + b for |a| >= |b|.
#[inline(always)]
pub(super) fn add_ordered(a: Double, b: Double) -> Double {
    let (s, e) = fast_two_sum(a.0, b.0);
    fast_two_sum(s, e + (a.1 + b.1))
}

#[inline(always)]
pub(crate) fn neg(a: Double) -> Double {
    (-a.0, -a.1)
}

#[inline(always)]
pub(crate) fn mul(a: Double, b: Double) -> Double {
    let (p, e) = two_prod(a.0, b.0);
    fast_two_sum(p, e + (a.0 * b.1 + a.1 * b.0))
}

#[inline(always)]
pub(crate) fn mul_d(a: Double, b: f64) -> Double {
    let (p, e) = two_prod(a.0, b);
    fast_two_sum(p, e + a.1 * b)
}

#[inline(always)]
pub(crate) fn div(a: Double, b: Double) -> Double {
    let q = a.0 / b.0;
    let (p, e) = two_prod(q, b.0);
    let r = ((a.0 - p) - e) + (a.1 - q * b.1);
    fast_two_sum(q, r / b.0)
}

#[inline(always)]
pub(super) fn pow2(k: i32) -> f64 {
    f64::from_bits(((1023 + k) as u64) << 52)
}

/// 2^k (h + l), rounded once to a normal number (at most 0.75 ulp for a subnormal one).
#[inline(always)]
pub(super) fn scale(v: Double, k: i32) -> f64 {
    let s = v.0 + v.1;
    if k > 1000 {
        s * pow2(1000) * pow2((k - 1000).min(1023))
    } else if k < -1000 {
        s * pow2(-1000 + 60) * pow2((k + 1000 - 60).max(-1022))
    } else {
        s * pow2(k)
    }
}
