//! Agents that are found without asking them: by user, by executable, by unit.

use std::fs;

use holdpoint_core::request::{Outcome, Verdict};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint, shell},
        daemon::{self, Daemon, Process},
        programs::{self, put},
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    a_declared_users_processes_are_held_from_their_first_exec,
    what_a_declared_user_started_before_the_daemon_is_the_agents,
    a_declared_executable_makes_an_agent_also_after_an_upgrade_of_it,
    an_exec_of_a_declared_executable_that_fails_makes_no_agent,
    a_declared_unit_has_no_process_that_is_no_agents,
    a_cgroup_that_the_system_manager_has_not_made_makes_no_agent,
    an_executable_that_others_can_exchange_cannot_be_declared,
    a_declared_user_that_does_not_exist_keeps_the_daemon_from_starting,
    a_process_stays_with_the_agent_that_claimed_it_first,
];

const TRY: [&str; 3] = ["sh", "-c", "hp-dynamic 7; echo \"status $?\""];
const TRY_LINE: &str = "sh -c 'hp-dynamic 7; echo \"status $?\"'";
/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

fn with(agents: &str) -> Daemon {
    let config = format!("{}{agents}", daemon::PLAIN_CONFIG);
    daemon::with_own_gate(&config, &[("50-tests.toml", programs::RULES)])
}

/// What is tried works where nobody is an agent.
fn works_unguarded(user: User, command: &[&str]) {
    let unguarded = Agent::unguarded(user, command);
    assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
}

fn is_held_and_released(daemon: &mut Daemon, agent: &mut Agent) {
    let request = daemon.request(agent);
    assert!(!agent.output().contains("status 7"), "it ran unasked");
    daemon.approve(&request);
    agent.said("status 7");
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) }));
}

fn a_declared_users_processes_are_held_from_their_first_exec() {
    works_unguarded(User::Agent, &TRY);
    let mut daemon = with("[[agent]]\nname = \"ci\"\nuser = \"agent\"\n");
    let mut agent = Agent::start_plain(User::Agent, "ci", &TRY);
    is_held_and_released(&mut daemon, &mut agent);
    // The very first exec of the user is the listed one.
    let mut direct = Agent::start_plain(User::Agent, "ci", &["hp-dynamic", "7"]);
    let request = daemon.request(&direct);
    daemon.deny(&request);
    assert_eq!(direct.end().code, 126, "{}", direct.output());
    // Another user notices nothing.
    works_unguarded(User::Bob, &TRY);
    let listed = holdpoint(&["agents"]);
    assert!(listed.code == 0 && listed.output.contains("ci (number 1, declared)"), "{listed:?}");
}

fn what_a_declared_user_started_before_the_daemon_is_the_agents() {
    works_unguarded(User::Agent, &TRY);
    daemon::take_down_shared();
    let mut own = Agent::start_plain(User::Agent, "ci", &LOOP);
    // A child that is root's by now: only its descent tells whose it is.
    let mut risen = Agent::start_plain(User::Agent, "ci", &[&["sudo"][..], &LOOP].concat());
    for agent in [&mut own, &mut risen] {
        agent.say("hp-dynamic 7");
        agent.said("status 7");
    }
    let mut daemon = with("[[agent]]\nname = \"ci\"\nuser = \"agent\"\n");
    for agent in [&mut own, &mut risen] {
        agent.say("hp-dynamic 6");
        let request = daemon.request(agent);
        daemon.approve(&request);
        agent.said("status 6");
    }
}

const EXECUTABLE: &str = "/usr/local/bin/hp-agent";

fn a_declared_executable_makes_an_agent_also_after_an_upgrade_of_it() {
    let script = b"#!/bin/sh\nhp-dynamic 7; echo \"status $?\"\n";
    put(EXECUTABLE, script);
    works_unguarded(User::Bob, &[EXECUTABLE]);
    let mut daemon = with(&format!("[[agent]]\nname = \"claude\"\nexec = \"{EXECUTABLE}\"\n"));
    let mut agent = Agent::start_plain(User::Bob, "claude", &[EXECUTABLE]);
    is_held_and_released(&mut daemon, &mut agent);
    // As a package manager does it: another file takes the name.
    put("/usr/local/bin/hp-agent.new", script);
    fs::rename("/usr/local/bin/hp-agent.new", EXECUTABLE).unwrap();
    let mut agent = Agent::start_plain(User::Bob, "claude", &["sh", "-c", EXECUTABLE]);
    is_held_and_released(&mut daemon, &mut agent);
    // The shell that started it is no agent's.
    works_unguarded(User::Bob, &TRY);
}

fn an_exec_of_a_declared_executable_that_fails_makes_no_agent() {
    put(EXECUTABLE, b"#!/no/such/interpreter\n");
    let daemon = with(&format!("[[agent]]\nname = \"claude\"\nexec = \"{EXECUTABLE}\"\n"));
    let line = format!("shopt -s execfail; exec {EXECUTABLE}; exec hp-dynamic 7");
    let said = Agent::start_plain(User::Bob, "claude", &["bash", "-c", &line]).end();
    assert_eq!(said.code, 7, "{said:?}");
    assert_eq!(daemon.watch.look(<[_]>::len), 0);
}

