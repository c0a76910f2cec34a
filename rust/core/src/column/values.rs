//! Contiguous numbers of one type, with or without a mask of nulls.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::schema::DType;

/// Bits of a bitmap, least significant first, as in Arrow.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    start: usize,
    len: usize,
}

impl<'a> Bits<'a> {
    /// `len` bits from bit `start` of `bytes`, or nothing if `bytes` is too short for them.
    pub fn new(bytes: &'a [u8], start: usize, len: usize) -> Option<Bits<'a>> {
        let end = start.checked_add(len)?;
        (end.div_ceil(8) <= bytes.len()).then_some(Bits { bytes, start, len })
    }

    /// Number of bits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bit `index`.
    #[inline]
    pub fn get(&self, index: usize) -> bool {
        let bit = self.start + index;
        self.bytes[bit / 8] >> (bit % 8) & 1 != 0
    }

    fn slice(&self, start: usize, len: usize) -> Bits<'a> {
        Bits { bytes: self.bytes, start: self.start + start, len }
    }
}

/// Booleans as bytes (any but 0 is true) or as bits.
#[derive(Clone, Copy, Debug)]
pub enum Bools<'a> {
    /// A byte each.
    Bytes(&'a [u8]),
    /// A bit each.
    Bits(Bits<'a>),
}

impl<'a> Bools<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Bools::Bytes(bytes) => bytes.len(),
            Bools::Bits(bits) => bits.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> bool {
        match self {
            Bools::Bytes(bytes) => bytes[index] != 0,
            Bools::Bits(bits) => bits.get(index),
        }
    }

    fn slice(&self, start: usize, len: usize) -> Bools<'a> {
        match self {
            Bools::Bytes(bytes) => Bools::Bytes(&bytes[start..start + len]),
            Bools::Bits(bits) => Bools::Bits(bits.slice(start, len)),
        }
    }
}

/// Which of some values are null.
#[derive(Clone, Copy, Debug, Default)]
pub enum Validity<'a> {
    /// None is.
    #[default]
    AllValid,
    /// Those whose flag differs from `valid_when` are.
    Mask {
        /// A flag for each value.
        flags: Bools<'a>,
        /// The flag of a value that is there.
        valid_when: bool,
    },
}

impl<'a> Validity<'a> {
    /// Those are null whose flag is not 0.
    pub(crate) fn of_nulls(flags: &'a [u8]) -> Validity<'a> {
        Validity::Mask { flags: Bools::Bytes(flags), valid_when: false }
    }

    /// Whether nothing is masked for sure.
    pub fn all_valid(&self) -> bool {
        matches!(self, Validity::AllValid)
    }

    /// Whether value `index` is null.
    #[inline]
    pub fn is_null(&self, index: usize) -> bool {
        match self {
            Validity::AllValid => false,
            Validity::Mask { flags, valid_when } => flags.get(index) != *valid_when,
        }
    }

    /// Set the flag of every null to 1; there is a flag for each value.
    #[inline(always)]
    pub(crate) fn mark_nulls(&self, nulls: &mut [u8]) {
        let Validity::Mask { flags, valid_when } = self else { return };
        let valid_when = *valid_when;
        match flags {
            Bools::Bytes(bytes) => {
                nulls.iter_mut().zip(*bytes).for_each(|(null, &byte)| *null |= u8::from((byte != 0) != valid_when));
            }
            Bools::Bits(bits) => {
                nulls.iter_mut().enumerate().for_each(|(at, null)| *null |= u8::from(bits.get(at) != valid_when));
            }
        }
    }

    /// Check that the mask fits `expected` values of `branch`.
    pub fn check(&self, branch: &str, expected: usize) -> Result<()> {
        match self {
            Validity::Mask { flags, .. } if flags.len() != expected => {
                Err(Error::MaskLength { branch: branch.to_owned(), found: flags.len(), expected })
            }
            _ => Ok(()),
        }
    }

    /// The same for `len` values from `start`.
    pub(super) fn slice(&self, start: usize, len: usize) -> Validity<'a> {
        match self {
            Validity::AllValid => Validity::AllValid,
            Validity::Mask { flags, valid_when } => {
                Validity::Mask { flags: flags.slice(start, len), valid_when: *valid_when }
            }
        }
    }
}

/// Numbers of one type.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Data<'a> {
    Bool(Bools<'a>),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
}

