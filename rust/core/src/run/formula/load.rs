//! The load step of formulas: a column, converted to the type of the specs, and widened to bool, int64 or float64.

use super::register::Register;
use crate::column::{Values, with_numbers};
use crate::run::convert::{Convert, Converted, convert, truth};
use crate::run::scale::Real;
use crate::schema::DType;
use crate::simd::{Work, fastest};

/// Load values into `to`. Of uint64 the bits are taken; see [`too_large`].
pub(super) fn load(values: &Values<'_>, dtype: DType, converted: &mut Converted, to: &mut Register) {
    match dtype {
        DType::Bool => bools(values, converted, to),
        DType::Float32 => floats::<true>(values, to),
        DType::Float64 => floats::<false>(values, to),
        DType::Int8 => ints::<i8>(values, converted, to, i64::from),
        DType::Int16 => ints::<i16>(values, converted, to, i64::from),
        DType::Int32 => ints::<i32>(values, converted, to, i64::from),
        DType::Int64 => ints::<i64>(values, converted, to, |number| number),
        DType::UInt8 => ints::<u8>(values, converted, to, i64::from),
        DType::UInt16 => ints::<u16>(values, converted, to, i64::from),
        DType::UInt32 => ints::<u32>(values, converted, to, i64::from),
        DType::UInt64 => ints::<u64>(values, converted, to, |number| number as i64),
    }
}

/// The first loaded uint64 that int64 does not hold, and its value.
pub(super) fn too_large(dtype: DType, loaded: &Register) -> Option<(usize, u64)> {
    if dtype != DType::UInt64 {
        return None;
    }
    let index = (0..loaded.ints.len()).find(|&at| loaded.ints[at] < 0 && !loaded.is_null(at))?;
    Some((index, loaded.ints[index] as u64))
}

/// What is null or not finite is false.
fn bools(values: &Values<'_>, converted: &mut Converted, to: &mut Register) {
    to.bools.clear();
    to.bools.extend_from_slice(truth(values.data(), converted));
    with_numbers!(values.data(),
        numbers => to.bools.iter_mut().zip(*numbers).for_each(|(truth, number)| *truth &= u8::from(number.present())),
        _bools => {}
    );
    for index in 0..if values.validity().all_valid() { 0 } else { values.len() } {
        to.bools[index] &= u8::from(!values.validity().is_null(index));
    }
}

/// What is null or not finite is null.
fn ints<T: Convert>(values: &Values<'_>, converted: &mut Converted, to: &mut Register, wide: impl Fn(T) -> i64) {
    let numbers = match T::of(values.data()) {
        Some(numbers) => numbers,
        None => convert::<T>(values.data(), converted),
    };
    to.ints.clear();
    to.ints.extend(numbers.iter().map(|&number| wide(number)));
    to.nulls.clear();
    if values.data().dtype().is_float() || !values.validity().all_valid() {
        to.nulls.resize(values.len(), 0);
        with_numbers!(values.data(),
            numbers => to.nulls.iter_mut().zip(*numbers).for_each(|(null, number)| *null = u8::from(!number.present())),
            _bools => {}
        );
        values.validity().mark_nulls(&mut to.nulls);
    }
}

/// What is null is NaN, infinities stay; with `NARROW` numbers are rounded to float32 first.
fn floats<const NARROW: bool>(values: &Values<'_>, to: &mut Register) {
    to.floats.resize(values.len(), 0.0);
    with_numbers!(values.data(),
        numbers => fastest(Widen::<_, NARROW> { numbers, out: &mut to.floats }),
        bools => to.floats.iter_mut().enumerate().for_each(|(at, out)| *out = f64::from(u8::from(bools.get(at))))
    );
    for index in 0..if values.validity().all_valid() { 0 } else { values.len() } {
        if values.validity().is_null(index) {
            to.floats[index] = f64::NAN;
        }
    }
}

/// Numbers to float64, to be compiled for several kinds of CPU.
struct Widen<'w, T, const NARROW: bool> {
    numbers: &'w [T],
    out: &'w mut [f64],
}

impl<T: Real, const NARROW: bool> Work for Widen<'_, T, NARROW> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        for (out, &number) in self.out.iter_mut().zip(self.numbers) {
            *out = if NARROW { f64::from(number.single()) } else { number.double() };
        }
    }
}
