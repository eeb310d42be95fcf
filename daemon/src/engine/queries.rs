//! Answers to the API.

use holdpoint_core::{
    id::{AgentId, REQUEST_ID_LENGTH, RequestId, parse_prefix},
    request::{Vote, VoteError, VoteKind, Voter},
    wire::{Log, LogEvent, Problem, Reloaded, RequestList, RequestView, Status, VoteBody},
};
use nix::sys::utsname::uname;
use tracing::{error, info};

use super::{Engine, entry::Entry, handle::Command};
use crate::{
    api::{Kind, Peer, Which},
    kernel,
    rules::Rules,
    store::{Found, StoreError, StoredRequest, Write},
    sys::{clock, process::Process},
};

/// How long after its end a request still makes a short prefix ambiguous, in milliseconds.
const JUST_ENDED_MS: u64 = 60_000;
/// Requests that are looked at for that.
const RECENT: u32 = 256;

impl Engine {
    /// Answers one command. False where the engine shall end.
    pub(super) fn command(&mut self, command: Command) -> bool {
        // A caller that has hung up needs no answer, hence the results that nobody looks at.
        match command {
            Command::Requests(which, limit, reply) => drop(reply.send(self.requests(which, limit))),
            Command::Request(prefix, reply) => {
                drop(reply.send(self.find(&prefix).map(|stored| self.view(&stored))));
            }
            Command::Vote { prefix, body, voter, reply } => drop(reply.send(self.vote(&prefix, body, voter))),
            Command::MayTag { peer, body, reply } => {
                drop(reply.send(self.may_tag(peer, &body).map(|candidate| candidate.pid)));
            }
            Command::Tag { peer, body, reply } => drop(reply.send(self.tag(peer, body))),
            Command::Attach { body, voter, reply } => drop(reply.send(self.attach(&body, voter))),
            Command::Agents(reply) => drop(reply.send(self.agents())),
            Command::Status(reply) => drop(reply.send(self.status())),
            Command::Install(rules, reply) => drop(reply.send(self.replace(*rules))),
            Command::Log { after, limit, request, reply } => {
                drop(reply.send(self.log(after, limit, request.as_deref())));
            }
            Command::Mine(peer, reply) => drop(reply.send(self.mine(peer))),
            Command::Refusals(peer, reply) => drop(reply.send(self.refusals_of(peer))),
            Command::Found(found, problem) => self.found(found, problem),
            Command::Stop(done) => {
                self.tell_the_rest();
                self.writes.push(log_entry(LogEvent::Stopped));
                self.flush();
                // Who asked may have given up waiting.
                let _unheard = done.send(());
                return false;
            }
        }
        true
    }

    fn requests(&self, which: Which, limit: u32) -> Result<RequestList, Problem> {
        let stored = match which {
            Which::Pending => self.store.pending(limit),
            Which::All => self.store.recent(limit),
        };
        let requests = stored.map_err(unreadable)?.iter().map(|stored| self.view(stored)).collect();
        Ok(RequestList { requests })
    }

    fn find(&self, prefix: &str) -> Result<StoredRequest, Problem> {
        let prefix = parse_prefix(prefix).map_err(|cause| Kind::BadId.with(cause.to_string()))?;
        let unknown = || {
            Kind::UnknownId.with(format!(
                "no request has an id that begins with '{prefix}'; 'holdpoint pending' lists them"
            ))
        };
        match self.store.find(&prefix).map_err(unreadable)? {
            Found::None => Err(unknown()),
            Found::One(id) => self.store.request(&id).map_err(unreadable)?.ok_or_else(unknown),
            Found::Many(ids) => {
                let ids: Vec<&str> = ids.iter().map(RequestId::as_str).take(10).collect();
                let detail = format!("'{prefix}' could be any of {}; type more of it", ids.join(", "));
                Err(Kind::AmbiguousId.with(detail))
            }
        }
    }

