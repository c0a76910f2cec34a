//! The steps that look at whole lists: reduce, at, filter and sort.

use std::cmp::Ordering;

use super::apply::Input;
use super::register::{Layouts, Register};
use crate::expr::{Reduction, Shape, Type};

/// Make one value of each list; returns the number of the first list whose result is beyond int64.
pub(super) fn reduce(reduction: Reduction, input: &Input<'_>, layouts: &Layouts, out: &mut Register) -> Option<usize> {
    let (values, layout) = (input.register, input.register.lists);
    out.nulls.clear();
    match (reduction, input.ty) {
        (Reduction::Any, _) => counted(layouts, layout, &values.bools, out, |trues, _| trues > 0),
        (Reduction::All, _) => counted(layouts, layout, &values.bools, out, |trues, all| trues == all),
        (Reduction::Count, _) => {
            out.ints.clear();
            out.ints.extend(layouts.spans(layout).map(|(start, stop)| (stop - start) as i64));
        }
        (Reduction::First, ty) => pick(layouts, layout, values, ty, out, |start, stop| (start < stop).then_some(start)),
        (Reduction::Last, ty) => {
            pick(layouts, layout, values, ty, out, |start, stop| stop.checked_sub(1).filter(|&at| at >= start))
        }
        (_, Type::Int) => return ints(reduction, values, layouts, out),
        _ => floats(reduction, &values.floats, layouts, layout, out),
    }
    None
}

/// What `f` says of the number of true entries of each list, and of the number of all.
///
/// Lists are short and of any length: a loop over each costs a misprediction. Counting all entries in one go, and taking
/// differences, costs none.
fn counted(layouts: &Layouts, layout: usize, bools: &[u8], out: &mut Register, f: impl Fn(u32, u32) -> bool) {
    let mut trues = 0_u32;
    out.counts.clear();
    out.counts.push(0);
    out.counts.extend(bools.iter().map(|&value| {
        trues = trues.wrapping_add(value.into());
        trues
    }));
    let (before, bools) = (&out.counts, &mut out.bools);
    bools.clear();
    let lists = layouts.spans(layout);
    // Lists of 2^32 entries do not fit into memory, so that differences are right whatever wraps around.
    let of_list = |(start, stop): (usize, usize)| f(before[stop].wrapping_sub(before[start]), (stop - start) as u32);
    bools.extend(lists.map(|list| u8::from(of_list(list))));
}

fn each<T, U>(layouts: &Layouts, layout: usize, values: &[T], out: &mut Vec<U>, f: impl Fn(&[T]) -> U) {
    out.clear();
    out.extend(layouts.spans(layout).map(|(start, stop)| f(&values[start..stop])));
}

/// Take one entry of each list, where there is one.
fn pick(
    layouts: &Layouts,
    layout: usize,
    values: &Register,
    ty: Type,
    out: &mut Register,
    place: impl Fn(usize, usize) -> Option<usize> + Clone,
) {
    out.gather(ty, values, layouts.spans(layout).map(move |(start, stop)| place(start, stop)));
}

fn floats(reduction: Reduction, values: &[f64], layouts: &Layouts, layout: usize, out: &mut Register) {
    let present = |list: &[f64]| list.iter().copied().filter(|value| !value.is_nan()).collect::<Vec<f64>>();
    let floats = &mut out.floats;
    match reduction {
        // What is missing adds 0, which changes nothing: the sum begins with +0, and is never -0.
        Reduction::Sum => each(layouts, layout, values, floats, |list| fold(list, 0.0, |sum, value| sum + value)),
        Reduction::Prod => {
            each(layouts, layout, values, floats, |list| fold(list, 1.0, |product, value| product * value))
        }
        Reduction::Min => each(layouts, layout, values, floats, |list| best(list, |value, least| value < least)),
        Reduction::Max => each(layouts, layout, values, floats, |list| best(list, |value, most| value > most)),
        Reduction::Mean => each(layouts, layout, values, floats, |list| mean(present(list).into_iter())),
        _ => {
            let smallest = reduction == Reduction::ArgMin;
            let better = |value: f64, best: f64| if smallest { value < best } else { value > best };
            arg(layouts, layout, out, |at| Some(values[at]).filter(|value| !value.is_nan()), better);
        }
    }
}

#[inline(always)]
fn fold(list: &[f64], start: f64, f: impl Fn(f64, f64) -> f64) -> f64 {
    list.iter().fold(start, |total, &value| f(total, if value.is_nan() { start } else { value }))
}

/// The first of the values than which no other is better; NaN where there is none.
#[inline(always)]
fn best(list: &[f64], better: impl Fn(f64, f64) -> bool) -> f64 {
    list.iter().fold(f64::NAN, |best, &value| if better(value, best) || best.is_nan() { value } else { best })
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.fold(0.0, |sum, value| sum + value) / count
}

