//! Numbers as a basket holds them, big-endian, to native ones.

use mlaas4hep_core::schema::DType;

use crate::error::Fault;

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stored {
    /// As its type says.
    Same,
    /// As a float32: `Double32_t`.
    Float32,
    /// As a float64.
    Float64,
    /// As a byte of exponent and two of sign and mantissa, of which `bits` count: `Float16_t`, and `Double32_t` with
    /// bits and no range.
    Truncated {
        /// Bits of the mantissa.
        bits: u32,
    },
    /// As an integer of `bits` bits in four bytes, which spans the range from `low` to `high`.
    Scaled {
        /// The value of 0.
        low: f64,
        /// The value behind the largest integer.
        high: f64,
        /// Bits of the integer.
        bits: u32,
    },
}

/// A number of a column and how baskets hold it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    dtype: DType,
    stored: Stored,
}

impl Number {
    /// A number of this type, stored so. `None` where that cannot be: only floats are stored otherwise.
    pub fn new(dtype: DType, stored: Stored) -> Option<Number> {
        let float = dtype.is_float();
        let fits = match stored {
            Stored::Same => true,
            Stored::Truncated { bits } => float && bits <= 23,
            Stored::Scaled { bits, .. } => float && bits <= 32,
            Stored::Float32 | Stored::Float64 => float,
        };
        fits.then_some(Number { dtype, stored })
    }

    /// The type in the column.
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// Bytes of a number in the column.
    pub fn size(self) -> usize {
        self.dtype.size()
    }

    /// Bytes of a number in a basket.
    pub fn stored_size(self) -> usize {
        match self.stored {
            Stored::Same => self.dtype.size(),
            Stored::Float32 | Stored::Scaled { .. } => 4,
            Stored::Float64 => 8,
            Stored::Truncated { .. } => 3,
        }
    }

    /// Convert all numbers of `from` into `into`, which must have room for exactly as many.
    pub(crate) fn decode(self, from: &[u8], into: &mut [u8]) -> Result<(), Fault> {
        if from.len() / self.stored_size() * self.size() != into.len() || !from.len().is_multiple_of(self.stored_size())
        {
            let message = format!("{} bytes are no whole numbers of {} bytes", from.len(), self.stored_size());
            return Err(Fault::Damaged(message));
        }
        match (self.stored, self.dtype) {
            (Stored::Same, DType::Bool) => each(from, into, |[byte]| [u8::from(byte != 0)]),
            (Stored::Same, _) => swap(self.size(), from, into),
            (Stored::Float32, DType::Float64) => {
                each(from, into, |bytes| f64::from(f32::from_be_bytes(bytes)).to_ne_bytes())
            }
            (Stored::Float64, DType::Float32) => {
                each(from, into, |bytes| (f64::from_be_bytes(bytes) as f32).to_ne_bytes())
            }
            (Stored::Float32 | Stored::Float64, _) => swap(self.size(), from, into),
            (Stored::Truncated { bits }, DType::Float64) => {
                each(from, into, |bytes| truncated(bytes, bits).to_ne_bytes())
            }
            (Stored::Truncated { bits }, _) => {
                each(from, into, |bytes| (truncated(bytes, bits) as f32).to_ne_bytes());
            }
            (Stored::Scaled { low, high, bits }, DType::Float64) => {
                let step = (high - low) / (1_u64 << bits) as f64;
                each(from, into, |bytes| (f64::from(u32::from_be_bytes(bytes)) * step + low).to_ne_bytes());
            }
            (Stored::Scaled { low, high, bits }, _) => {
                let (step, low) = (((high - low) / (1_u64 << bits) as f64) as f32, low as f32);
                each(from, into, |bytes| (u32::from_be_bytes(bytes) as f32 * step + low).to_ne_bytes());
            }
        }
        Ok(())
    }
}

/// The bit that a NaN has once it was calculated with.
const QUIET: u64 = 1 << 51;

