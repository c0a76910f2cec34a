//! Trees to typed steps.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::function::{Function, Reduction, Relation};
use super::parse::{Id, Node, NodeKind, parse};
use super::program::{Defined, Program, Select};
use super::step::{Constant, FormulaStep, Op, Place, Shape, Type};
use super::token::Literal;
use super::{Mistake, call};
use crate::error::{Error, Result, hint};
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

/// Compile the cuts and new branches of a job on branches of that schema.
pub fn compile(schema: &Schema, new: &[NewBranch], cuts: &[Cut]) -> Result<Program> {
    let mut builder = Builder::new(schema, new)?;
    // What is wrong is said even of a branch that nobody needs.
    for index in 0..new.len() {
        Builder::new(schema, new)?.new_branch(index)?;
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
    Ok(builder.program)
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
    text: &'f str,
    number: usize,
    /// Of a function that is a formula: its parameters, and where it was called.
    parameters: Vec<(&'static str, Slot)>,
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

    fn at(&self, span: &Range<usize>) -> Place {
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
    schema: &'s Schema,
    new: &'s [NewBranch],
    by_name: BTreeMap<&'s str, usize>,
    program: Program,
    /// The value of every step that there is, by what it does.
    known: HashMap<String, Slot>,
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

    fn new_branch(&mut self, index: usize) -> Result<Slot> {
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
                "the cut is jagged: say whether any or all of an event's entries must pass, with \"any\" or \"all\" \
                 beside it, or by any(...) or all(...)"
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

    /// Compile the nodes one after the other; what a node is made of stands before it.
    pub(super) fn lower(&mut self, nodes: &[Node], site: &Site<'_>) -> Result<Slot> {
        let mut terms: Vec<Term> = Vec::with_capacity(nodes.len());
        for (id, node) in nodes.iter().enumerate() {
            let span = &node.span;
            let part = |id: Id| (terms[id], nodes[id].span.clone());
            let term = match &node.kind {
                NodeKind::Literal(Literal::Whole(number)) => {
                    let negated =
                        matches!(nodes.get(id + 1), Some(Node { kind: NodeKind::Unary("-", of), .. }) if *of == id);
                    if *number > i64::MAX as u64 && !negated {
                        return Err(
                            site.wrong(span, "this is beyond int64; write it with a decimal point as a float64")
                        );
                    }
                    Term::Whole((*number).into())
                }
                NodeKind::Literal(Literal::Bool(value)) => self.constant(Constant::Bool(*value), site, span),
                NodeKind::Literal(Literal::Float(value)) => self.constant(Constant::Float(*value), site, span),
                NodeKind::Name(name) => self.name(name, site, span)?,
                NodeKind::Unary(sign, of) => self.unary(sign, part(*of), site, span)?,
                NodeKind::Binary(symbol, left, right) => {
                    self.binary(symbol, [part(*left), part(*right)], site, span)?
                }
                NodeKind::Chain(operands, relations) => {
                    let operands: Vec<_> = operands.iter().map(|&id| part(id).0).collect();
                    self.chain(&operands, relations, site, span)
                }
                NodeKind::Index(list, index) => self.index(part(*list), part(*index), site, span)?,
                NodeKind::Call { name, arguments, keywords } => {
                    let arguments: Vec<_> = arguments.iter().map(|&id| part(id)).collect();
                    let keywords: Vec<_> = keywords.iter().map(|(name, id)| (name.as_str(), part(*id))).collect();
                    call::lower(self, name, &arguments, &keywords, site, span)?
                }
            };
            terms.push(term);
        }
        let whole = terms.last().copied().unwrap_or(Term::Whole(0));
        Ok(self.slot(whole, site, &(0..site.text.chars().count())))
    }

    fn name(&mut self, name: &str, site: &Site<'_>, span: &Range<usize>) -> Result<Term> {
        if let Some((_, slot)) = site.parameters.iter().find(|(parameter, _)| *parameter == name) {
            return Ok(Term::Slot(*slot));
        }
        if let Some(&index) = self.by_name.get(name) {
            return self.new_branch(index).map(Term::Slot);
        }
        if let Some(&(kind, dtype)) = self.schema.get(name) {
            return Ok(Term::Slot(self.emit(Op::Load { branch: name.to_owned(), kind, dtype }, site, span)));
        }
        let message = if call::is_function(name) {
            format!("'{name}' is a function: it takes its arguments in parentheses, as {name}(x)")
        } else {
            let known = self.schema.keys().map(String::as_str).chain(self.by_name.keys().copied());
            format!("there is no branch '{name}'{}", hint(name, known))
        };
        Err(site.wrong(span, message))
    }

    fn unary(
        &mut self,
        sign: &str,
        (term, of): (Term, Range<usize>),
        site: &Site<'_>,
        span: &Range<usize>,
    ) -> Result<Term> {
        match (sign, term) {
            ("-", Term::Whole(number)) => Ok(Term::Whole(-number)),
            ("-", _) => Ok(self.apply(Function::Neg, vec![term], site, span)),
            ("+", Term::Whole(_)) => Ok(term),
            ("+", _) if self.type_of(term) == Type::Bool => Ok(Term::Slot(self.int(term, site, span))),
            ("+", _) => Ok(term),
            _ => {
                let input = self.boolean(term, sign, site, &of)?;
                Ok(self.apply(Function::Not, vec![Term::Slot(input)], site, span))
            }
        }
    }

    fn binary(
        &mut self,
        symbol: &str,
        [left, right]: [(Term, Range<usize>); 2],
        site: &Site<'_>,
        span: &Range<usize>,
    ) -> Result<Term> {
        let both = vec![left.0, right.0];
        let function = match symbol {
            "+" => Function::Add,
            "-" => Function::Sub,
            "*" => Function::Mul,
            "//" => Function::FloorDiv,
            "%" => Function::Mod,
            "**" => return Ok(self.power(left.0, right.0, site, span)),
            "/" => {
                let floats = both.into_iter().map(|term| Term::Slot(self.float(term, site, span))).collect();
                return Ok(self.apply(Function::Div, floats, site, span));
            }
            _ => {
                let function = if matches!(symbol, "&" | "and") { Function::And } else { Function::Or };
                let left = self.boolean(left.0, symbol, site, &left.1)?;
                let right = self.boolean(right.0, symbol, site, &right.1)?;
                return Ok(self.apply(function, vec![Term::Slot(left), Term::Slot(right)], site, span));
            }
        };
        Ok(self.apply(function, both, site, span))
    }

    /// An integer to a power that is written out, and not negative, stays an integer.
    fn power(&mut self, base: Term, exponent: Term, site: &Site<'_>, span: &Range<usize>) -> Term {
        let float = self.type_of(base) == Type::Float;
        match exponent {
            Term::Whole(0..) if !float => self.apply(Function::Pow, vec![base, exponent], site, span),
            // x * x is rounded once, as no power function can do better.
            Term::Whole(2) => self.apply(Function::Mul, vec![base, base], site, span),
            Term::Whole(1) => base,
            _ => {
                let floats = [base, exponent].map(|term| Term::Slot(self.float(term, site, span)));
                self.apply(Function::Pow, floats.to_vec(), site, span)
            }
        }
    }

    /// `a < b <= c` is `(a < b) & (b <= c)`.
    fn chain(&mut self, operands: &[Term], relations: &[&str], site: &Site<'_>, span: &Range<usize>) -> Term {
        let mut whole: Option<Term> = None;
        for (pair, relation) in operands.windows(2).zip(relations) {
            let relation = match *relation {
                "<" => Relation::Lt,
                "<=" => Relation::Le,
                ">" => Relation::Gt,
                ">=" => Relation::Ge,
                "==" => Relation::Eq,
                _ => Relation::Ne,
            };
            let mut inputs: Vec<Slot> = (0..2).map(|at| self.compared(pair[at], pair[1 - at], site, span)).collect();
            self.align(&mut inputs, site, span);
            let found = Term::Slot(self.emit(Op::Compare { relation, inputs: [inputs[0], inputs[1]] }, site, span));
            whole = Some(match whole {
                None => found,
                Some(before) => self.apply(Function::And, vec![before, found], site, span),
            });
        }
        whole.unwrap_or(Term::Whole(0))
    }

    /// A number that is compared with another one: a literal beside a float64 is one, too, if that changes nothing.
    fn compared(&mut self, term: Term, other: Term, site: &Site<'_>, span: &Range<usize>) -> Slot {
        match term {
            Term::Whole(number) if number.abs() <= 1 << 53 && self.type_of(other) == Type::Float => {
                self.float(term, site, span)
            }
            term => self.int(term, site, span),
        }
    }

    fn index(
        &mut self,
        list: (Term, Range<usize>),
        index: (Term, Range<usize>),
        site: &Site<'_>,
        span: &Range<usize>,
    ) -> Result<Term> {
        let input = self.slot(list.0, site, &list.1);
        if self.step(input).shape != Shape::Jagged {
            let message = format!("only a list has entries; this is {}", self.step(input).shape.kind());
            return Err(site.wrong(&list.1, message));
        }
        let at = self.slot(index.0, site, &index.1);
        match (self.step(at).ty, self.step(at).shape) {
            (Type::Bool, Shape::Jagged) => Ok(Term::Slot(self.emit(Op::Filter { input, mask: at }, site, span))),
            (Type::Int, Shape::Flat | Shape::Constant) => {
                Ok(Term::Slot(self.emit(Op::At { input, index: at }, site, span)))
            }
            (ty, shape) => {
                let found = format!("{} {}", shape.kind(), ty.name());
                let message = format!("in [...] stands a whole number, or a condition for each entry, not a {found}");
                Err(site.wrong(&index.1, message))
            }
        }
    }
}

/// What steps are made of.
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

    fn constant(&mut self, constant: Constant, site: &Site<'_>, span: &Range<usize>) -> Term {
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
