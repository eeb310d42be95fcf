//! The identical action, tried again while its request waits: it waits with that request, and nobody is asked twice.
//!
//! What waits so is in memory alone. A daemon that starts again finds the holds in the kernel, looks at them, and has
//! them wait with the same request. An approval makes requests of those that it is about, with its vote, in the
//! transaction in which it is written itself: each has an allowance and an outcome of its own.

use std::collections::HashMap;

use holdpoint_abi::PHASE_HELD;
use holdpoint_core::{
    facts::{ExecFacts, ParentFacts},
    flood::{Cause, Refused, Seen},
    id::{AgentId, HoldId, RequestId},
    policy::Decision,
    request::{Fate, Joined, Request, State, Vote, fate, is_identical},
    wire::{LogEvent, RequestView},
};
use tracing::error;

use super::{
    Engine,
    entry::{Entry, Stage},
};
use crate::{
    store::{StoredRequest, Write},
    sys::clock,
};

/// What waits with which request, by the request's own hold.
#[derive(Default)]
pub(super) struct Groups(HashMap<HoldId, Group>);

struct Group {
    request: RequestId,
    joined: Joined,
}

/// What of a hold that waits with another's request differs from that.
pub(super) struct Own {
    pid: u32,
    tid: u32,
    parents: Vec<ParentFacts>,
    leader: HoldId,
}

impl Groups {
    fn of(&self, leader: HoldId) -> &[HoldId] {
        self.0.get(&leader).map_or(&[], |group| group.joined.holds())
    }
}

impl Engine {
    /// Has a hold wait with the request about the identical action, if there is one that waits. True where it does, or was
    /// refused since the agent has no room for more.
    pub(super) fn joins(&mut self, hold: HoldId, facts: &ExecFacts, decision: &Decision) -> bool {
        let Some((leader, request)) = self.leader_of(hold, facts, decision) else { return false };
        let agent = facts.agent.id;
        let waiting = self.waiting(agent);
        if let Err(refused) = holdpoint_core::flood::may_join(waiting, &self.rules.config.limits) {
            let seen = Seen::new(facts.pid, &facts.executable.path, &facts.argv);
            self.refuse_unasked(hold, refused, seen);
            return true;
        }
        let own = Own { pid: facts.pid, tid: facts.tid, parents: facts.parents.clone(), leader };
        self.join(hold, own, request);
        true
    }

    fn join(&mut self, hold: HoldId, own: Own, request: RequestId) {
        let Some(entry) = self.entries.get_mut(&hold) else { return };
        let leader = own.leader;
        entry.stage = Stage::Joined(Box::new(own));
        let group = Group { request: request.clone(), joined: Joined::default() };
        self.joined.0.entry(leader).or_insert(group).joined.join(hold);
        self.flood.joined += 1;
        self.changed.push(request);
    }

    /// The pending request about the identical action: what a person sees is the same, and so is what an approval is bound
    /// to, the whole environment included.
    fn leader_of(&self, hold: HoldId, facts: &ExecFacts, decision: &Decision) -> Option<(HoldId, RequestId)> {
        let entry = self.entries.get(&hold)?;
        let bound = entry.bound.as_ref().filter(|_| entry.kernel.phase == PHASE_HELD)?;
        self.entries.iter().find_map(|(leader, other)| {
            let tracked = other.tracked().filter(|tracked| tracked.request.is_pending())?;
            let alike = other.kernel.phase == PHASE_HELD
                && other.kernel.agent == entry.kernel.agent
                && other.kernel.file == entry.kernel.file
                && other.bound.as_ref() == Some(bound);
            let stored = alike.then(|| self.stored_or_about_to_be(&tracked.request.id)).flatten()?;
            let identical = is_identical((facts, decision), (stored.facts.as_ref()?, &stored.decision));
            identical.then(|| (*leader, tracked.request.id.clone()))
        })
    }

    fn stored_or_about_to_be(&self, id: &RequestId) -> Option<StoredRequest> {
        let new = self.writes.iter().find_map(|write| match write {
            Write::NewRequest(stored) if stored.request.id == *id => Some(StoredRequest::clone(stored)),
            _ => None,
        });
        new.or_else(|| self.store.request(id).ok().flatten())
    }

    /// A hold waits with no request any more, for whatever reason.
    pub(super) fn leave(&mut self, hold: HoldId) {
        let Some(Stage::Joined(own)) = self.entries.get(&hold).map(|entry| &entry.stage) else { return };
        if let Some(group) = self.joined.0.get_mut(&own.leader)
            && group.joined.leave(hold)
        {
            self.changed.push(group.request.clone());
        }
    }

    /// A person who was shown so many processes has approved: those that were shown get requests of their own with this vote.
    pub(super) fn approve_joined(&mut self, leader: HoldId, stored: &StoredRequest, vote: &Vote, shown: u64) {
        let Some(group) = self.joined.0.get_mut(&leader) else { return };
        for hold in group.joined.approved(shown) {
            self.make_request_of(hold, stored, Some(stored.request.id.clone()));
            let Some(tracked) = self.entries.get_mut(&hold).and_then(Entry::tracked_mut) else { continue };
            let (counted, effects) = tracked.request.vote(vote, clock::boot());
            let (id, agent) = (tracked.request.id.clone(), tracked.agent_name.clone());
            if counted.is_ok() {
                self.writes.push(Write::Vote { request: id.clone(), vote: vote.clone() });
                let event = LogEvent::Voted { vote: vote.clone() };
                self.writes.push(Write::Log { at: vote.at, request: Some(id), agent: Some(agent), event });
            }
            self.follow(hold, &effects, None);
        }
    }

