//! The clocks. Nothing else in the daemon asks what time it is.
#![forbid(unsafe_code)]

use std::time::UNIX_EPOCH;

use holdpoint_core::time::{BootTime, WallTime};
use nix::time::{ClockId, clock_gettime};

/// Now, on the clock that decides.
///
/// `CLOCK_BOOTTIME` cannot fail on Linux 2.6.39 and later; the preflight asks for 6.1. Should it fail all the
/// same, the answer is the end of time: everything has expired, and nothing runs.
pub(crate) fn boot() -> BootTime {
    let nanoseconds = clock_gettime(ClockId::CLOCK_BOOTTIME).ok().and_then(|now| {
        let seconds = u64::try_from(now.tv_sec()).ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(now.tv_nsec()).ok()?)
    });
    BootTime(nanoseconds.unwrap_or(u64::MAX))
}

/// Now, on the clock by which systemd tells one reload from another. It decides nothing.
pub(crate) fn monotonic_microseconds() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |now| now.tv_sec().saturating_mul(1_000_000).saturating_add(now.tv_nsec() / 1_000))
}

/// Now, on the clock that people read.
#[expect(clippy::disallowed_methods, reason = "this is the one place that the rule points to")]
pub(crate) fn wall() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
