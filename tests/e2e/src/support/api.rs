//! A small client of the daemon's HTTP API. The tests use the CLI where it matters, and this where it is quicker.

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use holdpoint_core::{
    request::VoteKind,
    wire::{Change, Problem, RequestList, RequestView, Status, VoteBody},
};
use serde::{Serialize, de::DeserializeOwned};

use super::wait::{PATIENCE, Shared};

pub(crate) const CONTROL_SOCKET: &str = "/run/holdpoint/control.sock";

/// One connection, used again and again.
pub(crate) struct Client {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
    used: Instant,
}

/// The daemon ends connections that nobody uses; one that was idle for as long as this is made anew.
const IDLE: Duration = Duration::from_secs(5);

impl Client {
    /// Connects to the socket on which people decide.
    pub(crate) fn connect() -> Self {
        Self::connect_to(Path::new(CONTROL_SOCKET)).expect("connect to the control socket")
    }

    pub(crate) fn connect_to(socket: &Path) -> std::io::Result<Self> {
        Ok(Self { socket: socket.to_owned(), stream: open(socket)?, used: Instant::now() })
    }

    pub(crate) fn get<T: DeserializeOwned>(&mut self, path: &str) -> T {
        self.call("GET", path, &()).unwrap_or_else(|problem| panic!("GET {path}: {problem:?}"))
    }

    pub(crate) fn vote(&mut self, id: &str, verdict: VoteKind) -> Result<RequestView, Problem> {
        let body = VoteBody { verdict, reason: Some("decided by a test".to_owned()), processes: None };
        self.call("POST", &format!("/v1/requests/{id}/votes"), &body)
    }

    pub(crate) fn pending(&mut self) -> Vec<RequestView> {
        self.get::<RequestList>("/v1/requests?state=pending&limit=10000").requests
    }

    pub(crate) fn request(&mut self, id: &str) -> RequestView {
        self.get(&format!("/v1/requests/{id}"))
    }

    pub(crate) fn status(&mut self) -> Status {
        self.get("/v1/status")
    }

    /// The count of one of the kernel half's counters, or the daemon's.
    pub(crate) fn counter(&mut self, name: &str) -> u64 {
        let status = self.status();
        let mut counters = status.counters.iter().chain(&status.unasked);
        counters.find(|counter| counter.name == name).unwrap_or_else(|| panic!("no counter '{name}'")).count
    }

    pub(crate) fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Problem> {
        self.try_call(method, path, body).unwrap_or_else(|cause| panic!("{method} {path}: {cause}"))
    }

    /// The same with a daemon that may die meanwhile.
    pub(crate) fn try_call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        path: &str,
        body: &impl Serialize,
    ) -> std::io::Result<Result<T, Problem>> {
        let (status, body) = self.exchange(method, path, &serde_json::to_vec(body).unwrap())?;
        if status != 200 {
            return Ok(Err(serde_json::from_slice(&body).expect("an error that is a problem of RFC 9457")));
        }
        let text = String::from_utf8_lossy(&body);
        Ok(Ok(
            serde_json::from_slice(&body).unwrap_or_else(|cause| panic!("{method} {path}: {cause}: {text}"))
        ))
    }

    /// Sends a request and reads the answer: its status and body.
    fn exchange(&mut self, method: &str, path: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: holdpoint\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if self.used.elapsed() > IDLE {
            self.stream = open(&self.socket)?;
        }
        let stream = self.stream.get_mut();
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let (status, length) = read_head(&mut self.stream)?;
        let mut body =
            vec![0; length.unwrap_or_else(|| panic!("{}: an answer without length", self.socket.display()))];
        self.stream.read_exact(&mut body)?;
        self.used = Instant::now();
        Ok((status, body))
    }
}

fn open(socket: &Path) -> std::io::Result<BufReader<UnixStream>> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// Reads the head of an answer: its status, and its length unless it comes in chunks.
fn read_head(stream: &mut impl BufRead) -> std::io::Result<(u16, Option<usize>)> {
    let mut line = String::new();
    let mut read = |line: &mut String| -> std::io::Result<()> {
        line.clear();
        // The daemon has died before its answer was complete.
        if stream.read_line(line)? == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    };
    read(&mut line)?;
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {line:?}")).parse().unwrap();
    let mut length = None;
    loop {
        read(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok((status, length)) };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().unwrap());
        }
    }
}

/// All requests that the daemon has told of, as they are now: its stream of changes, followed by a thread.
#[derive(Clone)]
pub(crate) struct Watch(Shared<Vec<RequestView>>);

impl Watch {
    pub(crate) fn begin() -> Self {
        let requests = Shared::new(Vec::new());
        let (watch, events) = (Self(requests.clone()), Events::begin());
        thread::spawn(move || {
            for change in events {
                match change {
                    Change::Request { request } => requests.change(|requests| put(requests, *request)),
                    Change::Lagged => println!("the daemon says that the tests lag behind"),
                }
            }
        });
        watch
    }

    /// Waits until the requests are as wanted.
    pub(crate) fn until<R>(&self, what: &str, mut look: impl FnMut(&[RequestView]) -> Option<R>) -> R {
        self.0.wait(PATIENCE, |requests| look(requests)).unwrap_or_else(|| {
            let seen = self.0.look(|requests| {
                let last = requests.iter().rev().take(20);
                last.map(|view| format!("{} {:?}\n", view.id, view.state)).collect::<String>()
            });
            panic!("waited {PATIENCE:?} in vain: {what}; the last requests:\n{seen}")
        })
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&[RequestView]) -> R) -> R {
        self.0.look(|requests| look(requests))
    }
}

/// The daemon's stream of changes. It ends when the daemon does.
pub(crate) struct Events {
    stream: BufReader<UnixStream>,
    /// What was read and not yet taken.
    buffer: Vec<u8>,
    /// How much of it has no line break.
    searched: usize,
}

impl Events {
    pub(crate) fn begin() -> Self {
        Self::try_begin().expect("follow the changes")
    }

    /// The same with a daemon that may be dead, or die meanwhile.
    pub(crate) fn try_begin() -> std::io::Result<Self> {
        let mut stream = BufReader::new(UnixStream::connect(CONTROL_SOCKET)?);
        stream.get_mut().write_all(b"GET /v1/events HTTP/1.1\r\nhost: holdpoint\r\n\r\n")?;
        match read_head(&mut stream)? {
            (200, None) => Ok(Self { stream, buffer: Vec::new(), searched: 0 }),
            other => Err(std::io::Error::other(format!("the answer to GET /v1/events is {other:?}"))),
        }
    }

    /// Reads a chunk (RFC 9112, 7.1). None at the end.
    fn read_chunk(&mut self) -> Option<()> {
        let mut size = String::new();
        self.stream.read_line(&mut size).ok().filter(|read| *read > 0)?;
        let length = usize::from_str_radix(size.trim(), 16).ok().filter(|length| *length > 0)?;
        // With the line break that ends each chunk.
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        self.buffer.extend_from_slice(&chunk[..length]);
        Some(())
    }
}

impl Iterator for Events {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=self.searched + end).collect();
                self.searched = 0;
                return Some(serde_json::from_slice(&line).expect("a change that can be read"));
            }
            self.searched = self.buffer.len();
            self.read_chunk()?;
        }
    }
}

fn put(requests: &mut Vec<RequestView>, request: RequestView) {
    // From the end: what changes is mostly what came last.
    match requests.iter_mut().rev().find(|known| known.hold == request.hold) {
        Some(known) => *known = request,
        None => requests.push(request),
    }
}
