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
// For one atomic addition, in `tag.rs`.
#![feature(asm_experimental_arch)]
#![no_main]

mod agents;
mod arguments;
mod attach;
mod bound;
mod commit;
mod count;
mod exec;
mod guard;
mod holds;
mod kernel;
mod life;
mod lists;
mod maps;
mod named;
mod retry;
mod socket;
mod standing;
mod tag;
mod units;
mod variables;

use aya_ebpf::{
    macros::{btf_tracepoint, lsm},
    programs::{BtfTracePointContext, LsmContext},
};

use guard::{change, machine, mount, open, signal, trace};

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

/// `security_task_free`: a task is no more.
#[lsm(hook = "task_free")]
pub fn holdpoint_task_free(ctx: LsmContext) -> i32 {
    life::freed(&ctx);
    0
}

/// `security_unix_stream_connect`: agents do not reach the socket on which people vote.
#[lsm(hook = "unix_stream_connect")]
pub fn holdpoint_unix_connect(ctx: LsmContext) -> i32 {
    socket::connect(&ctx)
}

/// A file is opened.
#[lsm(hook = "file_open")]
pub fn holdpoint_file_open(ctx: LsmContext) -> i32 {
    open::opened(&ctx)
}

/// A file gets another name.
#[lsm(hook = "inode_link")]
pub fn holdpoint_inode_link(ctx: LsmContext) -> i32 {
    change::linked(&ctx)
}

/// A file or directory is renamed.
#[lsm(hook = "inode_rename")]
pub fn holdpoint_inode_rename(ctx: LsmContext) -> i32 {
    change::renamed(&ctx)
}

/// A file is removed.
#[lsm(hook = "inode_unlink")]
pub fn holdpoint_inode_unlink(ctx: LsmContext) -> i32 {
    change::unlinked(&ctx)
}

/// A file's mode, owner, size or times change.
#[lsm(hook = "inode_setattr")]
pub fn holdpoint_inode_setattr(ctx: LsmContext) -> i32 {
    change::attributes_set(ctx.arg(3), ctx.arg(1), ctx.arg(2))
}

/// The same before 6.9.
#[lsm(hook = "inode_setattr")]
pub fn holdpoint_inode_setattr_6_1(ctx: LsmContext) -> i32 {
    change::attributes_set(ctx.arg(2), ctx.arg(0), ctx.arg(1))
}

/// A file gets an extended attribute.
#[lsm(hook = "inode_setxattr")]
pub fn holdpoint_inode_setxattr(ctx: LsmContext) -> i32 {
    change::xattr_set(&ctx)
}

/// A file loses an extended attribute.
#[lsm(hook = "inode_removexattr")]
pub fn holdpoint_inode_removexattr(ctx: LsmContext) -> i32 {
    change::xattr_removed(&ctx)
}

/// A file gets an access list. There from 6.2.
#[lsm(hook = "inode_set_acl")]
pub fn holdpoint_inode_set_acl(ctx: LsmContext) -> i32 {
    change::acl_set(&ctx)
}

/// A file is made.
#[lsm(hook = "inode_create")]
pub fn holdpoint_inode_create(ctx: LsmContext) -> i32 {
    change::made(&ctx, ctx.arg(3))
}

/// A symbolic link is made.
#[lsm(hook = "inode_symlink")]
pub fn holdpoint_inode_symlink(ctx: LsmContext) -> i32 {
    change::made(&ctx, ctx.arg(3))
}

/// A directory is made.
#[lsm(hook = "inode_mkdir")]
pub fn holdpoint_inode_mkdir(ctx: LsmContext) -> i32 {
    change::made(&ctx, ctx.arg(3))
}

/// A directory is removed.
#[lsm(hook = "inode_rmdir")]
pub fn holdpoint_inode_rmdir(ctx: LsmContext) -> i32 {
    change::made(&ctx, ctx.arg(2))
}

/// A device, a pipe or a socket is made.
#[lsm(hook = "inode_mknod")]
pub fn holdpoint_inode_mknod(ctx: LsmContext) -> i32 {
    change::made(&ctx, ctx.arg(4))
}

/// A process reaches for another one.
#[lsm(hook = "ptrace_access_check")]
pub fn holdpoint_ptrace_access(ctx: LsmContext) -> i32 {
    trace::accessed(&ctx)
}

/// A process asks its parent to trace it.
#[lsm(hook = "ptrace_traceme")]
pub fn holdpoint_ptrace_traceme(ctx: LsmContext) -> i32 {
    trace::offered(&ctx)
}

/// A process sends a signal.
#[lsm(hook = "task_kill")]
pub fn holdpoint_task_kill(ctx: LsmContext) -> i32 {
    signal::sent(&ctx)
}

/// A file sends a signal.
#[lsm(hook = "file_send_sigiotask")]
pub fn holdpoint_file_sigio(ctx: LsmContext) -> i32 {
    signal::sent_by_a_file(&ctx)
}

/// bpf(2) is called.
#[lsm(hook = "bpf")]
pub fn holdpoint_bpf(ctx: LsmContext) -> i32 {
    machine::bpf(&ctx)
}

/// The kernel reads a file for itself.
#[lsm(hook = "kernel_read_file")]
pub fn holdpoint_kernel_read_file(ctx: LsmContext) -> i32 {
    machine::file_read(&ctx)
}

/// The kernel takes data for itself.
#[lsm(hook = "kernel_load_data")]
pub fn holdpoint_kernel_load_data(ctx: LsmContext) -> i32 {
    machine::data_loaded(&ctx)
}

/// Something that a locked-down kernel does not allow.
#[lsm(hook = "locked_down")]
pub fn holdpoint_locked_down(ctx: LsmContext) -> i32 {
    machine::locked_down(&ctx)
}

/// Something is mounted.
#[lsm(hook = "sb_mount")]
pub fn holdpoint_sb_mount(ctx: LsmContext) -> i32 {
    mount::mounted(&ctx)
}

/// A mount is put somewhere.
#[lsm(hook = "move_mount")]
pub fn holdpoint_move_mount(ctx: LsmContext) -> i32 {
    mount::moved(&ctx)
}

/// Something is unmounted.
#[lsm(hook = "sb_umount")]
pub fn holdpoint_sb_umount(ctx: LsmContext) -> i32 {
    mount::unmounted(&ctx)
}

/// The root of a mount namespace is exchanged.
#[lsm(hook = "sb_pivotroot")]
pub fn holdpoint_sb_pivotroot(ctx: LsmContext) -> i32 {
    mount::pivoted(&ctx)
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
