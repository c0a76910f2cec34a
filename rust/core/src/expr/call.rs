//! Calls of functions to typed steps.

use std::ops::Range;

use super::build::{Builder, Site, Term};
use super::function::{FUNCTIONS, Function, Meaning, Reduction};
use super::parse::parse;
use super::step::{Constant, Op, Shape, Type};
use crate::error::{Error, Result, hint};

/// A term and where it stands.
type Argument = (Term, Range<usize>);

/// Whether a function is called so.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, ..)| *known == name)
}

/// Compile a call.
pub(super) fn lower(
    builder: &mut Builder<'_>,
    name: &str,
    arguments: &[Argument],
    keywords: &[(&str, Argument)],
    site: &Site<'_>,
    span: &Range<usize>,
) -> Result<Term> {
    let meaning = find(builder, name, arguments.len(), site, span)?;
    if let (Some((keyword, (_, at))), false) = (keywords.first(), matches!(meaning, Meaning::Sort)) {
        return Err(site.wrong(at, format!("{name} takes no argument called '{keyword}'")));
    }
    let terms: Vec<Term> = arguments.iter().map(|argument| argument.0).collect();
    match meaning {
        Meaning::Float(function) => {
            let floats = terms.into_iter().map(|term| Term::Slot(builder.float(term, site, span))).collect();
            Ok(builder.apply(function, floats, site, span))
        }
        Meaning::Number(function) => Ok(builder.apply(function, terms, site, span)),
        Meaning::Rounding(_) if builder.type_of(terms[0]) != Type::Float => {
            Ok(Term::Slot(builder.int(terms[0], site, span)))
        }
        Meaning::Rounding(function) => Ok(builder.apply(function, terms, site, span)),
        Meaning::Integer(function) => integer(builder, function, &arguments[0], site, span),
        Meaning::Logic(function) => {
            let bools = arguments.iter().map(|(term, at)| builder.boolean(*term, name, site, at).map(Term::Slot));
            let bools = bools.collect::<Result<_>>()?;
            Ok(builder.apply(function, bools, site, span))
        }
        Meaning::Where => choose(builder, arguments, site, span),
        Meaning::Reduce(reduction) => reduce(builder, reduction, &arguments[0], site, span),
        Meaning::Sort => sort(builder, &arguments[0], keywords, site, span),
        Meaning::Formula(parameters, text) => {
            let slots = arguments.iter().map(|(term, at)| builder.slot(*term, site, at));
            let parameters = parameters.iter().copied().zip(slots).collect();
            let nodes = parse(text).map_err(|mistake| site.wrong(span, mistake.message))?;
            builder.lower(&nodes, &site.inside(span, parameters)).map(Term::Slot)
        }
    }
}

/// The function of that name which takes so many arguments.
fn find(builder: &Builder<'_>, name: &str, count: usize, site: &Site<'_>, span: &Range<usize>) -> Result<Meaning> {
    let named: Vec<_> = FUNCTIONS.iter().filter(|(known, ..)| *known == name).collect();
    let at = span.start..span.start + name.chars().count();
    if named.is_empty() {
        let message = if builder.has_branch(name) {
            format!("'{name}' is a branch, not a function: write '*' if a product is meant")
        } else {
            format!("there is no function '{name}'{}", hint(name, FUNCTIONS.iter().map(|(known, ..)| *known)))
        };
        return Err(site.wrong(&at, message));
    }
    if let Some((_, _, meaning)) = named.iter().find(|(_, takes, _)| *takes == count) {
        return Ok(*meaning);
    }
    let takes: Vec<String> = named.iter().map(|(_, takes, meaning)| listed(*takes, meaning)).collect();
    Err(site.wrong(&at, format!("{name} takes {}; there are {count}", takes.join(" or "))))
}

/// How many arguments, and what they are called where that is known.
fn listed(takes: usize, meaning: &Meaning) -> String {
    let names = match meaning {
        Meaning::Formula(parameters, _) => format!(" ({})", parameters.join(", ")),
        Meaning::Where => " (condition, a, b)".to_owned(),
        Meaning::Sort => " (and by=, descending=)".to_owned(),
        _ => String::new(),
    };
    format!("{takes} argument{}{names}", if takes == 1 { "" } else { "s" })
}

