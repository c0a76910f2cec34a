//! The arithmetic of the scale step. Each operation is rounded in its type; no fused multiply-add, nothing clipped.

use crate::plan::Normalize;
use crate::schema::DType;

/// A normalisation made ready: `(x - min) * factor` in the arithmetic that the branch's type and range ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Rounded to float32.
    Round,
    /// Every value becomes +0.
    Constant,
    /// In float32.
    Single { min: f32, factor: f32 },
    /// In float64; with `quarter`, x is divided by 4 first, as `min` was, because the range overflows otherwise.
    Double { min: f64, factor: f64, quarter: bool },
}

impl Scale {
    /// Choose the arithmetic: float32 for branches of a type that fits it if range and factor are normal numbers there,
    /// else float64.
    pub(crate) fn new(normalize: Normalize, dtype: DType) -> Scale {
        let Normalize::MinMax(range) = normalize else {
            return Scale::Round;
        };
        let Some((lower, upper)) = range else {
            return Scale::Constant;
        };
        let (min, max) = (lower.to_f32(), upper.to_f32());
        let factor = 1.0 / (max - min);
        if dtype.fits_float32() && (max - min).is_normal() && factor.is_normal() {
            return Scale::Single { min, factor };
        }
        let (mut min, mut max) = (lower.to_f64(), upper.to_f64());
        let quarter = !(max - min).is_finite();
        if quarter {
            (min, max) = (min / 4.0, max / 4.0);
        }
        let factor = 1.0 / (max - min);
        if factor.is_finite() { Scale::Double { min, factor, quarter } } else { Scale::Constant }
    }

    /// Normalise `numbers` into `out`, with `pad` where a number is not finite; tells whether there was such a one.
    #[inline(always)]
    pub(crate) fn apply<T: Real>(&self, numbers: &[T], pad: f32, out: &mut [f32]) -> bool {
        match *self {
            Scale::Round => each(numbers, pad, out, Real::single),
            Scale::Constant => each(numbers, pad, out, |_| 0.0),
            Scale::Single { min, factor } => each(numbers, pad, out, |x| (x.single() - min) * factor),
            Scale::Double { min, factor, quarter: false } => {
                each(numbers, pad, out, |x| ((x.double() - min) * factor) as f32)
            }
            Scale::Double { min, factor, quarter: true } => {
                each(numbers, pad, out, |x| ((x.double() / 4.0 - min) * factor) as f32)
            }
        }
    }
}

#[inline(always)]
fn each<T: Real>(numbers: &[T], pad: f32, out: &mut [f32], value: impl Fn(T) -> f32) -> bool {
    let mut missing = false;
    for (out, &x) in out.iter_mut().zip(numbers) {
        missing |= !x.present();
        *out = if x.present() { value(x) } else { pad };
    }
    missing
}

/// A number as the arithmetic sees it. Conversions round to nearest even, once.
pub(crate) trait Real: Copy {
    /// As float32.
    fn single(self) -> f32;
    /// As float64.
    fn double(self) -> f64;
    /// Whether it is a number that counts: NaN and infinities are missing.
    fn present(self) -> bool;
}

macro_rules! reals {
    ($($type:ty: $present:expr),*) => {
        $(impl Real for $type {
            #[inline(always)]
            fn single(self) -> f32 {
                self as f32
            }
            #[inline(always)]
            fn double(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn present(self) -> bool {
                let present: fn($type) -> bool = $present;
                present(self)
            }
        })*
    };
}
reals!(i8: |_| true, i16: |_| true, i32: |_| true, i64: |_| true, u8: |_| true, u16: |_| true, u32: |_| true,
    u64: |_| true, f32: |x| x.abs() < f32::INFINITY, f64: |x| x.abs() < f64::INFINITY);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specs::Number;

    fn scale(dtype: DType, min: f64, max: f64) -> Scale {
        Scale::new(Normalize::MinMax(Number::float(min).zip(Number::float(max))), dtype)
    }

    #[test]
    fn the_arithmetic_follows_type_and_range() {
        assert_eq!(scale(DType::Float32, 0.0, 4.0), Scale::Single { min: 0.0, factor: 0.25 });
        assert_eq!(scale(DType::Float64, 0.0, 4.0), Scale::Double { min: 0.0, factor: 0.25, quarter: false });
        let overflow = f64::from(f32::MAX);
        assert!(matches!(scale(DType::Float32, -overflow, overflow), Scale::Double { quarter: false, .. }));
        assert!(matches!(scale(DType::Float64, -f64::MAX, f64::MAX), Scale::Double { quarter: true, .. }));
        assert!(matches!(scale(DType::Float32, 0.0, 1e-40), Scale::Double { .. }));
        assert_eq!(scale(DType::Float64, 0.0, 5e-324), Scale::Constant);
        assert_eq!(scale(DType::Float32, 3.0, 3.0), Scale::Constant);
        assert_eq!(Scale::new(Normalize::MinMax(None), DType::Float32), Scale::Constant);
    }

    #[test]
    fn what_is_not_finite_becomes_the_pad_value() {
        let mut out = [0.0; 3];
        let missing = scale(DType::Float32, 0.0, 2.0).apply(&[1.0_f32, f32::NAN, 2.0], -1.0, &mut out);
        assert!(missing);
        assert_eq!(out, [0.5, -1.0, 1.0]);
    }
}
