//! `holdpointd --take-down`: the one way to open the gate for good.
#![forbid(unsafe_code)]

use std::{
    io,
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use holdpoint_abi::{Allowance, PHASE_HELD, VERDICT_DENY};
use holdpoint_core::config::Config;
use tracing::{info, warn};

use crate::{
    engine,
    kernel::{self, Gate, Old, Pins},
    sys::clock,
};

/// How long what is held may take to fail, and the kernel to let go of the programs: of each it waits until no CPU is in
/// it, which takes four seconds for all of them in an emulated machine.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Denies what is held, and takes programs and maps out of the kernel. When this returns, nothing is held.
///
/// # Errors
/// When a daemon runs, when the caller is an agent's, or when something cannot be removed.
pub(crate) fn take_down(config: &Config) -> anyhow::Result<()> {
    let pins = Pins::standard();
    if !pins.exist() {
        bail!("nothing is pinned under /sys/fs/bpf/holdpoint: the gate is down already");
    }
    let socket = config.runtime_directory.join("control.sock");
    match UnixStream::connect(&socket) {
        Ok(_) => bail!("holdpointd is running: stop it first, with 'systemctl stop holdpointd'"),
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
        Err(cause) => {
            return Err(cause)
                .context("cannot see whether holdpointd runs; an agent may not take the gate down");
        }
    }
    match kernel::adopt(&pins) {
        Ok(mut gate) => {
            if gate.tags().is_agent(std::process::id()) {
                bail!("this process belongs to an agent, and an agent may not take the gate down");
            }
            deny_what_is_held(&mut gate)?;
        }
        // Remains of a start that failed: there is nothing attached that could hold.
        Err(cause) => warn!("cannot look at what is held: {cause}"),
    }
    kernel::remove(&pins)
        .context("an agent's process may not take the gate down, and others have to be root")?;
    wait_for(|| Ok(!kernel::is_attached()), "the kernel still has the programs")?;
    Ok(())
}

/// Nobody can decide any more, and what stays stopped would run unapproved once somebody continues it.
fn deny_what_is_held(gate: &mut Gate) -> anyhow::Result<()> {
    // Nothing is listed from here on, so nothing new is held.
    gate.list(std::iter::empty(), std::iter::empty(), 0, Old::Goes)?;
    let denied = |gate: &mut Gate| -> anyhow::Result<bool> {
        let mut all_done = true;
        for (id, hold) in gate.holds()? {
            if hold.phase == PHASE_HELD {
                all_done = false;
                let answer =
                    Allowance { verdict: VERDICT_DENY, expires_at: clock::boot().0, ..Allowance::default() };
                gate.answer(id, answer)?;
                engine::go_on(&hold, gate.tags());
            }
        }
        Ok(all_done)
    };
    let held = gate.holds()?.iter().filter(|(_, hold)| hold.phase == PHASE_HELD).count();
    if held > 0 {
        info!(held, "denying what is held");
    }
    if wait_for(|| denied(gate), "some held processes do not go on").is_err() {
        for (_, hold) in gate.holds()?.iter().filter(|(_, hold)| hold.phase == PHASE_HELD) {
            warn!(
                pid = hold.tgid,
                "process stays stopped: end it, or it runs unapproved when it is continued"
            );
        }
    }
    Ok(())
}

fn wait_for(mut done: impl FnMut() -> anyhow::Result<bool>, else_say: &'static str) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > end {
            bail!("{else_say} after {} seconds", PATIENCE.as_secs());
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
