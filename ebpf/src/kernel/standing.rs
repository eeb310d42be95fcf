//! Who the current task is, and where: its credentials, namespaces and directories.

use super::{
    Known, Pointer, read,
    task::{self, Task},
};
use crate::maps::{STANDING_OFFSETS, offset};

/// Reads one field of [`STANDING_OFFSETS`], as [`offset`] does of the others.
macro_rules! standing_offset {
    ($field:ident) => {{
        let field = &raw const STANDING_OFFSETS.$field;
        // SAFETY: the static lives as long as the program, and nothing writes to it.
        unsafe { core::ptr::read_volatile(field) }
    }};
}

/// A directory, and the mount by which it is reached.
pub struct Directory {
    pub ino: u64,
    /// `inode.i_generation`: random in tmpfs and ext4, where a number that was used before comes back.
    pub generation: u32,
    pub dev: u32,
    pub mount: u32,
    /// Zero before Linux 6.8.
    pub unique_mount: u64,
}

/// Supplementary groups: a list of the kernel's that nobody changes once it is there.
pub struct Groups {
    pub count: u32,
    pub list: Pointer,
}

/// The real and the effective user id, in the initial user namespace.
#[inline(always)]
pub fn users() -> Option<(u32, u32)> {
    let cred = cred()?;
    Some((cred.value(offset!(cred_uid)), cred.value(standing_offset!(cred_euid))))
}

/// Passes on what the credentials have, but for the list of groups. These are those of the task, of which a program
/// that is executed gets a copy; nobody but the task itself can change them.
#[inline(always)]
pub fn credentials(take: &mut impl FnMut(u64)) -> Option<Groups> {
    let cred = cred()?;
    let pair = |first: u32, second: u32| {
        let (first, second): (u32, u32) = (cred.value(first), cred.value(second));
        both(first, second)
    };
    take(pair(offset!(cred_uid), standing_offset!(cred_gid)));
    take(pair(standing_offset!(cred_suid), standing_offset!(cred_sgid)));
    take(pair(standing_offset!(cred_euid), standing_offset!(cred_egid)));
    take(pair(offset!(cred_fsuid), standing_offset!(cred_fsgid)));
    take(cred.value(standing_offset!(cred_inheritable)));
    take(cred.value(standing_offset!(cred_permitted)));
    take(cred.value(offset!(cred_effective)));
    take(cred.value(standing_offset!(cred_bounding)));
    take(cred.value(standing_offset!(cred_ambient)));
    let login = task::login_uid(task::current()).unwrap_or(u32::MAX);
    take(both(cred.value(standing_offset!(cred_securebits)), login));
    let space = cred.follow(offset!(cred_user_ns))?;
    // Not by a load: with a pointer that the verifier knows it does not let a loop count.
    let groups: Pointer = read(cred.address(), standing_offset!(cred_groups))?;
    let count: u32 = read(groups, standing_offset!(groups_count))?;
    take(both(space.value(standing_offset!(user_ns_inum)), count));
    let list = groups.cast::<u8>().wrapping_add(standing_offset!(groups_list) as usize).cast();
    Some(Groups { count, list })
}

/// Passes on what tells the namespaces from others. A number comes back once its namespace has gone, so that of the two
/// kinds in which another one matters there is a second that does not.
#[inline(always)]
pub fn namespaces(take: &mut impl FnMut(u64)) -> Option<()> {
    let current = Known::new(task::current().cast_const().cast());
    let all = current.follow(offset!(task_nsproxy))?;
    let number = |field: u32, inum: u32| Some(all.follow(field)?.value::<u32>(inum));
    let mounts = all.follow(offset!(nsproxy_mnt_ns))?;
    let network = all.follow(standing_offset!(nsproxy_net))?;
    take(mounts.value(standing_offset!(mnt_unique)));
    take(network.value(standing_offset!(net_unique)));
    take(both(mounts.value(offset!(mnt_ns_inum)), network.value(standing_offset!(net_inum))));
    take(both(
        number(standing_offset!(nsproxy_uts), standing_offset!(uts_inum))?,
        number(standing_offset!(nsproxy_ipc), standing_offset!(ipc_inum))?,
    ));
    take(both(
        number(standing_offset!(nsproxy_pid), standing_offset!(pid_inum))?,
        number(standing_offset!(nsproxy_cgroup), standing_offset!(cgroup_inum))?,
    ));
    if standing_offset!(nsproxy_time) == 0 {
        take(0);
        return Some(());
    }
    take(both(
        number(standing_offset!(nsproxy_time), standing_offset!(time_inum))?,
        number(standing_offset!(nsproxy_time_children), standing_offset!(time_inum))?,
    ));
    Some(())
}

/// The number of a task's mount namespace that no other one has. None where it has none any more: it ends.
#[inline(always)]
pub fn mounts(task: Task) -> Option<u64> {
    read(mounts_of(task)?, standing_offset!(mnt_unique))
}

/// Whether it takes power over the host, and not over a user namespace below it, to mount in the current task's mount
/// namespace.
#[inline(always)]
pub fn mounts_are_the_hosts() -> Option<bool> {
    let space: Pointer = read(mounts_of(task::current())?, standing_offset!(mnt_user_ns))?;
    Some(read::<i32>(space, offset!(user_ns_level))? == 0)
}

/// The working directory.
///
/// A thread beside this one may change it just now, and what is read then is of both. That is none that anybody was shown.
#[inline(always)]
pub fn directory() -> Option<Directory> {
    at(standing_offset!(fs_directory))
}

/// The root directory.
#[inline(always)]
pub fn root() -> Option<Directory> {
    at(standing_offset!(fs_root))
}

#[inline(always)]
fn at(path: u32) -> Option<Directory> {
    let current: Pointer = task::current().cast_const().cast();
    let fs: Pointer = read(current, standing_offset!(task_fs))?;
    let inode: Pointer = read(read(fs, path + offset!(path_dentry))?, offset!(dentry_inode))?;
    let block: Pointer = read(inode, offset!(inode_sb))?;
    let mount: Pointer = read(fs, path + offset!(path_mnt))?;
    // The path has a part of the structure only.
    let mount: Pointer = mount.cast::<u8>().wrapping_sub(offset!(mount_mnt) as usize).cast();
    let unique = standing_offset!(mount_unique);
    Some(Directory {
        ino: read(inode, offset!(inode_ino))?,
        generation: read(inode, standing_offset!(inode_generation))?,
        dev: read(block, offset!(sb_dev))?,
        mount: read(mount, standing_offset!(mount_id))?,
        unique_mount: if unique == 0 { 0 } else { read(mount, unique)? },
    })
}

#[inline(always)]
fn mounts_of(task: Task) -> Option<Pointer> {
    read(read(task.cast_const().cast(), offset!(task_nsproxy))?, offset!(nsproxy_mnt_ns))
}

#[inline(always)]
fn cred() -> Option<Known> {
    Known::new(task::current().cast_const().cast()).follow(offset!(task_real_cred))
}

#[inline(always)]
fn both(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}
