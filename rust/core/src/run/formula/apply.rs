//! The apply and compare steps.

use std::cmp::Ordering;

use super::register::Register;
use super::sweep::{Operand, checked, map1, map2};
use crate::elementary;
use crate::expr::{Function, Relation, Shape, Type};

/// A value that a step takes.
#[derive(Clone, Copy)]
pub(super) struct Input<'i> {
    pub(super) register: &'i Register,
    pub(super) ty: Type,
    pub(super) shape: Shape,
}

impl<'i> Input<'i> {
    fn operand<T: Copy>(&self, values: &'i [T]) -> Operand<'i, T> {
        match (self.shape, values) {
            (Shape::Constant, [value]) => Operand::One(*value),
            _ => Operand::Many(values),
        }
    }

    fn bools(&self) -> Operand<'i, u8> {
        self.operand(&self.register.bools)
    }

    fn ints(&self) -> Operand<'i, i64> {
        self.operand(&self.register.ints)
    }

    fn floats(&self) -> Operand<'i, f64> {
        self.operand(&self.register.floats)
    }

    /// How many values there are, unless one is for all.
    fn many(&self) -> Option<usize> {
        (self.shape != Shape::Constant).then(|| self.register.len(self.ty))
    }

    pub(super) fn is_null(&self, index: usize) -> bool {
        self.register.is_null(if self.shape == Shape::Constant { 0 } else { index })
    }

    fn has_nulls(&self) -> bool {
        !self.register.nulls.is_empty()
    }
}

