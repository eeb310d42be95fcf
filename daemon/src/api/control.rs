//! The control socket: where people look and decide.

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, header::USER_AGENT},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use holdpoint_core::wire::{
    AgentList, AttachAnswer, AttachBody, Log, Reloaded, RequestList, RequestView, Status, VoteBody,
};
use serde::Deserialize;

use super::{
    Access, Desk, Peer, Which, events,
    extract::{BODY_LIMIT, Body, Parameters, Prefix, check_name, check_reason, prefix},
    problem::{Kind, Refused, no_such_method, no_such_route},
};

/// How many requests or entries an answer has when the caller does not say.
const DEFAULT_LIMIT: u32 = 100;

/// How many an answer has at most; what is above is cut to it.
pub(super) const HIGHEST_LIMIT: u32 = 10_000;

type Answer<T> = Result<Json<T>, Refused>;

struct Shared<D> {
    desk: D,
    access: Access,
}

/// Written by hand: a derive would ask for more than it needs.
impl<D: Desk> Clone for Shared<D> {
    fn clone(&self) -> Self {
        Self { desk: self.desk.clone(), access: self.access.clone() }
    }
}

/// The routes. Each request must carry its [`Peer`] as an extension.
pub(super) fn router<D: Desk>(desk: D, access: Access) -> Router {
    let shared = Shared { desk, access };
    Router::new()
        .route("/v1/status", get(status::<D>))
        .route("/v1/requests", get(requests::<D>))
        .route("/v1/requests/{id}", get(request::<D>))
        .route("/v1/requests/{id}/votes", post(vote::<D>))
        .route("/v1/events", get(stream::<D>))
        .route("/v1/agents", get(agents::<D>).post(attach::<D>))
        .route("/v1/log", get(log::<D>))
        .route("/v1/reload", post(reload::<D>))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(shared.clone(), admit::<D>))
        .with_state(shared)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    #[serde(default)]
    state: StateParameter,
    limit: Option<u32>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateParameter {
    #[default]
    Pending,
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogParameters {
    after: Option<u64>,
    limit: Option<u32>,
    request: Option<String>,
}

/// Lets nobody through who may not decide. It wraps every route, the unknown ones too.
async fn admit<D: Desk>(
    State(shared): State<Shared<D>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    shared.access.admit(peer).await?;
    Ok(next.run(request).await)
}

async fn status<D: Desk>(State(shared): State<Shared<D>>) -> Answer<Status> {
    Ok(Json(shared.desk.status().await?))
}

async fn requests<D: Desk>(
    State(shared): State<Shared<D>>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Answer<RequestList> {
    let which = match parameters.state {
        StateParameter::Pending => Which::Pending,
        StateParameter::All => Which::All,
    };
    Ok(Json(shared.desk.requests(which, limit(parameters.limit)).await?))
}

async fn request<D: Desk>(State(shared): State<Shared<D>>, Prefix(id): Prefix) -> Answer<RequestView> {
    Ok(Json(shared.desk.request(id).await?))
}

async fn vote<D: Desk>(
    State(shared): State<Shared<D>>,
    Extension(peer): Extension<Peer>,
    Prefix(id): Prefix,
    headers: HeaderMap,
    Body(body): Body<VoteBody>,
) -> Answer<RequestView> {
    check_reason(body.reason.as_deref())?;
    let voter = shared.access.voter(peer, channel(&headers)).await?;
    Ok(Json(shared.desk.vote(id, body, voter).await?))
}

async fn agents<D: Desk>(State(shared): State<Shared<D>>) -> Answer<AgentList> {
    Ok(Json(shared.desk.agents().await?))
}

async fn attach<D: Desk>(
    State(shared): State<Shared<D>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Body(body): Body<AttachBody>,
) -> Answer<AttachAnswer> {
    check_reason(body.reason.as_deref())?;
    check_name(&body.name)?;
    let voter = shared.access.who(peer, channel(&headers)).await?;
    Ok(Json(shared.desk.attach(body, voter).await?))
}

async fn stream<D: Desk>(State(shared): State<Shared<D>>) -> Result<Response, Refused> {
    events::stream(&shared.desk).await
}

async fn log<D: Desk>(
    State(shared): State<Shared<D>>,
    Parameters(parameters): Parameters<LogParameters>,
) -> Answer<Log> {
    let request = parameters.request.as_deref().map(prefix).transpose()?;
    Ok(Json(shared.desk.log(parameters.after, limit(parameters.limit), request).await?))
}

async fn reload<D: Desk>(State(shared): State<Shared<D>>) -> Answer<Reloaded> {
    Ok(Json(shared.desk.reload().await?))
}

fn limit(asked: Option<u32>) -> u32 {
    asked.unwrap_or(DEFAULT_LIMIT).min(HIGHEST_LIMIT)
}

/// By which way a vote came, for the record. The caller says so itself, and nothing hangs on it.
fn channel(headers: &HeaderMap) -> &'static str {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    if agent.is_some_and(|name| name.starts_with("holdpoint-cli/")) { "cli" } else { "api" }
}

/// The answer to a caller that cannot be served now.
pub(super) fn too_many() -> Refused {
    Kind::Unavailable.with("cannot take another connection: too many are open; end some and try again").into()
}