fn ints(reduction: Reduction, values: &Register, layouts: &Layouts, out: &mut Register) -> Option<usize> {
    let layout = values.lists;
    let present = |start: usize, stop: usize| (start..stop).filter(|&at| !values.is_null(at)).map(|at| values.ints[at]);
    let checked = |start: usize, step: fn(i64, i64) -> Option<i64>, out: &mut Register| {
        out.ints.clear();
        for (list, (first, stop)) in layouts.spans(layout).enumerate() {
            match present(first, stop).try_fold(start as i64, step) {
                Some(total) => out.ints.push(total),
                None => return Some(list),
            }
        }
        None
    };
    match reduction {
        Reduction::Sum => return checked(0, i64::checked_add, out),
        Reduction::Prod => return checked(1, i64::checked_mul, out),
        Reduction::Min => extreme(layouts, layout, out, |start, stop| present(start, stop).min()),
        Reduction::Max => extreme(layouts, layout, out, |start, stop| present(start, stop).max()),
        Reduction::Mean => {
            out.floats.clear();
            let lists = layouts.spans(layout);
            out.floats.extend(lists.map(|(start, stop)| {
                let list: Vec<f64> = present(start, stop).map(|value| value as f64).collect();
                mean(list.into_iter())
            }));
        }
        _ => {
            let smallest = reduction == Reduction::ArgMin;
            let better = |value: i64, best: i64| if smallest { value < best } else { value > best };
            arg(layouts, layout, out, |at| Some(values.ints[at]).filter(|_| !values.is_null(at)), better);
        }
    }
    None
}

/// One int64 of each list, null where there is none.
fn extreme(layouts: &Layouts, layout: usize, out: &mut Register, find: impl Fn(usize, usize) -> Option<i64>) {
    out.ints.clear();
    let mut nulls = false;
    for (start, stop) in layouts.spans(layout) {
        let found = find(start, stop);
        out.ints.push(found.unwrap_or(0));
        out.nulls.push(u8::from(found.is_none()));
        nulls |= found.is_none();
    }
    if !nulls {
        out.nulls.clear();
    }
}

/// Where in each list the first of the best values stands, missing ones counted but not looked at.
fn arg<T: Copy>(
    layouts: &Layouts,
    layout: usize,
    out: &mut Register,
    value: impl Fn(usize) -> Option<T>,
    better: impl Fn(T, T) -> bool,
) {
    extreme(layouts, layout, out, |start, stop| {
        let mut best: Option<(usize, T)> = None;
        for (at, found) in (start..stop).filter_map(|at| Some((at, value(at)?))) {
            if best.is_none_or(|(_, so_far)| better(found, so_far)) {
                best = Some((at, found));
            }
        }
        best.map(|(at, _)| (at - start) as i64)
    });
}

/// Entry `index` of each list, from the end where it is negative.
pub(super) fn at(input: &Input<'_>, index: &Input<'_>, layouts: &Layouts, out: &mut Register) {
    let indices = &index.register.ints;
    let of = |event: usize| if index.shape == Shape::Constant { 0 } else { event };
    let positions = layouts.spans(input.register.lists).enumerate().map(|(event, (start, stop))| {
        let wanted = indices[of(event)];
        let length = (stop - start) as i64;
        let place = if wanted < 0 { wanted.checked_add(length)? } else { wanted };
        (!index.is_null(event) && (0..length).contains(&place)).then(|| start + place as usize)
    });
    out.gather(input.ty, input.register, positions);
}

/// The entries for which the condition is true; returns where the new lists lie.
pub(super) fn filter(input: &Input<'_>, mask: &[u8], layouts: &mut Layouts, out: &mut Register) {
    let lengths: Vec<usize> = layouts
        .spans(input.register.lists)
        .map(|(start, stop)| mask[start..stop].iter().map(|&kept| usize::from(kept)).sum())
        .collect();
    let kept = mask.iter().enumerate().filter(|(_, kept)| **kept != 0).map(|(at, _)| Some(at));
    out.gather(input.ty, input.register, kept);
    out.lists = layouts.add(lengths.into_iter());
}

/// The entries of each list ordered by others; equal ones keep their order, and missing ones come last.
pub(super) fn sort(input: &Input<'_>, by: &Input<'_>, descending: bool, layouts: &Layouts, out: &mut Register) {
    let (keys, layout) = (by.register, input.register.lists);
    let missing = |at: usize| if by.ty == Type::Int { keys.is_null(at) } else { keys.floats[at].is_nan() };
    let order = |a: usize, b: usize| match by.ty {
        Type::Int => keys.ints[a].cmp(&keys.ints[b]),
        _ => keys.floats[a].partial_cmp(&keys.floats[b]).unwrap_or(Ordering::Equal),
    };
    let mut places: Vec<usize> = (0..layouts.values(layout)).collect();
    for (start, stop) in layouts.spans(layout).filter(|(start, stop)| stop - start > 1) {
        places[start..stop].sort_by(|&a, &b| match (missing(a), missing(b)) {
            (false, false) if descending => order(b, a),
            (false, false) => order(a, b),
            (left, right) => left.cmp(&right),
        });
    }
    out.gather(input.ty, input.register, places.into_iter().map(Some));
    out.lists = layout;
}
