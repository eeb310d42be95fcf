//! Records shared by the kernel half and user space.
//!
//! Data only, but for the hash that is part of the format. Left out on purpose: logic, strings, serde, `bool` and `enum` (the other side may be of another
//! version, and a wrong bit pattern must be a number to refuse, not undefined behaviour), and implicit
//! padding (the kernel's verifier refuses to copy what was never written).
//!
//! Zero never means "allow", "held" or any other thing that lets something happen: every code is a non-zero
//! value that differs from the others in many bits, so an empty map slot says nothing.
#![no_std]

mod agents;
mod counter;
mod filing;
mod guard;
mod hash;
mod lists;
mod offsets;
mod standing;

pub use agents::{
    Attaching, CANARY_AGENT, Declared, MAX_AGENT_CGROUPS, MAX_CGROUP_DEPTH, MAX_DECLARED, MAX_UNIT_PATTERNS,
    Place, SELECT_CGROUP, SELECT_DECLARED, SELECT_PROCESS, UnitPattern,
};
pub use counter::{COUNTER_COUNT, COUNTER_SLOTS, Counter};
pub use filing::{FILED_ARGUMENTS, FILED_BYTES, FILED_PATH, FILINGS_BYTES, Filing, Retry};
pub use guard::{
    GUARDED_ABOVE, GUARDED_TREE, Guard, Guarded, MAX_GUARDED, MAX_GUARDED_DEPTH, MAX_TOLD, REFUSALS_BYTES,
    Refusal, TOLD_NANOSECONDS, TREE_WORDS, Telling, Told, without,
};
pub use hash::{BOUND_BLOCK, MAX_BOUND_BYTES, SipHash, bound_header, header};
pub use lists::{INODE_WORDS, ListedBits, NAME_WORDS, first_word, inode_bit, name_bit};
pub use offsets::Offsets;
pub use standing::{MOUNTS_GIVEN, MOUNTS_OWN, Shown, Standing, StandingOffsets, standing};

/// The version of all that is pinned. A daemon adopts pinned objects of its own version only.
pub const ABI_VERSION: u32 = 5;

/// Length of a [`Name`] with its closing zero: file names of up to 63 bytes can be listed.
///
/// A longer name in a rule is an error when the rule is read; a longer name of a file matches nothing.
pub const NAME_LENGTH: usize = 64;

/// Entries of the `holds` map: held and running actions together.
///
/// When it is full, listed execs of agents fail with EPERM and `refused_holds_full` counts them.
pub const MAX_HOLDS: usize = 32_768;

/// Entries of the `files` map. More listed files than this are an error when the rules are loaded.
pub const MAX_FILES: usize = 65_536;

/// Entries of the `names` map. More names than this are an error when the rules are loaded.
pub const MAX_NAMES: usize = 16_384;

/// Bytes of the ring buffer. A doorbell takes 24 with its header: some 10,000 fit.
///
/// When it is full, a new hold is refused with EPERM and `refused_ring_full` counts it. Other doorbells are
/// dropped without harm: the daemon sweeps the `holds` map every second.
pub const RING_BYTES: usize = 256 * 1024;

/// The file name under which a program is listed, padded with zeros.
pub type Name = [u8; NAME_LENGTH];

/// Which file: the kernel's own numbers, not those of stat(2), which differ on overlayfs and btrfs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// `inode.i_ino`.
    pub ino: u64,
    /// `super_block.s_dev`: major number shifted left by 20, and minor number.
    pub dev: u32,
    /// Zero.
    pub pad: u32,
}

/// Value of the `files` and `names` maps: why the entry is there. See the `LISTED_*` codes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The generation of the rules that put it there.
    pub generation: u32,
    /// `LISTED_HOLD`, `LISTED_REFUSE`, `LISTED_OBSERVE` or `LISTED_MANY_NAMES`. Anything else counts as `LISTED_HOLD`.
    pub wait: u32,
}

/// A listed program that stops the task.
pub const LISTED_HOLD: u32 = 0x484f_4c44;
/// A listed program that fails with EPERM at once, and passes once when tried again after approval.
pub const LISTED_REFUSE: u32 = 0x5245_4655;
/// A listed program that stops the task for the record alone. Its file may be read and changed like any other.
pub const LISTED_OBSERVE: u32 = 0x4f42_5356;
/// Of files alone: no listed program, but one that becomes a listed one by the name in its arguments. It is kept as listed
/// ones are, and its exec is looked at once more at commit.
pub const LISTED_MANY_NAMES: u32 = 0x4d41_4e59;

