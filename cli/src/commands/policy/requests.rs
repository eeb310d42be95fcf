//! Requests of the record, for rules that are tried on them.

use std::{fs, path::Path};

use holdpoint_core::{
    time::WallTime,
    wire::{RequestList, RequestView},
};

use crate::{
    client::{Client, id_prefix},
    failure::Failure,
};

/// As many as the daemon gives at once.
const LIMIT: u32 = 10_000;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Requests, the oldest first.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) requests: Vec<RequestView>,
    /// There may be older ones that are meant as well.
    pub(super) cut: bool,
}

/// One request.
pub(super) fn one(socket: &Path, id: &str) -> Result<RequestView, Failure> {
    let id = id_prefix(id)?;
    crate::commands::block_on(async { Client::new(socket)?.get(&format!("/v1/requests/{id}")).await })
}

/// Those of the last days, from the daemon.
pub(super) fn recent(socket: &Path, days: u32, now: WallTime) -> Result<Requests, Failure> {
    let list: RequestList = crate::commands::block_on(async {
        Client::new(socket)?.get(&format!("/v1/requests?state=all&limit={LIMIT}")).await
    })?;
    let full = list.requests.len() >= LIMIT as usize;
    Ok(since(list, full, days, now))
}

/// Those of the last days in a file, as `GET /v1/requests` has them.
pub(super) fn read(file: &Path, days: u32, now: WallTime) -> Result<Requests, Failure> {
    let shown = || holdpoint_core::escape::for_terminal(file.as_os_str().as_encoded_bytes());
    let text =
        fs::read(file).map_err(|cause| Failure::Data(format!("cannot read '{}': {cause}", shown())))?;
    let list = serde_json::from_slice(&text).map_err(|cause| {
        Failure::Data(format!(
            "cannot read '{}': {cause}; it has to be the answer to GET /v1/requests?state=all, see the API's documentation",
            shown()
        ))
    })?;
    Ok(since(list, false, days, now))
}

fn since(list: RequestList, full: bool, days: u32, now: WallTime) -> Requests {
    let first = now.0.saturating_sub(u64::from(days) * DAY_MS);
    let oldest = list.requests.first().map(|view| view.made_at.0);
    let requests = list.requests.into_iter().filter(|view| view.made_at.0 >= first).collect();
    Requests { requests, cut: full && oldest.is_some_and(|oldest| oldest > first) }
}