/// The value of exponent, sign and mantissa. The lowest bit above the mantissa counts as one of the exponent's. NaNs come
/// as multiplication with the sign leaves them: quiet, and as they were.
#[inline(always)]
fn truncated([exponent, high, low]: [u8; 3], bits: u32) -> f64 {
    let mantissa = u32::from(u16::from_be_bytes([high, low]));
    let negative = mantissa & (1 << (bits + 1)) != 0;
    let found = (u32::from(exponent) << 23) | ((mantissa & ((1 << (bits + 1)) - 1)) << (23 - bits));
    match f64::from(f32::from_bits(found)) {
        nan if nan.is_nan() => f64::from_bits(nan.to_bits() | QUIET),
        found if negative => -found,
        found => found,
    }
}

#[inline(always)]
fn each<const FROM: usize, const INTO: usize>(from: &[u8], into: &mut [u8], of: impl Fn([u8; FROM]) -> [u8; INTO]) {
    let (from, into) = (from.as_chunks::<FROM>().0, into.as_chunks_mut::<INTO>().0);
    for (into, from) in into.iter_mut().zip(from) {
        *into = of(*from);
    }
}

/// Change the order of the bytes of each number, where this machine has another one.
fn swap(size: usize, from: &[u8], into: &mut [u8]) {
    match size {
        1 => into.copy_from_slice(from),
        2 => each(from, into, |bytes| u16::from_be_bytes(bytes).to_ne_bytes()),
        4 => each(from, into, |bytes| u32::from_be_bytes(bytes).to_ne_bytes()),
        _ => each(from, into, |bytes| u64::from_be_bytes(bytes).to_ne_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded<const N: usize>(dtype: DType, stored: Stored, from: &[u8]) -> [u8; N] {
        let mut into = [0; N];
        Number::new(dtype, stored).unwrap().decode(from, &mut into).unwrap();
        into
    }

    #[test]
    fn numbers_are_brought_into_native_order() {
        assert_eq!(
            decoded::<4>(DType::Int16, Stored::Same, &[1, 2, 255, 254]),
            258_i16.to_ne_bytes().iter().chain(&(-2_i16).to_ne_bytes()).copied().collect::<Vec<_>>()[..]
        );
        assert_eq!(decoded(DType::Float64, Stored::Same, &1.5_f64.to_be_bytes()), 1.5_f64.to_ne_bytes());
        assert_eq!(decoded(DType::Bool, Stored::Same, &[0, 1, 7]), [0, 1, 1]);
        assert_eq!(decoded(DType::Float64, Stored::Float32, &0.5_f32.to_be_bytes()), 0.5_f64.to_ne_bytes());
        assert_eq!(decoded(DType::Float32, Stored::Float64, &0.5_f64.to_be_bytes()), 0.5_f32.to_ne_bytes());
    }

    #[test]
    fn packed_floats_are_unpacked() {
        let scaled = Stored::Scaled { low: -1.0, high: 1.0, bits: 2 };
        assert_eq!(decoded(DType::Float64, scaled, &3_u32.to_be_bytes()), 0.5_f64.to_ne_bytes());
        // 1.5 with 12 bits of mantissa: exponent 127, whose lowest bit and the mantissa's highest share the two bytes.
        let exponent = (1.5_f32.to_bits() >> 23) as u8;
        let mantissa = ((1.5_f32.to_bits() >> 11) & 0xfff) as u16;
        let [high, low] = mantissa.to_be_bytes();
        assert_eq!(
            decoded(DType::Float32, Stored::Truncated { bits: 12 }, &[exponent, high, low]),
            1.5_f32.to_ne_bytes()
        );
        let [high, low] = (mantissa | (1 << 13)).to_be_bytes();
        assert_eq!(
            decoded(DType::Float64, Stored::Truncated { bits: 12 }, &[exponent, high, low]),
            (-1.5_f64).to_ne_bytes()
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let number = Number::new(DType::Int32, Stored::Same).unwrap();
        assert!(number.decode(&[0; 7], &mut [0; 4]).is_err());
        assert!(number.decode(&[0; 8], &mut [0; 4]).is_err());
        assert!(Number::new(DType::Int32, Stored::Float32).is_none());
        assert!(Number::new(DType::Float32, Stored::Truncated { bits: 24 }).is_none());
    }
}