/// What is kept of each thread of an agent's: value of the `tasks` map, keyed by the address of its `task_struct`.
///
/// The layout outlives an upgrade of the daemon, hence the spare word.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskState {
    /// The agent's number. Never zero in a tagged task; a tag is never taken off. Zero in one that may become tagged.
    pub agent: u32,
    /// The number of the mount namespace in which the thread, or the one that it descends from, became an agent's:
    /// `mnt_namespace.seq`, of which no two of this boot are alike. Zero where that is unknown, or has more than 32 bits;
    /// then no namespace is this one.
    pub home: u32,
    /// The hold in which this thread waits, or zero.
    pub hold: u64,
    /// The hold whose allowance let the current execve pass the first check. Used up at commit.
    pub passing: u64,
    /// The hold under which this process runs its program, or zero.
    pub run: u64,
    /// When the process was last sent a signal that stops it, in nanoseconds of the boot clock.
    pub stop_sent_at: u64,
    /// For a retry, and for an exec that was held: where the arguments lie in the new program's memory at the first check.
    pub argv_at: u64,
    /// The keyed hash of the arguments after the first, of which a script keeps no other: the low half.
    pub argv_rest: u64,
    /// How many arguments.
    pub argc: u32,
    /// Bytes of all arguments, each with its zero.
    pub argv_length: u32,
    /// Bytes of the first argument, with its zero.
    pub argv_first: u32,
    /// How many variables the environment has.
    pub envc: u32,
    /// When the daemon was last told of a signal to this process, in nanoseconds of the boot clock.
    pub rang_at: u64,
    /// The agent that this thread becomes one of at the commit of the exec that is under way, or zero.
    pub becoming: u32,
    /// The thread's id in the initial pid namespace; zero while it is being made.
    pub tid: u32,
    /// In the first thread of a process: when an exec of any of its threads was last held, in nanoseconds of the boot
    /// clock; zero where none was since its program began. Its threads share the memory that the exec is read from. Also
    /// when a process began that shares the memory of one that must not be traced.
    pub waited_at: u64,
    /// One while this thread opens a file whose opening was let pass: a file below it, on which an overlay stands, is
    /// opened next.
    pub letting: u32,
    /// One once the thread has ended. It may be there for a while, as a zombie.
    pub ended: u32,
    /// What is known of the exec that is under way: `MARK_*` bits. Those that an exec which failed has left are worth nothing.
    pub marks: u32,
    /// Zero.
    pub pad: u32,
    /// Zero; room for later versions.
    pub spare: u64,
}

/// The program is one of many names: at commit it is looked at which one its arguments give it.
pub const MARK_MANY_NAMES: u32 = 1;
/// Its file lies on an overlay, and stands on a listed one.
pub const MARK_BELOW: u32 = 2;
/// What its file stands on could not be read.
pub const MARK_UNREADABLE: u32 = 4;

/// Entries of the `tasks` map: threads of all agents together, some 6 MiB of the kernel's memory.
///
/// When it is full, forks of agents fail with EAGAIN and `fork_refused` counts them.
pub const MAX_TASKS: usize = 32_768;

/// Value of the one entry of the `tag_slots` map: what can be said of a thread without a look into `tasks`. Its address
/// falls into one of the slots.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagSlots {
    /// The slots.
    pub slots: [TagSlot; TAG_SLOTS],
}

/// What is known of the threads whose addresses fall into this slot. Of most threads of a host: that they are nobody's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagSlot {
    /// How many entries of `tasks` fall into it.
    pub count: u64,
    /// The address of a thread that is an agent's, and of which an opening needs to know no more; or zero.
    pub known: u64,
}

/// Slots of [`TagSlots`]: a power of two. With a hundred threads of agents, two of a hundred others are looked up in vain.
pub const TAG_SLOTS: usize = 4_096;

