//! The canary fails: who asks is told why, the watchdog hears nothing any more, and a daemon that starts is not ready.
//!
//! The gate is broken for good, with the hands of root: programs are attached and pinned, as a look at them would
//! show, and do not do what they should.

use std::fs;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        api::Client,
        cli::{Said, User, holdpoint, shell},
        daemon::{self, Daemon, Process},
        manager::Manager,
        maps::{self, NoRoomForAnswers},
        programs,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    a_gate_that_cannot_answer_is_a_problem_and_takes_the_ping_away,
    a_gate_that_holds_nothing_is_a_problem_and_takes_the_ping_away,
    a_daemon_that_finds_a_gate_that_cannot_answer_is_never_ready,
    a_daemon_that_cannot_try_its_own_gate_is_never_ready_and_leaves_none_behind,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

/// What the log says of each try that failed.
const FAILED: &str = "the gate does not do what it should";

fn prepare() -> Manager {
    let said = Agent::unguarded(User::Agent, &["sh", "-c", "hp-forbidden 7; echo \"status $?\""]);
    assert!(said.output.contains("status 7"), "unguarded: {said:?}");
    daemon::take_down_shared();
    daemon::prepare(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    Manager::begin()
}

/// A daemon that is ready and pings, and an agent that is denied what a rule denies.
fn healthy(manager: &Manager) -> (Daemon, Agent) {
    let daemon = Daemon::start_by(&mut Manager::holdpointd());
    let ready = manager.heard(0, "READY=1");
    manager.heard(ready, "WATCHDOG=1");
    assert_eq!(holdpoint(&["status"]).code, 0);
    let mut agent = Agent::start(&LOOP);
    agent.say("hp-forbidden 7");
    agent.said("status 126");
    (daemon, agent)
}

/// Waits until it has been told what is wrong, and has been tried for longer than the watchdog waits, without a ping.
fn is_told_and_not_pinged(manager: &Manager, daemon: &mut Daemon, after: usize, why: &str) -> Said {
    let told = manager.heard(after, &format!("STATUS=PROBLEM: {why}"));
    let tries = |daemon: &Daemon| daemon.process().log().matches(FAILED).count();
    // Five seconds lie between two tries.
    let before = tries(daemon);
    eventually("it is tried again", || (tries(daemon) >= before + 2).then_some(()));
    let heard = manager.since(told);
    assert!(!heard.iter().any(|message| message.starts_with("WATCHDOG")), "pinged all the same: {heard:?}");
    let status = holdpoint(&["status"]);
    assert_ne!(status.code, 0, "{status:?}");
    assert!(status.output.contains("NOT enforcing"), "{status:?}");
    assert!(!daemon.client().status().enforcing);
    status
}

/// Waits until all is well again.
fn is_well_again(manager: &Manager, daemon: &mut Daemon, after: usize) {
    manager.heard(after, "WATCHDOG=1");
    manager.heard(after, "STATUS=rules in force");
    daemon.process().logged("the gate does what it should again");
    let status = daemon.client().status();
    assert!(status.enforcing && status.problems.is_empty(), "{status:?}");
    assert_eq!(holdpoint(&["status"]).code, 0);
}

fn a_gate_that_cannot_answer_is_a_problem_and_takes_the_ping_away() {
    let manager = prepare();
    let (mut daemon, mut agent) = healthy(&manager);
    let no_room = NoRoomForAnswers::begin();
    let heard = manager.count();
    let reload = holdpoint(&["reload"]);
    let why = "cannot use the map 'allowances'";
    assert!(reload.output.contains(&format!("warning: {why}")), "{reload:?}");
    let status = is_told_and_not_pinged(&manager, &mut daemon, heard, why);
    assert!(status.output.contains(why), "{status:?}");
    // It fails shut: what cannot be denied does not run either.
    agent.say("hp-forbidden 7");
    eventually("it is held", || agent.stopped_child());
    let heard = manager.count();
    drop(no_room);
    is_well_again(&manager, &mut daemon, heard);
    eventually("it is denied now", || (agent.output().matches("status 126").count() == 2).then_some(()));
    assert!(!agent.output().contains("status 7"), "{}", agent.output());
}

fn a_gate_that_holds_nothing_is_a_problem_and_takes_the_ping_away() {
    let manager = prepare();
    let (mut daemon, mut agent) = healthy(&manager);
    // A gate that is known not to work is tried every five seconds, and not only every ten minutes.
    let no_room = NoRoomForAnswers::begin();
    holdpoint(&["reload"]);
    daemon.process().logged(FAILED);
    let heard = manager.count();
    maps::empty_lists();
    let why = "a listed exec of an agent's process was not held: it ended with exit status: 0";
    let status = is_told_and_not_pinged(&manager, &mut daemon, heard, why);
    assert!(status.output.contains("a listed exec of an agent's process was not held"), "{status:?}");
    // And so it is: this is no false alarm.
    agent.say("hp-forbidden 7");
    agent.said("status 7");
    drop(no_room);
    let heard = manager.count();
    assert_eq!(holdpoint(&["reload"]).code, 0);
    is_well_again(&manager, &mut daemon, heard);
    agent.say("hp-forbidden 7");
    eventually("it is denied again", || (agent.output().matches("status 126").count() == 2).then_some(()));
}

/// Starts a daemon that must not get ready, and says what it logged.
fn is_never_ready(manager: &Manager, why: &str) -> String {
    let heard = manager.count();
    let mut process = Process::start_by(&mut Manager::holdpointd());
    let ended = process.ended();
    assert!(!ended.success(), "it ended well: {}", process.log());
    // The last thing that it does.
    manager.heard(heard, "STATUS=PROBLEM: ");
    let told = manager.since(heard).join("\n");
    assert!(told.contains(why), "'{why}' is missing: {told}");
    assert!(!told.contains("READY=1") && !told.contains("WATCHDOG=1"), "{told}");
    process.log()
}

fn a_daemon_that_finds_a_gate_that_cannot_answer_is_never_ready() {
    let manager = prepare();
    let (mut daemon, mut agent) = healthy(&manager);
    agent.say("hp-dynamic 7");
    let request = daemon.request(&agent);
    daemon.kill();
    let no_room = NoRoomForAnswers::begin();
    let log = is_never_ready(&manager, "cannot use the map 'allowances'");
    assert!(log.contains("nothing can be enforced on this host as it is"), "{log}");
    assert!(Client::connect_to("/run/holdpoint/control.sock".as_ref()).is_err(), "somebody answers");
    // The gate that was there stays shut, and what is held stays held.
    agent.stopped_child().expect("it is held on");
    drop(no_room);
    let heard = manager.count();
    daemon.start_again_by(&mut Manager::holdpointd());
    manager.heard(heard, "READY=1");
    let again = daemon.request(&agent);
    assert_eq!((&again.id, again.made_at), (&request.id, request.made_at), "asked twice");
    daemon.approve(&again);
    agent.said("status 7");
}

fn a_daemon_that_cannot_try_its_own_gate_is_never_ready_and_leaves_none_behind() {
    let manager = prepare();
    // Where the canary's link is to be. No daemon removes a directory with something in it.
    shell("mkdir -p /run/holdpoint/holdpoint-canary/x");
    is_never_ready(&manager, "cannot replace a link for the canary");
    assert!(!fs::exists("/sys/fs/bpf/holdpoint").unwrap(), "a gate that nobody tends is shut");
    shell("rm -r /run/holdpoint/holdpoint-canary");
    let (_daemon, _agent) = healthy(&manager);
}
