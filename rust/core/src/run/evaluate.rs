//! The values of one formula, for all events.

use super::blocks::blocks;
use super::formula::{Columns, Events, Failure, Formulas, Machine, collected};
use super::select::LIMITS;
use crate::column::{Array, Offsets, Table};
use crate::error::Result;
use crate::expr::{Program, Shape, Type};
use crate::plan::Slot;
use crate::pool;
use crate::schema::Kind;

/// Where the values of a formula go: a slice of its type; see [`Evaluation::capacity`] for how long.
#[allow(missing_docs)]
pub enum Out<'o> {
    Bool(&'o mut [u8]),
    Int64(&'o mut [i64]),
    Float64(&'o mut [f64]),
}

/// One formula or new branch, to be computed for all events of a table.
pub struct Evaluation<'p> {
    formulas: Formulas<'p>,
    table: &'p Table<'p>,
    slot: Slot,
    ty: Type,
    shape: Shape,
    /// Of a jagged formula the column, among those that are loaded, whose lists are as long, or longer.
    source: Option<usize>,
}

impl<'p> Evaluation<'p> {
    /// The new branch of this number, or the only formula of `program`, see
    /// [`compile_one`](crate::expr::compile_one), on `table`.
    pub fn new(program: &'p Program, number: usize, table: &'p Table<'p>) -> Result<Evaluation<'p>> {
        let slot = program.defined().get(number).map_or(0, |defined| defined.slot);
        let formulas = Formulas::bind(program, program.for_value(slot), table)?;
        let (ty, shape) = (program.steps()[slot].ty, program.steps()[slot].shape);
        let source = formulas.source(slot).filter(|_| shape == Shape::Jagged);
        Ok(Evaluation { formulas, table, slot, ty, shape, source })
    }

    /// The type of the values.
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Flat or jagged.
    pub fn kind(&self) -> Kind {
        self.shape.kind()
    }

    /// The most values that there can be.
    pub fn capacity(&self) -> usize {
        match self.source {
            None => self.table.events(),
            Some(source) => {
                let column = &self.table.columns()[self.formulas.columns[source]];
                column.pieces().iter().map(length).sum()
            }
        }
    }

    /// The column of the table whose offsets are those of the result as they stand, if there is one: then `run` needs no
    /// room for them.
    pub fn same_offsets(&self) -> Option<usize> {
        let column = self.formulas.columns[self.source?];
        let [Array::Jagged(lists)] = self.table.columns()[column].pieces() else { return None };
        let plain = matches!(lists.offsets(), Offsets::Int64(_)) && lists.validity().all_valid();
        (plain && lists.extent().0 == 0 && !self.formulas.filters(self.slot)).then_some(column)
    }

    /// Compute all values into `out`, and for a jagged formula where the lists begin and end into `offsets`, which has
    /// an entry more than there are events. Integers that are null get a 1 in `nulls`, which has as many entries as
    /// `out`, all 0 before. Returns how many values there are; slices must be as long as that, or longer.
    pub fn run(&self, out: Out<'_>, nulls: &mut [u8], offsets: &mut [i64], threads: Option<usize>) -> Result<usize> {
        let segments = self.table.segments();
        let pieces = || segments.iter().flat_map(|segment| blocks(&self.formulas.columns, segment, LIMITS));
        let mut whole = Region::new(out, nulls, offsets.get_mut(1..).unwrap_or_default());
        let sizes: Vec<usize> = {
            let mut rest = whole.again();
            let tasks = pieces().enumerate().map(|(number, piece)| {
                let most = self.source.map_or(piece.events, |source| length(&piece.arrays[source]));
                (number, rest.split(most, piece.events), piece)
            });
            let fresh = || (Machine::default(), Vec::new(), None::<Failure>);
            let many = self.table.events() > LIMITS.events;
            let done =
                pool::share(threads, many, tasks, fresh, |(machine, sizes, failure), (number, region, piece)| {
                    match machine.run(&self.formulas, &piece.arrays, Events::all(&piece)) {
                        Err(found) => *failure = Some(found.first(failure.take())),
                        Ok(()) => sizes.push((number, region.take(machine, self.slot, self.ty, self.shape))),
                    }
                })?;
            let mut sizes = collected(done.into_iter().map(|(_, sizes, failure)| (sizes, failure)))?.concat();
            sizes.sort_unstable();
            sizes.into_iter().map(|(_, size)| size).collect()
        };
        Ok(whole.close_up(
            pieces()
                .map(|piece| (self.source.map_or(piece.events, |source| length(&piece.arrays[source])), piece.events)),
            &sizes,
        ))
    }
}

/// Values of a piece.
fn length(array: &Array<'_>) -> usize {
    match array {
        Array::Flat(values) => values.len(),
        Array::Jagged(lists) => lists.extent().1 - lists.extent().0,
    }
}

/// A part of the output; of the three kinds of values two are empty.
#[derive(Default)]
struct Region<'o> {
    bools: &'o mut [u8],
    ints: &'o mut [i64],
    floats: &'o mut [f64],
    nulls: &'o mut [u8],
    /// Where each list ends, counted from the begin of the whole.
    stops: &'o mut [i64],
    /// Where this part begins in the whole.
    base: usize,
}

impl<'o> Region<'o> {
    fn new(out: Out<'o>, nulls: &'o mut [u8], stops: &'o mut [i64]) -> Region<'o> {
        let none = Region { nulls, stops, ..Region::default() };
        match out {
            Out::Bool(bools) => Region { bools, ..none },
            Out::Int64(ints) => Region { ints, ..none },
            Out::Float64(floats) => Region { floats, ..none },
        }
    }

    /// The same once more, to be split.
    fn again(&mut self) -> Region<'_> {
        let Region { bools, ints, floats, nulls, stops, base } = self;
        Region { bools, ints, floats, nulls, stops, base: *base }
    }

    /// Take the first `values` values and `events` events away.
    fn split(&mut self, values: usize, events: usize) -> Region<'o> {
        fn first<'o, T>(slice: &mut &'o mut [T], count: usize) -> &'o mut [T] {
            let whole = std::mem::take(slice);
            let (first, rest) = whole.split_at_mut(count.min(whole.len()));
            *slice = rest;
            first
        }
        let part = Region {
            bools: first(&mut self.bools, values),
            ints: first(&mut self.ints, values),
            floats: first(&mut self.floats, values),
            nulls: first(&mut self.nulls, values),
            stops: first(&mut self.stops, events),
            base: self.base,
        };
        self.base += values;
        part
    }

    /// Take over what a machine computed; returns how many values there are.
    fn take(self, machine: &Machine, slot: Slot, ty: Type, shape: Shape) -> usize {
        let found = machine.register(slot);
        fn put<T: Copy>(to: &mut [T], from: &[T], constant: bool) -> usize {
            match from {
                [value] if constant => to.fill(*value),
                from => to[..from.len()].copy_from_slice(from),
            }
            from.len()
        }
        let constant = shape == Shape::Constant;
        let size = match ty {
            Type::Bool => put(self.bools, &found.bools, constant),
            Type::Int => put(self.ints, &found.ints, constant),
            Type::Float => put(self.floats, &found.floats, constant),
        };
        if ty == Type::Int && !found.nulls.is_empty() {
            put(self.nulls, &found.nulls, constant);
        }
        if shape == Shape::Jagged {
            let stops = machine.offsets(found).iter().skip(1);
            self.stops.iter_mut().zip(stops).for_each(|(to, stop)| *to = self.base as i64 + stop);
        }
        if constant { self.ints.len().max(self.floats.len()).max(self.bools.len()) } else { size }
    }

    /// Close the gaps where parts got fewer values than they had room for; returns how many there are in all.
    fn close_up(self, parts: impl Iterator<Item = (usize, usize)>, sizes: &[usize]) -> usize {
        fn shift<T: Copy>(values: &mut [T], from: usize, count: usize, to: usize) {
            if !values.is_empty() {
                values.copy_within(from..from + count, to);
            }
        }
        let (mut from, mut to, mut event) = (0, 0, 0);
        for ((room, events), &size) in parts.zip(sizes) {
            if from != to {
                shift(self.bools, from, size, to);
                shift(self.ints, from, size, to);
                shift(self.floats, from, size, to);
                shift(self.nulls, from, size, to);
                for stop in self.stops.iter_mut().skip(event).take(events) {
                    *stop -= (from - to) as i64;
                }
            }
            (from, to, event) = (from + room, to + size, event + events);
        }
        to
    }
}

