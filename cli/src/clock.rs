//! The wall clock, read in this one place.

use std::time::UNIX_EPOCH;

use holdpoint_core::time::WallTime;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "this is the one clock of the command line")]
pub(crate) fn now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
