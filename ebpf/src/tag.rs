//! Whether a task is an agent's.

use aya_ebpf::{bindings::BPF_LOCAL_STORAGE_GET_F_CREATE, helpers::generated::bpf_task_storage_get};
use holdpoint_abi::TaskState;

use crate::{
    kernel::task::{self, Task},
    maps::{TASKS, offset},
};

/// What is known of a task.
pub enum Tag {
    /// It is not an agent's.
    None,
    /// It is. The state lives as long as the task.
    Agent(&'static mut TaskState),
    /// It is not, and has begun, now or some time ago, an exec that makes it one.
    Becoming(&'static mut TaskState),
    /// It may be: something is stored with it, and the look-up failed on a kernel on which a look-up can fail
    /// although the entry is there (before 6.2, when the look-up interrupts another one on this CPU).
    Doubt,
}

/// Looks the task up.
#[inline(always)]
pub fn of(task: Task) -> Tag {
    if !task::has_storage(task) {
        return Tag::None;
    }
    // SAFETY: the verifier checks that `task` is a task and the map one of its kind.
    let state = unsafe { bpf_task_storage_get(TASKS.as_ptr(), task.cast(), core::ptr::null_mut(), 0) };
    // SAFETY: the helper returns null or the task's own value, which lives as long as the task. Programs that run for
    // this task write it, and from elsewhere only the number of a task that has none: the daemon and the iterator.
    match unsafe { state.cast::<TaskState>().as_mut() } {
        Some(state) if state.agent != 0 => Tag::Agent(state),
        Some(state) if state.becoming != 0 => Tag::Becoming(state),
        Some(_) => Tag::None,
        None if offset!(storage_may_fail) != 0 => Tag::Doubt,
        None => Tag::None,
    }
}

/// The task's state, made where there is none. None where the kernel has no memory for it, or in doubt.
#[inline(always)]
pub fn create(task: Task) -> Option<&'static mut TaskState> {
    let flags = u64::from(BPF_LOCAL_STORAGE_GET_F_CREATE);
    // SAFETY: as in `of`.
    let state = unsafe { bpf_task_storage_get(TASKS.as_ptr(), task.cast(), core::ptr::null_mut(), flags) };
    // SAFETY: as in `of`.
    unsafe { state.cast::<TaskState>().as_mut() }
}
