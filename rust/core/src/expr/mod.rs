//! Formulas: text to typed steps. Nothing is executed here.
//!
//! A formula is parsed to a tree (`parse.rs`), and the tree is compiled to steps (`build.rs`, `lower.rs`, `call.rs`, `emit.rs`), each of which makes one
//! value; equal steps are one, also across formulas. What types the steps take is said in `function.rs`, once for the
//! compiler and for plans that are read back.

mod build;
mod call;
mod emit;
mod function;
mod lower;
mod parse;
mod program;
mod step;
mod token;

use std::ops::Range;

pub use build::{Cut, NewBranch, compile, compile_one, names};
pub use function::{Function, Reduction, Relation};
pub use program::{Defined, Program, Select};
pub use step::{Constant, FormulaStep, Op, Place, Shape, Type};

use crate::error::Error;

/// What is wrong at a place of a formula.
#[derive(Clone, Debug, PartialEq)]
struct Mistake {
    /// In characters.
    span: Range<usize>,
    message: String,
}

impl Mistake {
    fn new(span: Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake { span, message: message.into() }
    }

    /// The error; `place` says where the formula stands, `""` that there is only one.
    fn error(self, place: &str, formula: &str) -> Error {
        let place = if place.is_empty() { "formula" } else { place };
        Error::Formula { place: place.to_owned(), message: self.message, shown: pointed(formula, &self.span) }
    }
}

/// Characters that are shown on each side of what is pointed at.
const AROUND: usize = 60;

/// A formula on one line with a caret under each character of `span`; of a long one only what is around it.
pub(crate) fn pointed(formula: &str, span: &Range<usize>) -> String {
    let clean = |c: char| if c.is_whitespace() || c.is_control() { ' ' } else { c };
    let characters: Vec<char> = formula.chars().map(clean).collect();
    if characters.is_empty() {
        return String::new();
    }
    let start = span.start.min(characters.len());
    let first = start.saturating_sub(AROUND);
    let last = (start + AROUND).min(characters.len());
    let (before, behind) = (if first > 0 { "..." } else { "" }, if last < characters.len() { "..." } else { "" });
    let shown: String = characters[first..last].iter().collect();
    let carets = span.end.min(last).saturating_sub(start).max(1);
    format!("\n  {before}{shown}{behind}\n  {}{}", " ".repeat(before.len() + start - first), "^".repeat(carets))
}

#[cfg(test)]
mod tests;
