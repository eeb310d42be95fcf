//! Errors as RFC 9457 has them. Each kind has one name, one status and one title, and is in `docs/api.md`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use holdpoint_core::wire::Problem;

/// What can be wrong with a call. [`Kind::with`] makes the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The body or a parameter is not what the route takes.
    BadRequest,
    /// The text cannot be the beginning of an id.
    BadId,
    /// The body is larger than any that makes sense.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// No such path.
    NoSuchRoute,
    /// The path exists, but not for this method.
    NoSuchMethod,
    /// No request has that id.
    UnknownId,
    /// Several requests begin so.
    AmbiguousId,
    /// A verdict is there already: the vote does not count.
    AlreadyDecided,
    /// The caller is not one of the people who may decide.
    NotPermitted,
    /// The caller's process has no login user id.
    NoLogin,
    /// The caller is an agent, or cannot be shown not to be one.
    AgentMayNot,
    /// The process cannot be tagged.
    CannotTag,
    /// The rules or the configuration cannot be used; those before stay in force.
    BadPolicy,
    /// It could not be written down, so it did not happen.
    StoreFailed,
    /// Too busy, or about to stop.
    Unavailable,
    /// A fault of the daemon's.
    Internal,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 17] = [
        Self::BadRequest,
        Self::BadId,
        Self::TooLarge,
        Self::TooSlow,
        Self::NoSuchRoute,
        Self::NoSuchMethod,
        Self::UnknownId,
        Self::AmbiguousId,
        Self::AlreadyDecided,
        Self::NotPermitted,
        Self::NoLogin,
        Self::AgentMayNot,
        Self::CannotTag,
        Self::BadPolicy,
        Self::StoreFailed,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The answer. `detail` says what happened to what, and the cure where it is known.
    #[must_use]
    pub(crate) fn with(self, detail: impl Into<String>) -> Problem {
        let (word, status, title) = self.parts();
        Problem {
            kind: format!("urn:holdpoint:problem:{word}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
        }
    }

    /// The name, the HTTP status and the title.
    #[must_use]
    pub(crate) fn parts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", 400, "the call is not understood"),
            Self::BadId => ("bad-id", 400, "not a request id"),
            Self::TooLarge => ("too-large", 413, "the body is too large"),
            Self::TooSlow => ("too-slow", 408, "the body did not come in time"),
            Self::NoSuchRoute => ("no-such-route", 404, "no such path"),
            Self::NoSuchMethod => ("no-such-method", 405, "the path does not take this method"),
            Self::UnknownId => ("unknown-id", 404, "no such request"),
            Self::AmbiguousId => ("ambiguous-id", 409, "several requests begin so"),
            Self::AlreadyDecided => ("already-decided", 409, "the request has its verdict"),
            Self::NotPermitted => ("not-permitted", 403, "the caller may not do this"),
            Self::NoLogin => ("no-login", 403, "a vote needs somebody who logged in"),
            Self::AgentMayNot => ("agent-may-not", 403, "an agent may not do this"),
            Self::CannotTag => ("cannot-tag", 409, "the process cannot become an agent"),
            Self::BadPolicy => ("bad-policy", 422, "the rules cannot be used"),
            Self::StoreFailed => ("store-failed", 503, "it could not be written down"),
            Self::Unavailable => ("unavailable", 503, "the daemon cannot answer now"),
            Self::Internal => ("internal", 500, "a fault of holdpointd"),
        }
    }
}

/// A problem as an HTTP answer.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

pub(super) async fn no_such_route(uri: axum::http::Uri) -> Refused {
    let path = holdpoint_core::escape::for_terminal(uri.path().as_bytes());
    Refused(
        Kind::NoSuchRoute
            .with(format!("cannot find the path '{path}' on this socket; the paths are in docs/api.md")),
    )
}

pub(super) async fn no_such_method(method: axum::http::Method, uri: axum::http::Uri) -> Refused {
    let path = holdpoint_core::escape::for_terminal(uri.path().as_bytes());
    Refused(
        Kind::NoSuchMethod.with(format!("cannot do {method} on '{path}'; the methods are in docs/api.md")),
    )
}
