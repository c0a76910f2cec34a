//! The steps of all formulas of a job together: those of cuts first.

use super::step::{FormulaStep, Op};
use crate::plan::Slot;
use crate::schema::{DType, Kind};
use crate::sentinel::Sentinels;

/// A cut: events pass where its value is true.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// The condition.
    pub slot: Slot,
    /// How tables of what was cut call it.
    pub cut: String,
    /// Whether it is applied in training only.
    pub training: bool,
}

/// A new branch.
#[derive(Clone, Debug, PartialEq)]
pub struct Defined {
    /// Its name.
    pub name: String,
    /// Its values.
    pub slot: Slot,
}

/// Steps, which cuts they make up, and which branches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The formulas that the steps come from.
    pub(crate) formulas: Vec<String>,
    pub(crate) steps: Vec<FormulaStep>,
    /// So many steps are those of cuts.
    pub(crate) cut_steps: usize,
    pub(crate) selects: Vec<Select>,
    pub(crate) defined: Vec<Defined>,
    /// Numbers of the branches that are read which stand for a missing value.
    pub(crate) sentinels: Sentinels,
}

impl Program {
    /// The steps; each takes what earlier ones make.
    pub fn steps(&self) -> &[FormulaStep] {
        &self.steps
    }

    /// The cuts in order.
    pub fn selects(&self) -> &[Select] {
        &self.selects
    }

    /// The new branches in the order of their names.
    pub fn defined(&self) -> &[Defined] {
        &self.defined
    }

    /// Numbers that stand for a missing value, by branch.
    pub fn sentinels(&self) -> &Sentinels {
        &self.sentinels
    }

    /// The same, where numbers of the branches that it reads stand for a missing value.
    pub fn with_sentinels(self, sentinels: Sentinels) -> Program {
        Program { sentinels, ..self }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.selects.is_empty() && self.defined.is_empty()
    }

    /// Kind and type of a new branch.
    pub fn branch_of(&self, defined: &Defined) -> (Kind, DType) {
        let step = &self.steps[defined.slot];
        (step.shape.kind(), step.ty.dtype())
    }

    /// The steps that all cuts need, in order.
    pub(crate) fn for_cuts(&self) -> Vec<Slot> {
        self.needed(self.selects.iter().map(|select| select.slot))
    }

    /// The steps that all new branches need, in order.
    pub(crate) fn for_defined(&self) -> Vec<Slot> {
        self.needed(self.defined.iter().map(|defined| defined.slot))
    }

    /// The steps that one value needs, in order.
    pub(crate) fn for_value(&self, slot: Slot) -> Vec<Slot> {
        self.needed([slot].into_iter())
    }

    fn needed(&self, slots: impl Iterator<Item = Slot>) -> Vec<Slot> {
        let mut needed = vec![false; self.steps.len()];
        slots.for_each(|slot| needed[slot] = true);
        for slot in (0..self.steps.len()).rev() {
            if needed[slot] {
                self.steps[slot].op.inputs().into_iter().for_each(|input| needed[input] = true);
            }
        }
        (0..needed.len()).filter(|&slot| needed[slot]).collect()
    }

    /// The branches that some steps load, in order: name, kind and type.
    pub(crate) fn loads<'p>(&'p self, slots: &'p [Slot]) -> impl Iterator<Item = (Slot, &'p str, Kind, DType)> + 'p {
        slots.iter().filter_map(|&slot| match &self.steps[slot].op {
            Op::Load { branch, kind, dtype } => Some((slot, branch.as_str(), *kind, *dtype)),
            _ => None,
        })
    }

    /// Every branch that cuts read, and every one that new branches read: name, kind and type.
    pub fn reads(&self) -> [Vec<(&str, Kind, DType)>; 2] {
        [self.for_cuts(), self.for_defined()].map(|slots| {
            let loads = slots.iter().filter_map(|&slot| match &self.steps[slot].op {
                Op::Load { branch, kind, dtype } => Some((branch.as_str(), *kind, *dtype)),
                _ => None,
            });
            loads.collect()
        })
    }

    /// The text of a formula.
    pub(crate) fn formula(&self, number: usize) -> &str {
        self.formulas.get(number).map_or("", String::as_str)
    }

    /// What a step computes, as it was written.
    pub(crate) fn text(&self, slot: Slot) -> String {
        let place = self.steps[slot].place;
        let formula = self.formula(place.formula);
        formula.chars().skip(place.start).take(place.stop.saturating_sub(place.start)).collect()
    }
}
