//! Tagging: how a process becomes an agent.

use holdpoint_core::{
    agent::{MAX_REASON, check_name},
    alleged::Alleged,
    wire::{LogEvent, Problem, RunAnswer, RunBody},
};
use tracing::info;

use super::Engine;
use crate::{
    api::{Kind, Peer},
    kernel::Running,
    observe::process,
    store::{NewAgent, Write},
    sys::{clock, process::Process},
};

/// Nanoseconds of a clock tick in `/proc/PID/stat`.
const TICK: u64 = 10_000_000;

/// A process that can be tagged.
pub(super) struct Candidate {
    pub(super) pid: u32,
    start_ticks: u64,
}

impl Engine {
    /// Whether the process at the other end of a connection can be tagged. It waits for the answer, so it has not yet
    /// become the program that it is to run.
    pub(super) fn may_tag(&self, peer: Peer, body: &RunBody) -> Result<Candidate, Problem> {
        let refused = |why: String| cannot_tag(&why);
        check(body).map_err(&refused)?;
        let pid = peer
            .pid
            .ok_or_else(|| refused("it is in a pid namespace that the daemon cannot see".to_owned()))?;
        let process = Process::open(pid).map_err(|cause| refused(format!("process {pid}: {cause}")))?;
        let gone = || refused(format!("process {pid} has ended"));
        let stat = process::stat(pid).ok_or_else(gone)?;
        let status = process::status(pid).ok_or_else(gone)?;
        // The number was the peer's when it connected; a process that is younger is another.
        if stat.start_ticks > peer.connected_at.0 / TICK {
            return Err(gone());
        }
        if status.threads != 1 {
            return Err(refused(format!("it has {} threads, and a tag reaches one", status.threads)));
        }
        if let Ok(state) = self.gate.tags().get(&process)
            && state.agent != 0
        {
            let agent = self.agent_facts(holdpoint_core::id::AgentId(state.agent));
            return Err(refused(format!(
                "it belongs to agent '{}' already, and a tag is never replaced",
                agent.name
            )));
        }
        Ok(Candidate { pid, start_ticks: stat.start_ticks })
    }

    /// Tags the process at the other end of a connection.
    pub(super) fn tag(&mut self, peer: Peer, body: RunBody) -> Result<RunAnswer, Problem> {
        let Candidate { pid, start_ticks } = self.may_tag(peer, &body)?;
        let agent = self
            .store
            .new_agent(&NewAgent {
                name: body.name.clone(),
                claim: body.reason.as_deref().map(Alleged::from),
                root_pid: pid,
                root_start: start_ticks,
                boot_id: self.boot_id.clone(),
                uid: peer.uid,
                login_uid: process::login_uid(pid),
                tagged_at: clock::wall(),
            })
            .map_err(|cause| Kind::StoreFailed.with(cause.to_string()))?;
        let process = Running::Process { pid, start_ticks, agent: agent.0 };
        let tagged = self.gate.tag_running(process).map_err(|cause| cannot_tag(&cause.to_string()))?;
        if tagged.threads == 0 {
            return Err(cannot_tag("it has ended, or belongs to another agent meanwhile"));
        }
        info!(agent = %body.name, pid, "tagged a process as an agent");
        self.writes.push(Write::Log {
            at: clock::wall(),
            request: None,
            agent: Some(body.name),
            event: LogEvent::AgentTagged { pid, claim: body.reason.as_deref().map(Alleged::from) },
        });
        Ok(RunAnswer { agent })
    }
}

fn cannot_tag(why: &str) -> Problem {
    Kind::CannotTag.with(format!("cannot tag the calling process: {why}"))
}

fn check(body: &RunBody) -> Result<(), String> {
    check_name(&body.name)?;
    if body.reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON) {
        return Err(format!("its reason is longer than {MAX_REASON} bytes"));
    }
    Ok(())
}
