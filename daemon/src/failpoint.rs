//! Places at which a test has the daemon die, as by a power cut: nothing is unwound, flushed or closed.
//!
//! Only the build with the feature `failpoints` can do it; in any other a call compiles to nothing. There
//! `HOLDPOINT_FAILPOINT=vote-stored` ends the daemon when it comes to that place, `vote-stored:3` when it comes there
//! for the third time.
//!
//! The same build can leave a protection out, so that a test can show that its attack succeeds without it:
//! `HOLDPOINT_FAILPOINT_WITHOUT=read_refused` has the kernel half let pass what that counter counts.
#![forbid(unsafe_code)]

use crate::store::Write;

/// A place, between two steps of which the second must not be lost or done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// The kernel has rung, and nothing was read.
    Event,
    /// The kernel has filed an exec, and nothing was read.
    Filed,
    /// What was filed was read, and nothing is on the disk: the record of it is in nobody's hands any more.
    FilingRead,
    /// A request is on the disk, and nobody was told of it.
    #[cfg(feature = "failpoints")]
    RequestStored,
    /// A vote and what follows from it are on the disk, and the kernel does not know.
    #[cfg(feature = "failpoints")]
    VoteStored,
    /// The kernel has the answer, and the task is stopped.
    AllowanceSet,
    /// The task was continued, and what came of it was not heard.
    Resumed,
}

#[cfg(not(feature = "failpoints"))]
pub(crate) const fn reach(_: Point) {}

#[cfg(not(feature = "failpoints"))]
pub(crate) const fn written(_: &[Write]) {}

/// Ends the process here, if it is to be ended at this place.
#[cfg(feature = "failpoints")]
pub(crate) fn reach(point: Point) {
    use std::sync::atomic::{AtomicU32, Ordering};

    static REACHED: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("HOLDPOINT_FAILPOINT") else { return };
    let (name, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    let own = match point {
        Point::Event => "event",
        Point::Filed => "filed",
        Point::FilingRead => "filing-read",
        Point::RequestStored => "request-stored",
        Point::VoteStored => "vote-stored",
        Point::AllowanceSet => "allowance-set",
        Point::Resumed => "resumed",
    };
    if name == own && Ok(REACHED.fetch_add(1, Ordering::Relaxed) + 1) == time.parse() {
        // SIGKILL of oneself: the call does not return.
        let _sent = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    }
}

/// The protections that are left out, as the kernel half has them: see `holdpoint_abi::without`.
#[cfg(feature = "failpoints")]
pub(crate) fn without() -> u64 {
    let names = std::env::var("HOLDPOINT_FAILPOINT_WITHOUT").unwrap_or_default();
    let wanted = |name: &str| names.split(',').any(|one| one == name);
    crate::kernel::counter_names().filter(|(_, name)| wanted(name)).fold(0, |bits, (bit, _)| bits | bit)
}

/// The places behind a transaction, by what was in it.
#[cfg(feature = "failpoints")]
pub(crate) fn written(writes: &[Write]) {
    if writes.iter().any(|write| matches!(write, Write::NewRequest(_))) {
        reach(Point::RequestStored);
    }
    if writes.iter().any(|write| matches!(write, Write::Vote { .. })) {
        reach(Point::VoteStored);
    }
}
