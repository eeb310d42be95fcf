//! The unit of all figures: a nanosecond of the guest's clock, which is one instruction.

use std::arch::asm;

use anyhow::{Context as _, bail};
use nix::time::{ClockId, clock_gettime};

/// The instructions that the check of the clock runs.
const CHECKED: u64 = 100_000_000;

/// How far a nanosecond may be from an instruction, in thousandths. The kernel's own calibration of the clock is off
/// by some millionths, and its timer ticks run in between.
const TOLERANCE: u64 = 10;

/// The clock, in instructions.
pub(crate) fn now() -> anyhow::Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).context("read the clock")?;
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec())?, u64::try_from(time.tv_nsec())?);
    Ok(seconds * 1_000_000_000 + nanoseconds)
}

/// How often the clock is checked: just after the boot, work that the kernel does for itself can fall into a check.
const CHECKS: u32 = 5;

/// Makes sure that this machine counts instructions: on any other one the figures would be noise. Returns how many
/// were run, and how many nanoseconds they took.
pub(crate) fn check() -> anyhow::Result<(u64, u64)> {
    let mut took = 0;
    for _ in 0..CHECKS {
        took = time_loop()?;
        if took.abs_diff(CHECKED) <= CHECKED / 1_000 * TOLERANCE {
            return Ok((CHECKED, took));
        }
    }
    bail!(
        "check the clock: {CHECKED} instructions took {took} ns, so this machine does not count instructions; \
         measure with: cargo xtask bench"
    );
}

fn time_loop() -> anyhow::Result<u64> {
    let begun = now()?;
    let mut turns = CHECKED / 2;
    // SAFETY: two instructions that count a register down to zero; they touch no memory and no stack.
    unsafe { asm!("2:", "dec {0}", "jnz 2b", inout(reg) turns, options(nomem, nostack)) };
    if turns != 0 {
        bail!("check the clock: the loop has {turns} turns left");
    }
    Ok(now()? - begun)
}
