//! Where the bytes of a file come from.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::error::Fault;

/// The bytes of one file, which several threads read at once.
pub trait Bytes: Sync {
    /// The size of the file.
    fn size(&self) -> Result<u64, Fault>;

    /// Check that the file is what it was when it was opened.
    fn check_unchanged(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Fill `into` with the bytes from `start` on.
    fn read(&self, start: u64, into: &mut [u8]) -> Result<(), Fault>;
}

/// A file of this machine, read by position: a mapped file that shrinks would end the process.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    size: u64,
    modified: i128,
}

impl LocalFile {
    /// Open a file that must have this size and this time of its last change, in nanoseconds since 1970.
    pub fn open(path: &Path, size: u64, modified: i128) -> io::Result<LocalFile> {
        Ok(LocalFile { file: File::open(path)?, size, modified })
    }
}

impl Bytes for LocalFile {
    fn size(&self) -> Result<u64, Fault> {
        Ok(self.file.metadata()?.len())
    }

    fn check_unchanged(&self) -> Result<(), Fault> {
        let found = self.file.metadata()?;
        let modified = match found.modified()?.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        let same = found.len() == self.size && modified == self.modified;
        if same { Ok(()) } else { Err(Fault::Changed) }
    }

    fn read(&self, start: u64, into: &mut [u8]) -> Result<(), Fault> {
        let stop = start + into.len() as u64;
        read_exact_at(&self.file, start, into).or_else(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Err(Fault::TooShort { size: self.file.metadata()?.len(), stop }),
            _ => Err(error.into()),
        })
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, start: u64, into: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, start)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut start: u64, mut into: &mut [u8]) -> io::Result<()> {
    while !into.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, into, start)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                start += count as u64;
                into = &mut into[count..];
            }
        }
    }
    Ok(())
}

/// Ranges of a file that somebody else fetched: of a remote one, say.
#[derive(Debug, Default)]
pub struct Ranges {
    size: u64,
    ranges: Vec<(u64, Vec<u8>)>,
}

impl Ranges {
    /// Ranges of a file of `size` bytes, each where it begins and its bytes.
    pub fn new(size: u64, mut ranges: Vec<(u64, Vec<u8>)>) -> Ranges {
        ranges.sort_by_key(|(start, _)| *start);
        Ranges { size, ranges }
    }
}

impl Bytes for Ranges {
    fn size(&self) -> Result<u64, Fault> {
        Ok(self.size)
    }

    fn read(&self, start: u64, into: &mut [u8]) -> Result<(), Fault> {
        let behind = self.ranges.partition_point(|(begin, _)| *begin <= start);
        let found = self.ranges[..behind].iter().rev().find_map(|(begin, bytes)| {
            let first = usize::try_from(start - begin).ok()?;
            bytes.get(first..first.checked_add(into.len())?)
        });
        match found {
            Some(found) => {
                into.copy_from_slice(found);
                Ok(())
            }
            None => Err(Fault::Absent { start, stop: start + into.len() as u64 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_give_what_lies_in_one_of_them() {
        let ranges = Ranges::new(100, vec![(50, vec![5, 6, 7]), (10, vec![1, 2])]);
        let mut two = [0; 2];
        ranges.read(51, &mut two).unwrap();
        assert_eq!(two, [6, 7]);
        let message = ranges.read(52, &mut two).unwrap_err().to_string();
        assert_eq!(message, "bytes 52 to 54 of the file were not fetched");
        assert!(ranges.read(0, &mut two).is_err());
    }
}
