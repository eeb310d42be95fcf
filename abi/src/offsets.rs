//! Where the running kernel keeps what the kernel half reads.

/// Offsets in bytes, taken from the running kernel's BTF when the programs are loaded.
///
/// Never constants: between 6.1 and 6.12 `file.f_inode` moved from 32 to 40.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// `task_struct.pid`.
    pub task_pid: u32,
    /// `task_struct.signal`.
    pub task_signal: u32,
    /// `task_struct.group_leader`.
    pub task_group_leader: u32,
    /// `task_struct.exit_code`.
    pub task_exit_code: u32,
    /// `task_struct.start_boottime`.
    pub task_start_boottime: u32,
    /// `task_struct.tgid`.
    pub task_tgid: u32,
    /// `task_struct.real_parent`.
    pub task_real_parent: u32,
    /// `task_struct.loginuid`; zero on a kernel without audit.
    pub task_login_uid: u32,
    /// `signal_struct.live`.
    pub signal_live: u32,
    /// `signal_struct.flags`.
    pub signal_flags: u32,
    /// `signal_struct.group_exit_code`.
    pub signal_group_exit_code: u32,
    /// `linux_binprm.file`.
    pub bprm_file: u32,
    /// `linux_binprm.filename`.
    pub bprm_filename: u32,
    /// `linux_binprm.interp`.
    pub bprm_interp: u32,
    /// `linux_binprm.exec`.
    pub bprm_exec: u32,
    /// `linux_binprm.p`.
    pub bprm_p: u32,
    /// `linux_binprm.argc`.
    pub bprm_argc: u32,
    /// `linux_binprm.envc`.
    pub bprm_envc: u32,
    /// `file.f_inode`.
    pub file_inode: u32,
    /// `file.f_path`, plus `path.dentry`.
    pub file_dentry: u32,
    /// `dentry.d_name`, plus `qstr.name`.
    pub dentry_name: u32,
    /// `dentry.d_name`, plus `qstr.len`.
    pub dentry_name_length: u32,
    /// `dentry.d_inode`.
    pub dentry_inode: u32,
    /// `inode.i_sb`.
    pub inode_sb: u32,
    /// `inode.i_ino`.
    pub inode_ino: u32,
    /// `inode.i_size`.
    pub inode_size: u32,
    /// The seconds of the time at which the inode changed last: 64 bits.
    pub inode_changed_seconds: u32,
    /// The nanoseconds of it: the lower 32 bits.
    pub inode_changed_nanoseconds: u32,
    /// `super_block.s_dev`.
    pub sb_dev: u32,
    /// `super_block.s_magic`.
    pub sb_magic: u32,
    /// `unix_sock.path`, plus `path.dentry`.
    pub unix_dentry: u32,
    /// `dentry.d_parent`.
    pub dentry_parent: u32,
    /// `task_struct.real_cred`.
    pub task_real_cred: u32,
    /// `cred.uid`.
    pub cred_uid: u32,
    /// `task_struct.cgroups`.
    pub task_cgroups: u32,
    /// `css_set.dfl_cgrp`.
    pub css_set_dfl_cgrp: u32,
    /// `cgroup.kn`.
    pub cgroup_kn: u32,
    /// `kernfs_node.id`.
    pub kernfs_id: u32,
    /// `kernfs_node.name`.
    pub kernfs_name: u32,
    /// `cgroup.self`.
    pub cgroup_self: u32,
    /// `cgroup_subsys_state.parent`.
    pub css_parent: u32,
    /// `cgroup.root`.
    pub cgroup_root: u32,
    /// `cgroup_root.hierarchy_id`.
    pub root_hierarchy: u32,
    /// `file.f_flags`.
    pub file_flags: u32,
    /// `file.f_mode`.
    pub file_mode: u32,
    /// `file.f_cred`.
    pub file_cred: u32,
    /// `inode.i_mode`.
    pub inode_mode: u32,
    /// `cred.fsuid`.
    pub cred_fsuid: u32,
    /// `cred.cap_effective`.
    pub cred_effective: u32,
    /// `cred.user_ns`.
    pub cred_user_ns: u32,
    /// `user_namespace.level`.
    pub user_ns_level: u32,
    /// `iattr.ia_valid`.
    pub iattr_valid: u32,
    /// `linux_binprm.unsafe`.
    pub bprm_unsafe: u32,
    /// `task_struct.parent`: the tracer, where there is one.
    pub task_parent: u32,
    /// `task_struct.nsproxy`.
    pub task_nsproxy: u32,
    /// `nsproxy.mnt_ns`.
    pub nsproxy_mnt_ns: u32,
    /// `mnt_namespace.ns`, plus `ns_common.inum`.
    pub mnt_ns_inum: u32,
    /// `path.mnt`.
    pub path_mnt: u32,
    /// `path.dentry`.
    pub path_dentry: u32,
    /// `vfsmount.mnt_root`.
    pub vfsmount_root: u32,
    /// `vfsmount.mnt_flags`.
    pub vfsmount_flags: u32,
    /// `mount.mnt`.
    pub mount_mnt: u32,
    /// `mount.mnt_parent`.
    pub mount_parent: u32,
    /// `file.private_data`.
    pub file_private: u32,
    /// One where an overlay's file has there what has the file below as its first field, and not that file itself: from 6.13.
    pub overlay_indirect: u32,
}

const _: () = assert!(size_of::<Offsets>() == 65 * 4);