/// Apply a function; returns the position of the first value that is beyond int64, if there is one.
pub(super) fn apply(function: Function, inputs: &[Input<'_>], out: &mut Register) -> Option<usize> {
    out.nulls.clear();
    match (function, inputs) {
        (Function::Where, [condition, a, b]) => choose(condition, a, b, out),
        (_, [a]) if a.ty == Type::Int => return int1(function, a, out),
        (_, [a, b]) if a.ty == Type::Int => return int2(function, a, b, out),
        (Function::Not, [a]) => map1(a.bools(), &mut out.bools, |a| a ^ 1),
        (Function::And, [a, b]) => map2(a.bools(), b.bools(), &mut out.bools, |a, b| a & b),
        (Function::Or, [a, b]) => map2(a.bools(), b.bools(), &mut out.bools, |a, b| a | b),
        (Function::ToInt, [a]) => map1(a.bools(), &mut out.ints, i64::from),
        (Function::ToFloat, [a]) => map1(a.bools(), &mut out.floats, f64::from),
        (_, [a]) => float1(function, a.floats(), out),
        (_, [a, b]) => float2(function, a.floats(), b.floats(), &mut out.floats),
        _ => {}
    }
    None
}

fn choose(condition: &Input<'_>, a: &Input<'_>, b: &Input<'_>, out: &mut Register) {
    let truth = condition.bools();
    let len = truth.many().or(a.many()).or(b.many()).unwrap_or(1);
    fn each<T: Copy>(len: usize, truth: Operand<'_, u8>, a: Operand<'_, T>, b: Operand<'_, T>, out: &mut Vec<T>) {
        out.clear();
        out.extend((0..len).map(|at| if truth.get(at) != 0 { a.get(at) } else { b.get(at) }));
    }
    match a.ty {
        Type::Bool => each(len, truth, a.bools(), b.bools(), &mut out.bools),
        Type::Float => each(len, truth, a.floats(), b.floats(), &mut out.floats),
        Type::Int => {
            each(len, truth, a.ints(), b.ints(), &mut out.ints);
            if a.has_nulls() || b.has_nulls() {
                let null = |at| if truth.get(at) != 0 { a.is_null(at) } else { b.is_null(at) };
                out.nulls.extend((0..len).map(|at| u8::from(null(at))));
            }
        }
    }
}

fn int1(function: Function, a: &Input<'_>, out: &mut Register) -> Option<usize> {
    let numbers = a.ints();
    if function == Function::ToFloat {
        map1(numbers, &mut out.floats, |a| a as f64);
        for (float, &null) in out.floats.iter_mut().zip(&a.register.nulls) {
            *float = if null != 0 { f64::NAN } else { *float };
        }
        return None;
    }
    out.nulls.extend_from_slice(&a.register.nulls);
    let f = match function {
        Function::Neg => i64::overflowing_neg,
        Function::Abs => i64::overflowing_abs,
        Function::Sign => |a: i64| (a.signum(), false),
        _ => factorial,
    };
    if function == Function::Factorial && (0..numbers.len()).any(|at| numbers.get(at) < 0) {
        out.nulls = (0..numbers.len()).map(|at| u8::from(a.is_null(at) || numbers.get(at) < 0)).collect();
    }
    let wrong = checked(numbers, Operand::One(0), &mut out.ints, |a, _| f(a));
    first_wrong(wrong, numbers.len(), out, |at| f(numbers.get(at)).1)
}

/// Of a negative number there is none.
fn factorial(of: i64) -> (i64, bool) {
    match (1..=of.min(21)).try_fold(1_i64, i64::checked_mul) {
        Some(product) => (product, false),
        None => (0, true),
    }
}

fn int2(function: Function, a: &Input<'_>, b: &Input<'_>, out: &mut Register) -> Option<usize> {
    let (left, right) = (a.ints(), b.ints());
    let len = left.many().unwrap_or(right.len());
    if a.has_nulls() || b.has_nulls() {
        let ignores = matches!(function, Function::FMin | Function::FMax);
        let null = |at| if ignores { a.is_null(at) & b.is_null(at) } else { a.is_null(at) | b.is_null(at) };
        out.nulls.extend((0..len).map(|at| u8::from(null(at))));
    }
    let f: fn(i64, i64) -> (i64, bool) = match function {
        Function::Add => return sum(left, right, len, out, i64::overflowing_add),
        Function::Sub => return sum(left, right, len, out, i64::overflowing_sub),
        Function::Mul => return sum(left, right, len, out, i64::overflowing_mul),
        Function::FloorDiv | Function::Mod => {
            divisors(right, len, out);
            if function == Function::FloorDiv { floor_divide } else { |a, b| (remainder(a, b), false) }
        }
        Function::Pow => power,
        Function::Min | Function::FMin => |a, b| (a.min(b), false),
        _ => |a, b| (a.max(b), false),
    };
    if matches!(function, Function::FMin | Function::FMax) && (a.has_nulls() || b.has_nulls()) {
        out.ints.clear();
        out.ints.extend((0..len).map(|at| match (a.is_null(at), b.is_null(at)) {
            (true, _) => right.get(at),
            (_, true) => left.get(at),
            _ => f(left.get(at), right.get(at)).0,
        }));
        return None;
    }
    sum(left, right, len, out, f)
}

/// Two integers made one, with a look at what is beyond int64.
fn sum(
    a: Operand<'_, i64>,
    b: Operand<'_, i64>,
    len: usize,
    out: &mut Register,
    f: impl Fn(i64, i64) -> (i64, bool),
) -> Option<usize> {
    let wrong = checked(a, b, &mut out.ints, &f);
    first_wrong(wrong, len, out, |at| f(a.get(at), b.get(at)).1)
}

/// The first value that is wrong and not null.
fn first_wrong(any: bool, len: usize, out: &Register, wrong: impl Fn(usize) -> bool) -> Option<usize> {
    if any { (0..len).find(|&at| !out.is_null(at) && wrong(at)) } else { None }
}

/// `a ** b`; beyond 64 only 0, 1 and -1 stay in int64, of which the last asks whether `b` is odd.
fn power(a: i64, b: i64) -> (i64, bool) {
    a.overflowing_pow(if b > 64 { 64 + (b & 1) as u32 } else { b.max(0) as u32 })
}

/// What is divided by zero is null.
fn divisors(b: Operand<'_, i64>, len: usize, out: &mut Register) {
    let zeros = match b {
        Operand::One(b) => b == 0,
        Operand::Many(b) => b.contains(&0),
    };
    if zeros {
        out.nulls.resize(len, 0);
        out.nulls.iter_mut().enumerate().for_each(|(at, null)| *null |= u8::from(b.get(at) == 0));
    }
}

/// Python's `a // b`; of zero nothing that matters.
fn floor_divide(a: i64, b: i64) -> (i64, bool) {
    if b == 0 {
        return (0, false);
    }
    let (quotient, beyond) = a.overflowing_div(b);
    (quotient - i64::from(!beyond && a % b != 0 && (a < 0) != (b < 0)), beyond)
}

/// Python's `a % b`, which has the sign of `b`.
fn remainder(a: i64, b: i64) -> i64 {
    if b == 0 || b == -1 {
        return 0;
    }
    let rest = a % b;
    if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
}

fn float1(function: Function, a: Operand<'_, f64>, out: &mut Register) {
    let bools = &mut out.bools;
    match function {
        Function::IsNan => return map1(a, bools, |a| u8::from(a.is_nan())),
        Function::IsInf => return map1(a, bools, |a| u8::from(a.is_infinite())),
        Function::IsFinite => return map1(a, bools, |a| u8::from(a.is_finite())),
        Function::SignBit => return map1(a, bools, |a| u8::from(a.is_sign_negative())),
        _ => {}
    }
    let floats = &mut out.floats;
    match function {
        Function::Neg => map1(a, floats, |a| -a),
        Function::Abs => map1(a, floats, f64::abs),
        Function::Sign => map1(a, floats, |a| {
            if a > 0.0 {
                1.0
            } else if a < 0.0 {
                -1.0
            } else if a == 0.0 {
                0.0
            } else {
                a
            }
        }),
        Function::Floor => map1(a, floats, f64::floor),
        Function::Ceil => map1(a, floats, f64::ceil),
        Function::Trunc => map1(a, floats, f64::trunc),
        Function::Rint => map1(a, floats, f64::round_ties_even),
        Function::Sqrt => map1(a, floats, f64::sqrt),
        Function::Log => many(a, floats, elementary::log),
        _ => {
            if let Some(f) = elementary::of_one(function) {
                map1(a, floats, f);
            }
        }
    }
}

/// A function that takes many numbers at once.
fn many(a: Operand<'_, f64>, out: &mut Vec<f64>, f: impl Fn(&[f64], &mut [f64])) {
    out.resize(a.len(), 0.0);
    match a {
        Operand::One(a) => f(&[a], out),
        Operand::Many(a) => f(a, out),
    }
}

fn float2(function: Function, a: Operand<'_, f64>, b: Operand<'_, f64>, out: &mut Vec<f64>) {
    match function {
        Function::Add => map2(a, b, out, |a, b| a + b),
        Function::Sub => map2(a, b, out, |a, b| a - b),
        Function::Mul => map2(a, b, out, |a, b| a * b),
        Function::Div => map2(a, b, out, |a, b| a / b),
        Function::FloorDiv => map2(a, b, out, |a, b| divmod(a, b).0),
        Function::Mod => map2(a, b, out, |a, b| divmod(a, b).1),
        Function::Min => map2(a, b, out, |a, b| if a < b || a.is_nan() { a } else { b }),
        Function::Max => map2(a, b, out, |a, b| if a > b || a.is_nan() { a } else { b }),
        Function::FMin => map2(a, b, out, |a, b| if a < b || b.is_nan() { a } else { b }),
        Function::FMax => map2(a, b, out, |a, b| if a > b || b.is_nan() { a } else { b }),
        Function::Copysign => map2(a, b, out, f64::copysign),
        _ => {
            if let Some(f) = elementary::of_two(function) {
                map2(a, b, out, f);
            }
        }
    }
}

/// Python's `a // b` and `a % b` of floats, as NumPy has them; by zero `a / b` and NaN.
fn divmod(a: f64, b: f64) -> (f64, f64) {
    let rest = a % b;
    if b == 0.0 {
        return (a / b, rest);
    }
    let quotient = (a - rest) / b;
    let (quotient, rest) = if rest == 0.0 {
        (quotient, 0.0_f64.copysign(b))
    } else if (b < 0.0) != (rest < 0.0) {
        (quotient - 1.0, rest + b)
    } else {
        (quotient, rest)
    };
    if quotient == 0.0 {
        return (0.0_f64.copysign(a / b), rest);
    }
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, rest)
}

