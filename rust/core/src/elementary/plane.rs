//! Functions of two numbers, rounded once from twice the digits: power, distance and angle.

use super::double::{add, div, mul_d, neg, pow2, scale, two_prod};
use super::exponential::{exp_dd, log_dd};

const PI: (f64, f64) = (3.141592653589793, 1.2246467991473532e-16);

const PI_2: (f64, f64) = (1.5707963267948966, 6.123233995736766e-17);

/// atan(j/32) as (high, low).
#[rustfmt::skip]
static ATAN_32: [(f64, f64); 33] = [(0.0, 0.0), (0.031239833430268277, -1.188442711587748e-18), (0.06241880999595735, -1.5490756308295046e-18), (0.09347678115858947, -6.2844725995420954e-18), (0.12435499454676144, -3.1253241424539383e-18), (0.15499674192394097, 9.585415594114324e-18), (0.18534794999569476, 4.180692268843079e-18), (0.21535769969773805, 4.738160130078733e-19), (0.24497866312686414, 1.0698755618734451e-17), (0.2741674511196588, 8.261353575163773e-18), (0.3028848683749714, -1.1010827903001369e-17), (0.3310960767041321, -7.952610375793799e-18), (0.35877067027057225, -2.4623815582638635e-17), (0.38588266939807375, 2.378822732491941e-17), (0.4124104415973873, -1.587652227770689e-17), (0.43833655985795783, -2.494277030626541e-17), (0.4636476090008061, 2.2698777452961687e-17), (0.48833395105640554, -1.1373236189329585e-17), (0.5123894603107377, -2.5462781472855804e-17), (0.5358112379604637, -4.0637956834825575e-18), (0.5585993153435624, -5.4556305485916264e-18), (0.5807563535676704, -1.441464378193067e-17), (0.6022873461349642, 2.950430737228402e-17), (0.6231993299340659, 2.672403885140095e-17), (0.6435011087932844, 1.5834785051444286e-17), (0.6632029927060933, -3.076054864429649e-17), (0.6823165548747481, 6.943223671560008e-18), (0.7008544078844502, -1.987626234335816e-17), (0.7188299996216245, -2.1478388444456983e-17), (0.7362574289814281, 3.473937648299457e-17), (0.7531512809621944, -2.4256934659182068e-17), (0.7695264804056583, -3.704991905602721e-17), (0.7853981633974483, 3.061616997868383e-17)];

/// x^y = exp(y log x); libm's special cases.
pub(super) fn pow(x: f64, y: f64) -> f64 {
    let a = x.abs();
    if !(a > 0.0 && a < f64::INFINITY && a != 1.0 && y != 0.0 && y.abs() < f64::INFINITY)
        || (x < 0.0 && libm::floor(y) != y)
    {
        return libm::pow(x, y);
    }
    let odd = x < 0.0 && y.abs() < 9007199254740992.0 && (y as i64) & 1 != 0;
    let sign = if odd { -1.0 } else { 1.0 };
    let l = log_dd((a, 0.0));
    let p = y * l.0;
    if p > 710.0 {
        return sign * f64::INFINITY;
    }
    if p < -746.0 {
        return sign * 0.0;
    }
    if p.abs() < pow2(-60) {
        return sign * (1.0 + p);
    }
    let (e, k) = exp_dd(mul_d(l, y));
    sign * scale(e, k)
}

/// sqrt(x^2 + y^2): the square root of the high part, corrected with the exact remainder.
pub(super) fn hypot(x: f64, y: f64) -> f64 {
    let (x, y) = (x.abs(), y.abs());
    let (a, b) = if x < y { (y, x) } else { (x, y) };
    if !(b > 0.0 && a < f64::INFINITY) || b < a * pow2(-60) {
        return libm::hypot(x, y); // 0, infinity, NaN, or a + b
    }
    let (s, t) = if a > pow2(480) {
        (pow2(-600), pow2(600))
    } else if b < pow2(-400) {
        (pow2(600), pow2(-600))
    } else {
        (1.0, 1.0)
    };
    let (a, b) = (a * s, b * s);
    let h = add(two_prod(a, a), two_prod(b, b));
    let r = libm::sqrt(h.0);
    let (p, e) = two_prod(r, r);
    (r + (((h.0 - p) - e) + h.1) / (2.0 * r)) * t
}

/// Angle of the point (x, y).
pub(super) fn atan2(y: f64, x: f64) -> f64 {
    let (a, b) = (y.abs(), x.abs());
    let (ea, eb) = ((a.to_bits() >> 52) as i32, (b.to_bits() >> 52) as i32);
    if ea == 0x7ff || eb == 0x7ff || a == 0.0 || b == 0.0 || eb - ea > 64 {
        return libm::atan2(y, x); // special values; y/x or pi to within rounding
    }
    if ea - eb > 64 {
        return PI_2.0.copysign(y);
    }
    // Bring the larger one to [1, 2); u <= v.
    let (u, v) = if a < b { (a, b) } else { (b, a) };
    let (s1, s2) = {
        let e = 1023 - (ea.max(eb)).max(1);
        (pow2(e / 2), pow2(e - e / 2))
    };
    let (mut u, mut v) = (u * s1 * s2, v * s1 * s2);
    if v < 1.0 {
        u *= pow2(52); // both were subnormal
        v *= pow2(52);
    }
    let j = (u / v * 32.0 + 0.5) as usize;
    let c = j as f64 / 32.0;
    let n = add((u, 0.0), neg(two_prod(c, v)));
    let d = add((v, 0.0), two_prod(c, u));
    let r = div(n, d);
    let z = r.0 * r.0;
    let p = r.0 * z * (-1.0 / 3.0 + z * (0.2 + z * (-1.0 / 7.0 + z * (1.0 / 9.0 - z * (1.0 / 11.0)))));
    let mut t = add(ATAN_32[j], add(r, (p, 0.0)));
    if a > b {
        t = add(PI_2, neg(t));
    }
    if x < 0.0 {
        t = add(PI, neg(t));
    }
    (t.0 + t.1).copysign(y)
}
