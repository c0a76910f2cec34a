//! Numbers that stand for a missing value, such as -999.
//!
//! Where a table is used, a mask hides them as it hides nulls; the numbers themselves stay where they are. An integer
//! matches the sentinel that it equals, a float the one that it equals, or equals once this is rounded to float32:
//! -999.9 is meant in a float32 branch too, and in a float64 branch that was made of one. Bools have no sentinels.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::column::{Array, Column, Table, Validity, with_numbers};
use crate::simd::{Work, fastest};
use crate::specs::Number;

/// Numbers that stand for a missing value, by the names of branches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sentinels(BTreeMap<String, Vec<Number>>);

impl Sentinels {
    /// Of these branches; each number once, in order.
    pub fn new(by_branch: BTreeMap<String, Vec<Number>>) -> Sentinels {
        let mut by_branch = by_branch;
        by_branch.retain(|_, numbers| !numbers.is_empty());
        for numbers in by_branch.values_mut() {
            numbers.sort_by(|left, right| left.order(*right));
            numbers.dedup();
        }
        Sentinels(by_branch)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a branch.
    pub fn of(&self, branch: &str) -> &[Number] {
        self.0.get(branch).map_or(&[], Vec::as_slice)
    }

    /// All of them by branch.
    pub fn branches(&self) -> &BTreeMap<String, Vec<Number>> {
        &self.0
    }

    /// Only those of these branches.
    pub fn select(&self, wanted: impl Fn(&str) -> bool) -> Sentinels {
        Sentinels(
            self.0.iter().filter(|(name, _)| wanted(name)).map(|(name, all)| (name.clone(), all.clone())).collect(),
        )
    }

    /// Both together.
    pub fn union(&self, other: &Sentinels) -> Sentinels {
        let mut all = self.0.clone();
        for (name, numbers) in &other.0 {
            all.entry(name.clone()).or_default().extend(numbers);
        }
        Sentinels::new(all)
    }

    /// Look for them in the columns of a table.
    pub fn find(&self, table: &Table<'_>) -> Masks {
        if self.is_empty() {
            return Masks(Vec::new());
        }
        let of = |column: &Column<'_>| {
            let sentinels = self.of(column.name());
            column
                .pieces()
                .iter()
                .map(|piece| if sentinels.is_empty() { None } else { mask(piece, sentinels) })
                .collect()
        };
        Masks(table.columns().iter().map(of).collect())
    }
}

/// For each piece of each column of a table a flag for every number, 1 where it stands for none; nothing where no
/// number does.
pub struct Masks(Vec<Vec<Option<Vec<u8>>>>);

impl Masks {
    /// The table that they were found in, with these numbers as nulls.
    pub fn hide<'t, 'a>(&'a self, table: &'t Table<'a>) -> Cow<'t, Table<'a>> {
        if self.0.is_empty() {
            return Cow::Borrowed(table);
        }
        Cow::Owned(table.masked(|column, piece| {
            let mask = self.0.get(column)?.get(piece)?.as_deref()?;
            Some(Validity::of_nulls(mask))
        }))
    }
}

/// A flag for each number of a piece; nothing if none is a sentinel. Of lists only what lies in them is looked at.
fn mask(piece: &Array<'_>, sentinels: &[Number]) -> Option<Vec<u8>> {
    let values = piece.values();
    let (start, stop) = match piece {
        Array::Flat(values) => (0, values.len()),
        Array::Jagged(lists) => lists.extent(),
    };
    let mut flags = vec![0; values.len()];
    let found = with_numbers!(values.data(),
        numbers => {
            let wanted: Vec<_> = sentinels.iter().flat_map(|&sentinel| Matching::matching(sentinel)).collect();
            fastest(Find { numbers: &numbers[start..stop], wanted: &wanted, flags: &mut flags[start..stop] })
        },
        _bools => false
    );
    found.then(|| {
        values.validity().mark_nulls(&mut flags);
        flags
    })
}