    fn vote(&mut self, prefix: &str, body: VoteBody, voter: Voter) -> Result<RequestView, Problem> {
        let stored = self.find(prefix)?;
        let id = stored.request.id.clone();
        if prefix.len() < REQUEST_ID_LENGTH {
            self.no_other_just_ended(prefix, &id)?;
        }
        let already = |verdict: Option<holdpoint_core::request::Verdict>| {
            let why = verdict.map(VoteError::AlreadyDecided).map(|error| error.to_string());
            let why = why.unwrap_or_else(|| "the request is over".to_owned());
            Kind::AlreadyDecided.with(format!("cannot vote on '{id}': {why}; the vote does not count"))
        };
        let hold = self.by_id.get(&id).copied().ok_or_else(|| already(stored.request.verdict()))?;
        let vote = Vote { kind: body.verdict, voter, reason: body.reason, at: clock::wall() };
        let tracked = self.entries.get_mut(&hold).and_then(Entry::tracked_mut);
        let tracked = tracked.ok_or_else(|| already(stored.request.verdict()))?;
        let (counted, effects) = tracked.request.vote(&vote, clock::boot());
        let verdict = tracked.request.verdict();
        let agent = Some(tracked.agent_name.clone());
        if counted.is_ok() {
            let event = LogEvent::Voted { vote: vote.clone() };
            self.writes.push(Write::Vote { request: id.clone(), vote: vote.clone() });
            self.writes.push(Write::Log { at: vote.at, request: Some(id.clone()), agent, event });
            if vote.kind == VoteKind::Deny {
                self.note_denial(&stored, clock::boot());
            } else {
                self.approve_joined(hold, &stored, &vote, body.processes.unwrap_or(1));
            }
        }
        self.follow(hold, &effects, None);
        self.settle_joined();
        self.flush();
        counted.map_err(|_| already(verdict))?;
        if let Some(cause) = self.store_problem.as_ref().filter(|_| vote.kind == VoteKind::Approve) {
            let detail = format!(
                "cannot approve '{id}': {cause}; it is refused, since nothing runs that is not on record"
            );
            return Err(Kind::StoreFailed.with(detail));
        }
        if vote.kind == VoteKind::Approve {
            self.note_grant(hold, &stored, body.processes.unwrap_or(1), clock::boot());
        }
        let stored = self.store.request(&id).map_err(unreadable)?;
        stored
            .as_ref()
            .map(|stored| self.view(stored))
            .ok_or_else(|| Kind::Internal.with(format!("request '{id}' has gone")))
    }

    /// A vote by a short prefix may be meant for a request that ended while it was typed. Then it is not counted
    /// for another one that happens to begin so.
    fn no_other_just_ended(&self, prefix: &str, id: &RequestId) -> Result<(), Problem> {
        let now = clock::wall().0;
        let other = |stored: &&StoredRequest| {
            let just = stored.ended_at.is_some_and(|at| now.saturating_sub(at.0) < JUST_ENDED_MS);
            stored.request.id != *id && just && stored.request.id.as_str().starts_with(prefix)
        };
        match self.store.recent(RECENT).map_err(unreadable)?.iter().find(other) {
            Some(ended) => Err(Kind::AmbiguousId.with(format!(
                "'{prefix}' could be '{id}', or '{}', which ended just now; type the whole id",
                ended.request.id
            ))),
            None => Ok(()),
        }
    }

