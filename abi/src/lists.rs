//! What of a look into the lists of files and names can be spared.

use crate::Name;

/// Value of the one entry of the `listed_bits` map: which files and names can be listed at all.
///
/// A bit that is not set: nothing of the kind is in the map. One that is set: look there. With a thousand listed files
/// three of a hundred others are looked up in vain.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedBits {
    /// By the last bits of the inode's number.
    pub inodes: [u64; INODE_WORDS],
    /// By [`name_bit`].
    pub names: [u64; NAME_WORDS],
}

/// Words of [`ListedBits::inodes`]: a power of two.
pub const INODE_WORDS: usize = 512;
/// Words of [`ListedBits::names`]: a power of two.
pub const NAME_WORDS: usize = 64;

/// Word and bit of an inode's number.
#[inline(always)]
#[must_use]
pub const fn inode_bit(ino: u64) -> (usize, u64) {
    ((ino >> 6) as usize & (INODE_WORDS - 1), 1 << (ino & 63))
}

/// Word and bit of a name, by its first eight bytes: the upper bits of a product with an odd number (Knuth, The Art of
/// Computer Programming, 6.4).
#[inline(always)]
#[must_use]
pub const fn name_bit(first: u64) -> (usize, u64) {
    let hash = first.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
    ((hash >> 6) as usize & (NAME_WORDS - 1), 1 << (hash & 63))
}

/// The first eight bytes of a name, as [`name_bit`] takes them.
#[must_use]
pub const fn first_word(name: &Name) -> u64 {
    u64::from_ne_bytes([name[0], name[1], name[2], name[3], name[4], name[5], name[6], name[7]])
}

const _: () = {
    assert!(INODE_WORDS.is_power_of_two());
    assert!(NAME_WORDS == 64);
    assert!(size_of::<ListedBits>() == 8 * (INODE_WORDS + NAME_WORDS));
};
