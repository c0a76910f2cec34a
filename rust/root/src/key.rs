//! The key in front of a basket.

use crate::error::Fault;

/// Bytes of a key without the names of class, object and title, and without what a basket adds.
const HEAD: usize = 18;
/// What a basket adds at the end of its key: version, two sizes, number of entries, position of the end, a byte of flags.
const TAIL: usize = 19;

/// What the key of a basket says, checked against the bytes that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Bytes of the key itself.
    pub len: usize,
    /// Bytes of key and what follows it, as stored.
    pub total: usize,
    /// Bytes of the object once it is decompressed: content, and a table of offsets behind it.
    pub object: usize,
    /// Bytes of the content.
    pub content: usize,
}

impl Key {
    /// Read the key at the begin of `bytes`, which are those of one basket.
    pub fn read(bytes: &[u8]) -> Result<Key, Fault> {
        let damaged = |what: &str| Fault::Damaged(format!("{what} of its key"));
        let (Some(total), Some(object), Some(len)) = (int(bytes, 0), int(bytes, 6), short(bytes, 14)) else {
            return Err(damaged("the file ends inside"));
        };
        if len < HEAD + TAIL || len > total || total > bytes.len() {
            return Err(damaged("the sizes do not fit those"));
        }
        // Counted from the end: what stands before it is longer in files of more than 2 GB.
        let Some(end) = int(bytes, len - 5) else {
            return Err(damaged("the file ends inside"));
        };
        match end.checked_sub(len) {
            Some(content) if content <= object => Ok(Key { len, total, object, content }),
            _ => Err(damaged("the position of its end does not fit the sizes")),
        }
    }

    /// Whether the object is stored as it is. The compression of the branch does not say so.
    pub fn is_raw(&self) -> bool {
        self.total - self.len == self.object
    }

    /// The bytes behind the key.
    pub fn stored<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.len..self.total]
    }
}

/// A whole number of four bytes that is not negative.
pub(crate) fn int(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?.first_chunk()?;
    usize::try_from(i32::from_be_bytes(*four)).ok()
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let two = bytes.get(at..at.checked_add(2)?)?.first_chunk()?;
    usize::try_from(i16::from_be_bytes(*two)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::key;

    #[test]
    fn a_key_says_where_the_content_ends() {
        let mut bytes = key(40, 8, 8, 4);
        bytes.extend([0; 8]);
        let found = Key::read(&bytes).unwrap();
        assert_eq!(found, Key { len: 40, total: 48, object: 8, content: 4 });
        assert!(found.is_raw());
        assert_eq!(found.stored(&bytes), [0; 8]);
    }

    #[test]
    fn a_key_that_claims_too_much_is_refused() {
        let mut bytes = key(40, 9, 8, 4);
        bytes.extend([0; 8]);
        assert!(Key::read(&bytes).unwrap_err().to_string().contains("the sizes do not fit"));
        let mut bytes = key(40, 8, 8, 9);
        bytes.extend([0; 8]);
        assert!(Key::read(&bytes).unwrap_err().to_string().contains("the position of its end"));
        for short in 0..40 {
            assert!(Key::read(&key(40, 0, 0, 0)[..short]).is_err());
        }
    }
}
