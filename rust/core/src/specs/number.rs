//! A minimum or maximum: exact for integers, float64 for floats.

use std::cmp::Ordering;

use serde_json::Value;

use crate::schema::DType;

/// A finite number, exact whatever the branch's type.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// Of an integer or bool branch.
    Integer(i128),
    /// Of a float branch; never NaN or infinite, and never -0.
    Float(f64),
}

impl Number {
    /// A finite float, with -0 stored as +0; nothing for NaN and infinities.
    pub fn float(value: f64) -> Option<Number> {
        value.is_finite().then_some(Number::Float(value + 0.0))
    }

    /// The nearest float64.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Integer(value) => value as f64,
            Number::Float(value) => value,
        }
    }

    /// The nearest float32, rounded once.
    pub fn to_f32(self) -> f32 {
        match self {
            // A conversion from 64 bits is one instruction, from 128 a call.
            Number::Integer(value) => i64::try_from(value).map_or(value as f32, |value| value as f32),
            Number::Float(value) => value as f32,
        }
    }

    /// The order of two numbers. An integer and a float are compared as float64, into which both will be promoted;
    /// rounding keeps the order, so minima and maxima come out the same whatever is merged first.
    pub fn order(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Integer(left), Number::Integer(right)) => left.cmp(&right),
            (left, right) => left.to_f64().total_cmp(&right.to_f64()),
        }
    }

    /// The same number as a value of `dtype`.
    pub fn promoted(self, dtype: DType) -> Number {
        match dtype {
            DType::Float32 => Number::Float(f64::from(self.to_f32())),
            DType::Float64 => Number::Float(self.to_f64()),
            _ => self,
        }
    }

    /// As JSON: integers stay integers.
    pub fn to_json(self) -> Value {
        match self {
            Number::Integer(value) => match (i64::try_from(value), u64::try_from(value)) {
                (Ok(value), _) => Value::from(value),
                (_, Ok(value)) => Value::from(value),
                _ => Value::from(value as f64),
            },
            Number::Float(value) => Value::from(value),
        }
    }

    /// A value of a branch of type `dtype` from JSON; nothing if it is none. Whole floats are integers too.
    pub fn from_json(value: &Value, dtype: DType) -> Option<Number> {
        if dtype.is_float() {
            let number = Number::float(value.as_f64()?)?;
            return (dtype == DType::Float64 || number.to_f32().is_finite()).then_some(number);
        }
        let number = Number::integer_from_json(value)?;
        matches!(number, Number::Integer(value) if dtype.integers().contains(&value)).then_some(number)
    }

    fn integer_from_json(value: &Value) -> Option<Number> {
        if let Some(value) = value.as_i64() {
            return Some(Number::Integer(value.into()));
        }
        if let Some(value) = value.as_u64() {
            return Some(Number::Integer(value.into()));
        }
        let value = value.as_f64()?;
        (value.fract() == 0.0 && value.abs() < 2f64.powi(65)).then_some(Number::Integer(value as i128))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.order(*other) == Ordering::Equal
    }
}

/// The smaller of two optional numbers; an absent one does not count.
pub(crate) fn smaller(left: Option<Number>, right: Option<Number>) -> Option<Number> {
    match (left, right) {
        (Some(left), Some(right)) => Some(if right.order(left).is_lt() { right } else { left }),
        (left, right) => left.or(right),
    }
}

/// The larger of two optional numbers; an absent one does not count.
pub(crate) fn larger(left: Option<Number>, right: Option<Number>) -> Option<Number> {
    match (left, right) {
        (Some(left), Some(right)) => Some(if right.order(left).is_gt() { right } else { left }),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_exact_and_zero_is_positive() {
        let big = Value::from(9_007_199_254_740_993_i64);
        assert_eq!(Number::from_json(&big, DType::Int64).unwrap().to_json(), big);
        assert_eq!(Number::from_json(&Value::from(u64::MAX), DType::UInt64).unwrap().to_json(), Value::from(u64::MAX));
        assert_eq!(Number::float(-0.0).unwrap().to_f64().to_bits(), 0);
        assert!(Number::float(f64::NAN).is_none());
    }
}
