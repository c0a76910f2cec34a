//! Steps of formulas over a block of events.
//!
//! Every step goes through all values of the block before the next one begins: a block is small enough that its values
//! stay in the cache, and large enough that choosing what to do costs nothing beside doing it.
//!
//! ```text
//! jetPt[jetBtag > 0.8]          registers, one a step, and where their lists lie
//!   0 load jetBtag     jagged   | .9 .1 | .7 | .95 |          lists 0: 0 2 3 3 4
//!   1 constant 0.8     constant | .8
//!   2 gt 0 1           jagged   | 1  0  | 0  | 1   |          lists 0
//!   3 load jetPt       jagged   | 90 40 | 30 | 120 |          lists 0, since the offsets are equal
//!   4 filter 3 2       jagged   | 90 |    | 120 |             lists 1: 0 1 1 1 2
//! ```

mod apply;
mod columns;
mod lists;
mod load;
mod register;
mod sweep;

use std::collections::HashSet;

pub(crate) use columns::Columns;

use apply::Input;
use register::{Layouts, Register};

use super::blocks::Piece;
use super::convert::Converted;
use crate::column::{Array, Lists, Offsets, Table};
use crate::error::{Error, Result};
use crate::expr::{Constant, FormulaStep, Op, Program, Shape, Type, pointed};
use crate::plan::Slot;
use crate::schema::{DType, Kind};

/// Some steps of a program, and the columns of a table that they load.
pub(crate) struct Formulas<'p> {
    pub(crate) program: &'p Program,
    steps: Vec<Slot>,
    /// For each of the steps the values that nobody needs any more after it.
    spent: Vec<Vec<Slot>>,
    /// For each step that loads, in order, its column.
    pub(crate) columns: Vec<usize>,
    /// The numbers of the table's events, by which errors name them.
    numbers: Option<&'p [i64]>,
}

impl<'p> Formulas<'p> {
    /// Find the columns for these steps of a program.
    pub(crate) fn bind(program: &'p Program, steps: Vec<Slot>, table: &Table<'p>) -> Result<Formulas<'p>> {
        let names = || table.columns().iter().map(|column| column.name());
        let find = |(_, branch, kind, _): (Slot, &str, Kind, DType)| {
            let index =
                names().position(|name| name == branch).ok_or_else(|| Error::missing_branch(branch, names()))?;
            let found = table.columns()[index].kind();
            if found == kind {
                Ok(index)
            } else {
                Err(Error::WrongKind { branch: branch.to_owned(), found, expected: kind })
            }
        };
        let columns = program.loads(&steps).map(find).collect::<Result<_>>()?;
        let spent = spent(program, &steps);
        Ok(Formulas { program, steps, spent, columns, numbers: table.numbers() })
    }
}

impl Formulas<'_> {
    /// Of the columns that are loaded, by their order, the one whose lists a jagged value has; a filtered one has fewer
    /// entries than that.
    pub(crate) fn source(&self, slot: Slot) -> Option<usize> {
        let step = &self.program.steps()[slot];
        if matches!(step.op, Op::Load { .. }) {
            return self.program.loads(&self.steps).position(|load| load.0 == slot);
        }
        self.jagged_input(slot).and_then(|input| self.source(input))
    }

    /// Whether a jagged value has fewer entries than its source.
    pub(crate) fn filters(&self, slot: Slot) -> bool {
        let filter = matches!(self.program.steps()[slot].op, Op::Filter { .. });
        filter || self.jagged_input(slot).is_some_and(|input| self.filters(input))
    }

    /// The first jagged value that a step takes, whose lists its own value has.
    fn jagged_input(&self, slot: Slot) -> Option<Slot> {
        let mut inputs = self.program.steps()[slot].op.inputs().into_iter();
        inputs.find(|&input| self.program.steps()[input].shape == Shape::Jagged)
    }
}

