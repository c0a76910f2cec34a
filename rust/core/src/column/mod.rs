//! Views of columns, validated once.
//!
//! Invariants, which everything behind this module relies on:
//! - a [`Lists`] has offsets that never decrease, none negative, and none beyond its content;
//! - a mask has as many entries as what it masks;
//! - all columns of a [`Table`] have the same number of events, and unique names.
//!
//! A column may come in several pieces (Arrow's chunks). A [`Table`] cuts itself into [`Segment`]s in which every
//! column is one piece.

mod lists;
mod pieces;
mod table;
mod values;

pub use lists::{Checked, Lists, Offsets};
pub use pieces::Pieces;
pub use table::{Segment, Table};
pub(crate) use values::with_numbers;
pub use values::{Bits, Bools, Data, Native, Validity, Values};

use std::ops::Range;

use crate::error::{Error, Result};
use crate::schema::Kind;

/// One piece of a column: consecutive events.
#[derive(Clone, Copy, Debug)]
pub enum Array<'a> {
    /// One number an event.
    Flat(Values<'a>),
    /// A list of numbers an event.
    Jagged(Lists<'a>),
}

impl<'a> Array<'a> {
    /// Number of events.
    pub fn events(&self) -> usize {
        match self {
            Array::Flat(values) => values.len(),
            Array::Jagged(lists) => lists.events(),
        }
    }

    /// Flat or jagged.
    pub fn kind(&self) -> Kind {
        match self {
            Array::Flat(_) => Kind::Flat,
            Array::Jagged(_) => Kind::Jagged,
        }
    }

    /// The numbers: of a jagged piece its whole content.
    pub fn values(&self) -> &Values<'a> {
        match self {
            Array::Flat(values) => values,
            Array::Jagged(lists) => lists.content(),
        }
    }

    /// The numbers of its events: of a jagged piece those that its lists hold.
    #[inline(always)]
    pub(crate) fn inside(&self) -> Values<'a> {
        match self {
            Array::Flat(values) => *values,
            Array::Jagged(lists) => lists.inside(),
        }
    }

    /// The addresses of the memory that holds numbers and offsets.
    pub fn memory(&self) -> [Range<usize>; 2] {
        match self {
            Array::Flat(values) => [values.data().memory(), 0..0],
            Array::Jagged(lists) => [lists.content().data().memory(), lists.offsets().memory()],
        }
    }

    /// The same with other nulls among its numbers.
    pub(crate) fn masked(&self, validity: Validity<'a>) -> Array<'a> {
        match self {
            Array::Flat(values) => Array::Flat(values.masked(validity)),
            Array::Jagged(lists) => Array::Jagged(lists.masked(validity)),
        }
    }

    /// Events `start..start + count`, which the caller knows to be inside.
    pub(crate) fn slice(&self, start: usize, count: usize) -> Array<'a> {
        match self {
            Array::Flat(values) => Array::Flat(values.slice(start, count)),
            Array::Jagged(lists) => Array::Jagged(lists.slice(start, count)),
        }
    }
}

/// A named column of one or more pieces of one kind.
#[derive(Clone, Debug)]
pub struct Column<'a> {
    name: &'a str,
    kind: Kind,
    events: usize,
    pieces: Pieces<Array<'a>>,
}

impl<'a> Column<'a> {
    /// A column of these pieces; `kind` tells what it is where there are none.
    pub fn new(name: &'a str, kind: Kind, pieces: impl Into<Pieces<Array<'a>>>) -> Result<Column<'a>> {
        let pieces = pieces.into();
        if let Some(other) = pieces.iter().find(|piece| piece.kind() != kind) {
            return Err(Error::MixedKinds { branch: name.to_owned(), first: kind, second: other.kind() });
        }
        let events = pieces.iter().map(Array::events).sum();
        Ok(Column { name, kind, events, pieces })
    }

    /// Events `start..start + events`, which the caller knows to be inside.
    pub(crate) fn slice(&self, start: usize, events: usize) -> Column<'a> {
        let (mut skip, mut left) = (start, events);
        let part = |piece: &Array<'a>| {
            let first = skip.min(piece.events());
            let count = left.min(piece.events() - first);
            skip -= first;
            left -= count;
            (count > 0).then(|| piece.slice(first, count))
        };
        let pieces = self.pieces.iter().filter_map(part).collect();
        Column { name: self.name, kind: self.kind, events, pieces }
    }

    /// The branch's name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Flat or jagged.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of events.
    pub fn events(&self) -> usize {
        self.events
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Array<'a>] {
        &self.pieces
    }
}
