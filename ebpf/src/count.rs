//! Counts what happens, so that an operator sees it.

use holdpoint_abi::Counter;

use crate::maps::COUNTERS;

/// Adds one. On a kernel with full preemption a count may be lost; nothing is decided by counts.
#[inline(always)]
pub fn add(counter: Counter) {
    if let Some(count) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the slot is this CPU's own and lives as long as the map.
        unsafe { *count = (*count).wrapping_add(1) };
    }
}