/// Consecutive events, for which formulas are computed.
#[derive(Clone, Copy)]
pub(crate) struct Events<'e> {
    /// The first one, counted within the table.
    pub(crate) first: usize,
    /// How many there are.
    pub(crate) count: usize,
    /// Which of them are looked at; nothing: all.
    pub(crate) active: Option<&'e [usize]>,
}

impl Events<'_> {
    /// All events of a block.
    pub(in crate::run) fn all(piece: &Piece<'_>) -> Events<'static> {
        Events { first: piece.first, count: piece.events, active: None }
    }

    /// How many are looked at.
    fn active(&self) -> usize {
        self.active.map_or(self.count, <[usize]>::len)
    }

    /// The number of one of those that are looked at.
    fn number(&self, event: usize, formulas: &Formulas<'_>) -> usize {
        let event = self.first + self.active.map_or(event, |active| active.get(event).copied().unwrap_or(0));
        formulas.numbers.and_then(|numbers| numbers.get(event)).map_or(event, |&number| number as usize)
    }
}

/// An error, and where it happened: of several the one of the first step counts, and there that of the first event.
#[derive(Debug)]
pub(crate) struct Failure {
    at: (Slot, usize),
    pub(crate) error: Error,
}

impl Failure {
    /// An error behind all steps of formulas, by the number of what found it.
    pub(crate) fn behind_formulas(program: &Program, number: usize, event: usize, error: Error) -> Failure {
        Failure { at: (program.steps().len() + number, event), error }
    }

    /// The one that counts.
    pub(crate) fn first(self, other: Option<Failure>) -> Failure {
        match other {
            Some(other) if other.at < self.at => other,
            _ => self,
        }
    }
}

/// For each of some steps the values that it is the last one to take, and that are no results.
fn spent(program: &Program, steps: &[Slot]) -> Vec<Vec<Slot>> {
    let results = program.selects().iter().map(|select| select.slot);
    let results = results.chain(program.defined().iter().map(|defined| defined.slot));
    let mut needed: HashSet<Slot> = results.collect();
    let mut spent: Vec<Vec<Slot>> = Vec::with_capacity(steps.len());
    for &slot in steps.iter().rev() {
        let mut inputs = program.steps()[slot].op.inputs();
        inputs.retain(|&input| needed.insert(input));
        spent.push(inputs);
    }
    spent.reverse();
    spent
}

/// What threads kept, or of their failures the one that counts.
pub(crate) fn collected<K>(done: impl Iterator<Item = (K, Option<Failure>)>) -> Result<Vec<K>> {
    let (mut all, mut failure) = (Vec::new(), None);
    for (kept, found) in done {
        all.push(kept);
        failure = found.map(|found: Failure| found.first(failure.take())).or(failure);
    }
    failure.map_or(Ok(all), |failure| Err(failure.error))
}

/// Runs steps, and keeps their values; reused from block to block.
#[derive(Default)]
pub(crate) struct Machine {
    registers: Vec<Register>,
    layouts: Layouts,
    converted: Converted,
    /// The layouts of columns that were loaded, and positions of values that are kept.
    loaded: Vec<(usize, usize)>,
    positions: Vec<usize>,
    /// Registers that can be used again; the one used last is still in the cache.
    spare: Vec<Register>,
}