/// The numbers of a type that match a sentinel.
trait Matching: Copy + PartialEq {
    fn matching(sentinel: Number) -> Vec<Self>;
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Matching for $type {
            fn matching(sentinel: Number) -> Vec<$type> {
                let whole = match sentinel {
                    Number::Integer(value) => Some(value),
                    Number::Float(value) => (value.fract() == 0.0 && value.abs() < 2f64.powi(65)).then_some(value as i128),
                };
                whole.and_then(|value| <$type>::try_from(value).ok()).into_iter().collect()
            }
        })*
    };
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Matching for f32 {
    fn matching(sentinel: Number) -> Vec<f32> {
        Some(sentinel.to_f32()).filter(|value| value.is_finite()).into_iter().collect()
    }
}

impl Matching for f64 {
    fn matching(sentinel: Number) -> Vec<f64> {
        let rounded = f64::from(sentinel.to_f32());
        let mut both = vec![sentinel.to_f64()];
        both.extend((rounded.is_finite() && rounded != both[0]).then_some(rounded));
        both
    }
}

/// Flag the numbers that are among those wanted; tells whether there were some.
struct Find<'f, T> {
    numbers: &'f [T],
    wanted: &'f [T],
    flags: &'f mut [u8],
}

impl<T: Copy + PartialEq> Work for Find<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn work(self) -> bool {
        let mut any = 0;
        for &wanted in self.wanted {
            for (&number, flag) in self.numbers.iter().zip(self.flags.iter_mut()) {
                let found = u8::from(number == wanted);
                *flag |= found;
                any |= found;
            }
        }
        any != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{Data, Lists, Offsets, Values};
    use crate::schema::Kind;

    fn flags(data: Data<'_>, sentinels: &[Number]) -> Option<Vec<u8>> {
        mask(&Array::Flat(Values::unmasked(data)), sentinels)
    }

    #[test]
    fn numbers_match_in_their_own_type() {
        let nine = [Number::Integer(-999)];
        assert_eq!(flags(Data::Int16(&[1, -999, 2]), &nine), Some(vec![0, 1, 0]));
        assert_eq!(flags(Data::UInt8(&[1, 25]), &nine), None);
        assert_eq!(flags(Data::Float32(&[-999.0, f32::NAN]), &nine), Some(vec![1, 0]));
        let half = [Number::Float(-999.9)];
        assert_eq!(flags(Data::Float32(&[-999.9, -999.0]), &half), Some(vec![1, 0]));
        assert_eq!(flags(Data::Float64(&[-999.9, f64::from(-999.9_f32), -999.8]), &half), Some(vec![1, 1, 0]));
        assert_eq!(flags(Data::Int64(&[-999]), &half), None);
        assert_eq!(flags(Data::Float64(&[-0.0]), &[Number::Integer(0)]), Some(vec![1]));
    }

    #[test]
    fn nulls_stay_and_numbers_outside_the_lists_do_not_count() {
        let nulls = Validity::of_nulls(&[0, 0, 1, 0]);
        let content = Values::new("x", Data::Int32(&[-9, -9, 3, -9]), nulls).unwrap();
        let lists = Lists::new("x", Offsets::Int64(&[1, 2, 3]), Validity::AllValid, content).unwrap();
        let column = Column::new("x", Kind::Jagged, vec![Array::Jagged(lists)]).unwrap();
        let table = Table::new(vec![column]).unwrap();
        let sentinels = Sentinels::new([("x".to_owned(), vec![Number::Integer(-9); 2])].into());
        assert_eq!(sentinels.of("x").len(), 1);
        let masks = sentinels.find(&table);
        assert_eq!(masks.0, [[Some(vec![0, 1, 1, 0])]]);
        let hidden = masks.hide(&table);
        let Array::Jagged(found) = hidden.columns()[0].pieces()[0] else { panic!("it was jagged") };
        assert!(found.content().validity().is_null(1) && !found.content().validity().is_null(3));
    }
}