/// Value of the `holds` map, keyed by hold id: the truth about one held action, from hold to exit.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// One of the `PHASE_*` codes.
    pub phase: u32,
    /// One of the `CAUSE_*` codes, where the phase has a cause; else zero.
    pub cause: u32,
    /// The agent's number.
    pub agent: u32,
    /// Thread group id of the held task in the initial pid namespace.
    pub tgid: u32,
    /// Thread id of the held task in the initial pid namespace.
    pub tid: u32,
    /// Wait status of the program (wait(2)), in `PHASE_EXITED`.
    pub exit_status: i32,
    /// How often the task was continued by others and held again.
    pub reheld: u32,
    /// One of the `MATCHED_*` codes: what of the exec was listed.
    pub matched: u32,
    /// The file of the first check.
    pub file: FileKey,
    /// When the task's process was started, in nanoseconds of the boot clock: tells a reused pid.
    pub started_at: u64,
    /// When the hold began, in nanoseconds of the boot clock.
    pub held_at: u64,
    /// When `phase` last changed, in nanoseconds of the boot clock.
    pub changed_at: u64,
    /// The listed name, where a name was what matched.
    pub name: Name,
    /// The keyed hash of the arguments, where the exec was filed; else zero.
    pub arguments: [u64; 2],
    /// When a retry of a filed exec last passed the first check, in nanoseconds of the boot clock.
    pub retried_at: u64,
    /// `super_block.s_magic` of the file's file system: some are served by programs of the agent's.
    pub fs_magic: u64,
    /// The keyed hash of the path as called, where the exec was filed; else zero.
    pub path: u64,
    /// Who the task was, and where, when the hold began.
    pub standing: Standing,
    /// What of it a request shows.
    pub shown: Shown,
}

/// Stopped, or on its way to run the same execve again.
pub const PHASE_HELD: u32 = 0x4845_4c44;
/// The execve returned EPERM at once; the identical one passes once when there is an allowance.
pub const PHASE_FILED: u32 = 0x4649_4c45;
/// Past the check at commit: the program runs.
pub const PHASE_RUNNING: u32 = 0x5255_4e4e;
/// The execve returned EPERM.
pub const PHASE_REFUSED: u32 = 0x4445_4e59;
/// Killed at commit, before the program's first instruction.
pub const PHASE_KILLED: u32 = 0x4b49_4c4c;
/// The program has ended.
pub const PHASE_EXITED: u32 = 0x4558_4954;
/// The task ended, or executed something else, before its exec went on.
pub const PHASE_GONE: u32 = 0x474f_4e45;
/// The process executed another listed program after this one.
pub const PHASE_REPLACED: u32 = 0x5245_504c;

/// The daemon said no.
pub const CAUSE_VERDICT: u32 = 0x0001_5644;
/// The allowance had expired.
pub const CAUSE_EXPIRED: u32 = 0x0002_4558;
/// The allowance had no known verdict.
pub const CAUSE_CORRUPT: u32 = 0x0003_4352;
/// The interpreter of a script is listed, and the allowance does not name it.
pub const CAUSE_INTERPRETER: u32 = 0x0004_494e;
/// The allowance was gone, or already used, at commit.
pub const CAUSE_USED: u32 = 0x0005_5553;
/// The arguments at commit are not those that were approved.
pub const CAUSE_ARGUMENTS: u32 = 0x0006_4152;

/// The arguments at commit could not be read.
pub const CAUSE_UNREADABLE: u32 = 0x0007_5552;
/// The file was changed since it was looked at.
pub const CAUSE_CONTENT: u32 = 0x0008_434f;
/// Users, groups, capabilities, login or user namespace are not those with which it was held.
pub const CAUSE_CREDENTIALS: u32 = 0x0009_4352;
/// A namespace is not that in which it was held.
pub const CAUSE_NAMESPACES: u32 = 0x000a_4e53;
/// The working directory is not that in which it was held.
pub const CAUSE_DIRECTORY: u32 = 0x000b_4449;
/// The root directory is not that with which it was held.
pub const CAUSE_ROOT: u32 = 0x000c_524f;
/// A filed exec came back with a variable of the dynamic loader.
pub const CAUSE_VARIABLES: u32 = 0x000d_5641;

/// The inode is listed.
pub const MATCHED_FILE: u32 = 0x1046_494c;
/// The file's own name is listed.
pub const MATCHED_NAME: u32 = 0x204e_414d;
/// The last component of the path as called is listed.
pub const MATCHED_CALLED: u32 = 0x4043_414c;

