//! The daemon dies at the worst moments: nothing is lost, nothing happens twice, nobody is asked twice.
//!
//! `holdpointd-failpoints` kills itself at a named place (`daemon/src/failpoint.rs`). It is the daemon that dies; the
//! one that finds what it has left is the one that ships.

use std::{
    fs::File, io::Read as _, os::unix::process::ExitStatusExt as _, process::Command, thread, time::Duration,
};

use crate::{
    runner::{Test, is_soak, tests},
    support::{
        agent::{Agent, end_all},
        cli::{User, shell},
        daemon::{self, Daemon, Process},
        ledger::{Ran, each_was_asked_about_once, nothing_lost_or_wrong_or_twice},
        persons::Persons,
        programs,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    a_daemon_that_dies_before_it_reads_an_event_loses_nothing,
    a_daemon_that_dies_when_a_request_is_stored_loses_nothing,
    a_daemon_that_dies_when_a_vote_is_stored_loses_nothing,
    a_daemon_that_dies_when_an_allowance_is_set_loses_nothing,
    a_daemon_that_dies_when_a_task_is_resumed_loses_nothing,
    a_daemon_that_is_killed_at_random_moments_loses_nothing,
];

pub(crate) const SOAK_TESTS: &[Test] = tests![Soak, 3600:
    a_daemon_that_dies_before_it_reads_an_event_loses_nothing,
    a_daemon_that_dies_when_a_request_is_stored_loses_nothing,
    a_daemon_that_dies_when_a_vote_is_stored_loses_nothing,
    a_daemon_that_dies_when_an_allowance_is_set_loses_nothing,
    a_daemon_that_dies_when_a_task_is_resumed_loses_nothing,
    a_daemon_that_is_killed_at_random_moments_loses_nothing,
];

/// Side by side.
pub(crate) const AGENTS: usize = 4;

/// Lies beside this program.
const WITH_FAILPOINTS: &str = "./holdpointd-failpoints";

/// A daemon that kills itself when it comes to the place for the n-th time.
pub(crate) fn doomed(place: &str, time: usize) -> Command {
    let mut command = Command::new(WITH_FAILPOINTS);
    command.env("HOLDPOINT_FAILPOINT", format!("{place}:{time}"));
    command
}

fn plain() -> Daemon {
    daemon::with(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)])
}

/// A file for tokens, when the program that writes them has been seen to do so unguarded.
pub(crate) fn works_unguarded() -> Ran {
    let ran = Ran::empty();
    let said = Agent::unguarded(User::Agent, &["sh", "-c", &ran.one("unguarded")]);
    assert_eq!(said.output, "status 0 of unguarded: \n");
    assert_eq!(ran.counts().get("unguarded"), Some(&1));
    Ran::empty()
}

/// Agents that run these lines of the shell. They have begun: for that they needed the daemon.
pub(crate) fn agents(line: impl Fn(usize) -> String) -> Vec<Agent> {
    let start = |agent| Agent::start(&["sh", "-c", &format!("echo begun; {}", line(agent))]);
    let agents: Vec<Agent> = (0..AGENTS).map(start).collect();
    agents.iter().for_each(|agent| agent.said("begun"));
    agents
}

/// What the agents have said, without what is no status.
pub(crate) fn statuses(said: &[String]) -> Vec<String> {
    let of = |said: &String| {
        said.lines().filter(|line| line.starts_with("status ")).map(|line| format!("{line}\n")).collect()
    };
    said.iter().map(of).collect()
}

/// One round: the daemon dies at the place, while each agent executes a listed program; another takes over.
fn rounds(place: &str, times: &[usize], nothing_ran_yet: bool) {
    let rounds = if is_soak() { 20 } else { 2 };
    let mut daemon = plain();
    let ran = works_unguarded();
    let line = format!("while read -r token; do {}; done", ran.one("$token"));
    let mut agents = agents(|_| line.clone());
    let persons = Persons::begin();
    let mut tokens = Vec::new();
    for round in 0..rounds {
        let time = times[round % times.len()];
        daemon.kill();
        let mut dying = Process::start_by(&mut doomed(place, time));
        // It may die of a doorbell that rang late.
        dying.logged_or_ended("enforcing");
        let mine: Vec<String> = (0..AGENTS).map(|agent| format!("{place}-{round}-{agent}")).collect();
        for (agent, token) in agents.iter_mut().zip(&mine) {
            agent.say(token);
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
        tokens.extend(mine);
        each_was_asked_about_once(daemon.client(), &tokens);
    }
    agents.iter_mut().for_each(Agent::end_input);
    let said = end_all(&mut agents);
    nothing_lost_or_wrong_or_twice(&ran, &statuses(&said), &tokens);
    daemon.kill();
    persons.end();
    println!("{rounds} deaths at '{place}', {} execs: none lost, wrong, twice or asked twice", tokens.len());
}

fn a_daemon_that_dies_before_it_reads_an_event_loses_nothing() {
    rounds("event", &[1], true);
}

fn a_daemon_that_dies_when_a_request_is_stored_loses_nothing() {
    rounds("request-stored", &[1], true);
}

fn a_daemon_that_dies_when_a_vote_is_stored_loses_nothing() {
    rounds("vote-stored", &[1, 3], true);
}

fn a_daemon_that_dies_when_an_allowance_is_set_loses_nothing() {
    rounds("allowance-set", &[1, 3], true);
}

fn a_daemon_that_dies_when_a_task_is_resumed_loses_nothing() {
    rounds("resumed", &[1, 3], false);
}

/// Numbers that nobody foresees.
pub(crate) struct Random(pub(crate) File);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes).unwrap();
        u64::from_ne_bytes(bytes) % limit
    }
}

/// A daemon that starts with its gate shut, adopts, and works takes about two seconds to be busy in the VM.
const LONGEST_START: u64 = 2_000;
/// In this time an agent executes some listed programs.
const LONGEST_WORK: u64 = 600;

fn a_daemon_that_is_killed_at_random_moments_loses_nothing() {
    let deaths = if is_soak() { 200 } else { 6 };
    let mut random = Random(File::open("/dev/urandom").unwrap());
    let mut daemon = plain();
    let ran = works_unguarded();
    shell("rm -f /tmp/hp-enough");
    let mut agents = agents(|agent| {
        let one = ran.one(&format!("{agent}-$i"));
        format!("i=0; while [ ! -e /tmp/hp-enough ]; do {one}; i=$((i + 1)); done; echo \"ended after $i\"")
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
        process.signal(nix::sys::signal::Signal::SIGKILL);
        assert_eq!(process.ended().signal(), Some(9), "it ended by itself: {}", process.log());
    }
    daemon.start_again();
    shell("touch /tmp/hp-enough");
    let said = end_all(&mut agents);
    let mut tokens = Vec::new();
    for (agent, said) in said.iter().enumerate() {
        let count = said.lines().find_map(|line| line.strip_prefix("ended after ")).expect("it has ended");
        tokens.extend((0..count.parse::<u32>().unwrap()).map(|i| format!("{agent}-{i}")));
    }
    nothing_lost_or_wrong_or_twice(&ran, &statuses(&said), &tokens);
    each_was_asked_about_once(daemon.client(), &tokens);
    daemon.kill();
    persons.end();
    println!("{deaths} deaths at random, {} execs: none lost, wrong, twice or asked twice", tokens.len());
}
