//! Many holds, one after the other and at once: none lost, none wrong, none run twice.

use std::{collections::HashSet, fs, sync::mpsc::channel, thread};

use holdpoint_core::{
    request::VoteKind,
    wire::{Change, RequestList},
};

use crate::{
    runner::{Test, is_soak, tests},
    support::{
        agent::{Agent, end_all},
        api::{Client, Events},
        cli::holdpoint,
        daemon::{self, Daemon},
        ledger::{Ran, nothing_lost_or_wrong_or_twice, token, verdict_on},
        programs,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 400:
    of_many_holds_decided_at_random_none_is_lost_or_wrong_or_runs_twice,
    many_that_are_held_at_once_are_all_listed_and_all_decided,
];

pub(crate) const SOAK_TESTS: &[Test] = tests![Soak, 7000:
    of_many_holds_decided_at_random_none_is_lost_or_wrong_or_runs_twice,
    many_that_are_held_at_once_are_all_listed_and_all_decided,
];

/// Side by side.
const AGENTS: u32 = 8;

/// What the daemon may take of memory, in KiB, whatever is held.
const MOST_MEMORY: u64 = 48 * 1024;

/// An approver and a denier, who decide whatever comes. Ends when the daemon does.
fn decide_all(events: Events) {
    let (approver, approvals) = channel::<String>();
    let (denier, denials) = channel::<String>();
    for (requests, verdict) in [(approvals, VoteKind::Approve), (denials, VoteKind::Deny)] {
        thread::spawn(move || {
            let mut client = Client::connect();
            for id in requests {
                client.vote(&id, verdict).unwrap_or_else(|problem| panic!("vote on {id}: {problem:?}"));
            }
        });
    }
    thread::spawn(move || {
        let mut seen = HashSet::new();
        let mut client = Client::connect();
        for change in events {
            let requests = match change {
                Change::Request { request } => vec![*request],
                Change::Lagged => client.get::<RequestList>("/v1/requests?limit=10000").requests,
            };
            for request in requests {
                if seen.insert(request.hold) {
                    let to =
                        if verdict_on(&token(&request)) == VoteKind::Approve { &approver } else { &denier };
                    to.send(request.id.to_string()).expect("the voters are there");
                }
            }
        }
    });
}

fn memory_of(daemon: &Daemon, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process().pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What is resident now. The peak, which counts the loading of the kernel half as well, is told and not judged.
fn memory_is_within_its_bound(daemon: &Daemon, when: &str) {
    let (now, peak) = (memory_of(daemon, "VmRSS:"), memory_of(daemon, "VmHWM:"));
    println!("{when}: the daemon has {now} KiB resident, {peak} KiB at its peak");
    assert!(now < MOST_MEMORY, "{when}: {now} KiB are resident");
}

fn plain() -> Daemon {
    daemon::with_own_gate(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)])
}

fn of_many_holds_decided_at_random_none_is_lost_or_wrong_or_runs_twice() {
    let default = if is_soak() { 15_000 } else { 600 };
    let holds: u32 =
        std::env::var("HOLDPOINT_E2E_HOLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let each = holds.div_ceil(AGENTS);
    let ran = Ran::empty();
    let mut daemon = plain();
    decide_all(Events::begin());
    let mut agents: Vec<Agent> = (0..AGENTS)
        .map(|agent| {
            let line = format!(
                "i=0; while [ $i -lt {each} ]; do {}; i=$((i + 1)); done",
                ran.one(&format!("{agent}-$i"))
            );
            Agent::start(&["sh", "-c", &line])
        })
        .collect();
    let said = end_all(&mut agents);
    let tokens: Vec<String> =
        (0..AGENTS).flat_map(|agent| (0..each).map(move |i| format!("{agent}-{i}"))).collect();
    nothing_lost_or_wrong_or_twice(&ran, &said, &tokens);
    assert_eq!(daemon.client().counter("held"), u64::from(each * AGENTS));
    assert_eq!(daemon.client().pending().len(), 0);
    memory_is_within_its_bound(&daemon, &format!("after {} holds", tokens.len()));
}

fn many_that_are_held_at_once_are_all_listed_and_all_decided() {
    let each = if is_soak() { 125 } else { 25 };
    let ran = Ran::empty();
    let mut daemon = plain();
    let mut agents: Vec<Agent> = (0..AGENTS)
        .map(|agent| {
            let line = format!(
                "i=0; while [ $i -lt {each} ]; do ({}) & i=$((i + 1)); done; wait",
                ran.one(&format!("{agent}-$i"))
            );
            Agent::start(&["sh", "-c", &line])
        })
        .collect();
    let tokens: Vec<String> =
        (0..AGENTS).flat_map(|agent| (0..each).map(move |i| format!("{agent}-{i}"))).collect();
    let mut pending = 0;
    while pending < tokens.len() {
        pending = eventually("more are held", || {
            let now = daemon.client().status().pending;
            let now = usize::try_from(now).unwrap();
            (now > pending).then_some(now)
        });
    }
    let listed = holdpoint(&["--json", "pending"]);
    assert_eq!(listed.code, 0, "{}", listed.errors);
    let listed: RequestList = serde_json::from_str(&listed.output).unwrap();
    let mut found: Vec<String> = listed.requests.iter().map(token).collect();
    let mut expected = tokens.clone();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "held and not listed, or listed twice");
    assert_eq!(fs::metadata(ran.path()).unwrap().len(), 0, "something ran unasked");
    let ids: HashSet<_> = listed.requests.iter().map(|request| request.id.clone()).collect();
    assert_eq!(ids.len(), tokens.len(), "two requests with one id");
    memory_is_within_its_bound(&daemon, &format!("with {} held at once", tokens.len()));
    decide_all(Events::begin());
    let said = end_all(&mut agents);
    nothing_lost_or_wrong_or_twice(&ran, &said, &tokens);
    assert_eq!(daemon.client().pending().len(), 0);
    memory_is_within_its_bound(&daemon, "afterwards");
}
