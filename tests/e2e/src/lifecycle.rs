//! The daemon's own life: the gate stays shut without it, and what it finds when it comes back is as it was.

use std::path::Path;

use holdpoint_core::request::{Outcome, Verdict};
use nix::sys::signal::Signal;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint},
        daemon::{self, Daemon, Process},
        programs,
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    while_the_daemon_is_dead_execs_are_held_and_afterwards_asked_about_once,
    a_daemon_that_ends_leaves_the_gate_shut,
    what_was_running_when_the_daemon_died_is_recorded_to_its_end,
    a_second_daemon_does_not_start_and_harms_nothing,
    a_gate_that_is_taken_down_holds_nothing,
    new_rules_are_in_force_after_a_reload,
    rules_that_do_not_parse_leave_the_old_ones_in_force,
    a_denial_counts_when_a_reload_has_taken_the_rule_away,
    what_is_held_when_the_gate_is_taken_down_is_denied,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

fn plain() -> Daemon {
    daemon::with(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)])
}

fn while_the_daemon_is_dead_execs_are_held_and_afterwards_asked_about_once() {
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
    let mut daemon = plain();
    let mut before = Agent::start(&LOOP);
    before.say("hp-dynamic 7");
    let first = daemon.request(&before);
    let mut meanwhile = Agent::start(&LOOP);
    meanwhile.say("true");
    meanwhile.said("status 0");
    daemon.kill();
    meanwhile.say("unlisted 5");
    meanwhile.said("status 5");
    meanwhile.say("hp-dynamic 7");
    let held = eventually("the exec is held without a daemon", || meanwhile.stopped_child());
    assert!(!meanwhile.output().contains("status 7"), "it ran without a daemon");
    daemon.start_again();
    let again = daemon.request(&before);
    assert_eq!((&again.id, again.hold, again.made_at), (&first.id, first.hold, first.made_at), "asked twice");
    let second = daemon.request(&meanwhile);
    assert_eq!(second.facts.as_ref().unwrap().pid, held);
    assert_eq!(daemon.client().pending().len(), 2);
    daemon.approve(&again);
    daemon.deny(&second);
    before.said("status 7");
    meanwhile.said("status 126");
    assert_eq!(daemon.end_of(&again), (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) }));
    assert_eq!(daemon.end_of(&second), (Verdict::Denied, Outcome::Refused));
    assert_eq!(Snapshot::all_reported(&before.output()).len(), 1);
}

fn a_daemon_that_ends_leaves_the_gate_shut() {
    let mut daemon = plain();
    let mut agent = Agent::start(&LOOP);
    agent.say("true");
    agent.said("status 0");
    daemon.stop();
    agent.say("hp-dynamic 7");
    eventually("the exec is held without a daemon", || agent.stopped_child());
    daemon.start_again();
    let request = daemon.request(&agent);
    daemon.approve(&request);
    agent.said("status 7");
}

