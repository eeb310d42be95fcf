//! How a process becomes an agent's without asking: declared by user, unit or executable, or attached while it runs.

use crate::{FileKey, NAME_LENGTH, Name};

/// The number of the canary, by which the daemon tries the gate. No agent has it.
pub const CANARY_AGENT: u32 = u32::MAX;

/// Entries of each of the maps `agent_users`, `agent_files` and `agent_places`.
///
/// More are an error when the configuration is read.
pub const MAX_DECLARED: usize = 1_024;

/// Entries of the `agent_cgroups` map: cgroups of units of agents. What is in a cgroup below one is found by its
/// ancestors.
///
/// When it is full, the processes of another such unit are no agents', and `cgroup_dropped` counts it. Only the system's
/// manager can make cgroups that count, so that many units of agents would have to run at once.
pub const MAX_AGENT_CGROUPS: usize = 16_384;

/// So many cgroups above each other are looked at. Deeper ones belong to what is that far up.
pub const MAX_CGROUP_DEPTH: u32 = 16;

/// Entries of the `unit_patterns` map. More are an error when the configuration is read.
pub const MAX_UNIT_PATTERNS: usize = 32;

/// Value of the maps `agent_users`, `agent_files`, `agent_places` and `agent_cgroups`: which agent.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// The generation of the configuration that put it there.
    pub generation: u32,
    /// The agent's number. Never zero.
    pub agent: u32,
}

/// Key of the `agent_places` map: a name in a directory, whatever file has it now.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The directory.
    pub directory: FileKey,
    /// The name in it.
    pub name: Name,
}

/// Value of the `unit_patterns` map: names of units, as cgroups have them. One of zeros matches nothing.
///
/// A name matches where its first 64 bytes, padded with zeros and taken with `mask`, are `prefix`, it is at least
/// `least` bytes long, and its end is `suffix`. A pattern without a wildcard has the closing zero in its mask.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitPattern {
    /// The agent's number; zero where the entry is not in use.
    pub agent: u32,
    /// Bytes that the name has at least.
    pub least: u32,
    /// Bytes of [`Self::suffix`].
    pub suffix_length: u32,
    /// Zero.
    pub pad: u32,
    /// What the name begins with, padded with zeros.
    pub prefix: [u64; NAME_LENGTH / 8],
    /// Which bits of the name have to be those of `prefix`.
    pub mask: [u64; NAME_LENGTH / 8],
    /// What the name ends with, padded with zeros.
    pub suffix: Name,
}

/// Value of the one entry of the `attaching` map: what the iterator over all tasks is to do. The daemon writes it
/// before each pass.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attaching {
    /// The agent's number. All descendants of tasks that have it are tagged with it.
    pub agent: u32,
    /// One of the `SELECT_*` codes.
    pub select: u32,
    /// Thread group id, or cgroup id.
    pub value: u64,
    /// For a process: when it was started, in ticks of 10 ms of the boot clock, so that another one that got its number
    /// is not meant.
    pub started_at: u64,
    /// How many threads this pass has tagged.
    pub tagged: u64,
    /// How many threads it could not tag: no memory, or doubt.
    pub failed: u64,
    /// How many threads it met that belong to another agent, which stays so.
    pub others: u64,
}

/// The threads of a process.
pub const SELECT_PROCESS: u32 = 0x5052_4f43;
/// The threads of all processes of declared users and units, each for its own agent. `agent` and `value` are zero.
pub const SELECT_DECLARED: u32 = 0x4445_434c;
/// The threads in this cgroup and in those below it.
pub const SELECT_CGROUP: u32 = 0x4347_5250;

const _: () = {
    assert!(size_of::<Declared>() == 8);
    assert!(size_of::<Place>() == 80);
    assert!(size_of::<UnitPattern>() == 208);
    assert!(size_of::<Attaching>() == 48);
    assert!(core::mem::offset_of!(Attaching, value) == 8);
};
