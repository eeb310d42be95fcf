//! Counts what happens, so that an operator sees it.

use holdpoint_abi::{CANARY_AGENT, Counter};

use crate::maps::COUNTERS;

/// Adds one. On a kernel with full preemption a count may be lost; nothing is decided by counts.
#[inline(always)]
pub fn add(counter: Counter) {
    if let Some(count) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the slot is this CPU's own and lives as long as the map.
        unsafe { *count = (*count).wrapping_add(1) };
    }
}

/// Adds one for an agent. The canary, by which the daemon tries the gate, is none of an operator's numbers.
#[inline(always)]
pub fn add_for(agent: u32, counter: Counter) {
    if agent != CANARY_AGENT {
        add(counter);
    }
}