fn what_was_running_when_the_daemon_died_is_recorded_to_its_end() {
    let mut daemon = plain();
    let mut agent = Agent::start(&["hp-dynamic", "--wait", "7"]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    agent.said("{\"pid\"");
    daemon.kill();
    let said = agent.end();
    assert_eq!(said.code, 7, "{said:?}");
    daemon.start_again();
    let state = eventually("the request ends", || {
        let state = daemon.client().request(request.id.as_str()).state;
        matches!(state, holdpoint_core::request::State::Ended { .. }).then_some(state)
    });
    let outcome = Outcome::Executed { status: Some(7 << 8) };
    assert_eq!(state, holdpoint_core::request::State::Ended { verdict: Verdict::Approved, outcome });
}

fn a_second_daemon_does_not_start_and_harms_nothing() {
    let mut daemon = plain();
    let mut agent = Agent::start(&["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    let mut second = Process::start();
    assert!(!second.ended().success(), "{}", second.log());
    assert!(second.log().contains("another"), "it does not say why: {}", second.log());
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"));
    let mut agent = Agent::start(&["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    daemon.deny(&request);
    assert!(agent.end().output.contains("status 126"));
}

fn a_gate_that_is_taken_down_holds_nothing() {
    let mut daemon = plain();
    let mut agent = Agent::start(&LOOP);
    agent.say("hp-dynamic 7");
    let request = daemon.request(&agent);
    daemon.deny(&request);
    agent.said("status 126");
    daemon.stop();
    daemon::take_down_gate();
    agent.say("hp-dynamic 7");
    agent.said("status 7");
    assert_eq!(daemon::holdpointd(&["--take-down"]).code, 1, "there is nothing left to take down");
}

const MORE: &str = "[[rule]]\nname = \"more\"\nexec = [\"unlisted\"]\naction = \"deny\"\n";

fn new_rules_are_in_force_after_a_reload() {
    let mut daemon = plain();
    let mut agent = Agent::start(&LOOP);
    agent.say("unlisted 5");
    agent.said("status 5");
    daemon::write_rules("60-more.toml", MORE);
    let said = holdpoint(&["reload"]);
    assert!(said.code == 0 && said.output.contains("6 rules in force"), "{said:?}");
    agent.say("unlisted 5");
    agent.said("status 126");
    std::fs::remove_file(Path::new(daemon::POLICIES).join("60-more.toml")).unwrap();
    daemon.process().signal(Signal::SIGHUP);
    eventually("the rule has gone", || (daemon.client().status().rules == 5).then_some(()));
    agent.say("unlisted 6");
    agent.said("status 6");
}

fn a_denial_counts_when_a_reload_has_taken_the_rule_away() {
    let mut daemon = plain();
    let mut agent = Agent::start(&LOOP);
    agent.say("unlisted 5");
    agent.said("status 5");
    daemon::write_rules("60-more.toml", &MORE.replace("deny", "ask"));
    assert_eq!(holdpoint(&["reload"]).code, 0);
    agent.say("unlisted 6");
    let request = daemon.request(&agent);
    std::fs::remove_file(Path::new(daemon::POLICIES).join("60-more.toml")).unwrap();
    assert_eq!(holdpoint(&["reload"]).code, 0);
    daemon.deny(&request);
    agent.said("status 126");
}

fn what_is_held_when_the_gate_is_taken_down_is_denied() {
    let mut daemon = plain();
    let mut agent = Agent::start(&LOOP);
    agent.say("hp-dynamic 7");
    daemon.request(&agent);
    daemon.stop();
    daemon::take_down_gate();
    agent.said("status 126");
    agent.say("hp-dynamic 7");
    agent.said("status 7");
}

fn rules_that_do_not_parse_leave_the_old_ones_in_force() {
    let mut daemon = plain();
    daemon::write_rules("60-more.toml", &MORE.replace("deny", "dney"));
    let said = holdpoint(&["reload"]);
    assert_eq!(said.code, 65, "{said:?}");
    for word in ["60-more.toml:4:10", "dney", "action = \"dney\"", "^"] {
        assert!(said.errors.contains(word), "'{word}' is missing: {}", said.errors);
    }
    daemon.process().signal(Signal::SIGHUP);
    daemon.process().logged("60-more.toml:4:10");
    let mut agent = Agent::start(&LOOP);
    agent.say("unlisted 5");
    agent.said("status 5");
    agent.say("hp-dynamic 7");
    let request = daemon.request(&agent);
    daemon.approve(&request);
    agent.said("status 7");
    // A daemon that starts with them does not, and the gate stays as it was.
    daemon.stop();
    let mut next = Process::start();
    assert!(!next.ended().success());
    assert!(next.log().contains("60-more.toml:4:10"), "{}", next.log());
    agent.say("hp-dynamic 7");
    eventually("the exec is held without a daemon", || agent.stopped_child());
}
