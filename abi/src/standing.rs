//! Who a task is, and where: what an approval is bound to beside what it runs.

use crate::SipHash;

/// A task's credentials, namespaces, working directory and root, each as the low half of a keyed hash ([`crate::SipHash`]
/// with the key of `Meta`).
///
/// Zero where something of it could not be read. No hold begins so, and nothing that was held goes on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// All user and group ids, groups, sets of capabilities, securebits, login, user namespace.
    pub credentials: u64,
    /// The namespaces that setns(2) and unshare(2) can change, but for the user's.
    pub namespaces: u64,
    /// The working directory: its inode, and the mount by which it is reached.
    pub directory: u64,
    /// The root directory, in the same way.
    pub root: u64,
}

/// What of it a request shows, and the daemon cannot read without a race.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// `inode.i_ino` of the working directory.
    pub directory_ino: u64,
    /// `mount.mnt_id` of the mount by which the working directory is reached.
    pub directory_mount: u32,
    /// The real user id, in the initial user namespace, as all of them.
    pub uid: u32,
    /// The effective user id.
    pub euid: u32,
    /// The login user id; all ones where there is none.
    pub login_uid: u32,
    /// One of the `MOUNTS_*` codes: whose the mount namespace is.
    pub mounts: u32,
    /// Zero.
    pub pad: u32,
}

/// The mount namespace was given to the agent: it became one in it, or only root on the host could have made it.
pub const MOUNTS_GIVEN: u32 = 0x4749_564e;
/// The agent has made the mount namespace, or gone into it, by the power of another user namespace: it can mount there.
pub const MOUNTS_OWN: u32 = 0xb8b6_a9b1;

/// Offsets in bytes, as in [`crate::Offsets`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StandingOffsets {
    /// `cred.gid`.
    pub cred_gid: u32,
    /// `cred.suid`.
    pub cred_suid: u32,
    /// `cred.sgid`.
    pub cred_sgid: u32,
    /// `cred.euid`.
    pub cred_euid: u32,
    /// `cred.egid`.
    pub cred_egid: u32,
    /// `cred.fsgid`.
    pub cred_fsgid: u32,
    /// `cred.securebits`.
    pub cred_securebits: u32,
    /// `cred.cap_inheritable`.
    pub cred_inheritable: u32,
    /// `cred.cap_permitted`.
    pub cred_permitted: u32,
    /// `cred.cap_bset`.
    pub cred_bounding: u32,
    /// `cred.cap_ambient`.
    pub cred_ambient: u32,
    /// `cred.group_info`.
    pub cred_groups: u32,
    /// `group_info.ngroups`.
    pub groups_count: u32,
    /// `group_info.gid`.
    pub groups_list: u32,
    /// `user_namespace.ns`, plus `ns_common.inum`, as all of them below.
    pub user_ns_inum: u32,
    /// `nsproxy.uts_ns`.
    pub nsproxy_uts: u32,
    /// `uts_namespace.ns`.
    pub uts_inum: u32,
    /// `nsproxy.ipc_ns`.
    pub nsproxy_ipc: u32,
    /// `ipc_namespace.ns`.
    pub ipc_inum: u32,
    /// `nsproxy.pid_ns_for_children`.
    pub nsproxy_pid: u32,
    /// `pid_namespace.ns`.
    pub pid_inum: u32,
    /// `nsproxy.net_ns`.
    pub nsproxy_net: u32,
    /// `net.ns`.
    pub net_inum: u32,
    /// A number that no other network namespace of this boot has: 64 bits.
    pub net_unique: u32,
    /// `nsproxy.cgroup_ns`.
    pub nsproxy_cgroup: u32,
    /// `cgroup_namespace.ns`.
    pub cgroup_inum: u32,
    /// `nsproxy.time_ns`; zero on a kernel without time namespaces.
    pub nsproxy_time: u32,
    /// `nsproxy.time_ns_for_children`.
    pub nsproxy_time_children: u32,
    /// `time_namespace.ns`.
    pub time_inum: u32,
    /// A number that no other mount namespace of this boot has: 64 bits.
    pub mnt_unique: u32,
    /// `mnt_namespace.user_ns`: who has power over the mounts.
    pub mnt_user_ns: u32,
    /// `task_struct.fs`.
    pub task_fs: u32,
    /// `fs_struct.pwd`.
    pub fs_directory: u32,
    /// `fs_struct.root`.
    pub fs_root: u32,
    /// `inode.i_generation`.
    pub inode_generation: u32,
    /// `mount.mnt_id`.
    pub mount_id: u32,
    /// `mount.mnt_id_unique`, which no other mount of this boot has: 64 bits. Zero before Linux 6.8.
    pub mount_unique: u32,
}

/// Ends a hash of so many words for a [`Standing`]: never zero, which there says something else.
#[must_use]
#[inline(always)]
pub const fn standing(hash: SipHash, words: u64) -> u64 {
    let [low, _] = hash.finish(words);
    if low == 0 { 1 } else { low }
}

const _: () = {
    assert!(size_of::<Standing>() == 32);
    assert!(size_of::<Shown>() == 32);
    assert!(size_of::<StandingOffsets>() == 37 * 4);
};
