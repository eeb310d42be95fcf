//! `GET /v1/events`: one JSON object a line, first what waits now, then every change.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream};
use holdpoint_core::wire::Change;

use super::{Desk, Which, control::HIGHEST_LIMIT, problem::Refused};

/// Begins a stream. Changes are subscribed to before the list is read, so none falls between the two; a
/// change may therefore repeat what the list said.
pub(super) async fn stream<D: Desk>(desk: &D) -> Result<Response, Refused> {
    let changes = desk.changes().await?;
    let pending = desk.requests(Which::Pending, HIGHEST_LIMIT).await?.requests;
    let first =
        stream::iter(pending.into_iter().map(|request| Change::Request { request: Box::new(request) }));
    let body = Body::from_stream(lines(first.chain(changes)));
    Ok(([(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")], body).into_response())
}

fn lines(
    changes: impl Stream<Item = Change> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    changes.map(|change| {
        // A change that cannot be written is told as one that was missed: the reader asks again.
        let mut line = serde_json::to_vec(&change).unwrap_or_else(|_| br#"{"is":"lagged"}"#.to_vec());
        line.push(b'\n');
        Ok(Bytes::from(line))
    })
}
