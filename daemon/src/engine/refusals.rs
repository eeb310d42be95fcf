//! What agents tried beside execs and were refused: a line in the journal and an entry in the record.

use std::path::PathBuf;

use holdpoint_core::{alleged::Alleged, id::AgentId, wire::LogEvent};
use tracing::{error, warn};

use super::Engine;
use crate::{
    kernel::{KernelError, Refused},
    store::Write,
    sys::clock,
};

/// Refusals that a sweep takes at most; the next one takes the others. The kernel half tells of one a second for each
/// agent and kind.
const BATCH: usize = 256;

impl Engine {
    /// Tells the kernel half what agents keep their hands off.
    pub(super) fn guard(&mut self) -> Result<(), KernelError> {
        let config = &self.rules.config;
        let places =
            [&config.policies, &config.state_directory, &config.runtime_directory, &config.bpf_object];
        let mut places: Vec<PathBuf> = places.into_iter().cloned().collect();
        places.extend(self.guarded.iter().cloned());
        self.gate.guard(&places)
    }

    /// The same where directories have come or gone, which is no reason to end.
    pub(super) fn guard_again(&mut self) {
        if let Err(cause) = self.guard() {
            error!(%cause, "cannot renew what is guarded from agents; what was guarded stays so");
        }
    }

    /// Takes down what was refused since the last sweep.
    pub(super) fn note_refusals(&mut self) {
        for refused in self.gate.refused(BATCH) {
            self.note_refusal(refused);
        }
    }

    fn note_refusal(&mut self, Refused { what: (what, meaning), record: refused }: Refused) {
        let agent = match refused.agent {
            0 => "unknown".to_owned(),
            number => self.agent_facts(AgentId(number)).name,
        };
        let (comm, file) = (Alleged(refused.comm), refused.file.map(Alleged));
        // What an agent has named is escaped before it comes into the journal.
        let named = file.as_ref().map(Alleged::shown);
        warn!(
            agent,
            pid = refused.pid,
            program = comm.shown(),
            target = refused.target,
            file = named,
            more = refused.more,
            "{what}: {meaning}"
        );
        self.writes.push(Write::Log {
            at: clock::wall(),
            request: None,
            agent: Some(agent),
            event: LogEvent::AgentRefused {
                what: what.to_owned(),
                pid: refused.pid,
                program: comm,
                target: refused.target,
                file,
                more: refused.more,
            },
        });
    }
}
