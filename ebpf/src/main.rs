//! The kernel half of holdpoint.
//!
//! This file registers the hooks, in the order in which the kernel calls them in the life of an agent's
//! process. Each calls one function of a module. A hook first asks whether the task is an agent's; if it is
//! not, the verdict so far goes on unchanged. An error on behalf of an agent's task refuses.
//!
//! None of the programs sleeps. Before Linux 6.2 a program that is entered while another task on the same CPU
//! is inside of it is *skipped*, which would let an exec through; a program that cannot be preempted cannot be
//! met inside (`__bpf_prog_enter_sleepable` in
//! <https://github.com/torvalds/linux/blob/v6.1/kernel/bpf/trampoline.c>).
#![no_std]
#![no_main]

mod agents;
mod arguments;
mod attach;
mod bound;
mod commit;
mod count;
mod exec;
mod holds;
mod kernel;
mod life;
mod maps;
mod retry;
mod socket;
mod tag;
mod units;

use aya_ebpf::{
    macros::{btf_tracepoint, lsm},
    programs::{BtfTracePointContext, LsmContext},
};

/// `security_task_alloc`: a child of an agent is the agent's.
#[lsm(hook = "task_alloc")]
pub fn holdpoint_task_alloc(ctx: LsmContext) -> i32 {
    life::inherit(&ctx)
}

/// The child of a fork is about to run: its parent may have become an agent's meanwhile.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn holdpoint_process_fork(ctx: BtfTracePointContext) -> i32 {
    attach::forked(&ctx);
    0
}

/// `security_bprm_check`: called for the file of an execve, and again for each interpreter.
#[lsm(hook = "bprm_check_security")]
pub fn holdpoint_bprm_check(ctx: LsmContext) -> i32 {
    exec::check(&ctx)
}

/// `security_bprm_committed_creds`: the point of no return is passed, the new program has not begun.
#[lsm(hook = "bprm_committed_creds")]
pub fn holdpoint_bprm_committed(ctx: LsmContext) -> i32 {
    commit::check(&ctx);
    0
}

/// A signal is on its way to a task.
#[btf_tracepoint(function = "signal_generate")]
pub fn holdpoint_signal_generate(ctx: BtfTracePointContext) -> i32 {
    life::signalled(&ctx);
    0
}

/// A task ends.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn holdpoint_process_exit(ctx: BtfTracePointContext) -> i32 {
    life::exited(&ctx);
    0
}

/// `security_unix_stream_connect`: agents do not reach the socket on which people vote.
#[lsm(hook = "unix_stream_connect")]
pub fn holdpoint_unix_connect(ctx: LsmContext) -> i32 {
    socket::connect(&ctx)
}

/// A control group was made.
#[btf_tracepoint(function = "cgroup_mkdir")]
pub fn holdpoint_cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    units::made(&ctx);
    0
}

/// A control group was removed.
#[btf_tracepoint(function = "cgroup_rmdir")]
pub fn holdpoint_cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    units::removed(&ctx);
    0
}

/// Not a hook: the daemon has it run over all tasks, to tag what runs already. aya-ebpf 0.2 has no macro for it.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn holdpoint_iter_task(ctx: *mut core::ffi::c_void) -> i32 {
    // SAFETY: the context is a `struct bpf_iter__task`, two pointers, of which the second is the task
    // (<https://github.com/torvalds/linux/blob/v6.1/kernel/bpf/task_iter.c>).
    let task = unsafe { ctx.cast::<kernel::task::Task>().add(1).read_volatile() };
    if !task.is_null() {
        attach::visit(task);
    }
    0
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier rejects a program in which this could be reached.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
