//! The engine as the API sees it: a way to send it questions and to hear of changes.

use std::{future::Future, path::Path, sync::Arc};

use futures_util::{Stream, stream};
use holdpoint_core::{
    request::Voter,
    wire::{
        AgentList, AttachAnswer, AttachBody, Change, Log, Problem, RefusalList, Reloaded, RequestList,
        RequestView, RunAnswer, RunBody, Status, VoteBody,
    },
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{
    api::{Desk, Kind, Peer, Which},
    rules::{self, Found, Rules},
    scope::{self, Scopes},
    service::Manager,
};

use super::InForce;

/// A question to the engine, with the place for the answer.
pub(super) enum Command {
    Requests(Which, u32, Reply<RequestList>),
    Request(String, Reply<RequestView>),
    Vote { prefix: String, body: VoteBody, voter: Voter, reply: Reply<RequestView> },
    MayTag { peer: Peer, body: RunBody, reply: Reply<u32> },
    Tag { peer: Peer, body: RunBody, reply: Reply<RunAnswer> },
    Attach { body: AttachBody, voter: Voter, reply: Reply<AttachAnswer> },
    Agents(Reply<AgentList>),
    Status(Reply<Status>),
    Install(Box<Rules>, Reply<Reloaded>),
    Log { after: Option<u64>, limit: u32, request: Option<String>, reply: Reply<Log> },
    Mine(Peer, Reply<RequestList>),
    Refusals(Peer, Reply<RefusalList>),
    Found(Option<Box<Found>>, Option<String>),
    Stop(oneshot::Sender<()>),
}

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Problem>>;

/// A handle on the engine. Clones are cheap.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) changes: broadcast::Sender<Change>,
    pub(super) config_path: Arc<Path>,
    pub(super) manager: Arc<Manager>,
    pub(super) in_force: watch::Receiver<InForce>,
    pub(super) scopes: Scopes,
}

impl EngineHandle {
    /// The rules in force, as they change.
    pub(crate) fn in_force(&self) -> watch::Receiver<InForce> {
        self.in_force.clone()
    }

    /// Hands over what was found, and what is wrong with the looking.
    pub(crate) async fn found(&self, found: Option<Box<Found>>, problem: Option<String>) {
        // An engine that has ended lists nothing any more.
        let _ended = self.commands.send(Command::Found(found, problem)).await;
    }

    /// Stops the engine, after all that it has begun is written. The gate stays shut.
    pub(crate) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            // An engine that has ended already does not answer.
            let _ended = stopped.await;
        }
    }

    /// Waits until the engine has ended, for whatever reason.
    pub(crate) async fn ended(&self) {
        self.commands.closed().await;
    }

    async fn read_again(&self) -> Result<Reloaded, Problem> {
        // Reading files, and looking for those that a glob matches, is not the engine's to wait for.
        let (path, in_force) = (Arc::clone(&self.config_path), Arc::clone(&self.in_force.borrow().config));
        let loaded = tokio::task::spawn_blocking(move || rules::reload(&path, &in_force)).await;
        let loaded =
            loaded.map_err(|_| Kind::Internal.with("cannot read the rules: the reader failed inside"))?;
        let rules = loaded.map_err(|cause| Kind::BadPolicy.with(cause.to_string()))?;
        self.ask(|reply| Command::Install(Box::new(rules), reply)).await
    }

    async fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> Command) -> Result<T, Problem> {
        let ended =
            || Kind::Unavailable.with("cannot ask the engine: it has ended; see the journal of holdpointd");
        let (reply, answer) = oneshot::channel();
        self.commands.send(question(reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Desk for EngineHandle {
    type Changes = std::pin::Pin<Box<dyn Stream<Item = Change> + Send>>;

    async fn requests(&self, which: Which, limit: u32) -> Result<RequestList, Problem> {
        self.ask(|reply| Command::Requests(which, limit, reply)).await
    }

    async fn request(&self, prefix: String) -> Result<RequestView, Problem> {
        self.ask(|reply| Command::Request(prefix, reply)).await
    }

    async fn vote(&self, prefix: String, body: VoteBody, voter: Voter) -> Result<RequestView, Problem> {
        self.ask(|reply| Command::Vote { prefix, body, voter, reply }).await
    }

    async fn tag(&self, peer: Peer, body: RunBody) -> Result<RunAnswer, Problem> {
        if body.scope {
            // systemd may take its time: neither the engine nor another caller waits for it. The tag looks at the
            // process once more.
            let asked = body.clone();
            let pid = self.ask(|reply| Command::MayTag { peer, body: asked, reply }).await?;
            scope::enter(&self.scopes, peer.uid, &body.name, pid).await?;
        }
        self.ask(|reply| Command::Tag { peer, body, reply }).await
    }

    async fn attach(&self, body: AttachBody, voter: Voter) -> Result<AttachAnswer, Problem> {
        self.ask(|reply| Command::Attach { body, voter, reply }).await
    }

    async fn agents(&self) -> Result<AgentList, Problem> {
        self.ask(Command::Agents).await
    }

    async fn status(&self) -> Result<Status, Problem> {
        self.ask(Command::Status).await
    }

    async fn reload(&self) -> Result<Reloaded, Problem> {
        let reloaded = self.read_again().await;
        // For the status line: who asked may be a script that nobody reads.
        self.manager.note_reload(reloaded.is_err());
        reloaded
    }

    async fn log(&self, after: Option<u64>, limit: u32, request: Option<String>) -> Result<Log, Problem> {
        self.ask(|reply| Command::Log { after, limit, request, reply }).await
    }

    async fn mine(&self, peer: Peer) -> Result<RequestList, Problem> {
        self.ask(|reply| Command::Mine(peer, reply)).await
    }

    async fn refusals(&self, peer: Peer) -> Result<RefusalList, Problem> {
        self.ask(|reply| Command::Refusals(peer, reply)).await
    }

    fn changes(&self) -> impl Future<Output = Result<Self::Changes, Problem>> + Send {
        let receiver = self.changes.subscribe();
        let changes = stream::unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Ok(change) => Some((change, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Change::Lagged, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        });
        std::future::ready(Ok(Box::pin(changes) as Self::Changes))
    }
}
