//! What the API needs of the engine.

use std::future::Future;

use futures_util::Stream;
use holdpoint_core::{
    request::Voter,
    time::BootTime,
    wire::{
        AgentList, AttachAnswer, AttachBody, Change, Log, Problem, RefusalList, Reloaded, RequestList,
        RequestView, RunAnswer, RunBody, Status, VoteBody,
    },
};

/// Who is at the other end of a connection, as the kernel noted it when the connection was made.
///
/// It proves which user connected. The process may have ended since, and its number been given to another;
/// what hangs on the very process must compare its start with `connected_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The process that connected; none where it is in a pid namespace that we cannot see into.
    pub pid: Option<u32>,
    /// The effective user id that it had.
    pub uid: u32,
    /// The effective group id that it had.
    pub gid: u32,
    /// Who logged in, whatever was switched to since.
    pub login_uid: Option<u32>,
    /// When the connection was accepted.
    pub connected_at: BootTime,
}

/// Which requests a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that wait for a vote, the oldest first.
    #[default]
    Pending,
    /// The newest in whatever state, the oldest of them first.
    All,
}

/// Where questions and votes are put. The engine implements it as a handle, so clones are cheap.
///
/// A `prefix` is the beginning of a request id as [`holdpoint_core::id::parse_prefix`] gives it. Whoever
/// calls has been authorised; what the vote does is for the engine to say.
pub(crate) trait Desk: Clone + Send + Sync + 'static {
    /// What [`Desk::changes`] gives. It ends when the engine does.
    type Changes: Stream<Item = Change> + Send + 'static;

    /// The requests, no more than `limit`.
    fn requests(&self, which: Which, limit: u32)
    -> impl Future<Output = Result<RequestList, Problem>> + Send;

    /// One request.
    fn request(&self, prefix: String) -> impl Future<Output = Result<RequestView, Problem>> + Send;

    /// Takes a vote. The answer is the request after it.
    fn vote(
        &self,
        prefix: String,
        body: VoteBody,
        voter: Voter,
    ) -> impl Future<Output = Result<RequestView, Problem>> + Send;

    /// Tags the calling process as the root of an agent.
    fn tag(&self, peer: Peer, body: RunBody) -> impl Future<Output = Result<RunAnswer, Problem>> + Send;

    /// Makes what runs already an agent's. `voter` is who asks for it.
    fn attach(
        &self,
        body: AttachBody,
        voter: Voter,
    ) -> impl Future<Output = Result<AttachAnswer, Problem>> + Send;

    /// The agents, with their processes.
    fn agents(&self) -> impl Future<Output = Result<AgentList, Problem>> + Send;

    /// How the daemon is.
    fn status(&self) -> impl Future<Output = Result<Status, Problem>> + Send;

    /// Reads the rules again.
    fn reload(&self) -> impl Future<Output = Result<Reloaded, Problem>> + Send;

    /// Entries of the record, the oldest first: the first `limit` after number `after`, or without it the
    /// last `limit` there are. `request` is the prefix of the id of the one request they are to be about.
    fn log(
        &self,
        after: Option<u64>,
        limit: u32,
        request: Option<String>,
    ) -> impl Future<Output = Result<Log, Problem>> + Send;

    /// What waits of the calling process's own agent.
    fn mine(&self, peer: Peer) -> impl Future<Output = Result<RequestList, Problem>> + Send;

    /// What the calling process's own agent was refused without anybody being asked, and why.
    fn refusals(&self, peer: Peer) -> impl Future<Output = Result<RefusalList, Problem>> + Send;

    /// Every change from now on. A reader that is too slow gets [`Change::Lagged`] in place of what it missed.
    fn changes(&self) -> impl Future<Output = Result<Self::Changes, Problem>> + Send;
}