fn integer(
    builder: &mut Builder<'_>,
    function: Function,
    (term, at): &Argument,
    site: &Site<'_>,
    span: &Range<usize>,
) -> Result<Term> {
    if builder.type_of(*term) == Type::Float {
        let message = format!("{} takes whole numbers, but this is a float64", function.name());
        return Err(site.wrong(at, message));
    }
    Ok(builder.apply(function, vec![*term], site, span))
}

fn choose(builder: &mut Builder<'_>, arguments: &[Argument], site: &Site<'_>, span: &Range<usize>) -> Result<Term> {
    let condition = builder.boolean(arguments[0].0, "where", site, &arguments[0].1)?;
    let values = [arguments[1].0, arguments[2].0];
    let types = values.map(|term| builder.type_of(term));
    let slots = values.map(|term| {
        if types[0] == types[1] {
            builder.slot(term, site, span)
        } else if types.contains(&Type::Float) {
            builder.float(term, site, span)
        } else {
            builder.int(term, site, span)
        }
    });
    let terms = [condition, slots[0], slots[1]].map(Term::Slot);
    Ok(builder.apply(Function::Where, terms.to_vec(), site, span))
}

/// A value that must be a list.
fn list(builder: &mut Builder<'_>, what: &str, (term, at): &Argument, site: &Site<'_>) -> Result<usize> {
    let input = builder.slot(*term, site, at);
    match builder.step(input).shape {
        Shape::Jagged => Ok(input),
        shape => Err(site.wrong(at, format!("{what} takes a list an event, but this is {}", shape.kind()))),
    }
}

fn reduce(
    builder: &mut Builder<'_>,
    reduction: Reduction,
    argument: &Argument,
    site: &Site<'_>,
    span: &Range<usize>,
) -> Result<Term> {
    let mut input = list(builder, reduction.name(), argument, site)?;
    if reduction.result(&[builder.step(input).ty]).is_none() {
        if matches!(reduction, Reduction::Any | Reduction::All) {
            let (name, found) = (reduction.name(), builder.step(input).ty.a_name());
            let message =
                format!("{name} takes true or false, but this is {found}: write a comparison, as {name}(x > 0)");
            return Err(site.wrong(&argument.1, message));
        }
        input = builder.int(Term::Slot(input), site, span);
    }
    Ok(Term::Slot(builder.emit(Op::Reduce { reduction, input }, site, span)))
}

fn sort(
    builder: &mut Builder<'_>,
    argument: &Argument,
    keywords: &[(&str, Argument)],
    site: &Site<'_>,
    span: &Range<usize>,
) -> Result<Term> {
    let input = list(builder, "sort", argument, site)?;
    let (mut by, mut descending) = (input, false);
    for (number, (keyword, value)) in keywords.iter().enumerate() {
        if keywords[..number].iter().any(|(before, _)| before == keyword) {
            return Err(site.wrong(&value.1, format!("'{keyword}' is given twice")));
        }
        match *keyword {
            "by" => by = list(builder, "by=", value, site)?,
            "descending" => descending = truth(builder, value, site)?,
            other => {
                let near = hint(other, ["by", "descending"].into_iter());
                return Err(site.wrong(&value.1, format!("sort takes by= and descending=, not '{other}'{near}")));
            }
        }
    }
    let by = builder.int(Term::Slot(by), site, span);
    Ok(Term::Slot(builder.emit(Op::Sort { input, by, descending }, site, span)))
}

/// A truth value that is written out.
fn truth(builder: &mut Builder<'_>, (term, at): &Argument, site: &Site<'_>) -> Result<bool> {
    let wrong: fn(&Site<'_>, &Range<usize>) -> Error = |site, at| site.wrong(at, "descending is True or False");
    let Term::Slot(slot) = *term else { return Err(wrong(site, at)) };
    match builder.step(slot).op {
        Op::Constant(Constant::Bool(value)) => Ok(value),
        _ => Err(wrong(site, at)),
    }
}
