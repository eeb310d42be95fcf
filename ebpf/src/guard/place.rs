//! The daemon's directories, and the control files of cgroups.

use core::mem::MaybeUninit;

use holdpoint_abi::{Counter, FileKey, GUARDED_TREE, Guard, MAX_GUARDED_DEPTH, TREE_WORDS};

use super::{
    Attempt, PASS, UNKNOWN, current_agent,
    listed::{Identity, Inode, Sought},
    refuse,
};
use crate::{
    kernel::{Known, Pointer, file, load, text::Text},
    maps::{GUARD, GUARDED, offset},
};

/// `FMODE_WRITE` (<https://github.com/torvalds/linux/blob/v6.1/include/linux/fs.h>).
const WRITE: u32 = 0x2;
/// `CGROUP2_SUPER_MAGIC` and `CGROUP_SUPER_MAGIC`
/// (<https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/magic.h>).
const CGROUP2: u64 = 0x6367_7270;
const CGROUP: u64 = 0x27_e0eb;
/// The bit of `CAP_DAC_OVERRIDE` in the first word of a set of capabilities.
const OVERRIDES: u32 = 1 << 1;

/// An agent opens this, which is not listed, or which it may open.
#[inline(always)]
pub fn opened(file: Pointer, mode: u32, dentry: Pointer, inode: Inode) -> i32 {
    // There always is a guard; without one nothing could be told apart.
    if GUARD.get(0).is_none_or(|guard| is_tree(guard, inode) || is_below(guard, dentry)) {
        return refuse(Counter::PlaceRefused, &about(current_agent().unwrap_or(UNKNOWN), dentry));
    }
    if mode & WRITE != 0 && is_control_file(file) && is_mighty(file) {
        return refuse(Counter::CgroupRefused, &about(current_agent().unwrap_or(UNKNOWN), dentry));
    }
    PASS
}

/// Refuses where the entry lies in one of the daemon's directories, or is one.
#[inline(always)]
pub fn changed(agent: u32, dentry: Pointer) -> i32 {
    if is_inside(dentry) { refuse(Counter::PlaceRefused, &about(agent, dentry)) } else { PASS }
}

/// What is known of an entry for the record.
#[inline(always)]
pub fn about(agent: u32, dentry: Pointer) -> Attempt {
    let mut attempt = Attempt::by(agent);
    if let Some(identity) = Identity::of_entry(dentry) {
        attempt.file = identity.file;
    }
    // A name that cannot be read is missing in the record, and that is all.
    let mut name = MaybeUninit::uninit();
    let name = Text::begin(&mut name);
    if file::entry_name(Known::new(dentry), name).is_some() {
        attempt.name = *name.as_name();
    }
    attempt
}

/// Whether the entry is one of the daemon's directories, or lies in one, not too deep.
#[inline(always)]
pub fn is_inside(dentry: Pointer) -> bool {
    let Some(guard) = GUARD.get(0) else { return true };
    let identity = Identity::of_entry(dentry);
    identity.is_some_and(|it| is_tree(guard, it)) || is_below(guard, dentry)
}

/// Whether the entry is one of the daemon's directories, or one above it.
#[inline(always)]
pub fn is_guarded(dentry: Pointer) -> bool {
    Identity::of_entry(dentry).is_some_and(|it| kind(it.file) != 0)
}

/// Whether the entry lies in one of the daemon's directories. Those above an entry always name something.
#[inline(always)]
fn is_below(guard: &Guard, dentry: Pointer) -> bool {
    let mut at: Pointer = load(dentry, offset!(dentry_parent));
    let mut depth = 0;
    while depth < MAX_GUARDED_DEPTH {
        if is_tree(guard, Inode::new(load(at, offset!(dentry_inode)))) {
            return true;
        }
        let above: Pointer = load(at, offset!(dentry_parent));
        // The root of a file system is its own parent.
        if above == at {
            return false;
        }
        at = above;
        depth += 1;
    }
    false
}

/// Whether this is one of the daemon's directories. Of most that is said by the inode's number.
#[inline(always)]
fn is_tree(guard: &Guard, sought: impl Sought) -> bool {
    let ino = sought.ino();
    let word = (ino >> 6) as usize & (TREE_WORDS - 1);
    guard.trees[word] >> (ino & 63) & 1 != 0 && kind(sought.key()) == GUARDED_TREE
}

/// The kind of a guarded directory, zero of anything else.
#[inline(always)]
fn kind(key: FileKey) -> u32 {
    // SAFETY: the daemon writes whole entries.
    unsafe { GUARDED.get(key) }.map_or(0, |guarded| guarded.kind)
}

#[inline(always)]
fn is_control_file(file: Pointer) -> bool {
    let inode: Pointer = load(file, offset!(file_inode));
    let block: Pointer = load(inode, offset!(inode_sb));
    let magic: u64 = load(block, offset!(sb_magic));
    magic == CGROUP2 || magic == CGROUP
}

/// Whether who opens the file is root on the host, or passes over permissions as root does. To others the permissions of
/// cgroupfs are limit enough: they may write where something was delegated to them.
#[inline(always)]
fn is_mighty(file: Pointer) -> bool {
    let credentials: Pointer = load(file, offset!(file_cred));
    let namespace: Pointer = load(credentials, offset!(cred_user_ns));
    load::<u32>(credentials, offset!(cred_fsuid)) == 0
        || (load::<i32>(namespace, offset!(user_ns_level)) == 0
            && load::<u32>(credentials, offset!(cred_effective)) & OVERRIDES != 0)
}