/// Run `$body` with `$slice` bound to the typed slice of a [`Data`], or `$bools` to its booleans.
macro_rules! with_numbers {
    ($data:expr, $slice:ident => $body:expr, $bools:ident => $other:expr) => {
        match $data {
            $crate::column::Data::Bool($bools) => $other,
            $crate::column::Data::Int8($slice) => $body,
            $crate::column::Data::Int16($slice) => $body,
            $crate::column::Data::Int32($slice) => $body,
            $crate::column::Data::Int64($slice) => $body,
            $crate::column::Data::UInt8($slice) => $body,
            $crate::column::Data::UInt16($slice) => $body,
            $crate::column::Data::UInt32($slice) => $body,
            $crate::column::Data::UInt64($slice) => $body,
            $crate::column::Data::Float32($slice) => $body,
            $crate::column::Data::Float64($slice) => $body,
        }
    };
}
pub(crate) use with_numbers;

impl<'a> Data<'a> {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        with_numbers!(self, numbers => numbers.len(), bools => bools.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their type.
    pub fn dtype(&self) -> DType {
        match self {
            Data::Bool(_) => DType::Bool,
            Data::Int8(_) => DType::Int8,
            Data::Int16(_) => DType::Int16,
            Data::Int32(_) => DType::Int32,
            Data::Int64(_) => DType::Int64,
            Data::UInt8(_) => DType::UInt8,
            Data::UInt16(_) => DType::UInt16,
            Data::UInt32(_) => DType::UInt32,
            Data::UInt64(_) => DType::UInt64,
            Data::Float32(_) => DType::Float32,
            Data::Float64(_) => DType::Float64,
        }
    }

    /// The addresses of the memory that holds them.
    pub fn memory(&self) -> Range<usize> {
        with_numbers!(self, numbers => memory_of(numbers), bools => match bools {
            Bools::Bytes(bytes) => memory_of(bytes),
            Bools::Bits(bits) => memory_of(bits.bytes),
        })
    }

    fn slice(&self, start: usize, len: usize) -> Data<'a> {
        with_numbers!(self, numbers => Native::data(&numbers[start..start + len]),
            bools => Data::Bool(bools.slice(start, len)))
    }
}

/// The addresses of a slice.
pub(super) fn memory_of<T>(slice: &[T]) -> Range<usize> {
    let start = slice.as_ptr().addr();
    start..start + size_of_val(slice)
}

/// A Rust number type and its place in [`Data`].
pub trait Native: Copy + Send + Sync + 'static {
    /// These numbers as data.
    fn data(numbers: &[Self]) -> Data<'_>;
    /// The numbers of data that are of this type.
    fn of<'a>(data: &Data<'a>) -> Option<&'a [Self]>;
}

macro_rules! natives {
    ($($type:ty => $variant:ident),*) => {
        $(impl Native for $type {
            fn data(numbers: &[Self]) -> Data<'_> {
                Data::$variant(numbers)
            }
            fn of<'a>(data: &Data<'a>) -> Option<&'a [Self]> {
                match data {
                    Data::$variant(numbers) => Some(numbers),
                    _ => None,
                }
            }
        })*
    };
}
natives!(i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, u8 => UInt8, u16 => UInt16, u32 => UInt32,
    u64 => UInt64, f32 => Float32, f64 => Float64);

/// Numbers and which of them are null.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    data: Data<'a>,
    validity: Validity<'a>,
}

impl<'a> Values<'a> {
    /// Numbers of `branch`, masked by `validity`, which must have as many entries.
    pub fn new(branch: &str, data: Data<'a>, validity: Validity<'a>) -> Result<Values<'a>> {
        validity.check(branch, data.len())?;
        Ok(Values { data, validity })
    }

    /// The same numbers, of which others are null; there is a flag for each.
    pub(crate) fn masked(&self, validity: Validity<'a>) -> Values<'a> {
        Values { data: self.data, validity }
    }

    /// Numbers that are all there.
    pub(crate) fn unmasked(data: Data<'a>) -> Values<'a> {
        Values { data, validity: Validity::AllValid }
    }

    /// How many there are, nulls included.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The numbers; what stands where a null is means nothing.
    pub fn data(&self) -> &Data<'a> {
        &self.data
    }

    /// Which are null.
    pub fn validity(&self) -> &Validity<'a> {
        &self.validity
    }

    /// Values `start..start + len`, which the caller knows to be inside.
    pub(crate) fn slice(&self, start: usize, len: usize) -> Values<'a> {
        Values { data: self.data.slice(start, len), validity: self.validity.slice(start, len) }
    }
}
