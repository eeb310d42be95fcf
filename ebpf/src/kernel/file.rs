//! Files: identity and name.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use holdpoint_abi::{FileKey, NAME_LENGTH, Name};

use super::{Pointer, read};
use crate::maps::offset;

/// The file's identity, as the kernel has it.
#[inline(always)]
pub fn key(file: Pointer) -> Option<FileKey> {
    inode_key(read(file, offset!(file_inode))?)
}

/// Which kind of file system the file lies on.
#[inline(always)]
pub fn fs_magic(file: Pointer) -> Option<u64> {
    let inode: Pointer = read(file, offset!(file_inode))?;
    let block: Pointer = read(inode, offset!(inode_sb))?;
    read(block, offset!(sb_magic))
}

/// The identity of the inode that a directory entry names.
#[inline(always)]
pub fn dentry_key(dentry: Pointer) -> Option<FileKey> {
    inode_key(read(dentry, offset!(dentry_inode))?)
}

/// The file's own name, padded with zeros; a longer one is cut, which matches nothing that is listed.
#[inline(always)]
pub fn name(file: Pointer, into: &mut Name) -> Option<()> {
    let dentry: Pointer = read(file, offset!(file_dentry))?;
    let name: Pointer = read(dentry, offset!(dentry_name))?;
    string(name, into)
}

/// The directory in which the file has its name.
#[inline(always)]
pub fn directory(file: Pointer) -> Option<FileKey> {
    let dentry: Pointer = read(file, offset!(file_dentry))?;
    dentry_key(read(dentry, offset!(dentry_parent))?)
}

/// Copies a string of the kernel's. At most 63 bytes and a zero.
#[inline(always)]
pub fn string(from: Pointer, into: &mut Name) -> Option<()> {
    *into = [0; NAME_LENGTH];
    // SAFETY: the buffer is as long as it says, and the helper checks the source address.
    let length = unsafe { bpf_probe_read_kernel_str(into.as_mut_ptr().cast(), NAME_LENGTH as u32, from) };
    (length > 0).then_some(())
}

#[inline(always)]
fn inode_key(inode: Pointer) -> Option<FileKey> {
    if inode.is_null() {
        return None;
    }
    let block: Pointer = read(inode, offset!(inode_sb))?;
    Some(FileKey { ino: read(inode, offset!(inode_ino))?, dev: read(block, offset!(sb_dev))?, pad: 0 })
}
