//! The agents' socket: where a process asks to be tagged and sees what waits of its own agent.
//!
//! Anybody may connect. Nothing here can decide a request, and nothing shows one of another agent's.

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::{get, post},
};
use holdpoint_core::wire::{RefusalList, RequestList, RunAnswer, RunBody};
use serde::Serialize;

use super::{
    Desk, Peer,
    extract::{BODY_LIMIT, Body, check_name, check_reason},
    problem::{Refused, no_such_method, no_such_route},
};

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
        .route("/v1/refusals", get(refusals::<D>))
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

async fn refusals<D: Desk>(
    State(desk): State<D>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<RefusalList>, Refused> {
    Ok(Json(desk.refusals(peer).await?))
}

async fn status<D: Desk>(State(desk): State<D>) -> Result<Json<AgentStatus>, Refused> {
    let enforcing = desk.status().await?.enforcing;
    Ok(Json(AgentStatus { enforcing }))
}
