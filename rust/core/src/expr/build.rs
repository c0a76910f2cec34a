//! Trees to typed steps.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::Mistake;
use super::function::Reduction;
use super::parse::{Node, NodeKind, parse};
use super::program::{Defined, Program, Select};
use super::step::{FormulaStep, Op, Place, Shape, Type};
use crate::error::{Error, Result};
use crate::plan::Slot;
use crate::schema::{Kind, Schema};

/// New branches that may use each other in a row.
const LONGEST_ROW: usize = 64;

/// A new branch, as a user writes it.
#[derive(Clone, Debug, Default)]
pub struct NewBranch {
    /// Its name.
    pub name: String,
    /// Its formula.
    pub formula: String,
    /// Flat or jagged, where that is declared.
    pub kind: Option<Kind>,
    /// Whether it stays when all is done; if not, it is there for other formulas and cuts.
    pub kept: bool,
    /// Where it was written, for messages.
    pub place: String,
}

/// A cut, as a user writes it.
#[derive(Clone, Debug, Default)]
pub struct Cut {
    /// Its formula.
    pub formula: String,
    /// `any` or `all` for a jagged one.
    pub reduction: Option<Reduction>,
    /// Whether it is applied in training only.
    pub training: bool,
    /// How tables of what was cut call it.
    pub name: String,
    /// Where it was written, for messages.
    pub place: String,
}

/// Compile the cuts and new branches of a job on branches of that schema. Returns also what of the schema it takes to
/// compile them again.
pub fn compile(schema: &Schema, new: &[NewBranch], cuts: &[Cut]) -> Result<(Program, Schema)> {
    let mut builder = Builder::new(schema, new)?;
    // What is wrong is said even of a branch that nobody needs.
    let mut checker = Builder::new(schema, new)?;
    for index in 0..new.len() {
        checker.new_branch(index)?;
    }
    for cut in cuts {
        let slot = builder.cut(cut)?;
        builder.program.selects.push(Select { slot, cut: cut.name.clone(), training: cut.training });
    }
    builder.program.cut_steps = builder.program.steps.len();
    let mut kept: Vec<(&str, usize)> = new.iter().enumerate().map(|(at, branch)| (branch.name.as_str(), at)).collect();
    kept.sort();
    for (name, index) in kept.into_iter().filter(|&(_, index)| new[index].kept) {
        let slot = builder.new_branch(index)?;
        builder.program.defined.push(Defined { name: name.to_owned(), slot });
    }
    let mut reads = Schema::new();
    for step in checker.program.steps.iter().chain(&builder.program.steps) {
        if let Op::Load { branch, kind, dtype } = &step.op {
            reads.insert(branch.clone(), (*kind, *dtype));
        }
    }
    Ok((builder.program, reads))
}

/// Compile one formula on branches of that schema: a program that defines one branch, without a name.
pub fn compile_one(schema: &Schema, formula: &str) -> Result<Program> {
    let mut builder = Builder::new(schema, &[])?;
    let slot = builder.formula("", formula)?;
    builder.program.defined.push(Defined { name: String::new(), slot });
    Ok(builder.program)
}

/// The names in a formula, which are those of branches it takes; nothing where it cannot be parsed.
pub fn names(formula: &str) -> Vec<String> {
    let name = |node: Node| match node.kind {
        NodeKind::Name(name) => Some(name),
        _ => None,
    };
    parse(formula).unwrap_or_default().into_iter().filter_map(name).collect()
}

/// Where a formula stands that is being compiled.
pub(super) struct Site<'f> {
    place: &'f str,
    pub(super) text: &'f str,
    number: usize,
    /// Of a function that is a formula: its parameters, and where it was called.
    pub(super) parameters: Vec<(&'static str, Slot)>,
    called: Option<Range<usize>>,
}

impl Site<'_> {
    /// The same, in the body of a function that is called there.
    pub(super) fn inside(&self, span: &Range<usize>, parameters: Vec<(&'static str, Slot)>) -> Site<'_> {
        let called = Some(self.called.clone().unwrap_or(span.clone()));
        Site { place: self.place, text: self.text, number: self.number, parameters, called }
    }

    pub(super) fn wrong(&self, span: &Range<usize>, message: impl Into<String>) -> Error {
        Mistake::new(self.called.clone().unwrap_or(span.clone()), message).error(self.place, self.text)
    }

    pub(super) fn at(&self, span: &Range<usize>) -> Place {
        let span = self.called.as_ref().unwrap_or(span);
        Place { formula: self.number, start: span.start, stop: span.end }
    }
}

/// What a node became: a value, or a whole number that has no type yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Term {
    Slot(Slot),
    Whole(i128),
}

