//! Nodes to terms: one kind of node after the other.

use std::ops::Range;

use super::build::{Builder, Site, Term};
use super::call;
use super::function::{Function, Relation};
use super::parse::{Id, Node, NodeKind};
use super::step::{Constant, Op, Shape, Type};
use super::token::Literal;
use crate::error::{Result, hint};
use crate::plan::Slot;

const BEYOND: &str = "this is beyond int64; write it with a decimal point as a float64";

impl Builder<'_> {
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
            ("-", Term::Whole(number)) if i64::try_from(-number).is_ok() => Ok(Term::Whole(-number)),
            ("-", Term::Whole(_)) => Err(site.wrong(span, BEYOND)),
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
