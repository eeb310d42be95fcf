//! Bodies, parameters and ids of a call, each checked, with a [`Problem`](holdpoint_core::wire::Problem) when wrong.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, request::Parts},
};
use holdpoint_core::id::parse_prefix;
use serde::de::DeserializeOwned;

use super::problem::{Kind, Refused};

/// The largest body: a reason of some pages. A larger one is answered with 413.
pub(super) const BODY_LIMIT: usize = 64 << 10;

/// How long a body may take to come in.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The longest reason, in bytes. It is stored, and shown to everyone.
const REASON_LIMIT: usize = 4096;

/// The body, read as JSON whatever its content type says.
pub(super) struct Body<T>(pub(super) T);

/// The query part of the path. Unknown parameters are an error where the type says so.
pub(super) struct Parameters<T>(pub(super) T);

/// The id in the path: the beginning of an id, in the spelling that ids have.
pub(super) struct Prefix(pub(super) String);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let bytes = tokio::time::timeout(BODY_TIME, Bytes::from_request(request, state))
            .await
            .map_err(|_| Kind::TooSlow.with(format!("cannot wait longer than {BODY_TIME:?} for the body")))?
            .map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    Kind::TooLarge.with(format!("cannot take a body of more than {BODY_LIMIT} bytes"))
                }
                _ => Kind::BadRequest.with("cannot read the body: it ended early"),
            })?;
        let wrong = |cause| Kind::BadRequest.with(format!("cannot read the body as JSON: {}", shown(&cause)));
        Ok(Self(serde_json::from_slice(&bytes).map_err(wrong)?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => {
                let cause = shown(&rejection.body_text());
                Err(Kind::BadRequest.with(format!("cannot read the parameters: {cause}")).into())
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Prefix {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Kind::BadId.with("cannot read the id in the path: it is not UTF-8"))?;
        prefix(&text).map(Self)
    }
}

/// Reads the beginning of an id.
pub(super) fn prefix(text: &str) -> Result<String, Refused> {
    parse_prefix(text).map_err(|cause| Kind::BadId.with(cause.to_string()).into())
}

/// Refuses a reason that is too long to be read.
pub(super) fn check_reason(reason: Option<&str>) -> Result<(), Refused> {
    match reason.map(str::len) {
        Some(length) if length > REASON_LIMIT => {
            let detail =
                format!("cannot take a reason of {length} bytes: the limit is {REASON_LIMIT}; shorten it");
            Err(Kind::BadRequest.with(detail).into())
        }
        _ => Ok(()),
    }
}

/// Refuses what can be no name of an agent: it stands in log lines, policies and tables.
pub(super) fn check_name(name: &str) -> Result<(), Refused> {
    holdpoint_core::agent::check_name(name).map_err(|why| Kind::BadRequest.with(why).into())
}

/// An error's text may repeat what the caller sent.
fn shown(cause: &impl ToString) -> String {
    holdpoint_core::escape::for_terminal(cause.to_string().as_bytes())
}