/// Compare numbers; a null or NaN differs from everything, and is neither smaller nor larger.
pub(super) fn compare(relation: Relation, a: &Input<'_>, b: &Input<'_>, out: &mut Vec<u8>) {
    match (a.ty, b.ty) {
        (Type::Int, Type::Int) => relate(relation, a.ints(), b.ints(), out),
        (Type::Float, Type::Float) => relate(relation, a.floats(), b.floats(), out),
        _ => {
            let len = a.many().or(b.many()).unwrap_or(1);
            out.clear();
            out.extend((0..len).map(|at| u8::from(holds(relation, mixed(a, b, at)))));
        }
    }
    if a.has_nulls() || b.has_nulls() {
        let differs = u8::from(relation == Relation::Ne);
        for (at, truth) in out.iter_mut().enumerate() {
            *truth = if a.is_null(at) || b.is_null(at) { differs } else { *truth };
        }
    }
}

fn relate<T: Copy + PartialOrd>(relation: Relation, a: Operand<'_, T>, b: Operand<'_, T>, out: &mut Vec<u8>) {
    match relation {
        Relation::Lt => map2(a, b, out, |a, b| u8::from(a < b)),
        Relation::Le => map2(a, b, out, |a, b| u8::from(a <= b)),
        Relation::Gt => map2(a, b, out, |a, b| u8::from(a > b)),
        Relation::Ge => map2(a, b, out, |a, b| u8::from(a >= b)),
        Relation::Eq => map2(a, b, out, |a, b| u8::from(a == b)),
        Relation::Ne => map2(a, b, out, |a, b| u8::from(a != b)),
    }
}

