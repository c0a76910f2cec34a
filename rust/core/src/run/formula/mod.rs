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
mod lists;
mod load;
mod register;
mod sweep;

pub(crate) use register::Register;

use apply::Input;
use register::Layouts;

use super::blocks::Piece;
use super::convert::Converted;
use crate::column::{Array, Bools, Data, Lists, Offsets, Table, Validity, Values};
use crate::error::{Error, Result};
use crate::expr::{Constant, FormulaStep, Op, Program, Shape, Type, pointed};
use crate::plan::Slot;
use crate::schema::{DType, Kind};

/// Some steps of a program, and the columns of a table that they load.
pub(crate) struct Formulas<'p> {
    pub(crate) program: &'p Program,
    steps: Vec<Slot>,
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
        Ok(Formulas { program, steps, columns, numbers: table.numbers() })
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
        let inputs = step.op.inputs();
        let jagged = inputs.into_iter().find(|&input| self.program.steps()[input].shape == Shape::Jagged);
        jagged.and_then(|input| self.source(input))
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
    /// The one that counts.
    pub(crate) fn first(self, other: Option<Failure>) -> Failure {
        match other {
            Some(other) if other.at < self.at => other,
            _ => self,
        }
    }
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
        for &slot in &formulas.steps {
            let step = &formulas.program.steps()[slot];
            let mut out = std::mem::take(&mut self.registers[slot]);
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
        let mut lengths = Vec::with_capacity(events.active());
        each_active(lists, events, |_, length| lengths.push(length));
        let layout = self.layouts.add(lengths.into_iter());
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
        let beyond = match &step.op {
            Op::Load { .. } => None,
            Op::Constant(constant) => {
                constant_of(*constant, out);
                None
            }
            Op::Broadcast { .. } => {
                broadcast(&inputs[0], &self.layouts, inputs[1].register.lists, out);
                None
            }
            Op::Apply { function, .. } => {
                apply::apply(*function, &inputs, out).map(|index| self.event_of(step, out, index))
            }
            Op::Compare { relation, .. } => {
                apply::compare(*relation, &inputs[0], &inputs[1], &mut out.bools);
                None
            }
            Op::Reduce { reduction, .. } => lists::reduce(*reduction, &inputs[0], &self.layouts, out),
            Op::At { .. } => {
                lists::at(&inputs[0], &inputs[1], &self.layouts, out);
                None
            }
            Op::Filter { .. } => {
                lists::filter(&inputs[0], &inputs[1].register.bools, &mut self.layouts, out);
                None
            }
            Op::Sort { descending, .. } => {
                lists::sort(&inputs[0], &inputs[1], *descending, &self.layouts, out);
                None
            }
        };
        match beyond {
            None => Ok(()),
            Some(event) => {
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

/// New branches of a block, as columns of all its events; reused from block to block.
#[derive(Default)]
pub(crate) struct Columns {
    registers: Vec<Register>,
    offsets: Vec<Vec<i64>>,
}

impl Columns {
    /// Take over the new branches that a machine computed. Events that were not looked at get 0 and empty lists.
    pub(crate) fn fill(&mut self, program: &Program, machine: &Machine, events: &Events<'_>) {
        let many = program.defined().len();
        self.registers.resize_with(many, Register::default);
        self.offsets.resize_with(many, Vec::new);
        for (number, defined) in program.defined().iter().enumerate() {
            let step = &program.steps()[defined.slot];
            let (from, to) = (machine.register(defined.slot), &mut self.registers[number]);
            if step.shape == Shape::Jagged {
                let all = 0..from.len(step.ty);
                to.gather(step.ty, from, all.map(Some));
                spread(machine.offsets(from), events, &mut self.offsets[number]);
            } else {
                let one = step.shape == Shape::Constant;
                let mut active = events.active.map(|active| active.iter().copied().enumerate().peekable());
                let place = |event: usize| match &mut active {
                    None => Some(event),
                    Some(active) => active.next_if(|&(_, of)| of == event).map(|(at, _)| at),
                };
                let places: Vec<Option<usize>> = (0..events.count).map(place).collect();
                to.gather(step.ty, from, places.into_iter().map(|at| at.map(|at| if one { 0 } else { at })));
            }
        }
    }

    /// The column of a new branch.
    pub(crate) fn array(&self, program: &Program, number: usize) -> Result<Array<'_>> {
        let defined = &program.defined()[number];
        let step = &program.steps()[defined.slot];
        let register = &self.registers[number];
        let data = match step.ty {
            Type::Bool => Data::Bool(Bools::Bytes(&register.bools)),
            Type::Int => Data::Int64(&register.ints),
            Type::Float => Data::Float64(&register.floats),
        };
        let nulls = step.ty == Type::Int && !register.nulls.is_empty();
        let validity = if nulls {
            Validity::Mask { flags: Bools::Bytes(&register.nulls), valid_when: false }
        } else {
            Validity::AllValid
        };
        let values = Values::new(&defined.name, data, validity)?;
        if step.shape != Shape::Jagged {
            return Ok(Array::Flat(values));
        }
        let offsets = Offsets::Int64(&self.offsets[number]);
        Lists::new(&defined.name, offsets, Validity::AllValid, values).map(Array::Jagged)
    }
}

/// Offsets of all events from those of the events that were looked at.
fn spread(offsets: &[i64], events: &Events<'_>, to: &mut Vec<i64>) {
    to.clear();
    let Some(active) = events.active else { return to.extend_from_slice(offsets) };
    to.push(0);
    let mut next = 0;
    for event in 0..events.count {
        next += usize::from(active.get(next) == Some(&event));
        to.push(offsets[next]);
    }
}
