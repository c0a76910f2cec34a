//! Columns of the same events, cut into segments in which every column is one piece.

use std::collections::BTreeSet;

use super::{Array, Column, Validity};
use crate::error::{Error, Result};
use crate::schema::Kind;

/// Columns with unique names and the same number of events.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    columns: Vec<Column<'a>>,
    events: usize,
    numbers: Option<&'a [i64]>,
}

/// Consecutive events of a table in which every column is one piece.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// The first event, counted within the table.
    pub start: usize,
    /// Number of events.
    pub events: usize,
    /// One piece for each column, in the table's order.
    pub arrays: Vec<Array<'a>>,
}

impl<'a> Table<'a> {
    /// A table of these columns.
    pub fn new(columns: Vec<Column<'a>>) -> Result<Table<'a>> {
        let mut names: Vec<&str> = columns.iter().map(Column::name).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::DuplicateColumn { branch: pair[0].to_owned() });
        }
        Table::distinct(columns)
    }

    /// A table of columns of which the caller knows that no two have the same name.
    pub fn distinct(columns: Vec<Column<'a>>) -> Result<Table<'a>> {
        let Some(first) = columns.first() else {
            return Err(Error::NoColumns);
        };
        debug_assert!(columns.iter().map(Column::name).collect::<BTreeSet<_>>().len() == columns.len());
        let (name, events) = (first.name(), first.events());
        if let Some(column) = columns.iter().find(|column| column.events() != events) {
            let (branch, other) = (column.name().to_owned(), name.to_owned());
            return Err(Error::EventCount { branch, found: column.events(), other, expected: events });
        }
        Ok(Table { columns, events, numbers: None })
    }

    /// The same, with a number for each event, by which errors name it: its entry in a file, say.
    pub fn numbered(self, numbers: &'a [i64]) -> Result<Table<'a>> {
        if numbers.len() != self.events {
            return Err(Error::RowCount { found: numbers.len(), expected: self.events });
        }
        Ok(Table { numbers: Some(numbers), ..self })
    }

    /// The numbers of the events; nothing: they are counted from 0.
    pub(crate) fn numbers(&self) -> Option<&'a [i64]> {
        self.numbers
    }

    /// Consecutive events of it; `numbers` are not kept.
    pub fn slice(&self, start: usize, events: usize) -> Result<Table<'a>> {
        if start.checked_add(events).is_none_or(|stop| stop > self.events) {
            return Err(Error::RowCount { found: start.saturating_add(events), expected: self.events });
        }
        let columns = self.columns.iter().map(|column| column.slice(start, events)).collect();
        Ok(Table { columns, events, numbers: None })
    }

    /// The same, with other nulls in the pieces for which there are some: the numbers of column and piece are given.
    pub(crate) fn masked(&self, nulls: impl Fn(usize, usize) -> Option<Validity<'a>>) -> Table<'a> {
        let mut table = self.clone();
        for (number, column) in table.columns.iter_mut().enumerate() {
            for (at, piece) in column.pieces.iter_mut().enumerate() {
                if let Some(validity) = nulls(number, at) {
                    *piece = piece.masked(validity);
                }
            }
        }
        table
    }

    /// The columns.
    pub fn columns(&self) -> &[Column<'a>] {
        &self.columns
    }

    /// Number of events.
    pub fn events(&self) -> usize {
        self.events
    }

    /// The names of jagged columns, together those whose lists lie at the same places.
    pub fn collections(&self) -> Vec<Vec<&str>> {
        let mut groups: Vec<Vec<&Column<'a>>> = Vec::new();
        for column in self.columns.iter().filter(|column| column.kind() == Kind::Jagged) {
            match groups.iter_mut().find(|group| group.first().is_some_and(|first| same_lists(first, column))) {
                Some(group) => group.push(column),
                None => groups.push(vec![column]),
            }
        }
        groups.into_iter().map(|group| group.into_iter().map(Column::name).collect()).collect()
    }

    /// The segments in order; together they hold every event once.
    pub fn segments(&self) -> Vec<Segment<'a>> {
        // Mostly every column is one piece, and there is nothing to cut.
        if self.columns.iter().all(|column| column.pieces().len() == 1) {
            let arrays = self.columns.iter().map(|column| column.pieces()[0]).collect();
            let whole = Segment { start: 0, events: self.events, arrays };
            return if self.events > 0 { vec![whole] } else { Vec::new() };
        }
        let mut cuts = BTreeSet::new();
        for column in &self.columns {
            let mut stop = 0;
            for piece in column.pieces() {
                stop += piece.events();
                cuts.insert(stop);
            }
        }
        let mut cursors = vec![(0, 0); self.columns.len()];
        let mut start = 0;
        let mut segments = Vec::with_capacity(cuts.len());
        for stop in cuts.into_iter().filter(|&stop| stop > 0) {
            let events = stop - start;
            let each = self.columns.iter().zip(&mut cursors);
            let arrays = each.map(|(column, cursor)| take(column, cursor, events)).collect();
            segments.push(Segment { start, events, arrays });
            start = stop;
        }
        segments
    }
}

/// Whether all lists of two columns lie at the same places, in as many pieces.
fn same_lists(left: &Column<'_>, right: &Column<'_>) -> bool {
    let same = |pair: (&Array<'_>, &Array<'_>)| match pair {
        (Array::Jagged(left), Array::Jagged(right)) => left.same_layout(right),
        _ => false,
    };
    left.pieces().len() == right.pieces().len() && left.pieces().iter().zip(right.pieces()).all(same)
}

/// The next `events` events of a column, which lie in one piece; `cursor` is the piece and the event in it.
fn take<'a>(column: &Column<'a>, cursor: &mut (usize, usize), events: usize) -> Array<'a> {
    let (mut piece, mut start) = *cursor;
    while start == column.pieces()[piece].events() {
        (piece, start) = (piece + 1, 0);
    }
    *cursor = (piece, start + events);
    column.pieces()[piece].slice(start, events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{Data, Pieces, Values};

    fn flat<'a>(name: &'a str, pieces: &[&'a [f32]]) -> Column<'a> {
        let array =
            |piece: &&'a [f32]| Array::Flat(Values::new(name, Data::Float32(piece), Validity::AllValid).unwrap());
        Column::new(name, Kind::Flat, pieces.iter().map(array).collect::<Pieces<_>>()).unwrap()
    }

    #[test]
    fn differently_chunked_columns_are_cut_at_every_edge() {
        let a = flat("a", &[&[1.0, 2.0], &[], &[3.0, 4.0]]);
        let b = flat("b", &[&[1.0, 2.0, 3.0], &[4.0]]);
        let segments = Table::new(vec![a, b]).unwrap().segments();
        let ranges: Vec<_> = segments.iter().map(|segment| (segment.start, segment.events)).collect();
        assert_eq!(ranges, [(0, 2), (2, 1), (3, 1)]);
    }

    #[test]
    fn unequal_event_counts_and_equal_names_are_refused() {
        let table = Table::new(vec![flat("a", &[&[1.0]]), flat("b", &[&[1.0, 2.0]])]);
        assert_eq!(
            table.unwrap_err().to_string(),
            "branch 'b' has 2 events, but 'a' has 1; all columns need the same number"
        );
        assert!(Table::new(vec![flat("a", &[]), flat("a", &[])]).is_err());
        assert!(matches!(Table::new(vec![]), Err(Error::NoColumns)));
    }
}