/// Value of the `allowances` map, keyed by hold id: the daemon's answer. One-shot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// `VERDICT_ALLOW` or `VERDICT_DENY`; anything else refuses.
    pub verdict: u32,
    /// Bytes of the first argument with its zero, which a script loses. Zero where nothing is bound: then a held exec is
    /// killed at commit.
    pub first_length: u32,
    /// The end of an allowance, in nanoseconds of the boot clock.
    pub expires_at: u64,
    /// The one listed interpreter that a script may be run by; zero where there is none.
    pub interpreter: FileKey,
    /// The keyed hash over arguments, environment and path as called. See [`bound_header`].
    pub arguments: [u64; 2],
    /// The same without the first argument.
    pub rest: [u64; 2],
    /// When the file's inode changed last (`i_ctime`), in nanoseconds of the wall clock.
    pub file_changed_at: u64,
    /// The file's size, in bytes.
    pub file_size: u64,
    /// For a filed exec: `VARIABLES_SHOWN` where its environment may have variables of the dynamic loader. Anything else
    /// refuses them.
    pub variables: u32,
    /// Zero.
    pub pad: u32,
}

/// Variables of the dynamic loader are the rule's to let pass, and it does.
pub const VARIABLES_SHOWN: u32 = 0x5348_4f57;

/// The task may go on, once.
pub const VERDICT_ALLOW: u32 = 0x9a6c_c965;
/// The execve fails with EPERM.
pub const VERDICT_DENY: u32 = 0x6593_369a;

/// A record of the ring buffer: something about this hold has changed, look at the maps.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doorbell {
    /// The hold, or zero where the kernel half knows the process only.
    pub hold: u64,
    /// One of the `RING_*` codes.
    pub kind: u32,
    /// Thread group id.
    pub tgid: u32,
}

/// A new hold.
pub const RING_HELD: u32 = 0x5248_4c44;
/// The hold came into another phase.
pub const RING_PHASE: u32 = 0x5250_4841;
/// A signal that may end the process was sent to a stopped process of an agent.
pub const RING_SIGNAL: u32 = 0x5253_4947;
/// A process became an agent's because its user, unit or executable is declared. `hold` is the agent's number.
pub const RING_AGENT: u32 = 0x5241_4754;

/// Value of the one entry of the `meta` map: who pinned all this.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// [`ABI_VERSION`] of the daemon that made the maps.
    pub abi_version: u32,
    /// One once everything was attached; zero while it is not.
    pub attached: u32,
    /// SHA-256 of the object file.
    pub object: [u8; 32],
    /// The inode of the socket on which people vote.
    pub control_socket: FileKey,
    /// The random key of [`SipHash`]. Set before the programs are attached, and never changed.
    pub hash_key: [u64; 2],
    /// The `DECLARED_*` bits of what agents are declared by; zero where none is, and execs of others cost less.
    pub declared: u64,
    /// When the daemon was last told of a declared agent's process, in nanoseconds of the boot clock.
    pub agent_rang_at: u64,
}

/// Users or executables are declared.
pub const DECLARED_ANY: u64 = 0x0055_4558;
/// Cgroups of units are declared or attached.
pub const DECLARED_UNITS: u64 = 0x554e_4954_0000_0000;

const _: () = {
    assert!(size_of::<FileKey>() == 16);
    assert!(size_of::<Listed>() == 8);
    assert!(size_of::<TaskState>() == 120);
    assert!(TAG_SLOTS.is_power_of_two());
    assert!(size_of::<Hold>() == 240);
    assert!(core::mem::offset_of!(Hold, file) == 32);
    assert!(core::mem::offset_of!(Hold, name) == 72);
    assert!(core::mem::offset_of!(Hold, arguments) == 136);
    assert!(core::mem::offset_of!(Hold, standing) == 176);
    assert!(size_of::<Allowance>() == 88);
    assert!(core::mem::offset_of!(Allowance, expires_at) == 8);
    assert!(core::mem::offset_of!(Allowance, variables) == 80);
    assert!(size_of::<Doorbell>() == 16);
    assert!(size_of::<Meta>() == 88);
    assert!(core::mem::offset_of!(Meta, hash_key) == 56);
    assert!(core::mem::offset_of!(TaskState, argv_at) == 40);
};
