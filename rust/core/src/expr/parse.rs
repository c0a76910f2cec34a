//! Tokens to a tree, by Python's rules of precedence.
//!
//! The tree lies in a list in which what a node is made of stands before it, so that it can be gone through without
//! recursion, however long a formula is.

use std::ops::Range;

use super::Mistake;
use super::token::{Literal, Token, tokens};

/// Characters that a formula may have.
pub(super) const LONGEST: usize = 4096;
/// Levels of brackets, calls and signs within each other.
const DEEPEST: usize = 64;

/// Position of a node in the list.
pub(super) type Id = usize;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    /// Where it stands, in characters.
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum NodeKind {
    Literal(Literal),
    /// A branch, or a new one.
    Name(String),
    /// `-`, `+`, `~` or `not`.
    Unary(&'static str, Id),
    /// An operator of two values, `and` and `or` among them.
    Binary(&'static str, Id, Id),
    /// `a < b <= c`: operands, and the relations between them.
    Chain(Vec<Id>, Vec<&'static str>),
    Call {
        name: String,
        arguments: Vec<Id>,
        keywords: Vec<(String, Id)>,
    },
    /// `x[i]`.
    Index(Id, Id),
}

/// The nodes of a formula; the last one is the whole.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Mistake> {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() > LONGEST {
        let message = format!("the formula has {} characters; at most {LONGEST} are possible", characters.len());
        return Err(Mistake::new(0..0, message));
    }
    let mut parser = Parser { tokens: tokens(&characters)?, at: 0, nodes: Vec::new(), depth: 0 };
    if parser.next_is(&Token::End) {
        return Err(Mistake::new(0..0, "the formula is empty"));
    }
    parser.or()?;
    match parser.peek() {
        Token::End => Ok(parser.nodes),
        Token::Symbol("=") => Err(parser.unexpected("'==' compares; there is no assignment in a formula")),
        Token::Symbol(symbol @ (")" | "]")) => Err(parser.unexpected(format!("'{symbol}' closes nothing"))),
        found => Err(parser.unexpected(format!("an operator is expected before {}", found.words()))),
    }
}

/// Operators of one level of precedence that group from the left, weakest level first.
const LEVELS: [&[&str]; 4] = [&["|"], &["&"], &["+", "-"], &["*", "//", "/", "%"]];
const RELATIONS: [&str; 6] = ["<=", ">=", "==", "!=", "<", ">"];

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    nodes: Vec<Node>,
    depth: usize,
}

