//! Accepting connections, and keeping each within its bounds.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use tower_service::Service as _;

use super::{Access, Desk, Peer, access::login_uid, agent, control, stall::Impatient};

/// Which of the two sockets a listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Where people look and decide.
    Control,
    /// Where agents ask.
    Agent,
}

/// The bounds of one socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at once. One more is closed at once; the caller sees 503 or a closed connection.
    pub(super) connections: usize,
    /// Connections at once of one user, so that one user's processes cannot keep out another's.
    pub(super) per_user: usize,
    /// How long the head of a request may take, and how long a connection may say nothing between two.
    pub(super) head: Duration,
    /// How long a reader may take nothing of what it asked for.
    pub(super) write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_user: 128,
            head: Duration::from_secs(10),
            write: Duration::from_secs(30),
        }
    }
}

/// How long to pause when a connection cannot be accepted, which mostly means no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The largest head of a request.
const HEAD_BYTES: usize = 16 << 10;

/// Serves a socket until it is dropped; every connection ends with it.
///
/// # Errors
/// When the listener is no longer one.
pub(crate) async fn serve<D: Desk>(
    listener: UnixListener,
    door: Door,
    desk: D,
    access: Access,
) -> io::Result<()> {
    serve_within(listener, door, desk, access, Limits::default()).await
}

pub(super) async fn serve_within<D: Desk>(
    listener: UnixListener,
    door: Door,
    desk: D,
    access: Access,
    limits: Limits,
) -> io::Result<()> {
    let now = Arc::clone(&access.now);
    let router = match door {
        Door::Control => control::router(desk, access),
        Door::Agent => agent::router(desk),
    };
    let seats = Seats::default();
    let mut connections = JoinSet::new();
    loop {
        // What has ended is taken out of the set as we go, so that the set does not grow.
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(cause) if is_passing(&cause) => {
                tracing::warn!(?door, "cannot accept a connection: {cause}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            Err(cause) => return Err(cause),
        };
        let Ok(credentials) = stream.peer_cred() else { continue };
        let Some(seat) = seats.take(credentials.uid(), limits) else {
            turn_away(&stream);
            continue;
        };
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        let peer = Peer {
            pid,
            uid: credentials.uid(),
            gid: credentials.gid(),
            login_uid: pid.and_then(login_uid),
            connected_at: now(),
        };
        let router = router.clone();
        connections.spawn(async move {
            connection(stream, peer, router, limits).await;
            drop(seat);
        });
    }
}

async fn connection(stream: UnixStream, peer: Peer, router: Router, limits: Limits) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().call(request.map(Body::new))
    });
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Impatient::new(stream, limits.write)), service)
        .await;
    if let Err(cause) = ended {
        tracing::debug!(?peer, "a connection ended: {cause}");
    }
}

/// Says why, where the caller's buffer has room for it, and never waits.
fn turn_away(stream: &UnixStream) {
    let body = serde_json::to_string(&control::too_many().0).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Whether it arrives or not, the connection is closed now.
    let _ = stream.try_write(answer.as_bytes());
}

/// Whether accepting can work again later.
fn is_passing(cause: &io::Error) -> bool {
    let codes = [
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOBUFS,
        libc::ENOMEM,
        libc::ECONNABORTED,
        libc::EINTR,
        libc::EAGAIN,
    ];
    cause.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// Who has how many connections.
#[derive(Clone, Default)]
struct Seats(Arc<Mutex<HashMap<u32, usize>>>);

/// One connection's place. It is free again when this is dropped.
struct Seat {
    seats: Seats,
    uid: u32,
}

impl Seats {
    fn take(&self, uid: u32, limits: Limits) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.entry(uid).or_default();
        if all >= limits.connections || *own >= limits.per_user {
            return None;
        }
        *own += 1;
        Some(Seat { seats: self.clone(), uid })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}
