//! Columns from the baskets of ROOT's `TTree`s.
//!
//! Somebody else opens the file and knows its trees: which branches there are, what they hold, and where each basket
//! lies. From there on everything happens here: [`Bytes`] of baskets are fetched, their keys read, their blocks
//! decompressed, and the numbers brought into native byte order at their final places, by all threads at once.
//!
//! Invariants:
//! - what a key, a block or a table of offsets claims is checked against the bytes that are there before memory is
//!   taken for it;
//! - offsets never decrease and never leave their content;
//! - every checksum is verified when a basket is read for the first time through a [`Branch`].
//!
//! Modules, in the order in which data pass them: `bytes`, `fetch`, `key`, `block`, `basket`, `number`; `reader` and `fill` direct them.

mod basket;
mod block;
mod branch;
mod bytes;
mod error;
mod fetch;
mod fill;
mod groups;
mod item;
mod key;
mod number;
#[cfg(test)]
#[path = "../tests/pack/mod.rs"]
mod pack;
mod reader;
mod spare;
mod tasks;

pub use basket::decode_once;
pub use block::decompress;
pub use branch::{Branch, Layout, Place};
pub use bytes::{Bytes, LocalFile, Ranges};
pub use error::{Error, Fault};
pub use mlaas4hep_core::schema::DType;
pub use number::{Number, Stored};
pub use reader::{Column, Columns, Reader, Seconds};
pub use spare::Buffer;
