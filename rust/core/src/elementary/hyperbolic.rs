//! Hyperbolic functions and their inverses, rounded once from twice the digits.

use super::double::{Double, add, add_ordered, div, mul, neg, pow2, scale, two_sum};
use super::exponential::{LN2_1, LN2_2, LN2_3, exp_dd, expm1_dd, log_dd, log1p_dd};

/// sinh(x), 2^-30 < x < 40: with e = exp(x) - 1, (e + e / (1 + e)) / 2.
#[inline(always)]
fn sinh_dd(x: f64) -> Double {
    let e = expm1_dd((x, 0.0));
    let s = add(e, div(e, add((1.0, 0.0), e)));
    (0.5 * s.0, 0.5 * s.1)
}

/// Hyperbolic sine.
pub(super) fn sinh(x: f64) -> f64 {
    let a = x.abs();
    if !(a > pow2(-28)) || a > 711.0 {
        return libm::sinh(x);
    }
    let r = if a < 20.0 {
        let s = sinh_dd(a);
        s.0 + s.1
    } else {
        let (e, k) = exp_dd((a, 0.0));
        scale((e.0, e.1 - if a < 40.0 { libm::exp(-a) * pow2(-k) } else { 0.0 }), k - 1)
    };
    r.copysign(x)
}

/// Hyperbolic cosine.
pub(super) fn cosh(x: f64) -> f64 {
    let a = x.abs();
    if !(a > pow2(-28)) || a > 711.0 {
        return libm::cosh(x);
    }
    let (e, k) = exp_dd((a, 0.0));
    if a > 40.0 {
        return scale(e, k - 1);
    }
    let s = pow2(-k);
    let m = div((s, 0.0), e); // exp(-a)
    scale(add_ordered(e, (m.0 * s, m.1 * s)), k - 1)
}

/// Hyperbolic tangent: with e = exp(2x) - 1, e / (e + 2).
pub(super) fn tanh(x: f64) -> f64 {
    let a = x.abs();
    if a <= pow2(-28) {
        return x; // x - x^3/3
    }
    if !(a < 20.0) {
        return libm::tanh(x);
    }
    let e = expm1_dd((2.0 * a, 0.0));
    let q = div(e, add(e, (2.0, 0.0)));
    (q.0 + q.1).copysign(x)
}

/// Inverse hyperbolic sine: a Newton step on sinh(y) = x from libm's value.
pub(super) fn asinh(x: f64) -> f64 {
    let a = x.abs();
    if !(a > pow2(-28) && a < f64::INFINITY) {
        return libm::asinh(x);
    }
    let r = if a > pow2(28) {
        let l = log_dd((a, 0.0));
        let l = add(l, (LN2_1, LN2_2));
        l.0 + (l.1 + LN2_3)
    } else {
        let y = libm::asinh(a);
        let s = sinh_dd(y);
        y + ((a - s.0) - s.1) / libm::sqrt(a * a + 1.0)
    };
    r.copysign(x)
}

/// Inverse hyperbolic cosine: a Newton step on 2 sinh(y/2)^2 = x - 1.
pub(super) fn acosh(x: f64) -> f64 {
    if x < 1.0 {
        return f64::NAN; // libm's is not, for some x below -1
    }
    if !(x > 1.0 && x < f64::INFINITY) {
        return libm::acosh(x);
    }
    if x > pow2(28) {
        let l = log_dd((x, 0.0));
        let l = add(l, (LN2_1, LN2_2));
        return l.0 + (l.1 + LN2_3);
    }
    let y = libm::acosh(x);
    let s = sinh_dd(0.5 * y);
    let c = mul(s, s);
    let m = two_sum(x, -1.0);
    let d = (m.0 - 2.0 * c.0) + (m.1 - 2.0 * c.1);
    y + d / libm::sqrt((x - 1.0) * (x + 1.0))
}

/// Inverse hyperbolic tangent: (log(1 + x) - log(1 - x)) / 2.
pub(super) fn atanh(x: f64) -> f64 {
    let a = x.abs();
    if a <= pow2(-28) {
        return x; // x + x^3/3
    }
    if !(a < 1.0) {
        return libm::atanh(x);
    }
    let s = add(log1p_dd(a), neg(log1p_dd(-a)));
    (0.5 * (s.0 + s.1)).copysign(x)
}
