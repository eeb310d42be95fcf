//! Signals, by the numbers of x86-64 and arm64.

/// Ends a process, always.
pub const SIGKILL: u32 = 9;
/// Stops a process, always.
pub const SIGSTOP: u32 = 19;

const SIGCHLD: i32 = 17;
const SIGCONT: i32 = 18;
const SIGTTOU: i32 = 22;
const SIGURG: i32 = 23;
const SIGWINCH: i32 = 28;

/// Whether the signal stops a process by default: SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU.
#[inline(always)]
pub fn stops(signal: i32) -> bool {
    signal >= SIGSTOP as i32 && signal <= SIGTTOU
}

/// Whether the signal ends a process by default.
#[inline(always)]
pub fn ends(signal: i32) -> bool {
    !stops(signal) && signal != SIGCHLD && signal != SIGCONT && signal != SIGURG && signal != SIGWINCH
}
