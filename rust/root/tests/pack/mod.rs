//! Keys and blocks, as ROOT writes them: for tests, benches and fuzzing.

#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use std::io::Write;

use libdeflater::{CompressionLvl, Compressor};
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;
use twox_hash::XxHash64;

pub const KINDS: [&[u8; 2]; 5] = [b"ZL", b"CS", b"L4", b"ZS", b"XZ"];

/// A key of `len` bytes, at least 37, for an object of which `stored` bytes follow.
pub fn key(len: usize, stored: usize, object: usize, content: usize) -> Vec<u8> {
    let mut key = vec![0; len];
    key[..4].copy_from_slice(&((len + stored) as i32).to_be_bytes());
    key[6..10].copy_from_slice(&(object as i32).to_be_bytes());
    key[14..16].copy_from_slice(&(len as i16).to_be_bytes());
    key[len - 5..len - 1].copy_from_slice(&((len + content) as i32).to_be_bytes());
    key
}

/// Key and object, in blocks of at most `size` bytes each; stored as it is where there is no kind or nothing is won.
pub fn basket(len: usize, kind: Option<&[u8; 2]>, size: usize, object: &[u8], content: usize) -> Vec<u8> {
    let blocks = kind.map(|kind| object.chunks(size).flat_map(|data| block(kind, data)).collect::<Vec<u8>>());
    let blocks = blocks.filter(|blocks| blocks.len() < object.len());
    let stored = blocks.as_deref().unwrap_or(object);
    let mut basket = key(len, stored.len(), object.len(), content);
    basket.extend(stored);
    basket
}

/// The header of a block that claims to hold `size` bytes, and what follows it; before that of lz4 a checksum.
pub fn wrap(kind: &[u8; 2], data: &[u8], size: usize) -> Vec<u8> {
    let sum = (kind == b"L4").then(|| XxHash64::oneshot(0, data).to_be_bytes());
    let sum = sum.as_ref().map_or(&[][..], |sum| sum);
    let mut block = kind.to_vec();
    block.push(8);
    block.extend(&(sum.len() + data.len()).to_le_bytes()[..3]);
    block.extend(&size.to_le_bytes()[..3]);
    block.extend(sum);
    block.extend(data);
    block
}

/// A block that holds the data.
pub fn block(kind: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let compressed = match kind {
        b"L4" => lz4_flex::block::compress(data),
        b"ZS" => zstd::bulk::compress(data, 1).unwrap(),
        b"XZ" => xz(data).unwrap(),
        _ => deflated(kind, data),
    };
    wrap(kind, &compressed, data.len())
}

fn deflated(kind: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut compressed = vec![0; compressor.zlib_compress_bound(data.len())];
    let written = match kind {
        b"ZL" => compressor.zlib_compress(data, &mut compressed),
        _ => compressor.deflate_compress(data, &mut compressed),
    };
    compressed.truncate(written.unwrap());
    compressed
}

/// With a small dictionary, which is set up quickly.
fn xz(data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(0)?;
    options.dict_size(4096);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut writer = XzEncoder::new_stream(Vec::new(), Stream::new_stream_encoder(&filters, Check::Crc32)?);
    writer.write_all(data)?;
    writer.finish()
}
