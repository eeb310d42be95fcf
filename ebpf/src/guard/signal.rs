//! Signals to the daemon.

use aya_ebpf::programs::LsmContext;
use holdpoint_abi::Counter;

use super::{Attempt, PASS, UNKNOWN, current_agent, refuse};
use crate::{
    kernel::task::{self, Task},
    maps::GUARD,
    tag::{self, Tag},
};

/// `task_kill(struct task_struct *p, struct kernel_siginfo *info, int sig, const struct cred *cred)`
#[inline(always)]
pub fn sent(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(4);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    let signal: i32 = ctx.arg(2);
    // Zero asks whether there is such a process.
    if signal == 0 {
        return PASS;
    }
    to(agent, ctx.arg(0))
}

/// `file_send_sigiotask(struct task_struct *tsk, struct fown_struct *fown, int sig)`: a file sends a signal, which can be
/// any that its owner has chosen (`F_SETSIG`, fcntl(2)). Who set it cannot be told here, and the daemon asks for none.
#[inline(always)]
pub fn sent_by_a_file(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(3);
    if so_far != 0 { so_far } else { to(UNKNOWN, ctx.arg(0)) }
}

#[inline(always)]
fn to(agent: u32, target: Task) -> i32 {
    let daemon = GUARD.get(0).map_or(0, |guard| guard.daemon);
    let tgid = task::tgid(target);
    // The number of a daemon that has ended can be another process's meanwhile; that of an agent is none of our concern.
    if tgid != daemon || !matches!(tag::of(target), Tag::None) {
        return PASS;
    }
    refuse(Counter::SignalRefused, &Attempt { target: tgid, ..Attempt::by(agent) })
}