    fn status(&self) -> Result<Status, Problem> {
        let counters =
            kernel::counters(&self.gate).map_err(|cause| Kind::Internal.with(cause.to_string()))?;
        let tracked = || self.entries.values().filter_map(Entry::tracked);
        let running =
            |entry: &&super::entry::Tracked| entry.request.state == holdpoint_core::request::State::Running;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let enforcing = super::pulse::enforces();
        let store = self.store_problem.iter().map(|cause| format!("every ask is denied: {cause}"));
        let mut problems: Vec<String> = store.chain(self.pins_problem.clone()).collect();
        if !enforcing {
            problems.push(
                "the programs are not in the kernel any more: nothing is held; restart holdpointd".to_owned(),
            );
        }
        problems.extend(self.proof.problem().map(str::to_owned));
        let enforcing = enforcing && self.proof.problem().is_none();
        problems.extend(self.watch_problem.clone());
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            enforcing,
            kernel: uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default(),
            pid: std::process::id(),
            started_at: self.started_at,
            pending: count(self.pending()),
            running: count(tracked().filter(running).count()),
            mode: self.rules.config.mode,
            rules: count(self.rules.policy.rules().len()),
            observing_rules: count(self.rules.observing()),
            observed_agents: self.rules.config.observed_agents(),
            listed_names: count(self.rules.names.len()),
            listed_files: count(self.rules.files.len()),
            problems,
            counters,
            unasked: self.flood.counters(),
        })
    }

    /// Puts rules in force: the kernel half's lists first, then what is decided by them.
    ///
    /// # Errors
    /// The kernel half may have some of them by then.
    pub(super) fn install(&mut self, rules: Rules) -> Result<Reloaded, Problem> {
        // What cannot be written down is found out before the kernel half is told anything.
        self.number(&rules.agents)?;
        self.list(&rules)
            .map_err(|cause| Kind::Internal.with(format!("the old rules stay in force: {cause}")))?;
        self.declare(&rules.agents)?;
        let count = u64::try_from(rules.policy.rules().len()).unwrap_or(u64::MAX);
        let mut warnings = rules.told_warnings();
        self.rules = rules;
        if !self.prove() {
            warnings.extend(self.proof.problem().map(str::to_owned));
        }
        self.in_force.send_replace(self.rules.in_force());
        self.writes.push(log_entry(LogEvent::PolicyLoaded { rules: count }));
        info!(
            rules = count,
            files = self.rules.files.len(),
            names = self.rules.names.len(),
            many_names = self.rules.many_names.len(),
            "rules are in force"
        );
        Ok(Reloaded { rules: count, warnings })
    }

    /// Puts other rules in force, or leaves those that are.
    fn replace(&mut self, rules: Rules) -> Result<Reloaded, Problem> {
        self.install(rules).inspect_err(|_| {
            // The lists have to be those of the rules by which it is decided.
            let old = std::mem::take(&mut self.rules);
            let listed = self.list(&old).map_err(|cause| cause.to_string());
            let back = listed.and_then(|()| self.declare(&old.agents).map_err(|problem| problem.detail));
            if let Err(cause) = back {
                error!(%cause, "cannot put the lists of the rules in force back");
            }
            self.rules = old;
        })
    }

    fn log(&self, after: Option<u64>, limit: u32, request: Option<&str>) -> Result<Log, Problem> {
        let request = request.map(|prefix| self.find(prefix)).transpose()?.map(|stored| stored.request.id);
        let entries = self.store.log(after, limit, request.as_ref()).map_err(unreadable)?;
        Ok(Log { entries })
    }

    /// The agent to which the calling process belongs.
    pub(super) fn agent_of(&self, peer: Peer) -> Result<AgentId, Problem> {
        let pid = peer.pid.ok_or_else(|| Kind::BadRequest.with("cannot see which process calls"))?;
        let state = Process::open(pid).and_then(|process| self.gate.tags().get(&process));
        let agent = state.ok().map(|state| state.agent).filter(|agent| *agent != 0);
        agent.map(AgentId).ok_or_else(|| Kind::BadRequest.with(format!("process {pid} belongs to no agent")))
    }

    fn mine(&self, peer: Peer) -> Result<RequestList, Problem> {
        let agent = self.agent_of(peer)?;
        let mut requests = Vec::new();
        for tracked in self.entries.values().filter_map(Entry::tracked) {
            if tracked.agent == agent && tracked.request.is_pending() {
                let stored = self.store.request(&tracked.request.id).map_err(unreadable)?;
                requests.extend(stored.map(|stored| self.view(&stored)));
            }
        }
        requests.sort_by_key(|request| request.made_at);
        Ok(RequestList { requests })
    }
}

pub(super) fn log_entry(event: LogEvent) -> Write {
    Write::Log { at: clock::wall(), request: None, agent: None, event }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn unreadable(cause: StoreError) -> Problem {
    Kind::Internal.with(cause.to_string())
}
