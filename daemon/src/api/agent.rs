//! The agents' socket: where a process asks to be tagged and sees what waits of its own agent.
//!
//! Anybody may connect. Nothing here can decide a request, and nothing shows one of another agent's.

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::{get, post},
};
use holdpoint_core::wire::{RequestList, RunAnswer, RunBody};
use serde::Serialize;

use super::{
    Desk, Peer,
    extract::{BODY_LIMIT, Body, check_reason},
    problem::{Kind, Refused, no_such_method, no_such_route},
};

/// The longest name of an agent.
const NAME_LIMIT: usize = 64;

/// What an agent may know of the daemon.
#[derive(Serialize)]
struct AgentStatus {
    enforcing: bool,
}

/// The routes. Each request must carry its [`Peer`] as an extension.
pub(super) fn router<D: Desk>(desk: D) -> Router {
    Router::new()
        .route("/v1/agents", post(tag::<D>))
        .route("/v1/requests", get(mine::<D>))
        .route("/v1/status", get(status::<D>))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(desk)
}

async fn tag<D: Desk>(
    State(desk): State<D>,
    Extension(peer): Extension<Peer>,
    Body(body): Body<RunBody>,
) -> Result<Json<RunAnswer>, Refused> {
    check_reason(body.reason.as_deref())?;
    check_name(&body.name)?;
    Ok(Json(desk.tag(peer, body).await?))
}

async fn mine<D: Desk>(
    State(desk): State<D>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<RequestList>, Refused> {
    Ok(Json(desk.mine(peer).await?))
}

async fn status<D: Desk>(State(desk): State<D>) -> Result<Json<AgentStatus>, Refused> {
    let enforcing = desk.status().await?.enforcing;
    Ok(Json(AgentStatus { enforcing }))
}

/// A name is `[a-z0-9][a-z0-9._-]*`: it stands in log lines, policies and tables.
fn check_name(name: &str) -> Result<(), Refused> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let well_formed = name.starts_with(plain) && name.chars().all(|c| plain(c) || "._-".contains(c));
    if well_formed && name.len() <= NAME_LIMIT {
        return Ok(());
    }
    Err(Kind::BadRequest
        .with(format!(
            "cannot name an agent '{}': a name is up to {NAME_LIMIT} characters of a-z, 0-9, '.', '_' and '-', \
             and begins with a letter or digit",
            holdpoint_core::escape::for_terminal(name.as_bytes())
        ))
        .into())
}
