//! The daemon dies while execs are refused at once and filed (`wait = "refuse"`): nothing is lost, nothing runs twice,
//! nobody is asked twice.
//!
//! No task waits, so nothing of a filing lies with the process that made it: it is in the kernel's maps, in a buffer
//! whose reader may die with what it has read, and in the daemon's store. What is approved is tried again until it
//! runs. What is denied is tried once: after the denial the next try would be another action, and asked about anew.

use std::{fs::File, os::unix::process::ExitStatusExt as _, thread, time::Duration};

use holdpoint_core::wire::RequestList;
use nix::sys::signal::Signal;

use crate::{
    crashes::{AGENTS, Random, agents, doomed, statuses, works_unguarded},
    runner::{Test, is_soak, tests},
    support::{
        agent::{Agent, end_all},
        cli::shell,
        daemon::{self, Daemon, Process},
        ledger::{Ran, each_was_asked_about_once, nothing_lost_or_wrong_or_twice, token},
        maps,
        persons::Persons,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    a_daemon_that_dies_before_it_reads_a_filing_loses_nothing,
    a_daemon_that_dies_with_a_filing_in_its_hands_loses_nothing,
    a_daemon_that_dies_when_a_filed_request_is_stored_loses_nothing,
    a_daemon_that_dies_when_a_vote_on_a_filing_is_stored_loses_nothing,
    a_daemon_that_dies_when_a_filing_has_its_allowance_loses_nothing,
    a_daemon_that_dies_when_a_filed_program_runs_loses_nothing,
    a_daemon_that_is_killed_at_random_moments_while_execs_are_filed_loses_nothing,
];

pub(crate) const SOAK_TESTS: &[Test] = tests![Soak, 3600:
    a_daemon_that_dies_before_it_reads_a_filing_loses_nothing,
    a_daemon_that_dies_with_a_filing_in_its_hands_loses_nothing,
    a_daemon_that_dies_when_a_filed_request_is_stored_loses_nothing,
    a_daemon_that_dies_when_a_vote_on_a_filing_is_stored_loses_nothing,
    a_daemon_that_dies_when_a_filing_has_its_allowance_loses_nothing,
    a_daemon_that_dies_when_a_filed_program_runs_loses_nothing,
    a_daemon_that_is_killed_at_random_moments_while_execs_are_filed_loses_nothing,
];

const REFUSE: &str =
    "[[rule]]\nname = \"refused\"\nexec = [\"hp-static\"]\naction = \"ask\"\nwait = \"refuse\"\n";

fn refusing() -> Daemon {
    daemon::with(daemon::PLAIN_CONFIG, &[("10-refuse.toml", REFUSE)])
}

/// What an agent does with each line of its input: a token to try until it runs, one to try once, or one to try once
/// more, which it does not count.
fn line(ran: &Ran) -> String {
    let (until, once) = (ran.until_it_runs("$token"), ran.one("$token"));
    format!(
        "while read -r kind token; do case $kind in until) {until} ;; once) {once} ;; \
         again) {} >/dev/null; echo \"tried $token\" ;; esac; done",
        ran.one("$token")
    )
}

/// Waits until the kernel half knows of no action any more: each was asked about and is over, or was given up since
/// nobody could tell what it is.
fn all_is_over() {
    eventually("every filing is over", || (maps::holds() == 0).then_some(()));
}

/// Has those tried again that nobody was asked about. The exec had its EPERM, and the record of it died with the daemon
/// that had read it: the agent's next try is filed, as any.
fn try_what_was_not_asked_about(daemon: &mut Daemon, agents: &mut [Agent], denied: &[String]) -> usize {
    all_is_over();
    let all = daemon.client().get::<RequestList>("/v1/requests?state=all&limit=10000").requests;
    let asked: Vec<String> = all.iter().map(token).collect();
    let lost: Vec<&String> = denied.iter().filter(|token| !asked.contains(token)).collect();
    for token in &lost {
        agents[0].say(&format!("again {token}"));
        agents[0].said(&format!("tried {token}"));
    }
    all_is_over();
    lost.len()
}

/// One round: the daemon dies at the place, while each agent executes a listed program; another takes over.
fn rounds(place: &str, times: &[usize], nothing_ran_yet: bool) {
    let rounds = if is_soak() { 20 } else { 2 };
    let mut daemon = refusing();
    let ran = works_unguarded();
    let line = line(&ran);
    let mut agents = agents(|_| line.clone());
    let persons = Persons::begin();
    let (mut tokens, mut lost) = (Vec::new(), 0);
    for round in 0..rounds {
        let time = times[round % times.len()];
        daemon.kill();
        let mut dying = Process::start_by(&mut doomed(place, time));
        // It may die of a doorbell that rang late.
        dying.logged_or_ended("enforcing");
        let (mut mine, mut denied) = (Vec::new(), Vec::new());
        for (number, agent) in agents.iter_mut().enumerate() {
            let is_approved = number % 2 == 0;
            let token = format!("{}-{place}-{round}-{number}", if is_approved { "yes" } else { "no" });
            agent.say(&format!("{} {token}", if is_approved { "until" } else { "once" }));
            mine.push(token.clone());
            denied.extend((!is_approved).then_some(token));
        }
        assert_eq!(dying.ended().signal(), Some(9), "it did not die at '{place}': {}", dying.log());
        if nothing_ran_yet && time == 1 {
            let counts = ran.counts();
            assert!(
                mine.iter().all(|token| !counts.contains_key(token)),
                "something ran too early: {counts:?}"
            );
        }
        daemon.start_again();
        for (agent, token) in agents.iter().zip(&mine) {
            agent.said(&format!("of {token}: "));
        }
        lost += try_what_was_not_asked_about(&mut daemon, &mut agents, &denied);
        tokens.extend(mine);
        each_was_asked_about_once(daemon.client(), &tokens);
    }
    agents.iter_mut().for_each(Agent::end_input);
    let said = end_all(&mut agents);
    nothing_lost_or_wrong_or_twice(&ran, &statuses(&said), &tokens);
    daemon.kill();
    persons.end();
    println!(
        "{rounds} deaths at '{place}', {} execs, {lost} filed once more: none wrong, twice or asked twice",
        tokens.len()
    );
}

fn a_daemon_that_dies_before_it_reads_a_filing_loses_nothing() {
    rounds("filed", &[1], true);
}

fn a_daemon_that_dies_with_a_filing_in_its_hands_loses_nothing() {
    rounds("filing-read", &[1], true);
}

fn a_daemon_that_dies_when_a_filed_request_is_stored_loses_nothing() {
    rounds("request-stored", &[1], true);
}

fn a_daemon_that_dies_when_a_vote_on_a_filing_is_stored_loses_nothing() {
    rounds("vote-stored", &[1, 3], true);
}

fn a_daemon_that_dies_when_a_filing_has_its_allowance_loses_nothing() {
    rounds("allowance-set", &[1, 2], false);
}

fn a_daemon_that_dies_when_a_filed_program_runs_loses_nothing() {
    rounds("event", &[1, 2], false);
}

/// A daemon that starts with its gate shut, adopts, and works takes about two seconds to be busy in the VM.
const LONGEST_START: u64 = 2_000;
/// In this time an agent executes some listed programs.
const LONGEST_WORK: u64 = 4_000;

fn a_daemon_that_is_killed_at_random_moments_while_execs_are_filed_loses_nothing() {
    let deaths = if is_soak() { 200 } else { 6 };
    let mut random = Random(File::open("/dev/urandom").unwrap());
    let mut daemon = refusing();
    let ran = works_unguarded();
    shell("rm -f /tmp/hp-enough");
    let rest = line(&ran);
    let mut agents = agents(|agent| {
        let (until, once) =
            (ran.until_it_runs(&format!("yes-{agent}-$i")), ran.one(&format!("no-{agent}-$i")));
        format!(
            "i=0; while [ ! -e /tmp/hp-enough ]; do {once}; {until}; i=$((i + 1)); done; echo \"ended after $i\"; {rest}"
        )
    });
    let persons = Persons::begin();
    daemon.kill();
    for death in 0..deaths {
        let mut process = Process::start();
        // One of four while it starts, the others while it works.
        let moment = if death % 4 == 3 {
            random.below(LONGEST_START)
        } else {
            process.logged("enforcing");
            random.below(LONGEST_WORK)
        };
        // The moment is drawn, and waits for nothing.
        thread::park_timeout(Duration::from_millis(moment));
        process.signal(Signal::SIGKILL);
        assert_eq!(process.ended().signal(), Some(9), "it ended by itself: {}", process.log());
    }
    daemon.start_again();
    shell("touch /tmp/hp-enough");
    let (mut tokens, mut denied) = (Vec::new(), Vec::new());
    for (number, agent) in agents.iter().enumerate() {
        agent.said("ended after ");
        let said = agent.output();
        let count = said.lines().find_map(|line| line.strip_prefix("ended after ")).expect("it has ended");
        for i in 0..count.parse::<u32>().unwrap() {
            denied.push(format!("no-{number}-{i}"));
            tokens.push(format!("yes-{number}-{i}"));
        }
    }
    let lost = try_what_was_not_asked_about(&mut daemon, &mut agents, &denied);
    tokens.extend(denied);
    agents.iter_mut().for_each(Agent::end_input);
    let said = end_all(&mut agents);
    nothing_lost_or_wrong_or_twice(&ran, &statuses(&said), &tokens);
    each_was_asked_about_once(daemon.client(), &tokens);
    assert!(tokens.len() > AGENTS, "hardly anything was tried: {tokens:?}");
    daemon.kill();
    persons.end();
    println!(
        "{deaths} deaths at random, {} execs, {lost} filed once more: none wrong, twice or asked twice",
        tokens.len()
    );
}
