//! Attaching what runs to an agent, and the list of agents with their processes.

use std::collections::BTreeMap;

use holdpoint_abi::CANARY_AGENT;
use holdpoint_core::{
    alleged::Alleged,
    id::AgentId,
    request::Voter,
    wire::{AgentList, AgentView, AttachAnswer, AttachBody, LogEvent, Problem, ProcessView},
};
use tracing::info;

use super::Engine;
use crate::{
    agents,
    api::Kind,
    kernel::{Running, Tagged},
    observe::process,
    store::{NewAgent, Write},
    sys::{clock, process::Process},
};

impl Engine {
    /// Makes what runs an agent's, with all threads and descendants.
    pub(super) fn attach(&mut self, body: &AttachBody, voter: Voter) -> Result<AttachAnswer, Problem> {
        let answer = match (body.pid, &body.unit) {
            (Some(pid), None) => self.attach_process(pid, body, &voter)?,
            (None, Some(unit)) => self.attach_unit(unit, body, &voter)?,
            _ => return Err(Kind::BadRequest.with("cannot attach: name either a process or a unit")),
        };
        info!(agent = %body.name, threads = answer.threads, by = %voter.name, "attached what runs to an agent");
        self.writes.push(Write::Log {
            at: clock::wall(),
            request: None,
            agent: Some(body.name.clone()),
            event: LogEvent::AgentAttached {
                pid: body.pid,
                unit: body.unit.clone(),
                by: voter,
                threads: answer.threads,
            },
        });
        Ok(answer)
    }

    /// All agents that are declared or have processes.
    pub(super) fn agents(&self) -> Result<AgentList, Problem> {
        let mut processes: BTreeMap<u32, Vec<ProcessView>> = BTreeMap::new();
        for name in self.rules.agents.names() {
            if let Ok(Some(id)) = self.store.declared_agent_id(name) {
                processes.entry(id.0).or_default();
            }
        }
        let threads = self.gate.tags().all();
        let threads =
            threads.map_err(|cause| Kind::Internal.with(format!("cannot read the tags: {cause}")))?;
        let agents: BTreeMap<u32, u32> = threads.into_iter().map(|state| (state.tid, state.agent)).collect();
        for pid in process::all() {
            // One that has ended meanwhile is not shown.
            if let Some(agent) = agents.get(&pid).copied()
                && agent != 0
                && agent != CANARY_AGENT
                && let Some(view) = process::view(pid)
            {
                processes.entry(agent).or_default().push(view);
            }
        }
        let agents = processes.into_iter().map(|(number, processes)| {
            let facts = self.agent_facts(AgentId(number));
            let declared = matches!(self.store.agent(AgentId(number)), Ok(Some(row)) if row.declared);
            AgentView { id: facts.id, name: facts.name, claim: facts.claim, declared, processes }
        });
        Ok(AgentList { agents: agents.collect() })
    }

    fn attach_process(
        &mut self,
        pid: u32,
        body: &AttachBody,
        voter: &Voter,
    ) -> Result<AttachAnswer, Problem> {
        let refused = |why: String| Kind::CannotTag.with(format!("cannot attach process {pid}: {why}"));
        let process = Process::open(pid).map_err(|cause| refused(cause.to_string()))?;
        let stat = process::stat(pid).ok_or_else(|| refused("it has ended".to_owned()))?;
        if pid == 1 {
            return Err(refused("it is the host's init, and everything is its descendant".to_owned()));
        }
        if pid == std::process::id() {
            return Err(refused("it is holdpointd itself".to_owned()));
        }
        if stat.is_kernel_thread {
            return Err(refused("it is a thread of the kernel".to_owned()));
        }
        if let Ok(state) = self.gate.tags().get(&process)
            && state.agent != 0
        {
            let agent = self.agent_facts(AgentId(state.agent)).name;
            return Err(refused(format!("it belongs to agent '{agent}' already, which stays so")));
        }
        let agent = self.new_agent(pid, stat.start_ticks, body, voter)?;
        let process = Running::Process { pid, start_ticks: stat.start_ticks, agent: agent.0 };
        let tagged = self.tag_running(process)?;
        if tagged.threads == 0 {
            return Err(refused("it ended while it was attached".to_owned()));
        }
        Ok(AttachAnswer { agent, threads: tagged.threads, others: tagged.others })
    }

    fn attach_unit(&mut self, unit: &str, body: &AttachBody, voter: &Voter) -> Result<AttachAnswer, Problem> {
        let shown = holdpoint_core::escape::for_terminal(unit.as_bytes());
        let refused = |why: String| Kind::CannotTag.with(format!("cannot attach unit '{shown}': {why}"));
        let glob = holdpoint_core::agent::UnitGlob::parse(unit).map_err(&refused)?;
        if glob.suffix.is_some() {
            let why = "one unit is attached at a time; for many, declare them: [[agent]] unit = \"…\"";
            return Err(refused(why.to_owned()));
        }
        let groups = agents::cgroups(&[&glob]);
        if groups.is_empty() {
            return Err(refused("no such unit runs on this host now; see 'systemctl status'".to_owned()));
        }
        let agent = self.new_agent(0, 0, body, voter)?;
        let mut answer = AttachAnswer { agent, threads: 0, others: 0 };
        for (group, _) in groups {
            // First what is to come, then what is there: nothing falls between.
            self.gate
                .add_agent_cgroup(group, agent.0)
                .map_err(|cause| Kind::Internal.with(cause.to_string()))?;
            let tagged = self.tag_running(Running::Cgroup(group, agent.0))?;
            answer.threads += tagged.threads;
            answer.others += tagged.others;
        }
        Ok(answer)
    }

    fn new_agent(
        &mut self,
        root_pid: u32,
        root_start: u64,
        body: &AttachBody,
        voter: &Voter,
    ) -> Result<AgentId, Problem> {
        let agent = NewAgent {
            name: body.name.clone(),
            claim: body.reason.as_deref().map(Alleged::from),
            root_pid,
            root_start,
            boot_id: self.boot_id.clone(),
            uid: voter.uid,
            login_uid: voter.login_uid,
            tagged_at: clock::wall(),
        };
        self.store.new_agent(&agent).map_err(|cause| Kind::StoreFailed.with(cause.to_string()))
    }

    fn tag_running(&mut self, which: Running) -> Result<Tagged, Problem> {
        self.gate
            .tag_running(which)
            .map_err(|cause| Kind::CannotTag.with(format!("cannot tag what runs: {cause}")))
    }
}
