//! A small client of the daemon's API: one connection, used again and again.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
};

use anyhow::{Context as _, bail};
use serde_json::Value;

const SOCKET: &str = "/run/holdpoint/control.sock";

/// A connection to the socket on which people decide.
pub(crate) struct Client(BufReader<UnixStream>);

impl Client {
    pub(crate) fn connect() -> anyhow::Result<Self> {
        let stream = UnixStream::connect(SOCKET).with_context(|| format!("connect to {SOCKET}"))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: holdpoint\r\n\r\n"))?;
        self.receive().with_context(|| format!("GET {path}"))
    }

    /// A request that approves, to be sent when it is time.
    pub(crate) fn approval(id: &str) -> String {
        let body = r#"{"verdict":"approve"}"#;
        format!(
            "POST /v1/requests/{id}/votes HTTP/1.1\r\nhost: holdpoint\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub(crate) fn send(&mut self, request: &str) -> anyhow::Result<()> {
        self.0.get_mut().write_all(request.as_bytes()).context("send a request to the daemon")
    }

    /// Reads one answer, which has to be a good one.
    pub(crate) fn receive(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line).context("read the daemon's answer")?;
        let status = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line).context("read the head of the daemon's answer")?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("read the length of the daemon's answer")?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).context("read the body of the daemon's answer")?;
        if status != "200" {
            bail!("the daemon answers with {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).context("read the body of the daemon's answer")
    }
}
