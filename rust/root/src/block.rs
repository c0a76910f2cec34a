//! Blocks of compressed bytes, of all five kinds.
//!
//! A block begins with nine bytes: two letters for the kind, a byte for the method, and its sizes, compressed and not, of
//! three bytes each, little-endian. A basket of more than 16 MB has several.

use std::cell::RefCell;

use libdeflater::{DecompressionError, Decompressor};
use liblzma::stream::{Action, Status, Stream};
use twox_hash::XxHash64;

use crate::error::Fault;

const HEADER: usize = 9;
/// Bytes behind the wanted ones that are decompressed as well where the rest is not. A match has up to 258 bytes, and
/// libdeflate writes up to 299 behind the place where it is.
const SLACK: usize = 600;
/// Stands in the slack, where everything is written over unless libdeflate stopped before the wanted bytes ended.
const UNTOUCHED: [u8; 16] = *b"\x9d\xe1\x17\x64\xb8\x2c\xf3\x5a\x06\xd5\x4b\xc9\x70\x8f\x3e\xa2";
/// Where it begins, counted from the end of the slack.
const FROM_END: usize = 258 + 2 * UNTOUCHED.len();
/// Memory that the decompressor for lzma may take.
const LZMA_MEMORY: u64 = 256 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Zlib,
    /// Deflate without zlib's header and checksum, of files from before 2000.
    Old,
    Lz4,
    Zstd,
    Lzma,
}

#[derive(Clone, Copy, Debug)]
struct Block<'b> {
    kind: Kind,
    data: &'b [u8],
    size: usize,
}

impl<'b> Block<'b> {
    /// The block at the begin of `bytes`, and what follows it.
    fn split(bytes: &'b [u8]) -> Result<(Block<'b>, &'b [u8]), Fault> {
        let Some((header, rest)) = bytes.split_at_checked(HEADER) else {
            return Err(damaged("they end too early"));
        };
        let kind = match &header[..2] {
            b"ZL" => Kind::Zlib,
            b"CS" => Kind::Old,
            b"L4" => Kind::Lz4,
            b"ZS" => Kind::Zstd,
            b"XZ" => Kind::Lzma,
            _ => return Err(damaged("a block of unknown kind")),
        };
        let size =
            |at: usize| usize::from(header[at]) | usize::from(header[at + 1]) << 8 | usize::from(header[at + 2]) << 16;
        let Some((data, rest)) = rest.split_at_checked(size(3)) else {
            return Err(damaged("they end too early"));
        };
        let block = Block { kind, data, size: size(6) };
        if block.size > block.most() {
            return Err(damaged("a block claims to hold more than it can"));
        }
        Ok((block, rest))
    }

    /// The most bytes that can come of it.
    fn most(&self) -> usize {
        match self.kind {
            Kind::Zlib | Kind::Old => 1032 * self.data.len(),
            Kind::Lz4 => 255 * self.data.len(),
            // A block of zstd that repeats one byte has four bytes and gives 128 KB.
            Kind::Zstd => (128 << 10) / 4 * self.data.len(),
            // The cheapest match of lzma gives 273 bytes for about 0.3 bits.
            Kind::Lzma => 8192 * self.data.len(),
        }
    }
}

/// Check that the blocks give `size` bytes, by their headers.
pub(crate) fn check(mut bytes: &[u8], size: usize) -> Result<(), Fault> {
    let mut found = 0;
    while found < size {
        let (block, rest) = Block::split(bytes)?;
        found += block.size;
        bytes = rest;
        if block.size == 0 || found > size {
            return Err(damaged("the sizes of their blocks do not fit"));
        }
    }
    Ok(())
}

/// How many bytes to decompress of blocks that give `size`, if only the first `wanted` are used: less than all where the
/// method can end early.
pub(crate) fn enough(bytes: &[u8], wanted: usize, size: usize) -> usize {
    let ends_early = matches!(bytes.get(..2), Some(b"ZL" | b"CS" | b"XZ"));
    if ends_early && wanted + SLACK < size { wanted + SLACK } else { size }
}

/// Decompress the blocks of a basket into the begin of `into`: the first `wanted` bytes of what comes of them, which are
/// all, or as many as are [`enough`]. Of a block that is not decompressed to its end no checksum is verified, and the last
/// 600 bytes mean nothing. Room is made block by block, and kept for later baskets.
pub fn decompress(mut bytes: &[u8], wanted: usize, into: &mut Vec<u8>) -> Result<(), Fault> {
    let mut done = 0;
    while done < wanted {
        let (block, rest) = Block::split(bytes)?;
        let left = wanted - done;
        if left < block.size && left <= SLACK {
            break; // what is wanted ended with the block before
        }
        let stop = done + block.size.min(left);
        if into.len() < stop {
            into.resize(stop, 0);
        }
        CODECS.with_borrow_mut(|codecs| codecs.decompress(block, &mut into[done..stop]))?;
        if stop == done {
            return Err(damaged("the sizes of their blocks do not fit"));
        }
        done = stop;
        bytes = rest;
    }
    if into.len() < wanted {
        into.resize(wanted, 0);
    }
    Ok(())
}

