//! What can be wrong with baskets.

use std::ops::Range;

/// What is wrong, without saying where.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file does not reach as far as it is read.
    #[error("the file ends too early: it has {size} bytes, and these lie before byte {stop}")]
    TooShort {
        /// Bytes of the file.
        size: u64,
        /// Where the bytes end that are wanted.
        stop: u64,
    },
    /// Size or time of the file are not what they were.
    #[error("the file was changed while it was read; read it again from the start")]
    Changed,
    /// The bytes were not fetched before.
    #[error("bytes {start} to {stop} of the file were not fetched")]
    Absent {
        /// The first byte that is wanted.
        start: u64,
        /// Behind the last one.
        stop: u64,
    },
    /// The system's message.
    #[error("reading failed: {0}")]
    System(#[from] std::io::Error),
    /// A decompressor or a checksum says so.
    #[error("the compressed data are damaged ({0})")]
    Compressed(String),
    /// Sizes, counts or offsets do not fit each other.
    #[error("the data are damaged ({0})")]
    Damaged(String),
    /// There are no threads to work with.
    #[error("{0}")]
    Threads(String),
}

impl Fault {
    /// Lists that do not fit their content.
    pub(crate) fn lists() -> Fault {
        Fault::Damaged("the lengths of its lists do not fit their content".to_owned())
    }
}

/// The name between the quotes that Python would take.
fn quoted(name: &str) -> String {
    if name.contains('\'') && !name.contains('"') { format!("\"{name}\"") } else { format!("'{name}'") }
}

/// What is wrong with which entries of which branch.
#[derive(Debug, thiserror::Error)]
#[error("branch {}, entries {} to {}: {fault}", quoted(branch), entries.start, entries.end)]
pub struct Error {
    /// The name of the branch.
    pub branch: String,
    /// The entries of the basket.
    pub entries: Range<u64>,
    /// What is wrong with it.
    pub fault: Fault,
}
