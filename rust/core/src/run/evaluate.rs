//! The values of one formula, for all events.

use super::blocks::blocks;
use super::formula::{Columns, Events, Failure, Formulas, Machine, Register};
use super::select::LIMITS;
use crate::column::{Array, Table};
use crate::error::Result;
use crate::expr::{Program, Shape, Type};
use crate::pool;
use crate::schema::Kind;

/// Numbers of one type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Numbers {
    Bool(Vec<u8>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
}

/// The values of a formula: one an event, or of a jagged one lists that lie at `offsets`.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// All values; a missing float64 is NaN, a missing bool false.
    pub values: Numbers,
    /// For each int64 1 if it is null; empty where none is.
    pub nulls: Vec<u8>,
    /// Where the lists of a jagged formula begin and end.
    pub offsets: Option<Vec<i64>>,
}

/// What one block gave: its number, its values, and the lengths of its lists as offsets from 0.
struct Part {
    number: usize,
    values: Register,
    offsets: Vec<i64>,
    events: usize,
}

/// Compute the only formula of `program`, see [`compile_one`](crate::expr::compile_one), for all events of `table`.
pub fn evaluate(program: &Program, table: &Table<'_>, threads: Option<usize>) -> Result<Evaluated> {
    let formulas = Formulas::bind(program, program.for_defined(), table)?;
    let slot = program.defined().first().map_or(0, |defined| defined.slot);
    let (ty, shape) = (program.steps()[slot].ty, program.steps()[slot].shape);
    let segments = table.segments();
    let pieces = segments.iter().flat_map(|segment| blocks(&formulas.columns, segment, LIMITS)).enumerate();
    let fresh = || (Machine::default(), Vec::new(), None::<Failure>);
    let many = table.events() > LIMITS.events;
    let done = pool::share(threads, many, pieces, fresh, |(machine, parts, failure), (number, piece)| {
        let events = Events { first: piece.first, count: piece.events, active: None };
        match machine.run(&formulas, &piece.arrays, events) {
            Err(found) => *failure = Some(found.first(failure.take())),
            Ok(()) => {
                let offsets = match shape {
                    Shape::Jagged => machine.offsets(machine.register(slot)).to_vec(),
                    _ => Vec::new(),
                };
                parts.push(Part { number, values: machine.take(slot), offsets, events: piece.events });
            }
        }
    })?;
    let (mut parts, mut failure) = (Vec::new(), None);
    for (_, more, found) in done {
        parts.extend(more);
        failure = found.map(|found| found.first(failure.take())).or(failure);
    }
    if let Some(failure) = failure {
        return Err(failure.error);
    }
    parts.sort_by_key(|part| part.number);
    join(&parts, ty, shape, threads)
}

/// Call `each` with the number and a block of every new branch, on what its thread keeps; returns what threads kept.
pub(crate) fn each_new<K: Default + Send>(
    program: &Program,
    table: &Table<'_>,
    threads: Option<usize>,
    each: impl Fn(&mut K, usize, Array<'_>) + Sync,
) -> Result<Vec<K>> {
    let formulas = Formulas::bind(program, program.for_defined(), table)?;
    let segments = table.segments();
    let pieces = segments.iter().flat_map(|segment| blocks(&formulas.columns, segment, LIMITS));
    let fresh = || (Machine::default(), Columns::default(), K::default(), None::<Failure>);
    let many = table.events() > LIMITS.events;
    let done = pool::share(threads, many, pieces, fresh, |(machine, columns, kept, failure), piece| {
        let events = Events { first: piece.first, count: piece.events, active: None };
        match machine.run(&formulas, &piece.arrays, events) {
            Err(found) => *failure = Some(found.first(failure.take())),
            Ok(()) => {
                columns.fill(program, machine, &events);
                for number in 0..program.defined().len() {
                    if let Ok(array) = columns.array(program, number) {
                        each(kept, number, array);
                    }
                }
            }
        }
    })?;
    let (mut kept, mut failure) = (Vec::new(), None);
    for (.., more, found) in done {
        kept.push(more);
        failure = found.map(|found: Failure| found.first(failure.take())).or(failure);
    }
    failure.map_or(Ok(kept), |failure| Err(failure.error))
}

/// The parts one behind the other.
fn join(parts: &[Part], ty: Type, shape: Shape, threads: Option<usize>) -> Result<Evaluated> {
    let constant = shape == Shape::Constant;
    let len = |part: &Part| if constant { part.events } else { part.values.len(ty) };
    let values = match ty {
        Type::Bool => Numbers::Bool(copied(parts, threads, len, |part| &part.values.bools)?),
        Type::Int => Numbers::Int64(copied(parts, threads, len, |part| &part.values.ints)?),
        Type::Float => Numbers::Float64(copied(parts, threads, len, |part| &part.values.floats)?),
    };
    let has_nulls = ty == Type::Int && parts.iter().any(|part| !part.values.nulls.is_empty());
    let mut nulls = Vec::new();
    for part in parts.iter().filter(|_| has_nulls) {
        nulls.extend(
            (0..len(part)).map(|at| part.values.nulls.get(if constant { 0 } else { at }).copied().unwrap_or(0)),
        );
    }
    let offsets = (shape.kind() == Kind::Jagged).then(|| {
        let mut offsets = vec![0];
        for part in parts {
            let first = offsets.last().copied().unwrap_or(0);
            offsets.extend(part.offsets.iter().skip(1).map(|offset| first + offset));
        }
        offsets
    });
    Ok(Evaluated { values, nulls, offsets })
}

/// The values of all parts, copied by all threads; the one of a constant is repeated.
fn copied<T: Copy + Default + Send + Sync>(
    parts: &[Part],
    threads: Option<usize>,
    len: impl Fn(&Part) -> usize,
    values: impl Fn(&Part) -> &[T],
) -> Result<Vec<T>> {
    let total = parts.iter().map(&len).sum();
    let mut joined = vec![T::default(); total];
    let mut rest = joined.as_mut_slice();
    let copies: Vec<(&[T], &mut [T])> = parts
        .iter()
        .map(|part| {
            let (to, behind) = std::mem::take(&mut rest).split_at_mut(len(part));
            rest = behind;
            (values(part), to)
        })
        .collect();
    let many = total > 1 << 16;
    pool::share(
        threads,
        many,
        copies.into_iter(),
        || (),
        |(), (from, to)| match from {
            [value] if to.len() != 1 => to.fill(*value),
            from => to.copy_from_slice(from),
        },
    )?;
    Ok(joined)
}
