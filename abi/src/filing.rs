//! What the kernel half tells of an exec that was refused at once and filed (`wait = "refuse"`).

use crate::{FileKey, Standing};

/// Arguments of an exec that can be filed.
///
/// An exec with more is refused, `refused_arguments` counts it, and the cure is `wait = "hold"` in its rule.
pub const FILED_ARGUMENTS: usize = 64;

/// All arguments of an exec that can be filed, with the zero after each, have fewer bytes.
///
/// Longer ones are refused as above: what is asked about is shown whole, or not asked about.
pub const FILED_BYTES: usize = 4096;

/// Bytes of the called path in a [`Filing`], with its zero. A longer path is cut; then the file is found by the
/// paths that the rules know, or the request is cancelled. A script that was called so is refused.
pub const FILED_PATH: usize = 256;

/// Bytes of the ring buffer of filings: some 240 fit.
///
/// When it is full, the exec is refused, and `refused_ring_full` counts it.
pub const FILINGS_BYTES: usize = 2 * 1024 * 1024;

/// Key of the `retries` map: the identical action is that of the same agent, file, arguments and path, by the same user
/// in the same place.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Retry {
    /// The agent's number.
    pub agent: u32,
    /// Zero.
    pub pad: u32,
    /// The file of the first check.
    pub file: FileKey,
    /// The keyed hash of the arguments: see [`crate::SipHash`].
    pub arguments: [u64; 2],
    /// That of the path as called, by which the interpreter of a script opens it once more. Of a longer path than
    /// [`FILED_PATH`] has room for, that of its beginning.
    pub path: u64,
    /// Who the caller is, and where.
    pub standing: Standing,
}

/// A record of the ring buffer `filings`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filing {
    /// The hold, in `PHASE_FILED`.
    pub hold: u64,
    /// Working memory of the kernel half: the state of the hash.
    pub hash: [u64; 4],
    /// Thread group id of the process that called execve.
    pub tgid: u32,
    /// Its thread.
    pub tid: u32,
    /// Thread group id of its parent; zero where it could not be read.
    pub parent: u32,
    /// How many arguments.
    pub argc: u32,
    /// Bytes of [`Self::strings`] that count.
    pub length: u32,
    /// Bytes of [`Self::path`] that count, with the closing zero.
    pub path_length: u32,
    /// Working memory of the kernel half: one once all arguments are read.
    pub complete: u32,
    /// Bytes of the first argument, with its zero.
    pub first_length: u32,
    /// The name of the thread.
    pub comm: [u8; 16],
    /// The path as the kernel has it: that of the call, or `/dev/fd/N` for a descriptor.
    pub path: [u8; FILED_PATH],
    /// The arguments, each with its zero. Twice the limit, since the kernel's verifier adds the largest place to
    /// the largest length; after `length` nothing counts.
    pub strings: [u8; 2 * FILED_BYTES],
}

const _: () = {
    assert!(FILED_BYTES.is_power_of_two());
    assert!(size_of::<Retry>() == 80);
    assert!(core::mem::offset_of!(Filing, tgid) == 40);
    assert!(core::mem::offset_of!(Filing, comm) == 72);
    assert!(core::mem::offset_of!(Filing, path) == 88);
    assert!(core::mem::offset_of!(Filing, strings) == 88 + FILED_PATH);
    assert!(size_of::<Filing>() == 88 + FILED_PATH + 2 * FILED_BYTES);
    assert!(core::mem::offset_of!(Filing, strings).is_multiple_of(8));
};
