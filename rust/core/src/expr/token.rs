//! Formula text to tokens.

use std::ops::Range;

use super::Mistake;

/// A number or truth value that stands in a formula. Whole numbers have no sign yet; 2^63 only makes sense behind a minus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Literal {
    Bool(bool),
    Whole(u64),
    Float(f64),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Literal(Literal),
    /// A name, with dots if it has some.
    Name(String),
    /// What stands between quotes.
    Text(String),
    /// An operator, a bracket, a comma, or one of the words `and`, `or`, `not`.
    Symbol(&'static str),
    End,
}

impl Token {
    /// How messages call it.
    pub(super) fn words(&self) -> String {
        match self {
            Token::Literal(_) => "a number".to_owned(),
            Token::Name(name) => format!("'{name}'"),
            Token::Text(_) => "a text".to_owned(),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::End => "the end".to_owned(),
        }
    }
}

/// Operators, longest first.
const SYMBOLS: [&str; 22] = [
    "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "<", ">", "&", "|", "~", "(", ")", "[", "]", ",", "=",
];

/// What other languages, or Python, have and formulas have not, and what to write instead.
const FOREIGN: [(&str, &str); 5] = [
    ("&&", "'&&' is not part of formulas: write 'and'"),
    ("||", "'||' is not part of formulas: write 'or'"),
    ("^", "'^' is not part of formulas: a power is '**'"),
    ("!", "'!' is not part of formulas: write '~' or 'not'"),
    ("?", "'?' is not part of formulas: write where(condition, a, b)"),
];

/// Python's words that formulas do not have.
const RESERVED: [(&str, &str); 5] = [
    ("if", "'if' is not part of formulas: write where(condition, a, b)"),
    ("else", "'else' is not part of formulas: write where(condition, a, b)"),
    ("in", "'in' is not part of formulas: write (x == a) | (x == b)"),
    ("is", "'is' is not part of formulas: write '=='"),
    ("lambda", "'lambda' is not part of formulas"),
];

/// Tokens with their positions, counted in characters; the last one is the end.
pub(super) fn tokens(text: &[char]) -> Result<Vec<(Token, Range<usize>)>, Mistake> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at].is_whitespace() {
            at += 1;
            continue;
        }
        let (token, stop) = token(text, at)?;
        tokens.push((token, at..stop));
        at = stop;
    }
    tokens.push((Token::End, text.len()..text.len()));
    Ok(tokens)
}

/// The token at a place, and where it ends.
fn token(text: &[char], at: usize) -> Result<(Token, usize), Mistake> {
    let first = text[at];
    if first.is_ascii_digit() || (first == '.' && text.get(at + 1).is_some_and(char::is_ascii_digit)) {
        return number(text, at);
    }
    if starts_name(first) {
        return name(text, at);
    }
    if first == '"' || first == '\'' {
        return quoted(text, at);
    }
    let begins = |symbol: &str| symbol.chars().enumerate().all(|(index, c)| text.get(at + index) == Some(&c));
    if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| symbol.len() == 2 && begins(symbol)) {
        return Ok((Token::Symbol(symbol), at + 2));
    }
    if let Some((symbol, message)) = FOREIGN.into_iter().find(|(symbol, _)| begins(symbol)) {
        return Err(Mistake::new(at..at + symbol.len(), message));
    }
    match SYMBOLS.into_iter().find(|symbol| begins(symbol)) {
        Some(symbol) => Ok((Token::Symbol(symbol), at + symbol.len())),
        None => Err(Mistake::new(at..at + 1, format!("the character {first:?} is not part of formulas"))),
    }
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// The end of a stretch of characters of one kind.
fn end_of(text: &[char], at: usize, kind: impl Fn(char) -> bool) -> usize {
    text[at..].iter().position(|&c| !kind(c)).map_or(text.len(), |length| at + length)
}

fn name(text: &[char], at: usize) -> Result<(Token, usize), Mistake> {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    let mut stop = end_of(text, at, goes_on);
    while text.get(stop) == Some(&'.') && text.get(stop + 1).is_some_and(|&c| starts_name(c)) {
        stop = end_of(text, stop + 1, goes_on);
    }
    let name: String = text[at..stop].iter().collect();
    if let Some((_, message)) = RESERVED.into_iter().find(|(word, _)| *word == name) {
        return Err(Mistake::new(at..stop, message));
    }
    let token = match name.as_str() {
        "and" => Token::Symbol("and"),
        "or" => Token::Symbol("or"),
        "not" => Token::Symbol("not"),
        "True" => Token::Literal(Literal::Bool(true)),
        "False" => Token::Literal(Literal::Bool(false)),
        _ => Token::Name(name),
    };
    Ok((token, stop))
}

fn number(text: &[char], at: usize) -> Result<(Token, usize), Mistake> {
    let digits = |from: usize| end_of(text, from, |c| c.is_ascii_digit() || c == '_');
    let mut stop = digits(at);
    let whole = stop;
    if text.get(stop) == Some(&'.') {
        stop = digits(stop + 1);
    }
    if matches!(text.get(stop), Some('e' | 'E')) {
        let sign = usize::from(matches!(text.get(stop + 1), Some('+' | '-')));
        if text.get(stop + 1 + sign).is_some_and(char::is_ascii_digit) {
            stop = digits(stop + 1 + sign);
        }
    }
    if text.get(stop).is_some_and(|&c| starts_name(c)) {
        let stop = end_of(text, stop, |c| c.is_alphanumeric() || c == '_');
        return Err(Mistake::new(at..stop, "a number is expected, as 200, 1.5 or 2e-3"));
    }
    let written: String = text[at..stop].iter().collect();
    let misplaced = written
        .split(|c: char| !c.is_ascii_digit() && c != '_')
        .any(|digits| digits.starts_with('_') || digits.ends_with('_') || digits.contains("__"));
    if misplaced {
        return Err(Mistake::new(at..stop, "an underscore may stand between two digits only"));
    }
    let plain = written.replace('_', "");
    let token = if stop == whole { whole_number(&plain) } else { float(&plain) };
    token.map(|literal| (Token::Literal(literal), stop)).map_err(|message| Mistake::new(at..stop, message))
}

fn whole_number(digits: &str) -> Result<Literal, &'static str> {
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|digit| digit != b'0') {
        return Err("a whole number does not begin with 0");
    }
    let number = digits.parse().ok().filter(|&number: &u64| number <= 1 << 63);
    number.map(Literal::Whole).ok_or("this is beyond int64; write it with a decimal point as a float64")
}

fn float(digits: &str) -> Result<Literal, &'static str> {
    let number = digits.parse().ok().filter(|number: &f64| number.is_finite());
    number.map(Literal::Float).ok_or("this is beyond float64")
}

fn quoted(text: &[char], at: usize) -> Result<(Token, usize), Mistake> {
    let mut inside = String::new();
    let mut next = at + 1;
    while let Some(&c) = text.get(next) {
        if c == text[at] {
            return Ok((Token::Text(inside), next + 1));
        }
        let escaped = c == '\\' && matches!(text.get(next + 1), Some('\\' | '"' | '\''));
        next += usize::from(escaped);
        inside.push(text[next]);
        next += 1;
    }
    Err(Mistake::new(at..text.len(), "the quote is never closed"))
}
