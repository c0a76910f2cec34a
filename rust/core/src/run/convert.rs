//! The conversion of the load step: values of the type that arrives to the type that the specs give.
//!
//! To an integer, floats are cut towards zero, and what lies outside the type goes to its nearest limit. To a bool,
//! everything but 0 is true. To a float, numbers are rounded to nearest even, once.

use super::scale::Real;
use crate::column::{Data, Native, with_numbers};

/// A number in one of three wide forms, each of which holds every number of its types exactly.
#[derive(Clone, Copy)]
pub(super) enum Wide {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

/// A type that values can be converted from and to.
pub(super) trait Convert: Real + Native {
    /// As a wide number.
    fn wide(self) -> Wide;
    /// From a wide number.
    fn narrow(wide: Wide) -> Self;
    /// Room for converted numbers of this type.
    fn room(scratch: &mut Converted) -> &mut Vec<Self>;
}

macro_rules! integers {
    ($($type:ident: $form:ident($wide:ty)),*) => {
        $(impl Convert for $type {
            #[inline(always)]
            fn wide(self) -> Wide {
                Wide::$form(self as $wide)
            }
            #[inline(always)]
            fn narrow(wide: Wide) -> Self {
                match wide {
                    Wide::Signed(value) => Self::try_from(value).unwrap_or(if value < 0 { Self::MIN } else { Self::MAX }),
                    Wide::Unsigned(value) => Self::try_from(value).unwrap_or(Self::MAX),
                    Wide::Float(value) => value as Self,
                }
            }
            fn room(scratch: &mut Converted) -> &mut Vec<Self> {
                &mut scratch.$type
            }
        })*
    };
}
integers!(i8: Signed(i64), i16: Signed(i64), i32: Signed(i64), i64: Signed(i64), u8: Unsigned(u64),
    u16: Unsigned(u64), u32: Unsigned(u64), u64: Unsigned(u64));

macro_rules! floats {
    ($($type:ident),*) => {
        $(impl Convert for $type {
            #[inline(always)]
            fn wide(self) -> Wide {
                Wide::Float(self.into())
            }
            #[inline(always)]
            fn narrow(wide: Wide) -> Self {
                match wide {
                    Wide::Signed(value) => value as Self,
                    Wide::Unsigned(value) => value as Self,
                    Wide::Float(value) => value as Self,
                }
            }
            fn room(scratch: &mut Converted) -> &mut Vec<Self> {
                &mut scratch.$type
            }
        })*
    };
}
floats!(f32, f64);

/// Buffers for converted numbers, one a type, reused from block to block.
#[derive(Default)]
pub(super) struct Converted {
    i8: Vec<i8>,
    i16: Vec<i16>,
    i32: Vec<i32>,
    i64: Vec<i64>,
    u8: Vec<u8>,
    u16: Vec<u16>,
    u32: Vec<u32>,
    u64: Vec<u64>,
    f32: Vec<f32>,
    f64: Vec<f64>,
}

/// Numbers or bools as values of `T`. Types mostly agree, so this is compiled once, for any CPU.
#[inline(never)]
pub(super) fn convert<'s, T: Convert>(data: &Data<'_>, scratch: &'s mut Converted) -> &'s [T] {
    let room = T::room(scratch);
    room.clear();
    with_numbers!(data,
        numbers => room.extend(numbers.iter().map(|&number| T::narrow(number.wide()))),
        bools => room.extend((0..bools.len()).map(|index| T::narrow(Wide::Unsigned(bools.get(index).into()))))
    );
    room
}

/// Numbers as bools, 0 or 1. What is not finite is missing, so its truth does not matter.
#[inline(never)]
pub(super) fn truth<'s>(data: &Data<'_>, scratch: &'s mut Converted) -> &'s [u8] {
    scratch.u8.clear();
    with_numbers!(data,
        numbers => scratch.u8.extend(numbers.iter().map(|&number| u8::from(number.double() != 0.0))),
        bools => scratch.u8.extend((0..bools.len()).map(|index| u8::from(bools.get(index))))
    );
    &scratch.u8
}

/// Whether a number is not finite.
#[inline(never)]
pub(super) fn has_missing(data: &Data<'_>) -> bool {
    with_numbers!(data, numbers => numbers.iter().any(|number| !number.present()), _bools => false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted<S: Native, T: Convert>(numbers: &[S]) -> Vec<T> {
        convert::<T>(&S::data(numbers), &mut Converted::default()).to_vec()
    }

    #[test]
    fn conversions_saturate_cut_and_round_once() {
        assert_eq!(converted::<f64, i8>(&[3.9, -3.9, 300.0, -1e300]), [3, -3, 127, -128]);
        assert_eq!(converted::<i64, u8>(&[-1, 256, 7]), [0, 255, 7]);
        assert_eq!(converted::<u64, i64>(&[u64::MAX, 1]), [i64::MAX, 1]);
        // Through float64 this would be rounded twice, to 16777216.
        assert_eq!(converted::<i64, f32>(&[(1 << 54) + (1 << 30) + 1]), [18014400656965632.0]);
        assert_eq!(truth(&Data::Float64(&[0.0, -0.5, 2.0]), &mut Converted::default()), [0, 1, 1]);
    }
}
