//! Mounts about the daemon's directories, where the host would see them. In a mount namespace of its own an agent, or a
//! container, mounts what it likes.

use aya_ebpf::programs::LsmContext;
use holdpoint_abi::Counter;

use super::{PASS, current_agent, place, refuse};
use crate::{
    kernel::{Pointer, load, read, task},
    maps::{GUARD, offset},
};

/// `MNT_SHARED`: what is mounted there or taken away appears in the namespaces that it is shared with
/// (<https://github.com/torvalds/linux/blob/v6.1/include/linux/mount.h>).
const IS_SHARED: u32 = 0x1000;

/// Flags of mount(2).
const MS_REMOUNT: u64 = 0x20;
const MS_MOVE: u64 = 0x2000;
/// `MS_UNBINDABLE`, `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`.
const MS_PROPAGATION: u64 = 0x1e_0000;

/// `sb_mount(const char *dev_name, const struct path *path, const char *type, unsigned long flags, void *data)`
#[inline(always)]
pub fn mounted(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(5);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    let flags: u64 = ctx.arg(3);
    let path: Pointer = ctx.arg(1);
    let initial = is_initial();
    let dentry: Pointer = load(path, offset!(path_dentry));
    // What is moved away is known by a string alone.
    if initial && flags & MS_MOVE != 0 {
        return refuse(Counter::MountRefused, &place::about(agent, dentry));
    }
    // In another namespace these change what belongs to it.
    if !initial && flags & (MS_REMOUNT | MS_PROPAGATION) != 0 {
        return PASS;
    }
    over(agent, path, initial)
}

/// `move_mount(const struct path *from_path, const struct path *to_path)`
#[inline(always)]
pub fn moved(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(2);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    let from: Pointer = ctx.arg(0);
    let dentry: Pointer = load(from, offset!(path_dentry));
    let initial = is_initial();
    // What a new mount brings has a root of its own, or that of what it is a copy of.
    if initial && place::is_guarded(dentry) {
        return refuse(Counter::MountRefused, &place::about(agent, dentry));
    }
    over(agent, ctx.arg(1), initial)
}

/// `sb_umount(struct vfsmount *mnt, int flags)`
#[inline(always)]
pub fn unmounted(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(2);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    let mount: Pointer = ctx.arg(0);
    let root: Pointer = load(mount, offset!(vfsmount_root));
    if !place::is_guarded(root) && !place::is_inside(root) {
        return PASS;
    }
    if is_initial() || parent_is_shared(mount) {
        return refuse(Counter::MountRefused, &place::about(agent, root));
    }
    PASS
}

/// `sb_pivotroot(const struct path *old_path, const struct path *new_path)`
#[inline(always)]
pub fn pivoted(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(2);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    if !is_initial() {
        return PASS;
    }
    let path: Pointer = ctx.arg(1);
    refuse(Counter::MountRefused, &place::about(agent, load(path, offset!(path_dentry))))
}

/// Something is mounted on the path.
#[inline(always)]
fn over(agent: u32, path: Pointer, initial: bool) -> i32 {
    let dentry: Pointer = load(path, offset!(path_dentry));
    if !place::is_guarded(dentry) && !place::is_inside(dentry) {
        return PASS;
    }
    let mount: Pointer = load(path, offset!(path_mnt));
    if initial || load::<u32>(mount, offset!(vfsmount_flags)) & IS_SHARED != 0 {
        return refuse(Counter::MountRefused, &place::about(agent, dentry));
    }
    PASS
}

/// Whether the current task is in the host's mount namespace, or the daemon has not said which it is.
#[inline(always)]
fn is_initial() -> bool {
    let initial = GUARD.get(0).map_or(0, |guard| guard.mount_namespace);
    let current: Pointer = task::current().cast_const().cast();
    let own =
        || read(read(read(current, offset!(task_nsproxy))?, offset!(nsproxy_mnt_ns))?, offset!(mnt_ns_inum));
    initial == 0 || own().is_none_or(|own: u32| own == initial)
}

/// Whether the mount below this one tells others of what is unmounted from it. `struct vfsmount` is a part of a
/// structure that the verifier does not know it to be a part of.
#[inline(always)]
fn parent_is_shared(mount: Pointer) -> bool {
    let outer: Pointer = mount.cast::<u8>().wrapping_sub(offset!(mount_mnt) as usize).cast();
    let parent: Option<Pointer> = read(outer, offset!(mount_parent));
    let flags = parent.and_then(|parent| read::<u32>(parent, offset!(mount_mnt) + offset!(vfsmount_flags)));
    flags.is_none_or(|flags| flags & IS_SHARED != 0)
}
