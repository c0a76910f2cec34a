//! What mostly is one, without memory of its own: a column of a thousand events or fewer is soon done with.

use std::ops::{Deref, DerefMut};
use std::slice;

/// Some things in order.
#[derive(Clone, Debug)]
pub enum Pieces<T> {
    /// One.
    One(T),
    /// Any other number of them.
    More(Vec<T>),
}

impl<T> Pieces<T> {
    /// What `made` makes of each, or its first error.
    pub fn try_map<'p, U, E>(&'p self, mut made: impl FnMut(&'p T) -> Result<U, E>) -> Result<Pieces<U>, E> {
        Ok(match self {
            Pieces::One(piece) => Pieces::One(made(piece)?),
            Pieces::More(pieces) => Pieces::More(pieces.iter().map(made).collect::<Result<_, E>>()?),
        })
    }
}

impl<T> FromIterator<T> for Pieces<T> {
    fn from_iter<I: IntoIterator<Item = T>>(pieces: I) -> Pieces<T> {
        let mut pieces = pieces.into_iter();
        match (pieces.next(), pieces.next()) {
            (None, _) => Pieces::More(Vec::new()),
            (Some(only), None) => Pieces::One(only),
            (Some(first), Some(second)) => Pieces::More([first, second].into_iter().chain(pieces).collect()),
        }
    }
}

impl<T> From<Vec<T>> for Pieces<T> {
    fn from(pieces: Vec<T>) -> Pieces<T> {
        Pieces::More(pieces)
    }
}

impl<T> Deref for Pieces<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Pieces::One(piece) => slice::from_ref(piece),
            Pieces::More(pieces) => pieces,
        }
    }
}

impl<T> DerefMut for Pieces<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Pieces::One(piece) => slice::from_mut(piece),
            Pieces::More(pieces) => pieces,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_there_are_they_come_in_order() {
        for count in 0..4 {
            let pieces: Pieces<usize> = (0..count).collect();
            assert_eq!(*pieces, (0..count).collect::<Vec<_>>());
            assert_eq!(matches!(pieces, Pieces::One(_)), count == 1);
        }
    }
}