    /// Looks after what waits with requests that do not wait any more.
    pub(super) fn settle_joined(&mut self) {
        let tracked = |leader: &HoldId| self.entries.get(leader).and_then(Entry::tracked);
        let is_over = |leader: &HoldId| !tracked(leader).is_some_and(|tracked| tracked.request.is_pending());
        let over: Vec<HoldId> = self.joined.0.keys().filter(|leader| is_over(leader)).copied().collect();
        for leader in over {
            let ended = self.entries.get(&leader).and_then(Entry::tracked);
            let verdict = ended.and_then(|tracked| tracked.request.verdict());
            let Some(Group { request, joined }) = self.joined.0.remove(&leader) else { continue };
            let Some(stored) = self.stored_or_about_to_be(&request) else {
                error!(id = %request, "a request has gone; what waited with it is refused");
                self.refuse_joined(joined.holds(), None, &request);
                continue;
            };
            match verdict.map_or(Fate::AskAnew, fate) {
                Fate::Refuse => self.refuse_joined(joined.holds(), Some(&stored), &request),
                Fate::AskAnew => self.ask_anew(joined.holds(), &stored),
            }
        }
    }

    fn refuse_joined(&mut self, holds: &[HoldId], stored: Option<&StoredRequest>, request: &RequestId) {
        for hold in holds {
            let Some(Stage::Joined(own)) = self.entries.get(hold).map(|entry| &entry.stage) else { continue };
            let facts = stored.and_then(|stored| stored.facts.as_ref());
            let seen = facts.map_or_else(
                || Seen::new(own.pid, &[][..].into(), &[]),
                |facts| Seen::new(own.pid, &facts.executable.path, &facts.argv),
            );
            let refused = Refused { cause: Cause::WithAnother, until: None, request: Some(request.clone()) };
            self.refuse_unasked(*hold, refused, seen);
        }
    }

    /// The first that may ask does, and the others wait with it.
    fn ask_anew(&mut self, holds: &[HoldId], stored: &StoredRequest) {
        let mut leader = None;
        for hold in holds {
            let Some(Stage::Joined(own)) = self.entries.get(hold).map(|entry| &entry.stage) else { continue };
            let own = Own { parents: own.parents.clone(), ..**own };
            match &leader {
                Some((leader, request)) => {
                    self.join(*hold, Own { leader: *leader, ..own }, RequestId::clone(request));
                }
                None => {
                    let Some(facts) = stored.facts.as_ref().map(|facts| of_its_own(facts, &own)) else {
                        continue;
                    };
                    if self.is_refused_unasked(*hold, &facts, stored.decision.action) {
                        continue;
                    }
                    leader = self.make_request_of(*hold, stored, None).map(|request| (*hold, request));
                }
            }
        }
    }

    /// Makes a request of a hold that waited with another's. `with` is that other one, if its vote is about this, too.
    fn make_request_of(
        &mut self,
        hold: HoldId,
        stored: &StoredRequest,
        with: Option<RequestId>,
    ) -> Option<RequestId> {
        let entry = self.entries.get(&hold)?;
        let Stage::Joined(own) = &entry.stage else { return None };
        let facts = stored.facts.as_ref().map(|facts| of_its_own(facts, own));
        let bound = entry.bound.clone();
        let Some(id) = self.draw_id() else {
            // The task stays held, and the next sweep looks at it anew.
            error!(%hold, "cannot find a free request id");
            self.entries.remove(&hold);
            return None;
        };
        let made_at = clock::boot();
        let request = Request {
            id: id.clone(),
            hold,
            made_at,
            deadline: made_at.after(stored.decision.timeout),
            state: State::Pending,
            ..stored.request.clone()
        };
        self.track(
            hold,
            StoredRequest {
                request,
                facts,
                bound,
                with,
                votes: Vec::new(),
                made_at: clock::wall(),
                ended_at: None,
                note: None,
                ..stored.clone()
            },
        );
        Some(id)
    }

    /// A request as every channel sees it, with what waits with it.
    pub(super) fn view(&self, stored: &StoredRequest) -> RequestView {
        let pid = |hold: &HoldId| self.entries.get(hold).map(|entry| entry.kernel.tgid);
        let joined = self.joined.of(stored.request.hold).iter().filter_map(pid).collect();
        RequestView { joined, ..stored.view(clock::boot(), clock::wall()) }
    }

    /// How many actions of an agent, and of all, wait with others' requests.
    pub(super) fn count_joined(&self, agent: AgentId) -> (usize, usize) {
        let joined = |entry: &&Entry| matches!(entry.stage, Stage::Joined(_));
        let mine = |entry: &&Entry| entry.kernel.agent == agent.0;
        let all = || self.entries.values().filter(joined);
        (all().filter(mine).count(), all().count())
    }
}

fn of_its_own(facts: &ExecFacts, own: &Own) -> ExecFacts {
    ExecFacts { pid: own.pid, tid: own.tid, parents: own.parents.clone(), ..facts.clone() }
}
