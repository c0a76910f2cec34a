//! Where the values of steps lie while a block of events is gone through.

use crate::expr::Type;

/// The values of one step; which of the vectors is in use follows from its type.
///
/// A constant is one value, a flat value one an event; of a jagged one `lists` is the number of its layout.
#[derive(Clone, Debug, Default)]
pub(crate) struct Register {
    /// 0 and 1.
    pub(crate) bools: Vec<u8>,
    pub(crate) ints: Vec<i64>,
    pub(crate) floats: Vec<f64>,
    /// For each int64 1 if it is null; empty where none is.
    pub(crate) nulls: Vec<u8>,
    /// Room for counts while lists are reduced.
    pub(super) counts: Vec<u32>,
    pub(crate) lists: usize,
}

impl Register {
    /// Whether it has no memory yet.
    pub(super) fn is_new(&self) -> bool {
        self.bools.capacity() + self.ints.capacity() + self.floats.capacity() == 0
    }

    /// How many values there are.
    pub(crate) fn len(&self, ty: Type) -> usize {
        match ty {
            Type::Bool => self.bools.len(),
            Type::Int => self.ints.len(),
            Type::Float => self.floats.len(),
        }
    }

    /// Whether the int64 at `index` is null.
    pub(super) fn is_null(&self, index: usize) -> bool {
        self.nulls.get(index).is_some_and(|&null| null != 0)
    }

    /// Take values of `from` by their positions; where there is no position, a missing one.
    pub(super) fn gather(&mut self, ty: Type, from: &Register, positions: impl Iterator<Item = Option<usize>> + Clone) {
        match ty {
            Type::Bool => gather(&mut self.bools, &from.bools, positions, 0),
            Type::Float => gather(&mut self.floats, &from.floats, positions, f64::NAN),
            Type::Int => {
                gather(&mut self.ints, &from.ints, positions.clone(), 0);
                self.nulls.clear();
                if !from.nulls.is_empty() || positions.clone().any(|position| position.is_none()) {
                    self.nulls.extend(positions.map(|position| u8::from(position.is_none_or(|at| from.is_null(at)))));
                }
            }
        }
    }

    /// Keep the values at these positions, which rise.
    pub(super) fn keep(&mut self, ty: Type, positions: &[usize]) {
        match ty {
            Type::Bool => keep(&mut self.bools, positions),
            Type::Float => keep(&mut self.floats, positions),
            Type::Int => {
                keep(&mut self.ints, positions);
                if !self.nulls.is_empty() {
                    keep(&mut self.nulls, positions);
                }
            }
        }
    }
}

fn gather<T: Copy>(to: &mut Vec<T>, from: &[T], positions: impl Iterator<Item = Option<usize>>, missing: T) {
    to.clear();
    to.extend(positions.map(|position| position.map_or(missing, |at| from[at])));
}

fn keep<T: Copy>(values: &mut Vec<T>, positions: &[usize]) {
    for (to, &from) in positions.iter().enumerate() {
        values[to] = values[from];
    }
    values.truncate(positions.len());
}

/// Where the lists of jagged values lie: list i of a layout is `offsets[i]..offsets[i + 1]`, and the first begins at 0.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    all: Vec<Vec<i64>>,
    used: usize,
}

impl Layouts {
    /// Forget every layout.
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// A layout that is not in use.
    fn next(&mut self) -> &mut Vec<i64> {
        if self.all.len() == self.used {
            self.all.push(Vec::new());
        }
        self.used += 1;
        let offsets = &mut self.all[self.used - 1];
        offsets.clear();
        offsets
    }

    /// Make a layout of these offsets, wherever they begin.
    pub(super) fn copy(&mut self, offsets: impl ExactSizeIterator<Item = i64> + Clone) -> usize {
        let first = offsets.clone().next().unwrap_or(0);
        self.next().extend(offsets.map(|offset| offset - first));
        self.used - 1
    }

    /// Make a layout of lists of these lengths.
    pub(super) fn add(&mut self, lengths: impl Iterator<Item = usize>) -> usize {
        let offsets = self.next();
        offsets.push(0);
        let mut stop = 0;
        offsets.extend(lengths.map(|length| {
            stop += length as i64;
            stop
        }));
        self.used - 1
    }

    /// The offsets of a layout.
    pub(crate) fn offsets(&self, layout: usize) -> &[i64] {
        &self.all[layout]
    }

    /// Begin and end of every list.
    pub(super) fn spans(&self, layout: usize) -> impl ExactSizeIterator<Item = (usize, usize)> + Clone + '_ {
        self.all[layout].windows(2).map(|pair| (pair[0] as usize, pair[1] as usize))
    }

    /// Values of all lists.
    pub(super) fn values(&self, layout: usize) -> usize {
        self.all[layout].last().map_or(0, |&stop| stop as usize)
    }

    /// The first list whose lengths differ, and both of them.
    pub(super) fn difference(&self, left: usize, right: usize) -> Option<(usize, usize, usize)> {
        if left == right || self.all[left] == self.all[right] {
            return None;
        }
        let mut both = self.spans(left).zip(self.spans(right)).enumerate();
        both.find_map(|(event, (a, b))| (a.1 - a.0 != b.1 - b.0).then_some((event, a.1 - a.0, b.1 - b.0)))
    }

    /// The list in which the value at `index` lies.
    pub(super) fn list_of(&self, layout: usize, index: usize) -> usize {
        self.all[layout].partition_point(|&offset| offset as usize <= index).saturating_sub(1)
    }
}
