//! What each route asks of the desk, and what a wrong call is told.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use holdpoint_core::wire::Problem;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{
    super::{Kind, agent, control},
    *,
};

async fn call(router: Router, method: &str, path: &str, body: impl Into<Body>) -> (Response<()>, String) {
    let mut request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
    request.extensions_mut().insert(peer(0));
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(bytes.to_vec()).unwrap())
}

async fn asks(method: &str, path: &str, body: &'static str) -> Vec<String> {
    let desk = FakeDesk::default();
    let (response, text) = call(control::router(desk.clone(), root_only()), method, path, body).await;
    assert_eq!(response.status(), StatusCode::OK, "{method} {path}: {text}");
    desk.asked()
}

fn problem(response: &Response<()>, text: &str) -> Problem {
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json", "{text}");
    let problem: Problem = serde_json::from_str(text).unwrap();
    assert_eq!(problem.status, response.status().as_u16());
    problem
}

/// Calls the control router and says which kind of problem comes back.
async fn is_told(method: &str, path: &str, body: impl Into<Body>) -> (String, String) {
    let (response, text) = call(control::router(FakeDesk::default(), root_only()), method, path, body).await;
    let problem = problem(&response, &text);
    (problem.kind.replace("urn:holdpoint:problem:", ""), problem.detail)
}

#[tokio::test]
async fn each_route_asks_the_desk_its_own_question() {
    assert_eq!(asks("GET", "/v1/status", "").await, ["status"]);
    assert_eq!(asks("GET", "/v1/requests", "").await, ["requests Pending 100"]);
    assert_eq!(asks("GET", "/v1/requests?state=all&limit=99999999", "").await, ["requests All 10000"]);
    assert_eq!(asks("GET", "/v1/requests/K3", "").await, ["request k3"]);
    assert_eq!(asks("GET", "/v1/log?after=5&limit=2&request=oi", "").await, [r#"log Some(5) 2 Some("01")"#]);
    assert_eq!(asks("GET", "/v1/log", "").await, ["log None 100 None"]);
    assert_eq!(asks("POST", "/v1/reload", "").await, ["reload"]);
    let vote = asks("POST", "/v1/requests/k3m9z/votes", r#"{"verdict":"deny","reason":"no"}"#).await;
    assert_eq!(vote, ["vote k3m9z Deny root 0 Some(0) api"]);
}

#[tokio::test]
async fn a_wrong_call_is_a_problem_that_says_what_is_wrong() {
    assert_eq!(is_told("GET", "/v2/x%1b", "").await.0, "no-such-route");
    assert_eq!(is_told("DELETE", "/v1/status", "").await.0, "no-such-method");
    assert_eq!(is_told("GET", "/v1/requests/u", "").await.0, "bad-id");
    assert_eq!(is_told("GET", "/v1/requests/%ff", "").await.0, "bad-id");
    assert_eq!(is_told("GET", "/v1/log?request=", "").await.0, "bad-id");
    assert_eq!(is_told("GET", "/v1/requests?state=some", "").await.0, "bad-request");
    assert_eq!(is_told("GET", "/v1/requests?stat=all", "").await.0, "bad-request");
    assert_eq!(is_told("GET", "/v1/requests?limit=-1", "").await.0, "bad-request");
    let votes = "/v1/requests/k3m9z/votes";
    for body in ["", "{", "[]", "\u{1b}", r#"{"verdict":"perhaps"}"#, r#"{"verdict":"deny","force":true}"#] {
        let (kind, detail) = is_told("POST", votes, body).await;
        assert_eq!(kind, "bad-request", "{body}");
        assert!(detail.starts_with("cannot read the body as JSON: "), "{detail}");
        assert!(!detail.contains('\u{1b}'));
    }
    assert_eq!(is_told("POST", votes, "x".repeat(70_000)).await.0, "too-large");
    let long = format!(r#"{{"verdict":"deny","reason":"{}"}}"#, "x".repeat(5000));
    assert!(is_told("POST", votes, long).await.1.contains("shorten it"));
}

/// What `cargo xtask fuzz api` has found, as the body of every call that takes one.
#[tokio::test]
async fn no_body_that_was_found_is_a_failure_inside() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/api");
    for file in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let body = bytes.get(1..).unwrap_or_default();
        let control = || control::router(FakeDesk::default(), root_only());
        let agent = agent::router(FakeDesk::default());
        for (router, path) in
            [(control(), "/v1/requests/k3m9z/votes"), (control(), "/v1/agents"), (agent, "/v1/agents")]
        {
            let (response, text) = call(router, "POST", path, body.to_vec()).await;
            assert!(!response.status().is_server_error(), "{path}: {text}");
        }
    }
}

#[tokio::test]
async fn the_desks_own_problem_reaches_the_caller_as_it_is() {
    for kind in Kind::ALL {
        let desk = FakeDesk::default();
        desk.0.lock().unwrap().refuse = Some(kind);
        let (response, text) = call(control::router(desk, root_only()), "GET", "/v1/status", "").await;
        assert_eq!(problem(&response, &text), kind.with("as told"));
    }
}

#[tokio::test]
async fn a_caller_who_may_not_is_not_told_which_paths_exist() {
    let access = Access { is_agent: Arc::new(|_| true), ..root_only() };
    for path in ["/v1/status", "/v1/requests/k3m9z", "/nothing"] {
        let desk = FakeDesk::default();
        let (response, text) = call(control::router(desk.clone(), access.clone()), "GET", path, "").await;
        assert_eq!(problem(&response, &text).status, 403, "{path}");
        assert!(desk.asked().is_empty());
    }
}

#[tokio::test]
async fn the_agents_socket_tags_and_lists_and_cannot_vote() {
    let desk = FakeDesk::default();
    let router = || agent::router(desk.clone());
    let (response, text) = call(router(), "POST", "/v1/agents", r#"{"name":"claude-4.x_1"}"#).await;
    assert_eq!((response.status().as_u16(), text.as_str()), (200, r#"{"agent":7}"#));
    let (_, text) = call(router(), "GET", "/v1/requests", "").await;
    assert_eq!(text, r#"{"requests":[]}"#);
    let (_, text) = call(router(), "GET", "/v1/refusals", "").await;
    assert_eq!(text, r#"{"refusals":[]}"#);
    let (_, text) = call(router(), "GET", "/v1/status", "").await;
    assert_eq!(text, r#"{"enforcing":true}"#);
    assert_eq!(
        desk.asked(),
        ["tag Some(4711) claude-4.x_1 1", "mine Some(4711)", "refusals Some(4711)", "status"]
    );
    for path in ["/v1/requests/k3m9z/votes", "/v1/reload"] {
        let (response, text) = call(router(), "POST", path, r#"{"verdict":"approve"}"#).await;
        assert_eq!(problem(&response, &text).status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_name_that_is_no_name_is_refused() {
    for name in ["", "-x", ".", "Claude", "a b", "a\\u001b", "ä", &"x".repeat(65)] {
        let body = format!(r#"{{"name":"{name}"}}"#);
        let (response, text) = call(agent::router(FakeDesk::default()), "POST", "/v1/agents", body).await;
        assert!(problem(&response, &text).detail.contains("is no name for an agent"), "{text}");
    }
}

#[test]
fn every_kind_of_problem_is_documented_with_its_status() {
    let documentation = include_str!("../../../../docs/api.md");
    for kind in Kind::ALL {
        let (word, status, _) = kind.parts();
        assert!(documentation.contains(&format!("| `{word}` | {status} |")), "{word} is not in docs/api.md");
    }
}