pub(super) struct Builder<'s> {
    pub(super) schema: &'s Schema,
    new: &'s [NewBranch],
    pub(super) by_name: BTreeMap<&'s str, usize>,
    pub(super) program: Program,
    /// The value of every step that there is, by what it does.
    pub(super) known: HashMap<String, Slot>,
    /// The values of new branches that were compiled, and those that are being compiled.
    bound: HashMap<usize, Slot>,
    open: Vec<usize>,
}

impl<'s> Builder<'s> {
    fn new(schema: &'s Schema, new: &'s [NewBranch]) -> Result<Builder<'s>> {
        let mut by_name = BTreeMap::new();
        for (index, branch) in new.iter().enumerate() {
            if schema.contains_key(&branch.name) || by_name.insert(branch.name.as_str(), index).is_some() {
                let message = format!("there is a branch '{}' already; a new one needs a name of its own", branch.name);
                return Err(Mistake::new(0..0, message).error(&branch.place, ""));
            }
        }
        let (program, known, bound, open) = (Program::default(), HashMap::new(), HashMap::new(), Vec::new());
        Ok(Builder { schema, new, by_name, program, known, bound, open })
    }

    fn formula(&mut self, place: &str, text: &str) -> Result<Slot> {
        let number = self.program.formulas.len();
        self.program.formulas.push(text.to_owned());
        let nodes = parse(text).map_err(|mistake| mistake.error(place, text))?;
        let site = Site { place, text, number, parameters: Vec::new(), called: None };
        self.lower(&nodes, &site)
    }

    pub(super) fn new_branch(&mut self, index: usize) -> Result<Slot> {
        if let Some(&slot) = self.bound.get(&index) {
            return Ok(slot);
        }
        let new = self.new;
        let branch = &new[index];
        let wrong = |message: String| Err(Mistake::new(0..0, message).error(&branch.place, &branch.formula));
        if let Some(start) = self.open.iter().position(|&open| open == index) {
            let circle = self.open[start..].iter().chain([&index]);
            let names: Vec<&str> = circle.map(|&index| new[index].name.as_str()).collect();
            return wrong(format!("new branches need each other in a circle: {}", names.join(" -> ")));
        }
        if self.open.len() == LONGEST_ROW {
            return wrong(format!("more than {LONGEST_ROW} new branches use each other in a row"));
        }
        self.open.push(index);
        let slot = self.formula(&branch.place, &branch.formula)?;
        self.open.pop();
        let found = self.step(slot).shape.kind();
        if let Some(declared) = branch.kind.filter(|&declared| declared != found) {
            return wrong(format!("the formula is {found}, but declared to be {declared}"));
        }
        self.bound.insert(index, slot);
        Ok(slot)
    }

    fn cut(&mut self, cut: &Cut) -> Result<Slot> {
        let slot = self.formula(&cut.place, &cut.formula)?;
        let FormulaStep { ty, shape, place, .. } = *self.step(slot);
        let whole = 0..cut.formula.chars().count();
        let wrong = |message: String| Err(Mistake::new(whole.clone(), message).error(&cut.place, &cut.formula));
        match (ty, shape, cut.reduction) {
            (Type::Int | Type::Float, ..) => {
                wrong(format!("a cut must be true or false, but this is {}: write a comparison, as x > 0", ty.a_name()))
            }
            (_, Shape::Jagged, None) => wrong(
                "the cut is jagged: say whether any or all of an event's entries must pass, as any(...) or all(...), or in a \
                 file by \"any\" or \"all\" beside the formula"
                    .to_owned(),
            ),
            (_, Shape::Jagged, Some(reduction)) => {
                let site = Site {
                    place: &cut.place,
                    text: &cut.formula,
                    number: place.formula,
                    parameters: Vec::new(),
                    called: None,
                };
                Ok(self.emit(Op::Reduce { reduction, input: slot }, &site, &whole))
            }
            (_, _, Some(reduction)) => {
                wrong(format!("the cut is flat: it takes no \"{}\", which is for lists", reduction.name()))
            }
            (_, _, None) => Ok(slot),
        }
    }
}
