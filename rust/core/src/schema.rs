//! Kinds and types of branches.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

/// Whether an event has one number of a branch or a list of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One number an event.
    Flat,
    /// A list of numbers an event.
    Jagged,
}

impl Kind {
    /// The word for it in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Flat => "flat",
            Kind::Jagged => "jagged",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        [Kind::Flat, Kind::Jagged].into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The type of a branch's numbers. float16 is widened to float32 before it gets here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum DType {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float32,
    Float64,
}

impl DType {
    /// Every type, in the order of their declaration.
    pub const ALL: [DType; 11] = [
        DType::Bool,
        DType::Int8,
        DType::Int16,
        DType::Int32,
        DType::Int64,
        DType::UInt8,
        DType::UInt16,
        DType::UInt32,
        DType::UInt64,
        DType::Float32,
        DType::Float64,
    ];

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::Int8 => "int8",
            DType::Int16 => "int16",
            DType::Int32 => "int32",
            DType::Int64 => "int64",
            DType::UInt8 => "uint8",
            DType::UInt16 => "uint16",
            DType::UInt32 => "uint32",
            DType::UInt64 => "uint64",
            DType::Float32 => "float32",
            DType::Float64 => "float64",
        }
    }

    /// The type of that NumPy name.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::Int8 | DType::UInt8 => 1,
            DType::Int16 | DType::UInt16 => 2,
            DType::Int32 | DType::UInt32 | DType::Float32 => 4,
            DType::Int64 | DType::UInt64 | DType::Float64 => 8,
        }
    }

    /// The integers among its values; of a float those that an integer type can hold.
    pub fn integers(self) -> RangeInclusive<i128> {
        let bits = 8 * self.size() as u32;
        match self {
            DType::Bool => 0..=1,
            DType::Float32 | DType::Float64 => i64::MIN.into()..=u64::MAX.into(),
            _ if self.is_unsigned() => 0..=(1 << bits) - 1,
            _ => -(1 << (bits - 1))..=(1 << (bits - 1)) - 1,
        }
    }

    /// Whether it is float32 or float64.
    pub fn is_float(self) -> bool {
        matches!(self, DType::Float32 | DType::Float64)
    }

    /// Whether it is an unsigned integer.
    pub fn is_unsigned(self) -> bool {
        matches!(self, DType::UInt8 | DType::UInt16 | DType::UInt32 | DType::UInt64)
    }

    /// Whether float32 holds every value exactly, so that float32 arithmetic may be used.
    pub fn fits_float32(self) -> bool {
        self.size() <= 2 || self == DType::Float32
    }
}

impl fmt::Display for DType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a source promises: kind and type of every branch.
pub type Schema = BTreeMap<String, (Kind, DType)>;

/// The types that a branch was seen with.
///
/// NumPy's promotion of two types is not associative (int16, uint16 and float32 give float32 or float64, depending
/// on the order). Keeping the set makes merging associative; for two types the result is NumPy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeSet(u16);

impl TypeSet {
    /// The set of one type.
    pub fn of(dtype: DType) -> TypeSet {
        TypeSet(1 << dtype as u16)
    }

    /// Both sets together.
    pub fn union(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 | other.0)
    }

    /// The members, in the order of [`DType::ALL`].
    pub fn members(self) -> impl Iterator<Item = DType> {
        DType::ALL.into_iter().filter(move |&dtype| self.0 & (1 << dtype as u16) != 0)
    }

    /// The type that holds them all, by NumPy's rules: floats win and are float64 beside integers of 32 bits or
    /// more; signed with unsigned integers go to the next larger signed type, with uint64 to float64.
    pub fn promoted(self) -> DType {
        if self.members().any(DType::is_float) {
            let float32 = self.members().all(DType::fits_float32);
            return if float32 { DType::Float32 } else { DType::Float64 };
        }
        let largest = |unsigned: bool| {
            let integers = self.members().filter(|&dtype| dtype != DType::Bool);
            integers.filter(|dtype| dtype.is_unsigned() == unsigned).map(DType::size).max().unwrap_or(0)
        };
        match (largest(false), largest(true)) {
            (0, 0) => DType::Bool,
            (signed, unsigned) if signed > unsigned => signed_of(signed),
            (0, 1) => DType::UInt8,
            (0, 2) => DType::UInt16,
            (0, 4) => DType::UInt32,
            (0, _) => DType::UInt64,
            (_, unsigned) => signed_of(2 * unsigned),
        }
    }
}

/// The signed integer of that many bytes; beyond 8 there is none and NumPy takes float64.
fn signed_of(bytes: usize) -> DType {
    match bytes {
        1 => DType::Int8,
        2 => DType::Int16,
        4 => DType::Int32,
        8 => DType::Int64,
        _ => DType::Float64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_numpys_for_two_types() {
        let pair = |a, b| TypeSet::of(a).union(TypeSet::of(b)).promoted();
        assert_eq!(pair(DType::Bool, DType::Int8), DType::Int8);
        assert_eq!(pair(DType::Int8, DType::UInt8), DType::Int16);
        assert_eq!(pair(DType::Int64, DType::UInt32), DType::Int64);
        assert_eq!(pair(DType::Int8, DType::UInt64), DType::Float64);
        assert_eq!(pair(DType::Int16, DType::Float32), DType::Float32);
        assert_eq!(pair(DType::Int32, DType::Float32), DType::Float64);
        assert_eq!(pair(DType::UInt16, DType::UInt64), DType::UInt64);
    }

    #[test]
    fn one_type_stays_and_names_read_back() {
        for dtype in DType::ALL {
            assert_eq!(TypeSet::of(dtype).promoted(), dtype);
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
        }
        assert_eq!(Kind::from_name("jagged"), Some(Kind::Jagged));
    }
}
