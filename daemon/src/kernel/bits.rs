//! The bits by which the kernel half spares itself most looks into the lists.

use aya::maps::{Array, Map, MapData};
use holdpoint_abi::{FileKey, INODE_WORDS, ListedBits, NAME_WORDS, Name, first_word, inode_bit, name_bit};

use super::{
    adopt::Pins,
    load::KernelError,
    maps::{map_error, typed},
};
use crate::sys::pod::Shared;

/// The map with the bits.
pub(super) struct BitsMap(Array<MapData, Shared<ListedBits>>);

impl BitsMap {
    pub(super) fn open(pins: &Pins) -> Result<Self, KernelError> {
        typed(pins, "listed_bits", Map::Array).map(Self)
    }

    /// Sets the bits of these files and names, and leaves the others as they are.
    pub(super) fn add<'a>(
        &mut self,
        files: impl Iterator<Item = &'a FileKey>,
        names: impl Iterator<Item = &'a Name>,
    ) -> Result<(), KernelError> {
        let Shared(now) = self.0.get(&0, 0).map_err(|error| map_error("listed_bits", &error))?;
        self.write(with(now, files, names))
    }

    /// Sets the bits of these files and names, and no others.
    pub(super) fn set<'a>(
        &mut self,
        files: impl Iterator<Item = &'a FileKey>,
        names: impl Iterator<Item = &'a Name>,
    ) -> Result<(), KernelError> {
        let none = ListedBits { inodes: [0; INODE_WORDS], names: [0; NAME_WORDS] };
        self.write(with(none, files, names))
    }

    /// The kernel copies the whole over the whole: a bit that is set before and after is set all the while.
    fn write(&mut self, bits: ListedBits) -> Result<(), KernelError> {
        self.0.set(0, Shared(bits), 0).map_err(|error| map_error("listed_bits", &error))
    }
}

fn with<'a>(
    mut bits: ListedBits,
    files: impl Iterator<Item = &'a FileKey>,
    names: impl Iterator<Item = &'a Name>,
) -> ListedBits {
    let set = |words: &mut [u64], (word, bit): (usize, u64)| {
        if let Some(word) = words.get_mut(word) {
            *word |= bit;
        }
    };
    for file in files {
        set(&mut bits.inodes, inode_bit(file.ino));
    }
    for name in names {
        set(&mut bits.names, name_bit(first_word(name)));
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: ListedBits = ListedBits { inodes: [0; INODE_WORDS], names: [0; NAME_WORDS] };

    fn name(text: &[u8]) -> Name {
        std::array::from_fn(|index| text.get(index).copied().unwrap_or(0))
    }

    #[test]
    fn what_is_listed_has_its_bit_and_most_of_the_rest_has_none() {
        let files: Vec<FileKey> =
            (0..1000).map(|index| FileKey { ino: index * 7919, dev: 1, pad: 0 }).collect();
        let names: Vec<Name> = (0..200).map(|index| name(format!("tool-{index}").as_bytes())).collect();
        let bits = with(NONE, files.iter(), names.iter());
        let has_file = |ino: u64| {
            let (word, bit) = inode_bit(ino);
            bits.inodes.get(word).is_some_and(|word| word & bit != 0)
        };
        let has_name = |name: &Name| {
            let (word, bit) = name_bit(first_word(name));
            bits.names.get(word).is_some_and(|word| word & bit != 0)
        };
        assert!(files.iter().all(|file| has_file(file.ino)));
        assert!(names.iter().all(has_name));
        let others = (0..10_000).map(|index| index * 104_729 + 3).filter(|ino| has_file(*ino)).count();
        assert!(others < 1000, "{others} of 10,000 others would be looked up");
        let others = (0..10_000).filter(|index| has_name(&name(format!("{index}-x").as_bytes()))).count();
        assert!(others < 1500, "{others} of 10,000 other names would be looked up");
    }

    #[test]
    fn what_is_added_leaves_the_others() {
        let first = FileKey { ino: 5, dev: 1, pad: 0 };
        let second = FileKey { ino: 77, dev: 1, pad: 0 };
        let both =
            with(with(NONE, [&first].into_iter(), [].into_iter()), [&second].into_iter(), [].into_iter());
        assert_eq!(both, with(NONE, [&first, &second].into_iter(), [].into_iter()));
    }
}
