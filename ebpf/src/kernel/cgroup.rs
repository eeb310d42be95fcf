//! Control groups of the unified hierarchy.

use super::{Pointer, read};
use crate::maps::offset;

/// The id, which is the inode number of the directory in cgroupfs.
#[inline(always)]
pub fn id(cgroup: Pointer) -> Option<u64> {
    read(read(cgroup, offset!(cgroup_kn))?, offset!(kernfs_id))
}

/// The name of the directory: a string of the kernel's.
#[inline(always)]
pub fn name(cgroup: Pointer) -> Option<Pointer> {
    read(read(cgroup, offset!(cgroup_kn))?, offset!(kernfs_name))
}

/// The group above.
#[inline(always)]
pub fn parent(cgroup: Pointer) -> Option<Pointer> {
    let state = offset!(cgroup_self);
    let above: Pointer = read(cgroup, state + offset!(css_parent))?;
    if above.is_null() { None } else { Some(above.cast::<u8>().wrapping_sub(state as usize).cast()) }
}

/// Whether the group is one of the unified hierarchy, whose number is zero (`0::` in cgroups(7)).
#[inline(always)]
pub fn is_unified(cgroup: Pointer) -> bool {
    let root: Option<Pointer> = read(cgroup, offset!(cgroup_root));
    root.and_then(|root| read::<i32>(root, offset!(root_hierarchy))) == Some(0)
}