fn damaged(what: impl Into<String>) -> Fault {
    Fault::Compressed(what.into())
}

thread_local! {
    static CODECS: RefCell<Codecs> = RefCell::new(Codecs { deflate: Decompressor::new(), zstd: None });
}

/// The decompressors of a thread: to set one up takes longer than a small block.
struct Codecs {
    deflate: Decompressor,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Codecs {
    /// Decompress a block, at least as far as `into` reaches.
    fn decompress(&mut self, block: Block<'_>, into: &mut [u8]) -> Result<(), Fault> {
        if into.len() == block.size {
            return self.whole(block, into);
        }
        let filled = match block.kind {
            Kind::Zlib | Kind::Old => self.inflate_begin(block, into)?,
            Kind::Lzma => lzma(block, into).map(|()| true)?,
            Kind::Lz4 | Kind::Zstd => false,
        };
        if !filled {
            let mut all = vec![0; block.size];
            self.whole(block, &mut all)?;
            into.copy_from_slice(&all[..into.len()]);
        }
        Ok(())
    }

    fn whole(&mut self, block: Block<'_>, into: &mut [u8]) -> Result<(), Fault> {
        match block.kind {
            Kind::Zlib => inflated(self.deflate.zlib_decompress(block.data, into), block.size),
            Kind::Old => inflated(self.deflate.deflate_decompress(block.data, into), block.size),
            Kind::Lz4 => lz4(block.data, into),
            Kind::Zstd => self.zstd(block, into),
            Kind::Lzma => lzma(block, into),
        }
    }

    /// Decompress the begin of a block, and say whether all bytes but the slack were written: libdeflate says that there
    /// is not enough space, but not how far it came. What it cannot write whole it does not write at all: a match, of
    /// which none is longer than the slack, or bytes that are stored as they are, of which there may be many.
    fn inflate_begin(&mut self, block: Block<'_>, into: &mut [u8]) -> Result<bool, Fault> {
        let mark = into.len() - FROM_END..into.len() - FROM_END + UNTOUCHED.len();
        into[mark.clone()].copy_from_slice(&UNTOUCHED);
        let found = match block.kind {
            Kind::Zlib => self.deflate.zlib_decompress(block.data, into),
            _ => self.deflate.deflate_decompress(block.data, into),
        };
        match found {
            Err(DecompressionError::InsufficientSpace) => Ok(into[mark] != UNTOUCHED),
            found => inflated(found, block.size).map(|()| true),
        }
    }

    fn zstd(&mut self, block: Block<'_>, into: &mut [u8]) -> Result<(), Fault> {
        if self.zstd.is_none() {
            self.zstd = Some(zstd::bulk::Decompressor::new()?);
        }
        let Some(zstd) = &mut self.zstd else { return Err(damaged("zstd is not there")) };
        match zstd.decompress_to_buffer(block.data, into) {
            Ok(found) if found == block.size => Ok(()),
            Ok(found) => Err(unexpected(found, block.size)),
            Err(error) => Err(damaged(format!("zstd: {error}"))),
        }
    }
}

fn unexpected(found: usize, size: usize) -> Fault {
    damaged(format!("{found} bytes instead of {size}"))
}

fn inflated(found: Result<usize, DecompressionError>, size: usize) -> Result<(), Fault> {
    match found {
        Ok(found) if found == size => Ok(()),
        Ok(found) => Err(unexpected(found, size)),
        Err(DecompressionError::InsufficientSpace) => Err(damaged("zlib: more bytes than are expected")),
        Err(DecompressionError::BadData) => Err(damaged("zlib: invalid data or a wrong checksum")),
    }
}

fn lz4(data: &[u8], into: &mut [u8]) -> Result<(), Fault> {
    let Some((sum, data)) = data.split_first_chunk() else {
        return Err(damaged("they end too early"));
    };
    if XxHash64::oneshot(0, data) != u64::from_be_bytes(*sum) {
        return Err(damaged("lz4: the checksum is wrong"));
    }
    match lz4_flex::block::decompress_into(data, into) {
        Ok(found) if found == into.len() => Ok(()),
        Ok(found) => Err(unexpected(found, into.len())),
        Err(error) => Err(damaged(format!("lz4: {error}"))),
    }
}

fn lzma(block: Block<'_>, into: &mut [u8]) -> Result<(), Fault> {
    let failed = |error| damaged(format!("lzma: {error}"));
    let mut stream = Stream::new_stream_decoder(LZMA_MEMORY, 0).map_err(failed)?;
    // Behind the last byte the checksum is still to be read, so there must be room for a byte more.
    let whole = into.len() == block.size;
    let (mut behind, mut status) = ([0], Status::Ok);
    while status == Status::Ok {
        let (read, written) = (stream.total_in(), stream.total_out());
        if written > into.len() as u64 || (!whole && written == into.len() as u64) {
            break;
        }
        let data = &block.data[usize::try_from(read).unwrap_or(block.data.len())..];
        let room = &mut into[usize::try_from(written).unwrap_or_default()..];
        let room = if room.is_empty() { &mut behind[..] } else { room };
        status = stream.process(data, room, Action::Run).map_err(failed)?;
        if (read, written) == (stream.total_in(), stream.total_out()) {
            break;
        }
    }
    let found = stream.total_out() as usize;
    let complete = status == Status::StreamEnd || !whole;
    if complete && found == into.len() { Ok(()) } else { Err(unexpected(found, into.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{KINDS, block, wrap};

    /// Blocks of at most `size` bytes each.
    fn blocks(kind: &[u8; 2], data: &[u8], size: usize) -> Vec<u8> {
        data.chunks(size).flat_map(|chunk| block(kind, chunk)).collect()
    }

    fn sample(size: usize) -> Vec<u8> {
        (0..size).map(|number| (number * number / 97) as u8).collect()
    }

    #[test]
    fn blocks_of_every_kind_are_decompressed() {
        let data = sample(10_000);
        for kind in KINDS {
            for size in [10_000, 3_000, 1] {
                let stored = blocks(kind, &data[..if size == 1 { 20 } else { data.len() }], size);
                let wanted = &data[..if size == 1 { 20 } else { data.len() }];
                check(&stored, wanted.len()).unwrap();
                let mut found = Vec::new();
                decompress(&stored, wanted.len(), &mut found).unwrap();
                assert!(found == wanted, "{kind:?} in blocks of {size}");
            }
        }
    }

    /// Numbers that compress well, those that compress badly, and those that do not, which deflate stores as they are.
    fn samples(size: usize) -> Vec<Vec<u8>> {
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let noise: Vec<u8> = (0..size).map(|_| noise()).collect();
        let half = noise.iter().enumerate().map(|(at, byte)| if at < size / 3 { 7 } else { *byte }).collect();
        vec![vec![0; size], sample(size), noise.iter().map(|byte| byte >> 5).collect(), noise, half]
    }

    #[test]
    fn the_begin_of_every_kind_is_what_it_is_in_the_whole() {
        for data in samples(70_000) {
            for kind in KINDS {
                let stored = blocks(kind, &data, 50_000);
                for wanted in [1, 2, 300, 32_768, 40_001, 49_398, 49_401, 49_999, 50_000, 50_001, 69_399, 69_999] {
                    let mut found = vec![255; 100];
                    decompress(&stored, enough(&stored, wanted, data.len()), &mut found).unwrap();
                    assert!(found[..wanted] == data[..wanted], "{kind:?}, the first {wanted}");
                }
            }
        }
    }

    #[test]
    fn no_flipped_bit_of_a_checked_kind_goes_unnoticed() {
        let data = sample(3_000);
        for kind in [b"ZL", b"L4", b"XZ"] {
            let stored = blocks(kind, &data, data.len());
            for bit in (0..8 * stored.len()).step_by(7).filter(|bit| bit / 8 != 2) {
                let mut damaged = stored.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let mut found = Vec::new();
                let done = check(&damaged, data.len()).and_then(|()| decompress(&damaged, data.len(), &mut found));
                assert!(done.is_err() || found == data, "{kind:?}, bit {bit}");
            }
        }
    }

    #[test]
    fn claims_are_checked_before_memory_is_taken() {
        let message = |stored: &[u8], size| check(stored, size).unwrap_err().to_string();
        let mut stored = blocks(b"ZL", &sample(100), 100);
        assert!(message(&stored, 99).contains("the sizes of their blocks do not fit"));
        assert!(message(&stored, 101).contains("they end too early"));
        stored[6..9].fill(255);
        assert!(message(&stored, 0xff_ffff).contains("more than it can"));
        for kind in [b"ZS", b"XZ"] {
            assert!(message(&wrap(kind, &[], 0xff_ffff), 0xff_ffff).contains("more than it can"));
        }
        stored[0] = b'?';
        assert!(message(&stored, 100).contains("unknown kind"));
    }
}
