//! The arithmetic of the scale step. Each operation is rounded in its type; no fused multiply-add.

use crate::plan::Normalize;
use crate::schema::DType;

/// A normalisation made ready: `(x - shift) * factor` in the arithmetic that the branch's type and range ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Rounded to float32.
    Round,
    /// Every value becomes +0.
    Constant,
    /// In float32.
    Single { shift: f32, factor: f32 },
    /// In float64; with `quarter`, x is divided by 4 first, as `shift` was, because the range overflows otherwise.
    Double { shift: f64, factor: f64, quarter: bool },
}

impl Scale {
    /// Choose the arithmetic: float32 for branches of a type that fits it if length and factor are normal numbers there,
    /// else float64.
    pub(crate) fn new(normalize: Normalize, dtype: DType) -> Scale {
        match normalize {
            Normalize::None => Scale::Round,
            Normalize::MinMax(Some((min, max))) => {
                let (shift, stop) = (min.to_f32(), max.to_f32());
                Scale::single(shift, stop - shift, dtype).unwrap_or_else(|| Scale::of_range(min.to_f64(), max.to_f64()))
            }
            Normalize::Standard(Some((center, scale))) | Normalize::Robust(Some((center, scale))) => {
                Scale::single(center as f32, scale as f32, dtype).unwrap_or_else(|| Scale::double(center, scale, false))
            }
            Normalize::MinMax(None) | Normalize::Standard(None) | Normalize::Robust(None) => Scale::Constant,
        }
    }

    /// In float32, where that does.
    fn single(shift: f32, length: f32, dtype: DType) -> Option<Scale> {
        let factor = 1.0 / length;
        let fits = dtype.fits_float32() && shift.is_finite() && length.is_normal() && factor.is_normal();
        fits.then_some(Scale::Single { shift, factor })
    }

    fn of_range(min: f64, max: f64) -> Scale {
        if (max - min).is_finite() {
            return Scale::double(min, max - min, false);
        }
        let (min, max) = (min / 4.0, max / 4.0);
        Scale::double(min, max - min, true)
    }

    fn double(shift: f64, length: f64, quarter: bool) -> Scale {
        let factor = 1.0 / length;
        if factor.is_finite() { Scale::Double { shift, factor, quarter } } else { Scale::Constant }
    }

    /// Normalise `numbers` into `out`, with `pad` where a number is not finite; tells whether there was such a one.
    #[inline(always)]
    pub(crate) fn apply<T: Real>(&self, numbers: &[T], pad: f32, out: &mut [f32]) -> bool {
        match *self {
            Scale::Round => each(numbers, pad, out, Real::single),
            Scale::Constant => each(numbers, pad, out, |_| 0.0),
            Scale::Single { shift, factor } => each(numbers, pad, out, |x| (x.single() - shift) * factor),
            Scale::Double { shift, factor, quarter: false } => {
                each(numbers, pad, out, |x| ((x.double() - shift) * factor) as f32)
            }
            Scale::Double { shift, factor, quarter: true } => {
                each(numbers, pad, out, |x| ((x.double() / 4.0 - shift) * factor) as f32)
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
        assert_eq!(scale(DType::Float32, 0.0, 4.0), Scale::Single { shift: 0.0, factor: 0.25 });
        assert_eq!(scale(DType::Float64, 0.0, 4.0), Scale::Double { shift: 0.0, factor: 0.25, quarter: false });
        let overflow = f64::from(f32::MAX);
        assert!(matches!(scale(DType::Float32, -overflow, overflow), Scale::Double { quarter: false, .. }));
        assert!(matches!(scale(DType::Float64, -f64::MAX, f64::MAX), Scale::Double { quarter: true, .. }));
        assert!(matches!(scale(DType::Float32, 0.0, 1e-40), Scale::Double { .. }));
        assert_eq!(scale(DType::Float64, 0.0, 5e-324), Scale::Constant);
        assert_eq!(scale(DType::Float32, 3.0, 3.0), Scale::Constant);
        assert_eq!(Scale::new(Normalize::MinMax(None), DType::Float32), Scale::Constant);
        let standard = |dtype, center, scale| Scale::new(Normalize::Standard(Some((center, scale))), dtype);
        assert_eq!(standard(DType::Int16, 1.0, 4.0), Scale::Single { shift: 1.0, factor: 0.25 });
        assert!(matches!(standard(DType::Float32, 1e39, 1.0), Scale::Double { .. }));
        assert_eq!(standard(DType::Int64, 1.0, 0.0), Scale::Constant);
        assert_eq!(Scale::new(Normalize::Robust(None), DType::Float32), Scale::Constant);
    }

    #[test]
    fn what_is_not_finite_becomes_the_pad_value() {
        let mut out = [0.0; 3];
        let missing = scale(DType::Float32, 0.0, 2.0).apply(&[1.0_f32, f32::NAN, 2.0], -1.0, &mut out);
        assert!(missing);
        assert_eq!(out, [0.5, -1.0, 1.0]);
    }
}
