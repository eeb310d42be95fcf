//! A transient scope of the system's own service manager, for a process that is about to become an agent.
//!
//! The files of such a scope are root's, so an agent that is not root cannot leave it, as it could leave one of its own
//! user's manager. Anybody may ask for one, and it is root that makes it: so only the asking process goes in, names are
//! ours, and there are so many and no more.
#![forbid(unsafe_code)]

mod manager;
mod places;

use std::{fs, time::Duration};

use holdpoint_core::wire::Problem;
use tokio::time::timeout;
use tracing::info;

use crate::api::Kind;
pub(crate) use places::Scopes;

/// How long systemd may take. A caller waits so long, and nobody else does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Puts a process into a scope of its own, named after the agent that it is to become.
///
/// # Errors
/// With the answer for the caller, where it is not in the scope afterwards.
pub(crate) async fn enter(scopes: &Scopes, uid: u32, agent: &str, pid: u32) -> Result<(), Problem> {
    let unit = format!("holdpoint-agent-{agent}-{pid}.scope");
    let failed = |why: String| {
        Kind::Unavailable
            .with(format!("cannot start the scope '{unit}': {why}; without --scope none is needed"))
    };
    let _place = scopes.take(uid, &unit).map_err(failed)?;
    match timeout(PATIENCE, manager::start(&unit, agent, pid)).await {
        Ok(started) => started.map_err(failed)?,
        Err(_) => return Err(failed(format!("systemd has not done it within {PATIENCE:?}"))),
    }
    // The number may be another process's by now, which systemd has then moved.
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    if !cgroup.lines().any(|line| line.ends_with(&format!("/{unit}"))) {
        return Err(failed(format!("process {pid} is not in it")));
    }
    info!(unit, pid, "a scope for an agent");
    Ok(())
}
