//! The maps. All are pinned by the daemon: they outlive it.

use aya_ebpf::{
    btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use holdpoint_abi::{
    Allowance, Attaching, COUNTER_SLOTS, Declared, Doorbell, FILINGS_BYTES, FileKey, Filing, Guard, Guarded,
    Hold, Listed, ListedBits, MAX_AGENT_CGROUPS, MAX_DECLARED, MAX_FILES, MAX_GUARDED, MAX_HOLDS, MAX_NAMES,
    MAX_TASKS, MAX_TOLD, MAX_UNIT_PATTERNS, Meta, Name, Offsets, Place, REFUSALS_BYTES, RING_BYTES, Refusal,
    Retry, StandingOffsets, TagSlots, TaskState, Telling, Told, UnitPattern,
};

/// What is kept of each thread of an agent's, by the address of its task.
#[btf_map(name = "tasks")]
pub static TASKS: HashMap<u64, TaskState, MAX_TASKS> = HashMap::new();

/// Whether to look there at all.
#[btf_map(name = "tag_slots")]
pub static SLOTS: Array<TagSlots, 1> = Array::new();

/// How often something that was nobody's was tagged: what was nobody's before is so still while this is the same.
#[btf_map(name = "taggings")]
pub static TAGGINGS: Array<u64, 1> = Array::new();

/// The truth about each held action.
#[btf_map(name = "holds")]
pub static HOLDS: HashMap<u64, Hold, MAX_HOLDS> = HashMap::new();

/// The daemon's answers.
#[btf_map(name = "allowances")]
pub static ALLOWANCES: HashMap<u64, Allowance, MAX_HOLDS> = HashMap::new();

/// Listed files, by inode.
#[btf_map(name = "files")]
pub static FILES: HashMap<FileKey, Listed, MAX_FILES> = HashMap::new();

/// Listed names.
#[btf_map(name = "names")]
pub static NAMES: HashMap<Name, Listed, MAX_NAMES> = HashMap::new();

/// Whether to look there at all.
#[btf_map(name = "listed_bits")]
pub static LISTED_BITS: Array<ListedBits, 1> = Array::new();

/// Doorbells: something has changed, look at the maps.
#[btf_map(name = "doorbells")]
pub static DOORBELLS: RingBuf<Doorbell, RING_BYTES> = RingBuf::new();

/// Filed actions that may be tried again, each with its hold.
#[btf_map(name = "retries")]
pub static RETRIES: HashMap<Retry, u64, MAX_HOLDS> = HashMap::new();

/// Execs that were refused at once, for the daemon to ask about.
#[btf_map(name = "filings")]
pub static FILINGS: RingBuf<Filing, FILINGS_BYTES> = RingBuf::new();

/// What has happened how often.
#[btf_map(name = "counters")]
pub static COUNTERS: PerCpuArray<u64, COUNTER_SLOTS> = PerCpuArray::new();

/// Who pinned all this, and the control socket.
#[btf_map(name = "meta")]
pub static META: Array<Meta, 1> = Array::new();

/// Users whose processes are agents, by user id.
#[btf_map(name = "agent_users")]
pub static AGENT_USERS: HashMap<u32, Declared, MAX_DECLARED> = HashMap::new();

/// Executables that make agents, by inode.
#[btf_map(name = "agent_files")]
pub static AGENT_FILES: HashMap<FileKey, Declared, MAX_DECLARED> = HashMap::new();

/// Executables that make agents, by where they are.
#[btf_map(name = "agent_places")]
pub static AGENT_PLACES: HashMap<Place, Declared, MAX_DECLARED> = HashMap::new();

/// Cgroups whose processes are agents, by id.
#[btf_map(name = "agent_cgroups")]
pub static AGENT_CGROUPS: HashMap<u64, Declared, MAX_AGENT_CGROUPS> = HashMap::new();

/// Names of units whose cgroups are to be in `agent_cgroups`.
#[btf_map(name = "unit_patterns")]
pub static UNIT_PATTERNS: Array<UnitPattern, MAX_UNIT_PATTERNS> = Array::new();

/// What the iterator over all tasks is to do.
#[btf_map(name = "attaching")]
pub static ATTACHING: Array<Attaching, 1> = Array::new();

/// Directories that agents keep their hands off.
#[btf_map(name = "guarded")]
pub static GUARDED: HashMap<FileKey, Guarded, MAX_GUARDED> = HashMap::new();

/// The daemon, and what goes with those directories.
#[btf_map(name = "guard")]
pub static GUARD: Array<Guard, 1> = Array::new();

/// What was refused to agents beside execs.
#[btf_map(name = "refusals")]
pub static REFUSALS: RingBuf<Refusal, REFUSALS_BYTES> = RingBuf::new();

/// When the daemon was last told of a kind of refusal.
#[btf_map(name = "told")]
pub static TOLD: LruHashMap<Telling, Told, MAX_TOLD> = LruHashMap::new();

/// Protections that a test has taken away, to see its attack succeed: bits of [`holdpoint_abi::without`]. Only a daemon
/// built for tests can set them, before the programs are loaded.
#[unsafe(no_mangle)]
pub static WITHOUT: u64 = 0;

/// Where the running kernel keeps things. Set by the daemon before the programs are loaded, and frozen.
#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = NO_OFFSETS;

/// The same for what tells who a task is, and where.
#[unsafe(no_mangle)]
pub static STANDING_OFFSETS: StandingOffsets = NO_STANDING_OFFSETS;

const NO_OFFSETS: Offsets = Offsets {
    task_pid: 0,
    task_signal: 0,
    task_group_leader: 0,
    task_exit_code: 0,
    task_start_boottime: 0,
    task_tgid: 0,
    task_real_parent: 0,
    task_login_uid: 0,
    signal_live: 0,
    signal_flags: 0,
    signal_group_exit_code: 0,
    bprm_file: 0,
    bprm_filename: 0,
    bprm_interp: 0,
    bprm_exec: 0,
    bprm_p: 0,
    bprm_argc: 0,
    bprm_envc: 0,
    file_inode: 0,
    file_dentry: 0,
    dentry_name: 0,
    dentry_name_length: 0,
    dentry_inode: 0,
    inode_sb: 0,
    inode_ino: 0,
    inode_size: 0,
    inode_changed_seconds: 0,
    inode_changed_nanoseconds: 0,
    sb_dev: 0,
    sb_magic: 0,
    unix_dentry: 0,
    dentry_parent: 0,
    task_real_cred: 0,
    cred_uid: 0,
    task_cgroups: 0,
    css_set_dfl_cgrp: 0,
    cgroup_kn: 0,
    kernfs_id: 0,
    kernfs_name: 0,
    cgroup_self: 0,
    css_parent: 0,
    cgroup_root: 0,
    root_hierarchy: 0,
    file_flags: 0,
    file_mode: 0,
    file_cred: 0,
    inode_mode: 0,
    cred_fsuid: 0,
    cred_effective: 0,
    cred_user_ns: 0,
    user_ns_level: 0,
    iattr_valid: 0,
    bprm_unsafe: 0,
    task_parent: 0,
    task_nsproxy: 0,
    nsproxy_mnt_ns: 0,
    mnt_ns_inum: 0,
    path_mnt: 0,
    path_dentry: 0,
    vfsmount_root: 0,
    vfsmount_flags: 0,
    mount_mnt: 0,
    mount_parent: 0,
    file_private: 0,
    overlay_indirect: 0,
};

const NO_STANDING_OFFSETS: StandingOffsets = StandingOffsets {
    cred_gid: 0,
    cred_suid: 0,
    cred_sgid: 0,
    cred_euid: 0,
    cred_egid: 0,
    cred_fsgid: 0,
    cred_securebits: 0,
    cred_inheritable: 0,
    cred_permitted: 0,
    cred_bounding: 0,
    cred_ambient: 0,
    cred_groups: 0,
    groups_count: 0,
    groups_list: 0,
    user_ns_inum: 0,
    nsproxy_uts: 0,
    uts_inum: 0,
    nsproxy_ipc: 0,
    ipc_inum: 0,
    nsproxy_pid: 0,
    pid_inum: 0,
    nsproxy_net: 0,
    net_inum: 0,
    net_unique: 0,
    nsproxy_cgroup: 0,
    cgroup_inum: 0,
    nsproxy_time: 0,
    nsproxy_time_children: 0,
    time_inum: 0,
    mnt_unique: 0,
    mnt_user_ns: 0,
    task_fs: 0,
    fs_directory: 0,
    fs_root: 0,
    inode_generation: 0,
    mount_id: 0,
    mount_unique: 0,
};

/// Reads one field of [`OFFSETS`]: volatile, since the compiler knows the value in the object file only.
macro_rules! offset {
    ($field:ident) => {{
        let field = &raw const $crate::maps::OFFSETS.$field;
        // SAFETY: the static lives as long as the program, and nothing writes to it.
        unsafe { core::ptr::read_volatile(field) }
    }};
}
pub(crate) use offset;
