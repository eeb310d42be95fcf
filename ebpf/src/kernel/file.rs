//! Files: identity and name.

use holdpoint_abi::{FileKey, NAME_LENGTH};

use super::{Known, text::Text};
use crate::maps::offset;

/// The file's identity, as the kernel has it.
#[inline(always)]
pub fn key(file: Known) -> Option<FileKey> {
    inode_key(file.follow(offset!(file_inode))?)
}

/// Which kind of file system the file lies on.
#[inline(always)]
pub fn fs_magic(file: Known) -> Option<u64> {
    Some(file.follow(offset!(file_inode))?.follow(offset!(inode_sb))?.value(offset!(sb_magic)))
}

/// Size in bytes, and time of the last change in nanoseconds of the wall clock.
#[inline(always)]
pub fn version(file: Known) -> Option<(u64, u64)> {
    let inode = file.follow(offset!(file_inode))?;
    let seconds: u64 = inode.value(offset!(inode_changed_seconds));
    let nanoseconds: u32 = inode.value(offset!(inode_changed_nanoseconds));
    let changed_at = seconds.wrapping_mul(1_000_000_000).wrapping_add(u64::from(nanoseconds));
    Some((inode.value(offset!(inode_size)), changed_at))
}

/// The identity of the inode that a directory entry names.
#[inline(always)]
pub fn dentry_key(dentry: Known) -> Option<FileKey> {
    inode_key(dentry.follow(offset!(dentry_inode))?)
}

/// The file's own name, and its length. A longer one than can be listed is cut so that it is none that is listed: it has
/// no zero at its end.
#[inline(always)]
pub fn name(file: Known, into: &mut Text) -> Option<u32> {
    entry_name(file.follow(offset!(file_dentry))?, into)
}

/// The name of a directory entry, in the same way.
#[inline(always)]
pub fn entry_name(dentry: Known, into: &mut Text) -> Option<u32> {
    let length = dentry.value::<u32>(offset!(dentry_name_length));
    let length = if length > NAME_LENGTH as u32 { NAME_LENGTH as u32 } else { length };
    into.copy(dentry.value(offset!(dentry_name)), length)?;
    Some(length)
}

/// The directory in which the file has its name.
#[inline(always)]
pub fn directory(file: Known) -> Option<FileKey> {
    dentry_key(file.follow(offset!(file_dentry))?.follow(offset!(dentry_parent))?)
}

#[inline(always)]
fn inode_key(inode: Known) -> Option<FileKey> {
    let block = inode.follow(offset!(inode_sb))?;
    Some(FileKey { ino: inode.value(offset!(inode_ino)), dev: block.value(offset!(sb_dev)), pad: 0 })
}
