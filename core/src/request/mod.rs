//! A request: the hold as people see it, and the machine that takes it from question to outcome.
//!
//! The machine is a pure function of its state, an input and the time. It returns effects; the daemon
//! carries them out in their order. [`Effect::Store`] always comes first: nothing is let go before it is
//! on disk.

mod joined;
mod machine;
mod state;

pub use joined::{Fate, Joined, fate, is_identical};
pub use machine::{Effect, Input, KernelPhase, Refusal, VoteError};
pub use state::{Outcome, Request, State, Verdict, Vote, VoteKind, Voter};
