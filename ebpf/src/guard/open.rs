//! Opening files: a listed one is there for agents to be executed, not to be read.

use aya_ebpf::programs::LsmContext;
use holdpoint_abi::{Counter, FileKey, TaskState};

use super::{
    PASS, UNKNOWN,
    listed::{self, Inode},
    place, refuse,
};
use crate::{
    holds,
    kernel::{Pointer, load},
    maps::offset,
    tag::{self, Glance, Tag},
};

/// `__FMODE_EXEC`: the kernel opens the file to execute it. A program cannot set it: it is in none of the flags of
/// open(2) that are let through (<https://github.com/torvalds/linux/blob/v6.1/include/linux/fs.h>).
const TO_EXECUTE: u32 = 0x20;
/// `FMODE_CREATED`: the file has just been made by this opening, and nothing is in it.
const CREATED: u32 = 0x10_0000;
/// `FMODE_NOACCOUNT`: a file of the kernel's own, below one that a program opens. On 6.1 and 6.12 overlayfs opens the file
/// that it stands on so (`ovl_open_realfile`, <https://github.com/torvalds/linux/blob/v6.1/fs/overlayfs/file.c>).
pub const BELOW: u32 = 0x2000_0000;

/// `file_open(struct file *file)`
///
/// Not called for `O_PATH`, which gives nothing to read: what is read through such a descriptor is opened anew, and what
/// is executed through one comes to the check of the exec.
#[inline(always)]
pub fn opened(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(1);
    if so_far != 0 {
        return so_far;
    }
    let glance = tag::glance();
    if glance == Glance::Nobodys {
        return PASS;
    }
    let file: Pointer = ctx.arg(0);
    let flags: u32 = load(file, offset!(file_flags));
    if flags & TO_EXECUTE != 0 {
        return PASS;
    }
    let mode: u32 = load(file, offset!(file_mode));
    // Of a task that is known an opening has not been let pass, or another one came after it.
    if glance == Glance::Unclear || mode & BELOW != 0 {
        let Tag::Agent(state) = tag::of_current() else { return PASS };
        if mode & BELOW != 0 && state.letting != 0 {
            return PASS;
        }
        state.letting = 0;
        tag::know_current();
    }
    agent_opens(file, mode)
}

#[inline(always)]
fn agent_opens(file: Pointer, mode: u32) -> i32 {
    let dentry: Pointer = load(file, offset!(file_dentry));
    let inode = Inode::new(load(file, offset!(file_inode)));
    if let Some(mut attempt) = listed::attempt(UNKNOWN, dentry, &inode) {
        let Tag::Agent(state) = tag::of_current() else { return PASS };
        if mode & CREATED == 0 && !runs(state, attempt.file) {
            attempt.agent = state.agent;
            return refuse(Counter::ReadRefused, &attempt);
        }
        state.letting = 1;
        tag::forget_current();
    }
    place::opened(file, mode, dentry, inode)
}

/// Whether the task runs this very file under an allowance: an interpreter opens its script.
#[inline(always)]
fn runs(state: &TaskState, file: FileKey) -> bool {
    holds::get(state.run).is_some_and(|hold| hold.file == file)
}
