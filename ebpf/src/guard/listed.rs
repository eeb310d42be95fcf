//! Whether a file is listed, by what is known of it without an exec: its inode, and its own name.

use core::mem::MaybeUninit;

use holdpoint_abi::{FileKey, LISTED_OBSERVE, Listed};

use super::Attempt;
use crate::{
    kernel::{Known, Pointer, file, load, read, text::Text},
    lists,
    maps::offset,
};

/// `S_IFMT` and `S_IFREG` of inode(7), and the three execute bits.
const KIND: u16 = 0o170_000;
const REGULAR: u16 = 0o100_000;
const EXECUTABLE: u16 = 0o111;

/// What a file is looked for by.
pub trait Sought {
    fn mode(&self) -> u16;
    fn ino(&self) -> u64;
    fn key(&self) -> FileKey;
}

/// An inode that is there. Beside the number, what is not asked for is not read.
#[derive(Clone, Copy)]
pub struct Inode {
    at: Pointer,
    ino: u64,
}

impl Inode {
    #[inline(always)]
    pub fn new(at: Pointer) -> Self {
        Self { at, ino: load(at, offset!(inode_ino)) }
    }
}

impl Sought for Inode {
    #[inline(always)]
    fn mode(&self) -> u16 {
        load(self.at, offset!(inode_mode))
    }

    #[inline(always)]
    fn ino(&self) -> u64 {
        self.ino
    }

    #[inline(always)]
    fn key(&self) -> FileKey {
        let block: Pointer = load(self.at, offset!(inode_sb));
        FileKey { ino: self.ino, dev: load(block, offset!(sb_dev)), pad: 0 }
    }
}

/// What an entry names, read where it may name nothing.
#[derive(Clone, Copy)]
pub struct Identity {
    pub file: FileKey,
    mode: u16,
}

impl Sought for Identity {
    #[inline(always)]
    fn mode(&self) -> u16 {
        self.mode
    }

    #[inline(always)]
    fn ino(&self) -> u64 {
        self.file.ino
    }

    #[inline(always)]
    fn key(&self) -> FileKey {
        self.file
    }
}

impl Identity {
    /// Of a directory entry, which may be one that names nothing yet: then none.
    #[inline(always)]
    pub fn of_entry(dentry: Pointer) -> Option<Self> {
        let inode: Pointer = read(dentry, offset!(dentry_inode))?;
        if inode.is_null() {
            return None;
        }
        let block: Pointer = read(inode, offset!(inode_sb))?;
        let file =
            FileKey { ino: read(inode, offset!(inode_ino))?, dev: read(block, offset!(sb_dev))?, pad: 0 };
        Some(Self { file, mode: read(inode, offset!(inode_mode))? })
    }
}

/// Whether an agent is kept from reading and changing it. Not where its rules only observe what is executed.
#[inline(always)]
fn is_kept(listed: &Listed) -> bool {
    listed.wait != LISTED_OBSERVE
}

/// An attempt on a file, where it is a listed one.
///
/// A name counts for regular files with an execute bit only: `import docker` reads a directory, and `/etc/ssh` is none
/// that anybody executes. A name that cannot be read counts as listed.
#[inline(always)]
pub fn attempt(agent: u32, dentry: Pointer, sought: &impl Sought) -> Option<Attempt> {
    let mode = sought.mode();
    if mode & KIND != REGULAR {
        return None;
    }
    let by_inode = lists::inode(sought.ino(), || sought.key()).is_some_and(is_kept);
    if !by_inode && mode & EXECUTABLE == 0 {
        return None;
    }
    let mut name = MaybeUninit::uninit();
    let name = Text::begin(&mut name);
    let unread = file::entry_name(Known::new(dentry), name).is_none();
    if by_inode || unread || lists::name(name).is_some_and(is_kept) {
        Some(Attempt { agent, target: 0, file: sought.key(), name: *name.as_name() })
    } else {
        None
    }
}
