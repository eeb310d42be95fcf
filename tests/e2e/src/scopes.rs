//! `holdpoint run --scope`: the agent is in a unit of the system's, or does not run.

use std::fs;

use holdpoint_core::request::{Outcome, Verdict};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint_as, shell},
        daemon,
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 240:
    an_agent_in_a_scope_is_held_and_its_unit_is_shown,
    an_agent_cannot_leave_its_scope,
    a_drop_in_gives_every_scope_its_limits,
    an_agent_gets_no_scope_for_itself,
    without_dbus_the_command_does_not_run_and_hears_why,
    one_user_does_not_get_scopes_without_end,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

/// The cgroup of a process.
fn cgroup(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap().trim().to_owned()
}

fn unit(agent: &Agent) -> String {
    format!("holdpoint-agent-{}-{}.scope", agent.name(), agent.pid())
}

fn an_agent_in_a_scope_is_held_and_its_unit_is_shown() {
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
    let mut daemon = daemon::plain();
    let mut agent = Agent::start_in_scope(User::Agent, &LOOP);
    agent.say("true");
    agent.said("status 0");
    let unit = unit(&agent);
    // The process that asked is the one that runs, with the pid that it had.
    let pid = u32::try_from(agent.pid().as_raw()).unwrap();
    assert_eq!(cgroup(pid), format!("0::/system.slice/{unit}"));
    agent.say("hp-dynamic 7");
    let request = daemon.request(&agent);
    assert!(!agent.output().contains("status 7"), "it ran unasked");
    let facts = request.facts.clone().unwrap();
    assert_eq!(facts.unit.as_deref(), Some(unit.as_str()));
    assert_eq!(cgroup(facts.pid), format!("0::/system.slice/{unit}"));
    let shown = holdpoint_as(User::Root, None, &["show", request.id.as_str()]).output;
    assert!(shown.contains(&unit), "{shown}");
    daemon.approve(&request);
    agent.said("status 7");
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) }));
    assert_eq!(Snapshot::all_reported(&agent.output()).len(), 1);
    agent.end();
    eventually("the scope ends with its processes", || {
        (!fs::exists(format!("/sys/fs/cgroup/system.slice/{unit}")).unwrap()).then_some(())
    });
}

fn an_agent_cannot_leave_its_scope() {
    let leave = "echo $$ >/sys/fs/cgroup/system.slice/cgroup.procs && echo left";
    // That the way out exists: root takes it.
    let as_root = ["sh", "-c", "echo $$ >/sys/fs/cgroup/cgroup.procs && echo left"];
    let unguarded = Agent::unguarded(User::Root, &as_root);
    assert!(unguarded.output.contains("left"), "unguarded: {unguarded:?}");
    let _daemon = daemon::plain();
    let mut root = Agent::start_in_scope(User::Root, &as_root);
    assert!(!root.end().output.contains("left"), "{}", root.output());
    let mut agent =
        Agent::start_in_scope(User::Agent, &["sh", "-c", &format!("{leave}; cat /proc/self/cgroup")]);
    let unit = unit(&agent);
    let said = agent.end().output;
    assert!(!said.contains("left") && said.contains(&format!("/system.slice/{unit}")), "{said}");
}

fn a_drop_in_gives_every_scope_its_limits() {
    let drop_in = "/etc/systemd/system/holdpoint-agent-.scope.d";
    shell(&format!(
        "mkdir -p {drop_in} && printf '[Scope]\\nTasksMax=77\\n' >{drop_in}/limits.conf && systemctl daemon-reload"
    ));
    let _daemon = daemon::plain();
    let mut agent = Agent::start_in_scope(User::Agent, &LOOP);
    agent.say("true");
    agent.said("status 0");
    let limit = fs::read_to_string(format!("/sys/fs/cgroup/system.slice/{}/pids.max", unit(&agent)));
    shell(&format!("rm -r {drop_in} && systemctl daemon-reload"));
    assert_eq!(limit.unwrap().trim(), "77");
}

fn an_agent_gets_no_scope_for_itself() {
    let _daemon = daemon::plain();
    let mut agent = Agent::start(&LOOP);
    agent.say("holdpoint run --agent other --scope -- true");
    agent.said("belongs to agent");
    agent.said("status 69");
    assert_eq!(
        shell("ls -d /sys/fs/cgroup/system.slice/holdpoint-agent-other-* 2>/dev/null | wc -l").trim(),
        "0"
    );
}

/// Starts D-Bus again, also after a failed test.
struct WithoutBus;

impl WithoutBus {
    fn begin() -> Self {
        shell("systemctl stop dbus.socket dbus.service");
        Self
    }
}

impl Drop for WithoutBus {
    fn drop(&mut self) {
        shell("systemctl start dbus.socket dbus.service");
    }
}

fn without_dbus_the_command_does_not_run_and_hears_why() {
    let _daemon = daemon::plain();
    let arguments = ["run", "--agent", "a", "--scope", "--", "echo", "it ran"];
    let said = holdpoint_as(User::Agent, None, &arguments);
    assert_eq!((said.code, said.output.as_str()), (0, "it ran\n"), "with D-Bus: {said:?}");
    let bus = WithoutBus::begin();
    let said = holdpoint_as(User::Agent, None, &arguments);
    assert_eq!((said.code, said.output.as_str()), (69, ""), "{said:?}");
    for words in [
        "cannot start the scope 'holdpoint-agent-a-",
        "cannot reach the system's D-Bus",
        "systemctl start dbus",
    ] {
        assert!(said.errors.contains(words), "'{words}' is missing: {said:?}");
    }
    // What needs no scope runs as before.
    let plain = holdpoint_as(User::Agent, None, &["run", "--agent", "a", "--", "echo", "it ran"]);
    assert_eq!((plain.code, plain.output.as_str()), (0, "it ran\n"), "{plain:?}");
    drop(bus);
    eventually("it works again", || {
        (holdpoint_as(User::Agent, None, &arguments).output == "it ran\n").then_some(())
    });
}

fn one_user_does_not_get_scopes_without_end() {
    // A daemon that knows of none from the tests before.
    let _daemon = daemon::with(daemon::PLAIN_CONFIG, &[]);
    let mut agents = Vec::new();
    for _ in 0..32 {
        let mut agent = Agent::start_in_scope(User::Agent, &LOOP);
        agent.say("true");
        agent.said("status 0");
        agents.push(agent);
    }
    let mut more = Agent::start_in_scope(User::Agent, &["true"]);
    let said = more.end();
    assert!(said.code == 69 && said.output.contains("uid 1000 has 32 already"), "{said:?}");
    assert_eq!(Agent::start_in_scope(User::Bob, &["true"]).end().code, 0);
}