/// Call `each` with the number, the first event and a block of every new branch, on what its thread keeps; returns what threads kept.
pub(crate) fn each_new<K: Default + Send>(
    program: &Program,
    table: &Table<'_>,
    threads: Option<usize>,
    each: impl Fn(&mut K, usize, usize, Array<'_>) + Sync,
) -> Result<Vec<K>> {
    let formulas = Formulas::bind(program, program.for_defined(), table)?;
    let segments = table.segments();
    let pieces = segments.iter().flat_map(|segment| blocks(&formulas.columns, segment, LIMITS));
    let fresh = || (Machine::default(), Columns::default(), K::default(), None::<Failure>);
    let many = table.events() > LIMITS.events;
    let done = pool::share(threads, many, pieces, fresh, |(machine, columns, kept, failure), piece| {
        let events = Events::all(&piece);
        match machine.run(&formulas, &piece.arrays, events) {
            Err(found) => *failure = Some(found.first(failure.take())),
            Ok(()) => {
                columns.fill(program, machine, &events);
                for number in 0..program.defined().len() {
                    if let Ok(array) = columns.array(program, number) {
                        each(kept, number, piece.first, array);
                    }
                }
            }
        }
    })?;
    collected(done.into_iter().map(|(.., kept, failure)| (kept, failure)))
}
