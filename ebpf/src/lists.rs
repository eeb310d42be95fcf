//! The lists of files and names.
//!
//! Of most files and names the bits say that they are not listed, and no map is asked.

use holdpoint_abi::{FileKey, Listed, inode_bit, name_bit};

use crate::{
    kernel::text::Text,
    maps::{FILES, LISTED_BITS, NAMES},
};

/// The entry of a file.
#[inline(always)]
pub fn file(key: FileKey) -> Option<&'static Listed> {
    inode(key.ino, || key)
}

/// The entry of a file with this inode number, whose key is asked for only where it can be listed.
#[inline(always)]
pub fn inode(ino: u64, key: impl FnOnce() -> FileKey) -> Option<&'static Listed> {
    let (word, bit) = inode_bit(ino);
    if LISTED_BITS.get(0).is_some_and(|bits| bits.inodes[word] & bit == 0) {
        return None;
    }
    // SAFETY: the daemon writes whole entries; one that is just being replaced has one of the waits.
    unsafe { FILES.get(key()) }
}

/// The entry of a name.
#[inline(always)]
pub fn name(name: &Text) -> Option<&'static Listed> {
    let (word, bit) = name_bit(name.first_word());
    if LISTED_BITS.get(0).is_some_and(|bits| bits.names[word] & bit == 0) {
        return None;
    }
    // SAFETY: as above.
    unsafe { NAMES.get(name.as_name()) }
}
