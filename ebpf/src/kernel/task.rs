//! Tasks: what the kernel keeps of a thread and its process.

use aya_ebpf::{bindings::task_struct, helpers::generated::bpf_get_current_task_btf};

use super::{Known, Pointer};
use crate::maps::offset;

/// A task that the verifier knows to be one: an argument of a hook, or the current task.
pub type Task = *mut task_struct;

/// `SIGNAL_GROUP_EXIT` (<https://github.com/torvalds/linux/blob/v6.1/include/linux/sched/signal.h>).
const SIGNAL_GROUP_EXIT: u32 = 0x4;
/// `SIGNAL_STOP_STOPPED`, in the same file.
const SIGNAL_STOP_STOPPED: u32 = 0x1;

/// The first thread of the task's process, as a task that the verifier knows.
#[inline(always)]
pub fn group_leader(task: Task) -> Task {
    known(task).value(offset!(task_group_leader))
}

/// The task's parent, as a task that the verifier knows.
#[inline(always)]
pub fn real_parent(task: Task) -> Task {
    known(task).value(offset!(task_real_parent))
}

/// The tracer of a task that has one, as a task that the verifier knows; else its parent.
#[inline(always)]
pub fn tracer(task: Task) -> Task {
    known(task).value(offset!(task_parent))
}

#[inline(always)]
fn known(task: Task) -> Known {
    Known::new(task.cast_const().cast())
}

/// The task that runs now.
#[inline(always)]
pub fn current() -> Task {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_current_task_btf() }
}

/// The thread id, in the initial pid namespace.
#[inline(always)]
pub fn tid(task: Task) -> u32 {
    known(task).value(offset!(task_pid))
}

/// The thread group id, in the initial pid namespace.
#[inline(always)]
pub fn tgid(task: Task) -> u32 {
    known(task).value(offset!(task_tgid))
}

/// The thread group id of the parent, in the initial pid namespace; zero where there is none.
#[inline(always)]
pub fn parent(task: Task) -> u32 {
    known(task).follow(offset!(task_real_parent)).map_or(0, |parent| parent.value(offset!(task_tgid)))
}

/// The login user id; none where the kernel keeps none.
#[inline(always)]
pub fn login_uid(task: Task) -> Option<u32> {
    let offset = offset!(task_login_uid);
    if offset == 0 { None } else { Some(known(task).value(offset)) }
}

/// The real user id, in the initial user namespace.
#[inline(always)]
pub fn user(task: Task) -> Option<u32> {
    Some(known(task).follow(offset!(task_real_cred))?.value(offset!(cred_uid)))
}

/// The group of the unified hierarchy that the task is in.
#[inline(always)]
pub fn cgroup(task: Task) -> Option<Pointer> {
    Some(known(task).follow(offset!(task_cgroups))?.value(offset!(css_set_dfl_cgrp)))
}

/// When the process was started, in nanoseconds of the boot clock.
#[inline(always)]
pub fn process_started_at(task: Task) -> u64 {
    leader(task).map_or(0, |leader| leader.value(offset!(task_start_boottime)))
}

/// Whether all threads of the process are stopped.
#[inline(always)]
pub fn is_stopped(task: Task) -> bool {
    signal(task).is_some_and(|signal| signal.value::<u32>(offset!(signal_flags)) & SIGNAL_STOP_STOPPED != 0)
}

/// Whether the process has no thread left that lives.
#[inline(always)]
pub fn is_last_thread(task: Task) -> bool {
    signal(task).is_some_and(|signal| signal.value::<i32>(offset!(signal_live)) == 0)
}

/// The wait status that the parent will see (`wait_task_zombie`,
/// <https://github.com/torvalds/linux/blob/v6.1/kernel/exit.c>).
#[inline(always)]
pub fn exit_status(task: Task) -> Option<i32> {
    let signal = signal(task)?;
    if signal.value::<u32>(offset!(signal_flags)) & SIGNAL_GROUP_EXIT != 0 {
        return Some(signal.value(offset!(signal_group_exit_code)));
    }
    Some(leader(task)?.value(offset!(task_exit_code)))
}

#[inline(always)]
fn signal(task: Task) -> Option<Known> {
    known(task).follow(offset!(task_signal))
}

#[inline(always)]
fn leader(task: Task) -> Option<Known> {
    known(task).follow(offset!(task_group_leader))
}