type Parsed = Result<Id, Mistake>;

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Range<usize> {
        self.tokens[self.at].1.clone()
    }

    fn next_is(&self, token: &Token) -> bool {
        self.peek() == token
    }

    fn advance(&mut self) {
        // The end is never gone beyond.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    /// Take the next token if it is one of these symbols.
    fn accept(&mut self, symbols: &[&'static str]) -> Option<&'static str> {
        let Token::Symbol(found) = *self.peek() else { return None };
        let symbol = symbols.iter().find(|symbol| **symbol == found)?;
        self.advance();
        Some(symbol)
    }

    fn unexpected(&self, message: impl Into<String>) -> Mistake {
        let span = self.span();
        Mistake::new(span.start..span.end.max(span.start + 1), message)
    }

    fn add(&mut self, kind: NodeKind, span: Range<usize>) -> Id {
        self.nodes.push(Node { kind, span });
        self.nodes.len() - 1
    }

    /// From where one node begins to where the last token that was taken ends.
    fn from(&self, start: usize) -> Range<usize> {
        start..self.tokens[self.at.saturating_sub(1)].1.end
    }

    fn start_of(&self, id: Id) -> usize {
        self.nodes[id].span.start
    }

    /// Parse something one level deeper.
    fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.unexpected(format!("the formula is nested deeper than {DEEPEST} levels")));
        }
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }

    fn or(&mut self) -> Parsed {
        self.left(&["or"], |parser| parser.left(&["and"], Self::not))
    }

    /// Operands of one level, and the operators between them.
    fn left(&mut self, symbols: &[&'static str], operand: impl Fn(&mut Self) -> Parsed) -> Parsed {
        let mut left = operand(self)?;
        while let Some(symbol) = self.accept(symbols) {
            let right = operand(self)?;
            let span = self.from(self.start_of(left));
            left = self.add(NodeKind::Binary(symbol, left, right), span);
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed {
        let start = self.span().start;
        if self.accept(&["not"]).is_none() {
            return self.comparison();
        }
        let operand = self.deeper(Self::not)?;
        let span = self.from(start);
        Ok(self.add(NodeKind::Unary("not", operand), span))
    }

    fn comparison(&mut self) -> Parsed {
        let first = self.level(0)?;
        let (mut operands, mut relations) = (vec![first], Vec::new());
        while let Some(relation) = self.accept(&RELATIONS) {
            relations.push(relation);
            operands.push(self.level(0)?);
        }
        if relations.is_empty() {
            return Ok(first);
        }
        let span = self.from(self.start_of(first));
        Ok(self.add(NodeKind::Chain(operands, relations), span))
    }

    fn level(&mut self, level: usize) -> Parsed {
        match LEVELS.get(level) {
            Some(symbols) => self.left(symbols, |parser| parser.level(level + 1)),
            None => self.sign(),
        }
    }

    fn sign(&mut self) -> Parsed {
        let start = self.span().start;
        let Some(symbol) = self.accept(&["-", "+", "~"]) else { return self.power() };
        let operand = self.deeper(Self::sign)?;
        let span = self.from(start);
        Ok(self.add(NodeKind::Unary(symbol, operand), span))
    }

    /// `a ** b`, which groups from the right, and binds stronger than a sign before it and weaker than one behind it.
    fn power(&mut self) -> Parsed {
        let base = self.postfix()?;
        if self.accept(&["**"]).is_none() {
            return Ok(base);
        }
        let exponent = self.deeper(Self::sign)?;
        let span = self.from(self.start_of(base));
        Ok(self.add(NodeKind::Binary("**", base, exponent), span))
    }

    fn postfix(&mut self) -> Parsed {
        let mut value = self.atom()?;
        while self.accept(&["["]).is_some() {
            let index = self.deeper(Self::or)?;
            self.close("]")?;
            let span = self.from(self.start_of(value));
            value = self.add(NodeKind::Index(value, index), span);
        }
        Ok(value)
    }

    fn close(&mut self, bracket: &'static str) -> Result<(), Mistake> {
        if self.accept(&[bracket]).is_some() {
            return Ok(());
        }
        Err(self.unexpected(format!("'{bracket}' is expected, not {}", self.peek().words())))
    }

    fn atom(&mut self) -> Parsed {
        let span = self.span();
        let token = self.peek().clone();
        if let Token::Literal(_) | Token::Name(_) | Token::Symbol("(") = token {
            self.advance();
        }
        match token {
            Token::Literal(literal) => Ok(self.add(NodeKind::Literal(literal), span)),
            Token::Name(name) if self.next_is(&Token::Symbol("(")) => self.call(name, span.start),
            Token::Name(name) => Ok(self.add(NodeKind::Name(name), span)),
            Token::Symbol("(") => {
                let inner = self.deeper(Self::or)?;
                self.close(")")?;
                self.nodes[inner].span = self.from(span.start);
                Ok(inner)
            }
            Token::Text(_) => Err(self.unexpected("a text can only stand in get(\"...\")")),
            found => Err(self.unexpected(format!("a value is expected, not {}", found.words()))),
        }
    }

    /// What stands behind the name of a function.
    fn call(&mut self, name: String, start: usize) -> Parsed {
        self.advance();
        if name == "get" {
            return self.get(start);
        }
        let (mut arguments, mut keywords) = (Vec::new(), Vec::new());
        while self.accept(&[")"]).is_none() {
            let keyword = match (self.peek().clone(), self.tokens.get(self.at + 1)) {
                (Token::Name(keyword), Some((Token::Symbol("="), _))) => Some(keyword),
                _ => None,
            };
            if keyword.is_some() {
                self.at += 2;
            } else if !keywords.is_empty() {
                return Err(self.unexpected("an argument without a name comes before those with one"));
            }
            let value = self.deeper(Self::or)?;
            match keyword {
                Some(keyword) => keywords.push((keyword, value)),
                None => arguments.push(value),
            }
            if self.accept(&[","]).is_none() && !self.next_is(&Token::Symbol(")")) {
                return Err(self.unexpected(format!("',' or ')' is expected, not {}", self.peek().words())));
            }
        }
        let span = self.from(start);
        Ok(self.add(NodeKind::Call { name, arguments, keywords }, span))
    }

    /// `get("any name")`.
    fn get(&mut self, start: usize) -> Parsed {
        let Token::Text(name) = self.peek().clone() else {
            return Err(self.unexpected("get takes the name of a branch in quotes, as get(\"jet-pt\")"));
        };
        self.advance();
        self.close(")")?;
        let span = self.from(start);
        Ok(self.add(NodeKind::Name(name), span))
    }
}
