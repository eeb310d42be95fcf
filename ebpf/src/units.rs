//! Cgroups of declared units: entered when they are made, before any process can be in them.

use aya_ebpf::{helpers::generated::bpf_probe_read_kernel_str, programs::BtfTracePointContext};
use holdpoint_abi::{
    Counter, DECLARED_UNITS, Declared, MAX_CGROUP_DEPTH, MAX_UNIT_PATTERNS, NAME_LENGTH, UnitPattern,
};

use crate::{
    count,
    kernel::{Pointer, cgroup},
    maps::{AGENT_CGROUPS, META, UNIT_PATTERNS},
};

/// The longest name of a unit (`UNIT_NAME_MAX` of systemd), with its zero.
const LONGEST: usize = 256;

/// `cgroup_mkdir(struct cgroup *cgrp, const char *path)`: under `cgroup_mutex`, which whoever puts a process into a
/// cgroup has to take (<https://github.com/torvalds/linux/blob/v6.1/kernel/cgroup/cgroup.c>).
#[inline(always)]
pub fn made(ctx: &BtfTracePointContext) {
    if META.get(0).is_none_or(|meta| meta.declared & DECLARED_UNITS == 0) {
        return;
    }
    let group: Pointer = ctx.arg(0);
    if !cgroup::is_unified(group) {
        return;
    }
    let Some(id) = cgroup::id(group) else { return };
    let Some(agent) = by_name(group).filter(|_| is_of_the_system(group)) else { return };
    if AGENT_CGROUPS.insert(id, Declared { generation: 0, agent }, 0).is_err() {
        count::add(Counter::CgroupDropped);
    }
}

/// `cgroup_rmdir(struct cgroup *cgrp, const char *path)`: nobody is in it any more.
#[inline(always)]
pub fn removed(ctx: &BtfTracePointContext) {
    let group: Pointer = ctx.arg(0);
    if cgroup::is_unified(group)
        && let Some(id) = cgroup::id(group)
    {
        let _other = AGENT_CGROUPS.remove(id);
    }
}

/// Whether the system's manager has made it: all that is above it are slices. Below a service or scope, such as
/// `user@1000.service`, somebody else may make what he likes.
#[inline(always)]
fn is_of_the_system(group: Pointer) -> bool {
    let mut above = cgroup::parent(group);
    let mut depth = 0;
    while depth < MAX_CGROUP_DEPTH {
        let Some(this) = above else { return false };
        above = cgroup::parent(this);
        if above.is_none() {
            // The root, which has no name.
            return true;
        }
        if !is_slice(this) {
            return false;
        }
        depth += 1;
    }
    false
}

#[inline(always)]
fn is_slice(group: Pointer) -> bool {
    const SLICE: u64 = u64::from_ne_bytes(*b".slice\0\0");
    let Some(name) = cgroup::name(group) else { return false };
    let mut text = [0_u64; LONGEST / 8];
    // SAFETY: the buffer has `LONGEST` bytes, and the helper checks the source address.
    let copied = unsafe { bpf_probe_read_kernel_str(text.as_mut_ptr().cast(), LONGEST as u32, name) };
    // Six letters and the zero.
    if copied < 8 {
        return false;
    }
    let mut end = 0_u64;
    let tail = name.cast::<u8>().wrapping_add(copied as usize - 7);
    // SAFETY: the buffer has eight bytes, and the helper checks the source address.
    let copied = unsafe { bpf_probe_read_kernel_str((&raw mut end).cast(), 8, tail.cast()) };
    copied == 7 && end == SLICE
}

#[inline(always)]
fn by_name(group: Pointer) -> Option<u32> {
    let name = cgroup::name(group)?;
    let mut text = [0_u64; LONGEST / 8];
    // SAFETY: the buffer has `LONGEST` bytes, and the helper checks the source address.
    let copied = unsafe { bpf_probe_read_kernel_str(text.as_mut_ptr().cast(), LONGEST as u32, name) };
    // systemd puts this before a name that would be one of the kernel's own, such as `cpu.service`.
    let escaped = text[0] & 0xff == u64::from(b'_');
    let length = copied.checked_sub(1).filter(|length| *length > 0)? as u64;
    let (name, length) =
        if escaped { (name.cast::<u8>().wrapping_add(1).cast(), length - 1) } else { (name, length) };
    let mut first = [0_u64; NAME_LENGTH / 8];
    // SAFETY: the buffer has `NAME_LENGTH` bytes, and the helper checks the source address.
    let copied = unsafe { bpf_probe_read_kernel_str(first.as_mut_ptr().cast(), NAME_LENGTH as u32, name) };
    if copied < 0 {
        return None;
    }
    let mut index = 0;
    while index < MAX_UNIT_PATTERNS as u32 {
        let pattern = UNIT_PATTERNS.get(index)?;
        if pattern.agent != 0 && matches(pattern, name, &first, length) {
            return Some(pattern.agent);
        }
        index += 1;
    }
    None
}

#[inline(always)]
fn matches(pattern: &UnitPattern, name: Pointer, first: &[u64; NAME_LENGTH / 8], length: u64) -> bool {
    let mut differs = 0;
    let mut index = 0;
    while index < NAME_LENGTH / 8 {
        differs |= (first[index] & pattern.mask[index]) ^ pattern.prefix[index];
        index += 1;
    }
    if differs != 0 || length < u64::from(pattern.least) {
        return false;
    }
    let mut end = [0_u8; NAME_LENGTH];
    let tail = name.cast::<u8>().wrapping_add((length - u64::from(pattern.suffix_length)) as usize);
    // SAFETY: the buffer has `NAME_LENGTH` bytes, and the helper checks the source address.
    let copied =
        unsafe { bpf_probe_read_kernel_str(end.as_mut_ptr().cast(), NAME_LENGTH as u32, tail.cast()) };
    copied >= 0 && end == pattern.suffix
}