fn a_declared_unit_has_no_process_that_is_no_agents() {
    programs::install();
    daemon::take_down_shared();
    shell("rm -rf /tmp/hp-units; mkdir -m 777 /tmp/hp-units; mkfifo /tmp/hp-units/in");
    let service = |unit: &str, script: &str| {
        shell(&format!(
            "systemctl reset-failed {unit} 2>/dev/null || true; systemd-run --quiet --unit={unit} \
             --uid=bob sh -c '{script}'"
        ));
    };
    let tries = |name: &str| format!("hp-dynamic 7; echo \"status $?\" >/tmp/hp-units/{name}");
    let wrote =
        |name: &str| fs::read_to_string(format!("/tmp/hp-units/{name}")).ok().filter(|text| !text.is_empty());
    service("hp-unit-0.service", &tries("unguarded"));
    assert_eq!(eventually("it ran unguarded", || wrote("unguarded")), "status 7\n");
    // One runs before the daemon does, and executes nothing until it is told to.
    service("hp-unit-1.service", &format!("read -r line </tmp/hp-units/in; {}", tries("before")));
    let mut daemon = with("[[agent]]\nname = \"units\"\nunit = \"hp-unit-*.service\"\n");
    shell("echo go >/tmp/hp-units/in");
    service("hp-unit-2.service", &tries("after"));
    service("hp-other.service", &tries("other"));
    assert_eq!(eventually("a unit that is not declared runs at once", || wrote("other")), "status 7\n");
    let requests =
        daemon.watch.until("both are held", |requests| (requests.len() == 2).then(|| requests.to_vec()));
    let mut units: Vec<_> = requests.iter().filter_map(|view| view.facts.as_ref()?.unit.clone()).collect();
    units.sort();
    assert_eq!(units, ["hp-unit-1.service", "hp-unit-2.service"]);
    for request in &requests {
        assert_eq!(request.facts.as_ref().unwrap().agent.name, "units");
        daemon.approve(request);
    }
    for name in ["before", "after"] {
        assert_eq!(eventually("it went on", || wrote(name)), "status 7\n");
    }
}

fn a_cgroup_that_the_system_manager_has_not_made_makes_no_agent() {
    works_unguarded(User::Bob, &TRY);
    let mut daemon = with("[[agent]]\nname = \"units\"\nunit = \"hp-unit-*.service\"\n");
    // As a user's own manager could make it, and as it is inside of a unit that is declared.
    let (own, inner) = ("hp-own.scope/hp-unit-8.service", "system.slice/hp-unit-9.service/inner");
    shell(&format!("cd /sys/fs/cgroup && mkdir -p {own} {inner}"));
    let enter = |group: &str, name: &str| {
        let line =
            format!("echo $$ >/sys/fs/cgroup/{group}/cgroup.procs; exec setpriv --reuid=1002 {}", TRY_LINE);
        Agent::start_plain(User::Root, name, &["sh", "-c", &line])
    };
    let said = enter(own, "nobody's").end();
    assert!(said.output.contains("status 7"), "{said:?}");
    let mut agent = enter(inner, "units");
    is_held_and_released(&mut daemon, &mut agent);
    assert_eq!(agent.end().code, 0);
    shell(&format!("cd /sys/fs/cgroup && rmdir {own} hp-own.scope {inner} system.slice/hp-unit-9.service"));
}

fn an_executable_that_others_can_exchange_cannot_be_declared() {
    daemon::take_down_shared();
    shell(
        "rm -rf /opt/hp-theirs; install -d -o bob /opt/hp-theirs; ln -s /usr/bin/env /opt/hp-theirs/claude",
    );
    let config =
        format!("{}[[agent]]\nname = \"a\"\nexec = \"/opt/hp-theirs/claude\"\n", daemon::PLAIN_CONFIG);
    daemon::prepare(&config, &[("50-tests.toml", programs::RULES)]);
    let mut process = Process::start();
    assert!(!process.ended().success(), "{}", process.log());
    for word in
        ["'/opt/hp-theirs' belongs to uid 1002", "declare a user or a unit instead", "config.toml:5:1"]
    {
        assert!(process.log().contains(word), "'{word}' is missing: {}", process.log());
    }
}

fn a_declared_user_that_does_not_exist_keeps_the_daemon_from_starting() {
    daemon::take_down_shared();
    let config = format!("{}\n[[agent]]\nname = \"ci\"\nuser = \"nobody-here\"\n", daemon::PLAIN_CONFIG);
    daemon::prepare(&config, &[("50-tests.toml", programs::RULES)]);
    let mut process = Process::start();
    assert!(!process.ended().success(), "{}", process.log());
    for word in ["user 'nobody-here' does not exist", "config.toml:6:1"] {
        assert!(process.log().contains(word), "'{word}' is missing: {}", process.log());
    }
    assert!(!std::path::Path::new("/sys/fs/bpf/holdpoint").exists(), "something is pinned");
}

fn a_process_stays_with_the_agent_that_claimed_it_first() {
    let mut daemon = with("[[agent]]\nname = \"ci\"\nuser = \"agent\"\n");
    let said = Agent::start_as(User::Agent, &["true"]).end();
    assert_eq!(said.code, 69, "{said:?}");
    assert!(said.output.contains("belongs to agent 'ci' already"), "{said:?}");
    // And the other way round: an agent of another user becomes the declared one, and stays what it was.
    let mut agent =
        Agent::start_as(User::Root, &["setpriv", "--reuid=1000", "--clear-groups", "hp-dynamic", "7"]);
    let request = daemon.request(&agent);
    daemon.deny(&request);
    assert_eq!(agent.end().code, 126, "{}", agent.output());
}
