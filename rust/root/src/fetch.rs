//! Which bytes are needed, and getting them: neighbouring baskets in one piece.

use std::ops::Range;

use crate::bytes::Bytes;
use crate::error::Fault;
use crate::spare::Buffer;
use crate::tasks::{self, Failed};

/// Bytes between two baskets that are read along with them rather than left out.
const GAP: u64 = 16 << 10;
/// A piece is not made longer than this, so that several threads have something to do.
const PIECE: u64 = 2 << 20;

/// A range of the file, and the positions (among those asked for) of the baskets in it.
#[derive(Debug)]
pub(crate) struct Piece {
    pub bytes: Range<u64>,
    baskets: Vec<usize>,
}

/// Put baskets together, each given by where it lies, if anywhere.
pub(crate) fn pieces(baskets: &[Option<(u64, usize)>]) -> Vec<Piece> {
    let placed = baskets.iter().enumerate().filter_map(|(position, basket)| Some((basket.as_ref()?, position)));
    let mut ranges: Vec<(Range<u64>, usize)> =
        placed.map(|((start, size), position)| (*start..start.saturating_add(*size as u64), position)).collect();
    ranges.sort_unstable_by_key(|(range, position)| (range.start, range.end, *position));
    let mut pieces: Vec<Piece> = Vec::new();
    for (range, position) in ranges {
        match pieces.last_mut() {
            Some(last) if range.end <= last.bytes.end => last.baskets.push(position),
            Some(last)
                if range.start <= last.bytes.end.saturating_add(GAP) && range.end - last.bytes.start <= PIECE =>
            {
                last.bytes.end = range.end;
                last.baskets.push(position);
            }
            _ => pieces.push(Piece { bytes: range, baskets: vec![position] }),
        }
    }
    pieces
}

/// The bytes of baskets: a buffer, and for each basket where its bytes lie in there.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    buffer: Buffer,
    places: Vec<Range<usize>>,
}

impl Fetched {
    /// The bytes of the basket at a position; none of one that lies nowhere.
    pub fn basket(&self, position: usize) -> &[u8] {
        &self.buffer.bytes()[self.places[position].clone()]
    }
}

/// Get the bytes of all baskets. The position of a basket comes with an error.
pub(crate) fn fetch<B: Bytes>(
    bytes: &B,
    baskets: &[Option<(u64, usize)>],
    threads: Option<usize>,
) -> Result<Fetched, Failed> {
    if baskets.is_empty() {
        return Ok(Fetched::default());
    }
    let first = baskets.iter().position(Option::is_some).unwrap_or_default();
    let there = bytes.size().map_err(|fault| (first, fault))?;
    for (position, (start, size)) in baskets.iter().enumerate().filter_map(|(at, basket)| Some((at, (*basket)?))) {
        let stop = start.saturating_add(size as u64);
        if stop > there {
            return Err((position, Fault::TooShort { size: there, stop }));
        }
    }
    bytes.check_unchanged().map_err(|fault| (first, fault))?;
    let pieces = pieces(baskets);
    let total = pieces.iter().map(|piece| (piece.bytes.end - piece.bytes.start) as usize).sum();
    let mut fetched = Fetched { buffer: Buffer::of(total), places: vec![0..0; baskets.len()] };
    let mut rest = &mut fetched.buffer.bytes_mut()[..total];
    let (mut work, mut at) = (Vec::with_capacity(pieces.len()), 0);
    for piece in &pieces {
        let size = (piece.bytes.end - piece.bytes.start) as usize;
        let (into, behind) = rest.split_at_mut(size);
        work.push((piece, into));
        for position in &piece.baskets {
            if let Some((start, size)) = baskets[*position] {
                let begin = at + (start - piece.bytes.start) as usize;
                fetched.places[*position] = begin..begin + size;
            }
        }
        (rest, at) = (behind, at + size);
    }
    tasks::run(threads, work.into_iter(), |(), (piece, into)| {
        let position = piece.baskets.first().copied().unwrap_or_default();
        bytes.read(piece.bytes.start, into).map_err(|fault| (position, fault))
    })?;
    Ok(fetched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Ranges;

    #[test]
    fn neighbours_are_fetched_in_one_piece() {
        let far = 10 * GAP;
        let baskets = [Some((100, 50)), None, Some((0, 100)), Some((far, 10)), Some((160, 40)), Some((160, 10))];
        let found = pieces(&baskets);
        let ranges: Vec<_> = found.iter().map(|piece| (piece.bytes.clone(), piece.baskets.clone())).collect();
        assert_eq!(ranges, [(0..200, vec![2, 0, 5, 4]), (far..far + 10, vec![3])]);
    }

    #[test]
    fn every_basket_gets_its_bytes() {
        let file: Vec<u8> = (0..=255).collect();
        let source = Ranges::new(256, vec![(0, file.clone())]);
        let baskets = [Some((100, 50)), None, Some((0, 3)), Some((110, 5))];
        let fetched = fetch(&source, &baskets, Some(2)).unwrap();
        assert_eq!(fetched.basket(0), &file[100..150]);
        assert_eq!(fetched.basket(1), &[] as &[u8]);
        assert_eq!(fetched.basket(2), &file[..3]);
        assert_eq!(fetched.basket(3), &file[110..115]);
        let (position, fault) = fetch(&source, &[None, Some((200, 57))], None).unwrap_err();
        assert_eq!((position, fault.to_string().contains("before byte 257")), (1, true));
    }
}
