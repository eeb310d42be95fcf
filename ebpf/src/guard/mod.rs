//! What agents are refused beside execs: what would run or read a listed file in another way, change it, or reach for
//! the daemon and for what it has approved.
//!
//! Each module is about one kind. A hook asks first whether the task is an agent's, and every refusal goes through
//! [`refuse`].

pub mod below;
pub mod change;
pub mod listed;
pub mod machine;
pub mod mount;
pub mod open;
pub mod place;
pub mod signal;
pub mod telling;
pub mod trace;

use holdpoint_abi::{Counter, FileKey, NAME_LENGTH, Name, without};

use crate::{
    count,
    maps::WITHOUT,
    tag::{self, Tag},
};

const EPERM: i32 = -1;
/// Zero: the hook has no objection.
pub const PASS: i32 = 0;
/// The agent where it cannot be told whose doing it is.
const UNKNOWN: u32 = 0;

/// What a refused attempt was about.
pub struct Attempt {
    pub agent: u32,
    /// The process that was meant, or zero.
    pub target: u32,
    pub file: FileKey,
    pub name: Name,
}

impl Attempt {
    /// One that is not about a file or a process.
    #[inline(always)]
    pub fn by(agent: u32) -> Self {
        Self { agent, target: 0, file: FileKey { ino: 0, dev: 0, pad: 0 }, name: [0; NAME_LENGTH] }
    }
}

/// The number of the current task's agent. None where it is no agent's.
#[inline(always)]
pub fn current_agent() -> Option<u32> {
    match tag::of_current() {
        Tag::Agent(state) => Some(state.agent),
        Tag::None | Tag::Becoming(_) => None,
    }
}

/// Refuses, counts, and tells the daemon, all of it unless a test has taken the protection away.
#[inline(always)]
pub fn refuse(protection: Counter, attempt: &Attempt) -> i32 {
    if is_left_out(protection) {
        return PASS;
    }
    count::add(protection);
    telling::tell(protection, attempt);
    EPERM
}

/// Whether a test has taken the protection away.
#[inline(always)]
pub fn is_left_out(protection: Counter) -> bool {
    let switches = &raw const WITHOUT;
    // SAFETY: the static lives as long as the program, and nothing writes to it. Volatile, since the compiler knows the
    // value in the object file only.
    unsafe { core::ptr::read_volatile(switches) & without(protection) != 0 }
}
