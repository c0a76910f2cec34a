//! New branches as columns, like those of the data.

use super::register::Register;
use super::{Events, Machine};
use crate::column::{Array, Bools, Data, Lists, Offsets, Validity, Values};
use crate::error::Result;
use crate::expr::{Program, Shape, Type};

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