impl Machine {
    /// Compute the values of every step for some events; `arrays` has the pieces of the columns that are loaded.
    pub(crate) fn run(
        &mut self,
        formulas: &Formulas<'_>,
        arrays: &[Array<'_>],
        events: Events<'_>,
    ) -> std::result::Result<(), Failure> {
        self.layouts.clear();
        self.loaded.clear();
        self.registers.resize_with(formulas.program.steps().len(), Register::default);
        let mut loads = 0;
        for (&slot, spent) in formulas.steps.iter().zip(&formulas.spent) {
            let step = &formulas.program.steps()[slot];
            let kept = std::mem::take(&mut self.registers[slot]);
            let mut out = if kept.is_new() { self.spare.pop().unwrap_or_default() } else { kept };
            out.nulls.clear();
            let done = match &step.op {
                Op::Load { branch, dtype, .. } => {
                    let wrong = self.load(arrays, loads, *dtype, &events, &mut out);
                    loads += 1;
                    wrong.map_or(Ok(()), |(index, value)| {
                        let event = events.number(self.event_of(step, &out, index), formulas);
                        let error = Error::TooLarge { event, branch: branch.clone(), value };
                        Err(Failure { at: (slot, event), error })
                    })
                }
                _ => self.compute(formulas, slot, &events, &mut out),
            };
            self.registers[slot] = out;
            done?;
            self.spare.extend(spent.iter().map(|&input| std::mem::take(&mut self.registers[input])));
        }
        Ok(())
    }

    /// The values of a step.
    pub(crate) fn register(&self, slot: Slot) -> &Register {
        &self.registers[slot]
    }

    /// The offsets of jagged values, from 0 on.
    pub(crate) fn offsets(&self, register: &Register) -> &[i64] {
        self.layouts.offsets(register.lists)
    }

    /// The event, of those looked at, to which a value belongs.
    fn event_of(&self, step: &FormulaStep, register: &Register, index: usize) -> usize {
        if step.shape == Shape::Jagged { self.layouts.list_of(register.lists, index) } else { index }
    }

    /// Load a column; returns position and value of the first number that is too large.
    fn load(
        &mut self,
        arrays: &[Array<'_>],
        number: usize,
        dtype: DType,
        events: &Events<'_>,
        out: &mut Register,
    ) -> Option<(usize, u64)> {
        let ty = Type::of(dtype);
        match &arrays[number] {
            Array::Flat(values) => {
                load::load(values, dtype, &mut self.converted, out);
                if let Some(active) = events.active {
                    out.keep(ty, active);
                }
            }
            Array::Jagged(lists) => {
                load::load(&lists.inside(), dtype, &mut self.converted, out);
                let whole = events.active.is_none() && lists.validity().all_valid();
                if !whole {
                    self.positions.clear();
                    let positions = &mut self.positions;
                    each_active(lists, events, |start, length| positions.extend(start..start + length));
                    out.keep(ty, positions);
                }
                out.lists = self.layout_of(arrays, number, lists, events);
            }
        }
        load::too_large(dtype, out)
    }

    /// The layout of a column's lists: that of a column which was loaded before and has equal ones, or a new one.
    fn layout_of(&mut self, arrays: &[Array<'_>], number: usize, lists: &Lists<'_>, events: &Events<'_>) -> usize {
        let same =
            |&&(other, _): &&(usize, usize)| matches!(&arrays[other], Array::Jagged(other) if lists.same_layout(other));
        if let Some(&(_, layout)) = self.loaded.iter().rev().find(same) {
            return layout;
        }
        let layout = match (lists.offsets(), lists.validity().all_valid() && events.active.is_none()) {
            (Offsets::Int64(offsets), true) => self.layouts.copy(offsets.iter().copied()),
            (Offsets::Int32(offsets), true) => self.layouts.copy(offsets.iter().map(|&offset| offset.into())),
            _ => {
                let mut lengths = Vec::with_capacity(events.active());
                each_active(lists, events, |_, length| lengths.push(length));
                self.layouts.add(lengths.into_iter())
            }
        };
        self.loaded.push((number, layout));
        layout
    }

    /// Compute a step that takes values of others.
    fn compute(
        &mut self,
        formulas: &Formulas<'_>,
        slot: Slot,
        events: &Events<'_>,
        out: &mut Register,
    ) -> std::result::Result<(), Failure> {
        let program = formulas.program;
        let step = &program.steps()[slot];
        let slots = step.op.inputs();
        self.check_lengths(formulas, slot, &slots, events)?;
        let registers = &self.registers;
        let inputs: Vec<Input<'_>> = slots
            .iter()
            .map(|&input| {
                let FormulaStep { ty, shape, .. } = program.steps()[input];
                Input { register: &registers[input], ty, shape }
            })
            .collect();
        if let Some(jagged) = inputs.iter().find(|input| input.shape == Shape::Jagged) {
            out.lists = jagged.register.lists;
        }
        match dispatch(step, &inputs, &mut self.layouts, out) {
            None => Ok(()),
            Some(beyond) => {
                let event = match beyond {
                    Beyond::Value(index) => self.event_of(step, out, index),
                    Beyond::List(event) => event,
                };
                let event = events.number(event, formulas);
                Err(Failure { at: (slot, event), error: Error::Overflow { event, shown: shown(program, slot) } })
            }
        }
    }

    /// Jagged values that are taken together must have lists of equal lengths.
    fn check_lengths(
        &self,
        formulas: &Formulas<'_>,
        slot: Slot,
        inputs: &[Slot],
        events: &Events<'_>,
    ) -> std::result::Result<(), Failure> {
        let program = formulas.program;
        let mut jagged = inputs.iter().copied().filter(|&input| program.steps()[input].shape == Shape::Jagged);
        let Some(first) = jagged.next() else { return Ok(()) };
        for second in jagged {
            let (left, right) = (self.registers[first].lists, self.registers[second].lists);
            if let Some((event, found, expected)) = self.layouts.difference(left, right) {
                let event = events.number(event, formulas);
                let (first, second, shown) = (program.text(first), program.text(second), shown(program, slot));
                let error = Error::Lengths { event, first, found, second, expected, shown };
                return Err(Failure { at: (slot, event), error });
            }
        }
        Ok(())
    }
}

/// Where a result is beyond int64.
enum Beyond {
    /// At this value.
    Value(usize),
    /// In this list.
    List(usize),
}

/// Do what a step does; returns the first place where its result is beyond int64.
fn dispatch(step: &FormulaStep, inputs: &[Input<'_>], layouts: &mut Layouts, out: &mut Register) -> Option<Beyond> {
    match (&step.op, inputs) {
        (Op::Constant(constant), _) => constant_of(*constant, out),
        (Op::Broadcast { .. }, [input, like]) => broadcast(input, layouts, like.register.lists, out),
        (Op::Apply { function, .. }, inputs) => return apply::apply(*function, inputs, out).map(Beyond::Value),
        (Op::Compare { relation, .. }, [a, b]) => apply::compare(*relation, a, b, &mut out.bools),
        (Op::Reduce { reduction, .. }, [input]) => {
            return lists::reduce(*reduction, input, layouts, out).map(Beyond::List);
        }
        (Op::At { .. }, [input, index]) => lists::at(input, index, layouts, out),
        (Op::Filter { .. }, [input, mask]) => lists::filter(input, &mask.register.bools, layouts, out),
        (Op::Sort { descending, .. }, [input, by]) => lists::sort(input, by, *descending, layouts, out),
        _ => {}
    }
    None
}

/// The formula of a step, with a caret under it.
fn shown(program: &Program, slot: Slot) -> String {
    let place = program.steps()[slot].place;
    pointed(program.formula(place.formula), &(place.start..place.stop))
}

/// Where the list of each event that is looked at begins, counted from the first list's begin, and its length.
fn each_active(lists: &Lists<'_>, events: &Events<'_>, mut list: impl FnMut(usize, usize)) {
    let Some(active) = events.active else { return lists.each(list) };
    let (first, _) = lists.extent();
    for &event in active {
        let (start, stop) = lists.span(event);
        list(start - first, stop - start);
    }
}

fn constant_of(constant: Constant, out: &mut Register) {
    match constant {
        Constant::Bool(value) => out.bools = vec![u8::from(value)],
        Constant::Int(value) => out.ints = vec![value],
        Constant::Float(value) => out.floats = vec![value],
    }
}

fn broadcast(input: &Input<'_>, layouts: &Layouts, layout: usize, out: &mut Register) {
    let spans = layouts.spans(layout).enumerate();
    let positions = spans.flat_map(|(event, (start, stop))| std::iter::repeat_n(Some(event), stop - start));
    out.gather(input.ty, input.register, positions);
    out.lists = layout;
}
