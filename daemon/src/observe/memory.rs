//! Reads strings from the memory of a stopped process.
//!
//! Through `/proc/PID/mem`, not process_vm_readv(2): the former gives up on a page that is missing in a
//! userfaultfd region, the latter waits for it (`__access_remote_vm`,
//! <https://github.com/torvalds/linux/blob/v6.1/mm/memory.c>). A page that a FUSE file backs can still make
//! either wait, hence the deadline of the worker.

use std::{fs::File, io, os::unix::fs::FileExt};

/// The memory of a process, read in pieces that are kept for the next string.
pub(super) struct Memory {
    file: File,
    start: u64,
    piece: Vec<u8>,
}

/// Why strings could not be read.
pub(super) enum ReadError {
    Io(io::Error),
    TooMany,
    TooLong,
}

/// How much of an array of strings is read at most.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) strings: usize,
    pub(super) bytes: usize,
}

const PAGE: u64 = 4096;
const PIECE: usize = 4 * 4096;

impl Memory {
    pub(super) fn new(file: File) -> Self {
        Self { file, start: 0, piece: Vec::new() }
    }

    /// The string at an address, without its zero.
    pub(super) fn string(&mut self, mut address: u64, limit: usize) -> Result<Vec<u8>, ReadError> {
        let mut string = Vec::new();
        loop {
            let piece = self.at(address)?;
            match piece.iter().position(|byte| *byte == 0) {
                Some(end) => string.extend(piece.iter().take(end)),
                None => string.extend(piece),
            }
            if string.len() > limit {
                return Err(ReadError::TooLong);
            }
            if piece.contains(&0) {
                return Ok(string);
            }
            address = address.saturating_add(piece.len() as u64);
        }
    }

    /// The strings whose pointers, `width` bytes each, stand at an address; a null pointer ends them. A null
    /// address is an empty array, as execve(2) has it.
    pub(super) fn strings(
        &mut self,
        array: u64,
        width: u64,
        limits: Limits,
    ) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut pointers = Vec::new();
        let mut at = array;
        if array == 0 {
            return Ok(Vec::new());
        }
        loop {
            let mut bytes = [0; 8];
            let slot = bytes.get_mut(..usize::try_from(width).unwrap_or(8)).unwrap_or_default();
            self.exact(at, slot)?;
            let pointer = u64::from_le_bytes(bytes);
            if pointer == 0 {
                break;
            }
            if pointers.len() == limits.strings {
                return Err(ReadError::TooMany);
            }
            pointers.push(pointer);
            at = at.saturating_add(width);
        }
        let mut left = limits.bytes;
        let mut strings = Vec::with_capacity(pointers.len());
        for pointer in pointers {
            let string = self.string(pointer, left)?;
            left = left.checked_sub(string.len() + 1).ok_or(ReadError::TooLong)?;
            strings.push(string);
        }
        Ok(strings)
    }

    fn exact(&mut self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let mut at = address;
        for byte in into {
            *byte = self.at(at)?.first().copied().unwrap_or_default();
            at = at.saturating_add(1);
        }
        Ok(())
    }

    /// At least one byte from an address on.
    fn at(&mut self, address: u64) -> Result<&[u8], ReadError> {
        let kept = self.start..self.start + self.piece.len() as u64;
        if !kept.contains(&address) {
            self.fetch(address)?;
        }
        let offset = usize::try_from(address - self.start).unwrap_or(usize::MAX);
        self.piece.get(offset..).filter(|rest| !rest.is_empty()).ok_or_else(|| ReadError::Io(unmapped()))
    }

    fn fetch(&mut self, address: u64) -> Result<(), ReadError> {
        self.start = address;
        self.piece.resize(PIECE, 0);
        let read = self.file.read_at(&mut self.piece, address).or_else(|_| {
            // The pages after this one may not be mapped.
            let rest = usize::try_from(PAGE - address % PAGE).unwrap_or(1);
            self.piece.truncate(rest);
            self.file.read_at(&mut self.piece, address)
        });
        match read {
            Ok(count) => {
                self.piece.truncate(count);
                Ok(())
            }
            Err(error) => {
                self.piece.clear();
                Err(ReadError::Io(error))
            }
        }
    }
}

fn unmapped() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "no memory is mapped there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Memory {
        Memory::new(File::open("/proc/self/mem").unwrap())
    }

    #[test]
    fn strings_are_read_from_a_live_process() {
        let long = vec![b'x'; 3 * PIECE];
        let strings = [&b"one\0"[..], b"\0", &[&long[..], b"\0"].concat()].map(<[u8]>::to_vec);
        let mut pointers: Vec<u64> = strings.iter().map(|string| string.as_ptr() as u64).collect();
        pointers.push(0);
        let limits = Limits { strings: 3, bytes: 4 * PIECE };
        let read = own().strings(pointers.as_ptr() as u64, 8, limits);
        let Ok(read) = read else { panic!("unreadable") };
        assert_eq!(read, [b"one".to_vec(), Vec::new(), long]);
        let few = own().strings(pointers.as_ptr() as u64, 8, Limits { strings: 2, ..limits });
        assert!(matches!(few, Err(ReadError::TooMany)));
        let short = own().strings(pointers.as_ptr() as u64, 8, Limits { bytes: 3 * PIECE, ..limits });
        assert!(matches!(short, Err(ReadError::TooLong)));
    }

    #[test]
    fn unmapped_memory_is_an_error() {
        assert!(matches!(own().string(8, 10), Err(ReadError::Io(_))));
    }
}
