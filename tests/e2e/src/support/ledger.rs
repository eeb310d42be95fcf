//! What ran, what was decided, and what each agent saw of it: one line of a file for each program that runs.

use std::{collections::HashMap, fs};

use holdpoint_core::{
    request::{State, Verdict, VoteKind},
    wire::{RequestList, RequestView},
};

use super::{api::Client, cli::shell, wait::eventually};

/// A file that every program that runs writes its token into, once each time that it runs.
pub(crate) struct Ran(&'static str);

impl Ran {
    pub(crate) fn empty() -> Self {
        let ran = Self("/tmp/holdpoint-ran");
        shell(&format!("rm -f {0}; touch {0}; chown agent {0}", ran.0));
        ran
    }

    /// What sh does for one token. It tells of it in one piece, since others write into the same pipe.
    pub(crate) fn one(&self, token: &str) -> String {
        format!("m=$(hp-static --append {} {token} 0 2>&1); echo \"status $? of {token}: $m\"", self.0)
    }

    /// The same, again and again until it runs.
    pub(crate) fn until_it_runs(&self, token: &str) -> String {
        let file = self.0;
        format!(
            "until m=$(hp-static --append {file} {token} 0 2>&1); do sleep 0.1; done; echo \"status 0 of {token}: $m\""
        )
    }

    pub(crate) fn path(&self) -> &'static str {
        self.0
    }

    /// How often each has run.
    pub(crate) fn counts(&self) -> HashMap<String, u32> {
        let mut counts = HashMap::new();
        for token in fs::read_to_string(self.0).unwrap().lines() {
            *counts.entry(token.to_owned()).or_insert(0) += 1;
        }
        counts
    }
}

/// The token that stands in a request's arguments: `hp-static --append FILE TOKEN 0`.
pub(crate) fn token(request: &RequestView) -> String {
    request.facts.as_ref().expect("the facts of a request").argv[3].shown()
}

/// By the token alone, half of them: whoever asks gets the same answer. Where the agent has to know it, too, the token
/// says it.
pub(crate) fn verdict_on(token: &str) -> VoteKind {
    if token.starts_with("yes-") {
        return VoteKind::Approve;
    }
    if token.starts_with("no-") {
        return VoteKind::Deny;
    }
    let mut state: u32 = 0x9e37_79b9;
    for byte in token.bytes() {
        state = (state ^ u32::from(byte)).wrapping_mul(0x0100_0193).rotate_left(7);
    }
    if state.count_ones().is_multiple_of(2) { VoteKind::Approve } else { VoteKind::Deny }
}

/// Compares what ran, and what each agent saw, with what was decided.
pub(crate) fn nothing_lost_or_wrong_or_twice(ran: &Ran, said: &[String], tokens: &[String]) {
    let counts = ran.counts();
    let said = said.concat();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for line in said.lines() {
        let told = line.strip_prefix("status ").and_then(|line| line.split_once(" of "));
        let (status, (token, message)) = told
            .and_then(|(status, rest)| Some((status, rest.split_once(": ")?)))
            .unwrap_or_else(|| panic!("not what an agent says: {line}"));
        // EPERM in words; any other errno has others.
        let expected = if status == "126" { "sh: 1: hp-static: Operation not permitted" } else { "" };
        assert_eq!(message, expected, "'{token}' with status {status}");
        assert_eq!(seen.insert(token, status), None, "'{token}' ended twice");
    }
    for token in tokens {
        let (runs, status) = (counts.get(token).copied().unwrap_or(0), seen.get(token.as_str()).copied());
        match verdict_on(token) {
            VoteKind::Approve => assert_eq!((runs, status), (1, Some("0")), "'{token}' was approved"),
            VoteKind::Deny => assert_eq!((runs, status), (0, Some("126")), "'{token}' was denied"),
        }
    }
    assert_eq!(seen.len(), tokens.len());
}

/// Looks whether each token has one request, which ended as it was to end.
pub(crate) fn each_was_asked_about_once(client: &mut Client, tokens: &[String]) {
    let requests: Vec<RequestView> = eventually("all requests end", || {
        let all = client.get::<RequestList>("/v1/requests?state=all&limit=10000").requests;
        all.iter().all(|request| matches!(request.state, State::Ended { .. })).then_some(all)
    });
    let mut asked: HashMap<String, Vec<&RequestView>> = HashMap::new();
    for request in &requests {
        asked.entry(token(request)).or_default().push(request);
    }
    assert!(requests.len() < 10_000, "there may be more than the daemon lists");
    for token in tokens {
        let of_it = asked.get(token).map_or(&[][..], Vec::as_slice);
        let told: Vec<_> = of_it.iter().map(|request| (&request.id, &request.state, &request.note)).collect();
        assert_eq!(told.len(), 1, "requests about '{token}': {told:?}");
        let verdict =
            if verdict_on(token) == VoteKind::Approve { Verdict::Approved } else { Verdict::Denied };
        assert!(
            matches!(told[0].1, State::Ended { verdict: found, .. } if *found == verdict),
            "'{token}' was to be {verdict:?}: {told:?}"
        );
        assert_eq!(of_it[0].votes.len(), 1, "votes on '{token}': {:?}", of_it[0].votes);
    }
    assert_eq!(asked.len(), tokens.len(), "requests about something else");
}
