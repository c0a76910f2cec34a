//! Terms to steps: conversions, broadcasting, and one step for what is equal.

use std::ops::Range;

use super::build::{Builder, Site, Term};
use super::function::Function;
use super::step::{Constant, FormulaStep, Op, Shape, Type};
use crate::error::Result;
use crate::plan::Slot;

impl Builder<'_> {
    /// Whether formulas may use a branch of that name.
    pub(super) fn has_branch(&self, name: &str) -> bool {
        self.schema.contains_key(name) || self.by_name.contains_key(name)
    }

    pub(super) fn step(&self, slot: Slot) -> &FormulaStep {
        &self.program.steps[slot]
    }

    pub(super) fn type_of(&self, term: Term) -> Type {
        match term {
            Term::Whole(_) => Type::Int,
            Term::Slot(slot) => self.step(slot).ty,
        }
    }

    /// The value of a step; an equal one is taken where there is one.
    pub(super) fn emit(&mut self, op: Op, site: &Site<'_>, span: &Range<usize>) -> Slot {
        let key = format!("{op:?}");
        if let Some(&slot) = self.known.get(&key) {
            return slot;
        }
        let inputs: Vec<_> = op.inputs().iter().map(|&slot| (self.step(slot).ty, self.step(slot).shape)).collect();
        let (ty, shape) = op.result(&inputs).unwrap_or((Type::Float, Shape::Constant));
        debug_assert!(op.result(&inputs).is_some(), "{op:?} of {inputs:?}");
        self.program.steps.push(FormulaStep { op, ty, shape, place: site.at(span) });
        let slot = self.program.steps.len() - 1;
        self.known.insert(key, slot);
        slot
    }

    pub(super) fn constant(&mut self, constant: Constant, site: &Site<'_>, span: &Range<usize>) -> Term {
        Term::Slot(self.emit(Op::Constant(constant), site, span))
    }

    /// A value as it stands.
    pub(super) fn slot(&mut self, term: Term, site: &Site<'_>, span: &Range<usize>) -> Slot {
        match term {
            Term::Slot(slot) => slot,
            // A literal is within int64 unless it is 2^63, which is negated.
            Term::Whole(number) => self.emit(Op::Constant(Constant::Int(number as i64)), site, span),
        }
    }

    /// A number as float64.
    pub(super) fn float(&mut self, term: Term, site: &Site<'_>, span: &Range<usize>) -> Slot {
        match term {
            Term::Whole(number) => self.emit(Op::Constant(Constant::Float(number as f64)), site, span),
            Term::Slot(slot) if self.step(slot).ty == Type::Float => slot,
            Term::Slot(slot) => self.emit(Op::Apply { function: Function::ToFloat, inputs: vec![slot] }, site, span),
        }
    }

    /// A number in its own type; a bool counts as int64.
    pub(super) fn int(&mut self, term: Term, site: &Site<'_>, span: &Range<usize>) -> Slot {
        match term {
            Term::Slot(slot) if self.step(slot).ty == Type::Bool => {
                self.emit(Op::Apply { function: Function::ToInt, inputs: vec![slot] }, site, span)
            }
            term => self.slot(term, site, span),
        }
    }

    /// A bool that an operator takes.
    pub(super) fn boolean(&mut self, term: Term, symbol: &str, site: &Site<'_>, span: &Range<usize>) -> Result<Slot> {
        match term {
            Term::Slot(slot) if self.step(slot).ty == Type::Bool => Ok(slot),
            term => {
                let advice = match symbol {
                    "&" | "|" => format!(
                        "; '{symbol}' binds stronger than comparisons: put these in parentheses, as (a > 1) {symbol} (b < 2)"
                    ),
                    _ => ": write a comparison, as x > 0".to_owned(),
                };
                let found = self.type_of(term).a_name();
                Err(site.wrong(span, format!("'{symbol}' takes true or false, but this is {found}{advice}")))
            }
        }
    }

    /// Repeat what is flat for each entry of the first list, if there is one.
    pub(super) fn align(&mut self, slots: &mut [Slot], site: &Site<'_>, span: &Range<usize>) {
        let Some(&like) = slots.iter().find(|&&slot| self.step(slot).shape == Shape::Jagged) else { return };
        for slot in slots {
            if self.step(*slot).shape == Shape::Flat {
                *slot = self.emit(Op::Broadcast { input: *slot, like }, site, span);
            }
        }
    }

    /// Apply a function: to bools where all are, else to integers where all are, else to float64.
    pub(super) fn apply(&mut self, function: Function, terms: Vec<Term>, site: &Site<'_>, span: &Range<usize>) -> Term {
        let types: Vec<Type> = terms.iter().map(|&term| self.type_of(term)).collect();
        let as_they_are = function.result(&types).is_some();
        let float = types.contains(&Type::Float) || function.result(&vec![Type::Int; terms.len()]).is_none();
        let mut convert = |term: Term| match (as_they_are, float) {
            (true, _) => self.slot(term, site, span),
            (false, true) => self.float(term, site, span),
            (false, false) => self.int(term, site, span),
        };
        let mut inputs: Vec<Slot> = terms.into_iter().map(&mut convert).collect();
        self.align(&mut inputs, site, span);
        Term::Slot(self.emit(Op::Apply { function, inputs }, site, span))
    }
}
