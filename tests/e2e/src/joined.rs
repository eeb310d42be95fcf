//! The identical action, tried again while its request waits, waits with that request; a vote is about the processes that
//! its voter was shown.

use holdpoint_core::{
    request::{Outcome, State, Verdict},
    wire::{RequestList, RequestView},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint},
        daemon::{self, Daemon},
        ledger::Ran,
        programs,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 240:
    an_approval_is_about_as_many_processes_as_were_shown_and_the_others_are_asked_about_anew,
    without_a_number_an_approval_lets_one_process_go_on,
    a_denial_refuses_all_that_wait_and_nobody_is_asked_anew,
    when_the_process_of_a_request_dies_the_next_is_asked_about,
    what_waits_with_a_request_does_so_after_a_restart,
];

/// So many processes that execute the identical action at once.
fn at_once(ran: &Ran, count: u32) -> Agent {
    let line = format!("i=0; while [ $i -lt {count} ]; do ({}) & i=$((i + 1)); done; wait", ran.one("same"));
    Agent::start(&["sh", "-c", &line])
}

/// Unguarded, each of them runs.
fn works_unguarded() -> Ran {
    let ran = Ran::empty();
    let line = format!("({}) & ({}) & wait", ran.one("same"), ran.one("same"));
    let said = Agent::unguarded(User::Agent, &["sh", "-c", &line]);
    assert_eq!(said.output.matches("status 0 of same").count(), 2, "unguarded: {said:?}");
    Ran::empty()
}

fn plain() -> Daemon {
    daemon::with(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)])
}

/// The one request of the agent, when so many others wait with it.
fn with_joined(daemon: &mut Daemon, agent: &Agent, others: usize) -> RequestView {
    eventually(&format!("{others} wait with the request"), || {
        let pending = daemon.client().pending();
        let mine: Vec<RequestView> = pending.into_iter().filter(|view| daemon::is_of(view, agent)).collect();
        assert!(mine.len() <= 1, "asked about twice: {mine:?}");
        mine.into_iter().find(|view| view.joined.len() == others)
    })
}

fn requests_of(daemon: &mut Daemon, agent: &Agent) -> Vec<RequestView> {
    let all = daemon.client().get::<RequestList>("/v1/requests?state=all&limit=10000").requests;
    all.into_iter().filter(|view| daemon::is_of(view, agent)).collect()
}

fn has_run(ran: &Ran, times: u32) {
    let count = || ran.counts().get("same").copied().unwrap_or(0);
    eventually("they run", || (count() >= times).then_some(()));
    assert_eq!(count(), times);
}

fn an_approval_is_about_as_many_processes_as_were_shown_and_the_others_are_asked_about_anew() {
    let ran = works_unguarded();
    let mut daemon = plain();
    let mut agent = at_once(&ran, 4);
    let request = with_joined(&mut daemon, &agent, 3);
    let id = request.id.as_str();
    let shown = holdpoint(&["show", id]).output;
    assert!(shown.contains("4 processes wait for this"), "{shown}");
    assert!(holdpoint(&["pending"]).output.contains("[4 wait] hp-"), "the table does not say so");
    assert_eq!(daemon.client().counter("joined"), 3);
    let said = holdpoint(&["approve", "--processes", "3", id]);
    assert_eq!(said.code, 0, "{said:?}");
    // The fourth was not approved.
    let last = with_joined(&mut daemon, &agent, 0);
    assert_ne!(last.id, request.id);
    has_run(&ran, 3);
    assert_eq!(ran.counts().get("same"), Some(&3), "one more ran than was approved");
    assert!(request.joined.contains(&last.facts.as_ref().unwrap().pid), "{last:?}");
    daemon.approve(&last);
    let said = agent.end().output;
    assert_eq!(said.matches("status 0 of same").count(), 4, "{said}");
    has_run(&ran, 4);
    // Each has its own record, with the vote that was about it.
    let all = eventually("all are over", || {
        let all = requests_of(&mut daemon, &agent);
        all.iter().all(|view| matches!(view.state, State::Ended { .. })).then_some(all)
    });
    assert_eq!(all.len(), 4, "{all:?}");
    for view in &all {
        let ended =
            State::Ended { verdict: Verdict::Approved, outcome: Outcome::Executed { status: Some(0) } };
        assert_eq!((&view.state, view.votes.len()), (&ended, 1), "{view:?}");
    }
    assert_eq!(all.iter().filter(|view| view.with.as_ref() == Some(&request.id)).count(), 2);
    let mut pids: Vec<u32> = all.iter().map(|view| view.facts.as_ref().unwrap().pid).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 4, "{all:?}");
}

fn without_a_number_an_approval_lets_one_process_go_on() {
    let ran = works_unguarded();
    let mut daemon = plain();
    let mut agent = at_once(&ran, 3);
    for left in [2, 1, 0] {
        let request = with_joined(&mut daemon, &agent, left);
        daemon.approve(&request);
        has_run(&ran, 3 - u32::try_from(left).unwrap());
    }
    agent.end();
    assert_eq!(requests_of(&mut daemon, &agent).len(), 3);
}

fn a_denial_refuses_all_that_wait_and_nobody_is_asked_anew() {
    let ran = works_unguarded();
    let mut daemon = plain();
    let mut agent = at_once(&ran, 4);
    let request = with_joined(&mut daemon, &agent, 3);
    daemon.deny(&request);
    let said = agent.end().output;
    assert_eq!(said.matches("status 126 of same").count(), 4, "{said}");
    assert!(ran.counts().is_empty());
    assert_eq!(requests_of(&mut daemon, &agent).len(), 1);
    assert_eq!(daemon.client().counter("refused_with_another"), 3);
}

fn when_the_process_of_a_request_dies_the_next_is_asked_about() {
    let ran = works_unguarded();
    let mut daemon = plain();
    let mut agent = at_once(&ran, 3);
    let request = with_joined(&mut daemon, &agent, 2);
    let end = |pid: u32| kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    end(request.facts.as_ref().unwrap().pid);
    assert_eq!(daemon.end_of(&request), (Verdict::Cancelled, Outcome::NeverRan));
    let next = with_joined(&mut daemon, &agent, 1);
    assert_ne!(next.id, request.id);
    // So does one that waits with it, which is on no record.
    end(next.joined[0]);
    let alone = with_joined(&mut daemon, &agent, 0);
    assert_eq!(alone.id, next.id);
    daemon.approve(&alone);
    agent.end();
    has_run(&ran, 1);
    assert_eq!(requests_of(&mut daemon, &agent).len(), 2);
}

fn what_waits_with_a_request_does_so_after_a_restart() {
    let ran = works_unguarded();
    let mut daemon = plain();
    let mut agent = at_once(&ran, 3);
    let request = with_joined(&mut daemon, &agent, 2);
    daemon.kill();
    daemon.start_again();
    let again = with_joined(&mut daemon, &agent, 2);
    assert_eq!((&again.id, again.made_at), (&request.id, request.made_at), "asked twice");
    let said = holdpoint(&["approve", "--processes", "3", again.id.as_str()]);
    assert_eq!(said.code, 0, "{said:?}");
    agent.end();
    has_run(&ran, 3);
    assert_eq!(requests_of(&mut daemon, &agent).len(), 3);
}
