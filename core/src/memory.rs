//! Strings in the memory of a stopped process, by a function that reads it.

/// The memory of a process, read in pieces that are kept for the next string.
///
/// `R` reads what lies at an address into a buffer, as much as there is, and says how many bytes.
pub struct Memory<R> {
    read: R,
    start: u64,
    piece: Vec<u8>,
}

/// Why strings could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError<E> {
    /// Reading failed.
    Failed(E),
    /// Nothing is there.
    Unmapped,
    /// More strings than the limit.
    TooMany,
    /// More bytes than the limit.
    TooLong,
}

/// How much of an array of strings is read at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Strings.
    pub strings: usize,
    /// Bytes of all together, with the zero after each.
    pub bytes: usize,
}

const PAGE: u64 = 4096;
const PIECE: usize = 4 * 4096;

impl<E, R: FnMut(&mut [u8], u64) -> Result<usize, E>> Memory<R> {
    /// Nothing is read yet.
    pub fn new(read: R) -> Self {
        Self { read, start: 0, piece: Vec::new() }
    }

    /// The string at an address, without its zero.
    ///
    /// # Errors
    /// Where it has more bytes than the limit, or cannot be read to its end.
    pub fn string(&mut self, mut address: u64, limit: usize) -> Result<Vec<u8>, ReadError<E>> {
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
            address = address.checked_add(piece.len() as u64).ok_or(ReadError::Unmapped)?;
        }
    }

    /// The strings whose pointers, `width` bytes each, stand at an address; a null pointer ends them. A null
    /// address is an empty array, as execve(2) has it.
    ///
    /// # Errors
    /// Where there are more than the limits, or something cannot be read.
    pub fn strings(&mut self, array: u64, width: u64, limits: Limits) -> Result<Vec<Vec<u8>>, ReadError<E>> {
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
            at = at.checked_add(width).ok_or(ReadError::Unmapped)?;
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

    fn exact(&mut self, address: u64, into: &mut [u8]) -> Result<(), ReadError<E>> {
        let mut at = Some(address);
        for byte in into {
            let address = at.ok_or(ReadError::Unmapped)?;
            *byte = self.at(address)?.first().copied().unwrap_or_default();
            at = address.checked_add(1);
        }
        Ok(())
    }

    /// At least one byte from an address on.
    fn at(&mut self, address: u64) -> Result<&[u8], ReadError<E>> {
        let kept = address.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        let offset = match kept.filter(|offset| *offset < self.piece.len()) {
            Some(offset) => offset,
            None => {
                self.fetch(address)?;
                0
            }
        };
        self.piece.get(offset..).filter(|rest| !rest.is_empty()).ok_or(ReadError::Unmapped)
    }

    fn fetch(&mut self, address: u64) -> Result<(), ReadError<E>> {
        self.start = address;
        self.piece.resize(PIECE, 0);
        let read = (self.read)(&mut self.piece, address).or_else(|_| {
            // The pages after this one may not be mapped.
            let rest = usize::try_from(PAGE - address % PAGE).unwrap_or(1);
            self.piece.truncate(rest);
            (self.read)(&mut self.piece, address)
        });
        match read {
            Ok(count) => {
                self.piece.truncate(count);
                Ok(())
            }
            Err(error) => {
                self.piece.clear();
                Err(ReadError::Failed(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory from an address on, of which whole pages are read or none.
    fn reader(base: u64, content: &[u8]) -> impl FnMut(&mut [u8], u64) -> Result<usize, ()> {
        move |into, at| {
            let from = at.checked_sub(base).and_then(|from| usize::try_from(from).ok()).ok_or(())?;
            let rest = content.get(from..).filter(|rest| !rest.is_empty()).ok_or(())?;
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }
    }

    fn memory(strings: &[&[u8]], base: u64, width: usize) -> Vec<u8> {
        let mut at = base + ((strings.len() + 1) * width) as u64;
        let (mut pointers, mut content) = (Vec::new(), Vec::new());
        for string in strings {
            pointers.extend_from_slice(&at.to_le_bytes()[..width]);
            content.extend_from_slice(string);
            content.push(0);
            at += string.len() as u64 + 1;
        }
        pointers.extend_from_slice(&[0; 8][..width]);
        [pointers, content].concat()
    }

    #[test]
    fn strings_are_read_with_pointers_of_both_widths_and_within_limits() {
        let long = vec![b'x'; 3 * PIECE];
        let strings = [&b"one"[..], b"", &long];
        for width in [4, 8] {
            let content = memory(&strings, 0x1000, width);
            let read = |strings, bytes| {
                let limits = Limits { strings, bytes };
                Memory::new(reader(0x1000, &content)).strings(0x1000, width as u64, limits)
            };
            assert_eq!(read(3, 4 * PIECE).unwrap(), strings);
            assert_eq!(read(2, 4 * PIECE), Err(ReadError::TooMany));
            assert_eq!(read(3, 3 * PIECE), Err(ReadError::TooLong));
        }
    }

    #[test]
    fn no_address_is_too_high() {
        for at in [u64::MAX, u64::MAX - 1, u64::MAX - 7] {
            let mut memory = Memory::new(|into: &mut [u8], _| Ok::<_, ()>(into.len().min(1)));
            assert_eq!(memory.string(at, 1), Ok(Vec::new()));
            let mut memory = Memory::new(|into: &mut [u8], _| {
                into.fill(b'x');
                Ok::<_, ()>(into.len())
            });
            assert!(memory.string(at, 1 << 20).is_err());
            assert!(memory.strings(at, 8, Limits { strings: 9, bytes: 9 }).is_err());
        }
    }

    #[test]
    fn nothing_is_read_where_nothing_is() {
        let mut memory = Memory::new(|_: &mut [u8], _| Ok::<_, ()>(0));
        assert_eq!(memory.string(8, 10), Err(ReadError::Unmapped));
        assert_eq!(memory.strings(0, 8, Limits { strings: 1, bytes: 1 }), Ok(Vec::new()));
    }
}
