//! What an overlay's file stands on. The overlay has an inode of its own for it, and may show it under any name: whoever mounts
//! one decides that.

use holdpoint_abi::{
    FileKey, LISTED_MANY_NAMES, LISTED_OBSERVE, Listed, MARK_BELOW, MARK_MANY_NAMES, MARK_UNREADABLE,
};

use super::open::BELOW;
use crate::{
    kernel::{Known, Pointer, file, read},
    lists,
    maps::offset,
};

/// `OVERLAYFS_SUPER_MAGIC` (<https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/magic.h>).
const OVERLAYFS: u64 = 0x794c_7630;
/// Devices of file systems without a disk have a smaller number: their major number is zero.
const FIRST_DISK: u32 = 1 << 20;

/// Whether a file on this device can stand on another one. Of most it is said without a look.
#[inline(always)]
pub fn can_be(device: u32) -> bool {
    device < FIRST_DISK
}

/// The marks of a file by what it stands on, where it lies on an overlay.
#[inline(always)]
pub fn marks(file: Known) -> u32 {
    match entry(file) {
        None => MARK_UNREADABLE,
        Some(None) => 0,
        Some(Some(listed)) if listed.wait == LISTED_OBSERVE => 0,
        Some(Some(listed)) if listed.wait == LISTED_MANY_NAMES => MARK_MANY_NAMES,
        Some(Some(_)) => MARK_BELOW,
    }
}

/// The entry of what a file stands on. None where that cannot be read.
///
/// An overlay may stand on an overlay, and that one on none (`FILESYSTEM_MAX_STACK_DEPTH`,
/// <https://github.com/torvalds/linux/blob/v6.1/include/linux/fs.h>).
#[inline(always)]
fn entry(file: Known) -> Option<Option<&'static Listed>> {
    if file::fs_magic(file)? != OVERLAYFS {
        return Some(None);
    }
    let below = beneath(file.value(offset!(file_private)))?;
    let (key, magic) = identity(below)?;
    if let Some(listed) = lists::file(key) {
        return Some(Some(listed));
    }
    if magic != OVERLAYFS {
        return Some(None);
    }
    let lowest: Pointer = read(below, offset!(file_private)).and_then(beneath)?;
    let (key, _) = identity(lowest)?;
    Some(lists::file(key))
}

/// The file that is below, by what an overlay's file has as its private data. None where it is none such.
#[inline(always)]
fn beneath(private: Pointer) -> Option<Pointer> {
    let below: Pointer = if offset!(overlay_indirect) == 0 { private } else { read(private, 0)? };
    let mode: u32 = read(below, offset!(file_mode))?;
    (mode & BELOW != 0).then_some(below)
}

/// The identity of a file, and the kind of its file system.
#[inline(always)]
fn identity(file: Pointer) -> Option<(FileKey, u64)> {
    let inode: Pointer = read(file, offset!(file_inode))?;
    let block: Pointer = read(inode, offset!(inode_sb))?;
    let key = FileKey { ino: read(inode, offset!(inode_ino))?, dev: read(block, offset!(sb_dev))?, pad: 0 };
    Some((key, read(block, offset!(sb_magic))?))
}
