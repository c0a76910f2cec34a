//! Going through values one by one: loops that are compiled for several kinds of CPU.

use crate::simd::{Work, fastest};

/// One value for all, or one each.
#[derive(Clone, Copy)]
pub(super) enum Operand<'o, T> {
    One(T),
    Many(&'o [T]),
}

impl<T: Copy> Operand<'_, T> {
    /// The value at `index`.
    pub(super) fn get(&self, index: usize) -> T {
        match self {
            Operand::One(value) => *value,
            Operand::Many(values) => values[index],
        }
    }

    /// How many values there are; of one for all one.
    pub(super) fn len(&self) -> usize {
        self.many().unwrap_or(1)
    }

    /// How many values there are, unless one is for all.
    pub(super) fn many(&self) -> Option<usize> {
        match self {
            Operand::One(_) => None,
            Operand::Many(values) => Some(values.len()),
        }
    }
}

/// `out[i] = f(a[i])`.
pub(super) fn map1<T: Copy, U: Copy + Default>(a: Operand<'_, T>, out: &mut Vec<U>, f: impl Fn(T) -> U) {
    match a {
        Operand::One(a) => {
            out.clear();
            out.push(f(a));
        }
        Operand::Many(a) => {
            out.resize(a.len(), U::default());
            fastest(Map1 { a, out, f });
        }
    }
}

/// `out[i] = f(a[i], b[i])`.
pub(super) fn map2<T: Copy, U: Copy + Default>(
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    out: &mut Vec<U>,
    f: impl Fn(T, T) -> U,
) {
    match (a, b) {
        (a, Operand::One(b)) => map1(a, out, |a| f(a, b)),
        (Operand::One(a), b) => map1(b, out, |b| f(a, b)),
        (Operand::Many(a), Operand::Many(b)) => {
            out.resize(a.len(), U::default());
            fastest(Map2 { a, b, out, f });
        }
    }
}

struct Map1<'m, T, U, F> {
    a: &'m [T],
    out: &'m mut [U],
    f: F,
}

impl<T: Copy, U, F: Fn(T) -> U> Work for Map1<'_, T, U, F> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        for (out, &a) in self.out.iter_mut().zip(self.a) {
            *out = (self.f)(a);
        }
    }
}

struct Map2<'m, T, U, F> {
    a: &'m [T],
    b: &'m [T],
    out: &'m mut [U],
    f: F,
}

impl<T: Copy, U, F: Fn(T, T) -> U> Work for Map2<'_, T, U, F> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        for ((out, &a), &b) in self.out.iter_mut().zip(self.a).zip(self.b) {
            *out = (self.f)(a, b);
        }
    }
}

/// `out[i] = f(a[i], b[i])`, in which `f` also tells whether the result is wrong; returns whether one is.
pub(super) fn checked(
    a: Operand<'_, i64>,
    b: Operand<'_, i64>,
    out: &mut Vec<i64>,
    f: impl Fn(i64, i64) -> (i64, bool),
) -> bool {
    out.resize(a.many().unwrap_or(b.len()), 0);
    match (a, b) {
        (Operand::Many(a), Operand::Many(b)) => fastest(Checked { a: a.iter(), b: b.iter(), out, f }),
        (Operand::Many(a), Operand::One(b)) => fastest(Checked { a: a.iter(), b: std::iter::repeat(&b), out, f }),
        (Operand::One(a), Operand::Many(b)) => fastest(Checked { a: std::iter::repeat(&a), b: b.iter(), out, f }),
        (Operand::One(a), Operand::One(b)) => {
            let (value, wrong) = f(a, b);
            out[0] = value;
            wrong
        }
    }
}

struct Checked<'m, A, B, F> {
    a: A,
    b: B,
    out: &'m mut [i64],
    f: F,
}

impl<'m, A, B, F> Work for Checked<'m, A, B, F>
where
    A: Iterator<Item = &'m i64>,
    B: Iterator<Item = &'m i64>,
    F: Fn(i64, i64) -> (i64, bool),
{
    type Output = bool;

    #[inline(always)]
    fn work(self) -> bool {
        let mut wrong = false;
        for ((out, &a), &b) in self.out.iter_mut().zip(self.a).zip(self.b) {
            let (value, beyond) = (self.f)(a, b);
            *out = value;
            wrong |= beyond;
        }
        wrong
    }
}
