//! The daemon's API over its Unix socket.

mod trouble;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use holdpoint_core::{
    id::parse_prefix,
    wire::{Change, Problem},
};
use reqwest::{RequestBuilder, Response};
use serde::{Serialize, de::DeserializeOwned};

use crate::failure::Failure;

/// How long the daemon may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// The longest line of events: a request with all its arguments, as JSON.
const LINE_LIMIT: usize = 64 << 20;

/// A socket of the daemon's.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

impl Client {
    pub(crate) fn new(socket: &Path) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            // The environment must not send a vote anywhere else.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("holdpoint-cli/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| Failure::Internal(format!("cannot make an HTTP client: {cause}")))?;
        Ok(Self { http, socket: socket.to_owned() })
    }

    /// Gets an answer; `path` begins with `/`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.answer(self.http.get(url(path))).await
    }

    /// Posts a body and gets an answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.answer(self.http.post(url(path)).json(body)).await
    }

    /// Begins to follow the changes.
    pub(crate) async fn events(&self) -> Result<Events, Failure> {
        let sent = tokio::time::timeout(ANSWER_TIME, self.http.get(url("/v1/events")).send()).await;
        let response = match sent {
            Ok(sent) => sent.map_err(|cause| trouble::sort(&cause, &self.socket))?,
            Err(_) => return Err(trouble::silent(&self.socket)),
        };
        Ok(Events {
            response: checked(response, &self.socket).await?,
            buffer: Vec::new(),
            socket: self.socket.clone(),
        })
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let failed = |cause: reqwest::Error| trouble::sort(&cause, &self.socket);
        let response = request.timeout(ANSWER_TIME).send().await.map_err(failed)?;
        let bytes = checked(response, &self.socket).await?.bytes().await.map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|cause| not_understood(&cause))
    }
}

/// The stream of `GET /v1/events`.
#[derive(Debug)]
pub(crate) struct Events {
    response: Response,
    buffer: Vec<u8>,
    socket: PathBuf,
}

impl Events {
    /// The next change; none when the daemon ends the stream. What was received is kept when this is dropped
    /// before it is ready.
    pub(crate) async fn next(&mut self) -> Result<Option<Change>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return serde_json::from_slice(&line).map(Some).map_err(|cause| not_understood(&cause));
            }
            if self.buffer.len() > LINE_LIMIT {
                return Err(Failure::Internal("cannot read the events: a line has no end".to_owned()));
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) => return Ok(None),
                Err(cause) => return Err(trouble::sort(&cause, &self.socket)),
            }
        }
    }
}

/// Checks that a text can be an id before anything is done with it, and gives it the spelling of ids.
pub(crate) fn id_prefix(text: &str) -> Result<String, Failure> {
    parse_prefix(text).map_err(|cause| Failure::Data(cause.to_string()))
}

/// The host in the address is a formality: the socket decides where it goes.
fn url(path: &str) -> String {
    format!("http://holdpoint{path}")
}

/// Turns an error that the daemon answered into ours.
async fn checked(response: Response, socket: &Path) -> Result<Response, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let bytes = response.bytes().await.map_err(|cause| trouble::sort(&cause, socket))?;
    Err(serde_json::from_slice::<Problem>(&bytes).map_or_else(
        |_| {
            Failure::Internal(format!(
                "cannot understand the answer of '{}': HTTP {status}",
                socket.display()
            ))
        },
        Failure::Refused,
    ))
}

fn not_understood(cause: &serde_json::Error) -> Failure {
    let cause = crate::render::text::plain(&cause.to_string());
    Failure::Internal(format!(
        "cannot understand the daemon's answer: {cause}; holdpoint and holdpointd should have the same version"
    ))
}
