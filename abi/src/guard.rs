//! What agents are refused beside execs: reading, changing, tracing, and reaching for the daemon.

use crate::{Counter, FileKey, Name};

/// Entries of the `guarded` map. The daemon has four directories, each with those above it.
pub const MAX_GUARDED: usize = 256;

/// A file that lies so many directories below a guarded one, or less deep, is guarded.
///
/// The daemon puts nothing deeper. Agents cannot make deeper directories there; what an operator does is not guarded.
pub const MAX_GUARDED_DEPTH: u32 = 4;

/// Bytes of the ring buffer of refusals: some 400 fit.
///
/// When it is full, a refusal is counted and not told of.
pub const REFUSALS_BYTES: usize = 64 * 1024;

/// Entries of the `told` map. Beyond so many agents and kinds of refusals at a time the oldest may be told of more often
/// than once in [`TOLD_NANOSECONDS`].
pub const MAX_TOLD: usize = 4_096;

/// Of one kind of refusal to one agent the daemon is told once in so many nanoseconds. The next record says how many
/// came in between.
pub const TOLD_NANOSECONDS: u64 = 1_000_000_000;

/// Value of the `guarded` map, by the identity of a directory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guarded {
    /// The start of the daemon that put it there.
    pub generation: u32,
    /// `GUARDED_TREE` or `GUARDED_ABOVE`.
    pub kind: u32,
}

/// The daemon's: agents neither open nor change what lies in it.
pub const GUARDED_TREE: u32 = 0x5452_4545;
/// One of the daemon's directories lies below: agents neither rename it nor mount something over it.
pub const GUARDED_ABOVE: u32 = 0x4142_4f56;

/// Value of the one entry of the `guard` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Thread group id of the daemon; zero before there was one.
    pub daemon: u32,
    /// The number of the initial mount namespace.
    pub mount_namespace: u32,
    /// Which inodes can be of kind `GUARDED_TREE`: bit N, counted over all words, where the last bits of an inode's number
    /// are N. So a look at most files ends without a look into the map.
    pub trees: [u64; TREE_WORDS],
}

impl Default for Guard {
    fn default() -> Self {
        Self { daemon: 0, mount_namespace: 0, trees: [0; TREE_WORDS] }
    }
}

/// Words of [`Guard::trees`]: a power of two. With some ten directories one inode of a hundred is looked up in vain.
pub const TREE_WORDS: usize = 16;

/// Key of the `told` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Telling {
    /// The agent's number.
    pub agent: u32,
    /// What was refused: the index of its counter.
    pub what: u32,
}

/// Value of the `told` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// When the daemon was last told, in nanoseconds of the boot clock.
    pub at: u64,
    /// How many were refused since then.
    pub more: u64,
}

/// A record of the ring buffer `refusals`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The agent's number; zero where it is not known (doubt).
    pub agent: u32,
    /// What was refused: the index of its counter.
    pub what: u32,
    /// Thread group id of the process that tried.
    pub tgid: u32,
    /// Thread group id of the process that it meant, or zero.
    pub target: u32,
    /// How many more of the kind were refused to the agent since it was last told of.
    pub more: u64,
    /// The file that it meant; zeros where none.
    pub file: FileKey,
    /// The name of the thread.
    pub comm: [u8; 16],
    /// The file's own name, padded with zeros.
    pub name: Name,
}

/// The bit of a protection in the switches that only a daemon built for tests can set.
#[must_use]
pub const fn without(protection: Counter) -> u64 {
    1 << protection as u32
}

const _: () = {
    assert!(TREE_WORDS.is_power_of_two());
    assert!(size_of::<Guarded>() == 8);
    assert!(size_of::<Guard>() == 8 + 8 * TREE_WORDS);
    assert!(size_of::<Telling>() == 8);
    assert!(size_of::<Told>() == 16);
    assert!(size_of::<Refusal>() == 120);
    assert!(core::mem::offset_of!(Refusal, file) == 24);
    assert!(core::mem::offset_of!(Refusal, comm) == 40);
    assert!(core::mem::offset_of!(Refusal, name) == 56);
};