/// The order of an integer and a float.
fn mixed(a: &Input<'_>, b: &Input<'_>, at: usize) -> Option<Ordering> {
    if a.ty == Type::Int {
        exact(a.ints().get(at), b.floats().get(at))
    } else {
        exact(b.ints().get(at), a.floats().get(at)).map(Ordering::reverse)
    }
}

/// The order of an integer and a float, without rounding either.
fn exact(integer: i64, float: f64) -> Option<Ordering> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
    if float.is_nan() {
        return None;
    }
    if float >= LIMIT {
        return Some(Ordering::Less);
    }
    if float < -LIMIT {
        return Some(Ordering::Greater);
    }
    // Within these limits the whole part is an int64, and what is left is exact.
    let order = integer.cmp(&(float as i64));
    Some(order.then_with(|| 0.0_f64.partial_cmp(&(float - float.trunc())).unwrap_or(Ordering::Equal)))
}

fn holds(relation: Relation, order: Option<Ordering>) -> bool {
    match relation {
        Relation::Lt => order.is_some_and(Ordering::is_lt),
        Relation::Le => order.is_some_and(Ordering::is_le),
        Relation::Gt => order.is_some_and(Ordering::is_gt),
        Relation::Ge => order.is_some_and(Ordering::is_ge),
        Relation::Eq => order.is_some_and(Ordering::is_eq),
        Relation::Ne => !order.is_some_and(Ordering::is_eq),
    }
}
