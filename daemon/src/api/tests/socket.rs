//! Real connections, the rude ones included.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

use super::{
    super::{
        Door,
        serve::{Limits, serve_within},
    },
    *,
};

/// Longer than anything here takes; only a broken test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    directory: tempfile::TempDir,
    _task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start(door: Door, desk: FakeDesk, limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = tokio::net::UnixListener::bind(directory.path().join("socket")).unwrap();
        let _task = tokio::spawn(serve_within(listener, door, desk, root_only(), limits));
        Self { directory, _task }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.directory.path().join("socket")).await.unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = self.connect().await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        // A connection that is turned away may be closed before this.
        let _ = stream.write_all(head.as_bytes()).await;
        read_all(&mut stream).await
    }
}

async fn read_all(stream: &mut UnixStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_kernel_says_who_calls() {
    let desk = FakeDesk::default();
    let server = Server::start(Door::Agent, desk.clone(), Limits::default());
    let answer = server.get("/v1/requests").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(desk.asked(), [format!("mine Some({})", std::process::id())]);
}

#[tokio::test]
async fn the_control_socket_answers_root_and_refuses_others() {
    let server = Server::start(Door::Control, FakeDesk::default(), Limits::default());
    let answer = server.get("/v1/status").await;
    let expected = if nix::unistd::geteuid().is_root() { "HTTP/1.1 200" } else { "HTTP/1.1 403" };
    assert!(answer.starts_with(expected), "{answer}");
}

#[tokio::test]
async fn events_begin_with_what_is_pending_and_go_on_with_changes() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let desk = FakeDesk::with_pending(&["00000", "00001"]);
    let server = Server::start(Door::Control, desk.clone(), Limits::default());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /v1/events HTTP/1.0\r\n\r\n").await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().expect("the stream goes on");
        match serde_json::from_str(&line) {
            Ok(Change::Request { request }) => seen.push(request.id.to_string()),
            Ok(Change::Lagged) => seen.push("lagged".to_owned()),
            Err(_) => {}
        }
    }
    assert_eq!(seen, ["00000", "00001", "00002", "lagged"]);
    assert_eq!(desk.asked(), ["changes", "requests Pending 10000"], "no change falls between the two");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_shut_out_and_keeps_nobody_waiting() {
    let limits = Limits { head: Duration::from_millis(200), ..Limits::default() };
    let server = Server::start(Door::Agent, FakeDesk::default(), limits);
    let mut silent = server.connect().await;
    let mut halfway = server.connect().await;
    halfway.write_all(b"POST /v1/agents HTTP/1.1\r\nhost").await.unwrap();
    assert!(server.get("/v1/status").await.starts_with("HTTP/1.1 200"), "others are served");
    read_all(&mut silent).await;
    read_all(&mut halfway).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_shut_out() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // More than a socket's buffers take.
    let desk = FakeDesk::with_pending(&vec!["00000"; 10_000]);
    let limits = Limits { write: Duration::from_millis(200), connections: 1, ..Limits::default() };
    let server = Server::start(Door::Control, desk, limits);
    let mut greedy = server.connect().await;
    greedy.write_all(b"GET /v1/requests HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // Its place is free again some time later, although it is still connected.
    let again = async {
        while !server.get("/v1/status").await.starts_with("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.expect("the place becomes free");
    drop(greedy);
}

#[tokio::test]
async fn one_connection_too_many_is_turned_away_at_once() {
    for limits in
        [Limits { connections: 2, ..Limits::default() }, Limits { per_user: 2, ..Limits::default() }]
    {
        let server = Server::start(Door::Agent, FakeDesk::default(), limits);
        let mut seated = [server.connect().await, server.connect().await];
        for stream in &mut seated {
            stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            let mut first = [0];
            timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap().unwrap();
        }
        let answer = read_all(&mut server.connect().await).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.ends_with("end some and try again\"}"), "{answer}");
        drop(seated);
        let again = async {
            while !server.get("/v1/status").await.starts_with("HTTP/1.1 200") {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, again).await.expect("places become free");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = Server::start(Door::Agent, FakeDesk::default(), Limits::default());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nx: ").await.unwrap();
    // The server may close while we still write.
    let _ = stream.write_all("a".repeat(100_000).as_bytes()).await;
    let answer = read_all(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}
