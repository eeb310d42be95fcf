//! Declared agents: puts the configuration's entries in force, and tags what runs already.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use holdpoint_abi::Doorbell;
use holdpoint_core::{
    agent::UnitGlob,
    id::AgentId,
    wire::{LogEvent, Problem},
};
use tracing::{info, warn};

use super::Engine;
use crate::{
    agents::{self, Agents},
    api::Kind,
    kernel::{Declaration, KernelError, Running},
    observe::process,
    store::{StoreError, Write},
    sys::clock,
};

/// Between two entries of the record about processes of one declared agent.
const RECORD_PAUSE: Duration = Duration::from_secs(1);

/// Why a declaration is not in force.
#[derive(Debug, thiserror::Error)]
enum DeclareError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

impl Engine {
    /// Finds agents by these entries, and by no others. What was an agent's stays so.
    pub(super) fn declare(&mut self, agents: &Agents) -> Result<(), Problem> {
        self.try_declare(agents)
            .map_err(|cause| Kind::Internal.with(format!("cannot put the declared agents in force: {cause}")))
    }

    /// Has a number for each of their names.
    pub(super) fn number(&mut self, agents: &Agents) -> Result<(), Problem> {
        let failed = |cause: StoreError| {
            Kind::StoreFailed.with(format!("cannot put the declared agents in force: {cause}"))
        };
        for name in agents.names() {
            self.store.declared_agent(name, clock::wall()).map_err(failed)?;
        }
        Ok(())
    }

    /// A process became an agent's, as the kernel half has decided.
    pub(super) fn declared_agent_began(&mut self, doorbell: Doorbell) {
        let Ok(number) = u32::try_from(doorbell.hold) else { return };
        // The kernel half rings for each; the record needs to say that it goes on, not how often.
        let now = clock::boot();
        if self.agents_began.get(&number).is_some_and(|last| now.since(*last) < RECORD_PAUSE) {
            return;
        }
        self.agents_began.insert(number, now);
        let agent = self.agent_facts(AgentId(number)).name;
        info!(agent, pid = doorbell.tgid, "a declared agent's process began");
        self.writes.push(Write::Log {
            at: clock::wall(),
            request: None,
            agent: Some(agent),
            event: LogEvent::AgentTagged { pid: doorbell.tgid, claim: None },
        });
    }

    /// Neither this process nor one that it comes from: everything on the host is a descendant of the first.
    fn may_be_an_agent(&self, pid: u32) -> bool {
        let mut own = std::process::id();
        while own != 0 && own != pid {
            own = process::stat(own).map_or(0, |stat| stat.parent);
        }
        own == 0 && pid != 1
    }

    fn try_declare(&mut self, agents: &Agents) -> Result<(), DeclareError> {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        for name in agents.names() {
            numbers.insert(name, self.store.declared_agent(name, clock::wall())?.0);
        }
        // Every name is in the map, and zero would make no agent.
        let number = |name: &String| numbers.get(name.as_str()).copied().unwrap_or(0);
        let declaration = Declaration {
            users: agents.users.iter().map(|(name, user)| (*user, number(name))).collect(),
            files: agents.files.iter().map(|(name, file)| (*file, number(name))).collect(),
            places: agents.places.iter().map(|(name, place)| (*place, number(name))).collect(),
            patterns: agents.units.iter().map(|(name, unit)| agents::pattern(unit, number(name))).collect(),
        };
        let before = self.gate.agent_cgroups();
        self.gate.declare(&declaration, self.lists_generation())?;
        // From here on new cgroups come by themselves. Those that are there are looked for once.
        let globs: Vec<&UnitGlob> = agents.units.iter().map(|(_, unit)| unit).collect();
        let mut current = HashSet::new();
        for (id, index) in agents::cgroups(&globs) {
            if let Some((name, _)) = agents.units.get(index) {
                current.insert(id);
                self.gate.add_agent_cgroup(id, number(name))?;
            }
        }
        for (id, agent) in before {
            // What a person attached stays.
            let declared = self.store.agent(AgentId(agent))?.is_some_and(|row| row.declared);
            if declared && !current.contains(&id) {
                self.gate.remove_agent_cgroup(id)?;
            }
        }
        if !numbers.is_empty() {
            self.tag_what_runs(&declaration)?;
        }
        Ok(())
    }

    /// What began before the declaration was in force.
    fn tag_what_runs(&mut self, declaration: &Declaration) -> Result<(), KernelError> {
        let mut threads = self.gate.tag_running(Running::Declared)?.threads;
        let files: Vec<_> = declaration.files.iter().map(|(file, _)| *file).collect();
        for (pid, start_ticks, index) in agents::running(&files) {
            let Some((_, agent)) = declaration.files.get(index) else { continue };
            if self.may_be_an_agent(pid) {
                threads +=
                    self.gate.tag_running(Running::Process { pid, start_ticks, agent: *agent })?.threads;
            } else {
                warn!(
                    pid,
                    "holdpointd, or what it comes from, executes a declared executable; it is left alone"
                );
            }
        }
        if self.gate.tags().is_agent(std::process::id()) {
            warn!("holdpointd itself belongs to a declared agent: correct the configuration and restart it");
        }
        if threads > 0 {
            info!(threads, "tagged threads of declared agents that ran already");
        }
        Ok(())
    }
}
