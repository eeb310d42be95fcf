//! The routers with a desk that only notes what it is asked, and real sockets.

mod access;
mod bind;
mod routes;
mod socket;

use std::sync::{Arc, Mutex};

use futures_util::{Stream, stream};
use holdpoint_core::{
    request::Voter,
    time::{BootTime, WallTime},
    wire::{
        AgentList, AttachAnswer, AttachBody, Change, Log, Problem, RefusalList, Reloaded, RequestList,
        RequestView, RunAnswer, RunBody, Status, VoteBody,
    },
};

use super::{Access, Desk, Kind, Peer, Which};

/// A desk that answers what it is told to and notes what it is asked.
#[derive(Clone, Default)]
struct FakeDesk(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    asked: Vec<String>,
    pending: Vec<RequestView>,
    refuse: Option<Kind>,
}

impl FakeDesk {
    fn with_pending(ids: &[&str]) -> Self {
        let desk = Self::default();
        desk.0.lock().unwrap().pending = ids.iter().map(|id| view(id)).collect();
        desk
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }

    fn note(&self, what: String) -> Result<(), Problem> {
        let mut notes = self.0.lock().unwrap();
        notes.asked.push(what);
        notes.refuse.map_or(Ok(()), |kind| Err(kind.with("as told")))
    }
}

impl Desk for FakeDesk {
    type Changes = std::pin::Pin<Box<dyn Stream<Item = Change> + Send>>;

    async fn requests(&self, which: Which, limit: u32) -> Result<RequestList, Problem> {
        self.note(format!("requests {which:?} {limit}"))?;
        Ok(RequestList { requests: self.0.lock().unwrap().pending.clone() })
    }

    async fn request(&self, prefix: String) -> Result<RequestView, Problem> {
        self.note(format!("request {prefix}"))?;
        Ok(view("k3m9z"))
    }

    async fn vote(&self, prefix: String, body: VoteBody, voter: Voter) -> Result<RequestView, Problem> {
        let Voter { name, uid, login_uid, channel } = voter;
        self.note(format!("vote {prefix} {:?} {name} {uid} {login_uid:?} {channel}", body.verdict))?;
        Ok(view("k3m9z"))
    }

    async fn tag(&self, peer: Peer, body: RunBody) -> Result<RunAnswer, Problem> {
        self.note(format!("tag {:?} {} {}", peer.pid, body.name, peer.connected_at.0))?;
        Ok(RunAnswer { agent: holdpoint_core::id::AgentId(7) })
    }

    async fn attach(&self, body: AttachBody, voter: Voter) -> Result<AttachAnswer, Problem> {
        self.note(format!("attach {} {:?} {:?} {}", body.name, body.pid, body.unit, voter.name))?;
        Ok(AttachAnswer { agent: holdpoint_core::id::AgentId(7), threads: 1, others: 0 })
    }

    async fn agents(&self) -> Result<AgentList, Problem> {
        self.note("agents".into())?;
        Ok(AgentList { agents: Vec::new() })
    }

    async fn status(&self) -> Result<Status, Problem> {
        self.note("status".into())?;
        Ok(Status {
            mode: holdpoint_core::policy::Mode::Enforce,
            observing_rules: 0,
            observed_agents: Vec::new(),
            version: "0".into(),
            enforcing: true,
            kernel: "6.1".into(),
            pid: 1,
            started_at: WallTime(0),
            pending: 0,
            running: 0,
            rules: 0,
            listed_names: 0,
            listed_files: 0,
            problems: Vec::new(),
            counters: Vec::new(),
            unasked: Vec::new(),
        })
    }

    async fn reload(&self) -> Result<Reloaded, Problem> {
        self.note("reload".into())?;
        Ok(Reloaded { rules: 3, warnings: Vec::new() })
    }

    async fn log(&self, after: Option<u64>, limit: u32, request: Option<String>) -> Result<Log, Problem> {
        self.note(format!("log {after:?} {limit} {request:?}"))?;
        Ok(Log { entries: Vec::new() })
    }

    async fn mine(&self, peer: Peer) -> Result<RequestList, Problem> {
        self.note(format!("mine {:?}", peer.pid))?;
        Ok(RequestList { requests: Vec::new() })
    }

    async fn refusals(&self, peer: Peer) -> Result<RefusalList, Problem> {
        self.note(format!("refusals {:?}", peer.pid))?;
        Ok(RefusalList { refusals: Vec::new() })
    }

    async fn changes(&self) -> Result<Self::Changes, Problem> {
        self.note("changes".into())?;
        let change = Change::Request { request: Box::new(view("00002")) };
        // It goes on for ever, as the engine's does.
        Ok(Box::pin(futures_util::StreamExt::chain(
            stream::iter([change, Change::Lagged]),
            stream::pending(),
        )))
    }
}

fn view(id: &str) -> RequestView {
    serde_json::from_value(serde_json::json!({
        "id": id, "hold": "1", "wait": "hold", "state": {"is": "pending"}, "facts": null,
        "decision": {"action": "ask", "rule": null, "description": null, "because": "listed",
                     "timeout": 60000, "valid_for": 30000, "wait": "hold"},
        "votes": [], "made_at": 1, "deadline": 2, "valid_until": null, "ended_at": null, "note": null,
    }))
    .unwrap()
}

/// Root alone, without a login, and nobody is an agent.
fn root_only() -> Access {
    Access {
        group: None,
        require_login_uid: false,
        is_agent: Arc::new(|_| false),
        now: Arc::new(|| BootTime(42)),
    }
}

fn peer(uid: u32) -> Peer {
    Peer { pid: Some(4711), uid, gid: uid, login_uid: Some(uid), connected_at: BootTime(1) }
}
