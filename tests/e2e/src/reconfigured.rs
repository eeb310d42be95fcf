//! The configuration is read again at a reload: agents that are declared now are agents, also where they run already,
//! and a file that is wrong changes nothing.

use std::fs;

use nix::sys::signal::Signal;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint, holdpoint_as, run, shell},
        daemon::{self, CONFIG, Daemon, PLAIN_CONFIG},
        programs,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    entries_that_come_with_a_reload_make_agents_also_of_what_runs_already,
    entries_that_went_with_a_reload_make_no_new_agents_and_take_no_tag_off,
    a_configuration_that_is_wrong_leaves_the_old_one_and_the_old_rules_in_force,
    agents_that_find_no_room_in_the_kernel_leave_the_old_rules_in_force,
    what_needs_a_restart_is_said_and_the_rest_is_in_force_at_once,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

const BOB: &str = "[[agent]]\nname = \"bobs\"\nuser = \"bob\"\n";

fn configured(agents: &str) {
    fs::write(CONFIG, format!("{PLAIN_CONFIG}{agents}")).unwrap();
}

fn with(agents: &str) -> Daemon {
    daemon::with_own_gate(&format!("{PLAIN_CONFIG}{agents}"), &[("50-tests.toml", programs::RULES)])
}

/// Has it try what a rule denies, and waits until it has ended so.
fn tries(agent: &mut Agent, status: &str) {
    let wanted = format!("status {status}\n");
    let before = agent.output().matches(&wanted).count();
    agent.say("hp-forbidden 7");
    eventually(&format!("it ends with {status}"), || {
        (agent.output().matches(&wanted).count() > before).then_some(())
    });
}

fn reloads() -> String {
    let said = holdpoint(&["reload"]);
    assert_eq!(said.code, 0, "{said:?}");
    said.output
}

/// A process in a unit that systemd starts now.
fn in_a_unit() -> String {
    let line = "systemd-run --quiet --wait --pipe --collect --unit=hp-later-1.service --uid=alice \
                sh -c 'hp-forbidden 7; echo \"status $?\"'";
    run(std::process::Command::new("sh").args(["-c", line])).output
}

fn entries_that_come_with_a_reload_make_agents_also_of_what_runs_already() {
    let _daemon = with("");
    let executable = "/usr/local/bin/hp-agent";
    shell(&format!("rm -f {executable}; cp /bin/sh {executable}"));
    let mut by_user = Agent::start_plain(User::Bob, "bobs", &LOOP);
    let mut by_file = Agent::start_plain(User::Agent, "claude", &[executable, LOOP[1], LOOP[2]]);
    let mut neither = Agent::start_plain(User::Agent, "none", &LOOP);
    for agent in [&mut by_user, &mut by_file, &mut neither] {
        tries(agent, "7");
    }
    assert!(in_a_unit().contains("status 7"), "unguarded");
    configured(&format!(
        "{BOB}[[agent]]\nname = \"claude\"\nexec = \"{executable}\"\n\
         [[agent]]\nname = \"units\"\nunit = \"hp-later-*.service\"\n"
    ));
    reloads();
    tries(&mut by_user, "126");
    tries(&mut by_file, "126");
    tries(&mut neither, "7");
    assert!(in_a_unit().contains("status 126"));
    let mut new = Agent::start_plain(User::Bob, "bobs", &LOOP);
    tries(&mut new, "126");
    let listed = holdpoint(&["agents"]);
    for name in ["bobs (", "claude (", "units ("] {
        assert!(listed.output.contains(name), "'{name}' is missing: {listed:?}");
    }
}

fn entries_that_went_with_a_reload_make_no_new_agents_and_take_no_tag_off() {
    let unit = "[[agent]]\nname = \"units\"\nunit = \"hp-later-*.service\"\n";
    let daemon = with(&format!("{BOB}{unit}"));
    let mut before = Agent::start_plain(User::Bob, "bobs", &LOOP);
    tries(&mut before, "126");
    assert!(in_a_unit().contains("status 126"));
    configured("");
    // As 'kill -HUP' does it.
    daemon.process().signal(Signal::SIGHUP);
    let mut after = eventually("it is in force", || {
        let mut agent =
            Agent::start_plain(User::Bob, "bobs", &["sh", "-c", "hp-forbidden 7; echo \"status $?\""]);
        agent.end().output.contains("status 7").then(|| Agent::start_plain(User::Bob, "bobs", &LOOP))
    });
    tries(&mut after, "7");
    assert!(in_a_unit().contains("status 7"));
    tries(&mut before, "126");
    // What it starts is the agent's as well.
    before.say("sh -c hp-forbidden");
    eventually("its child is denied", || (before.output().matches("status 126").count() >= 3).then_some(()));
}

fn a_configuration_that_is_wrong_leaves_the_old_one_and_the_old_rules_in_force() {
    let mut daemon = with(BOB);
    let mut agent = Agent::start_plain(User::Bob, "bobs", &LOOP);
    tries(&mut agent, "126");
    // The rules would change, too, and do not.
    daemon::write_rules(
        "50-tests.toml",
        "[[rule]]\nname = \"none\"\nexec = [\"hp-other\"]\naction = \"deny\"\n",
    );
    let wrong = [
        ("[[agent]]\nname = \"x\"\nusers = \"bob\"\n", "config.toml:5:1", "users"),
        (
            "[[agent]]\nname = \"x\"\nuser = \"nobody-here\"\n",
            "config.toml:5:1",
            "user 'nobody-here' does not exist",
        ),
        ("[[agent]\n", "config.toml:3:", ""),
        ("approver_group = 7\n", "config.toml:3:", "approver_group"),
    ];
    for (text, place, why) in wrong {
        configured(text);
        let said = holdpoint(&["reload"]);
        assert_eq!(said.code, 65, "{said:?}");
        assert!(said.errors.contains(place) && said.errors.contains(why), "{said:?}");
        tries(&mut agent, "126");
        let mut new = Agent::start_plain(User::Bob, "bobs", &LOOP);
        tries(&mut new, "126");
    }
    daemon.process().signal(Signal::SIGHUP);
    daemon.process().logged("cannot reload, what was in force stays so");
    assert_eq!(daemon.client().status().rules, 5);
    // Once it is right again, all of it is in force.
    configured("");
    assert!(reloads().contains("1 rules in force"));
    tries(&mut agent, "7");
}

fn agents_that_find_no_room_in_the_kernel_leave_the_old_rules_in_force() {
    let mut daemon = with(BOB);
    let mut agent = Agent::start_plain(User::Bob, "bobs", &LOOP);
    tries(&mut agent, "126");
    // Each of these is known by two places, the link's and its target's, and there is room for 1,024 in all.
    shell(
        "rm -rf /opt/hp-many; mkdir -p /opt/hp-many/to; cd /opt/hp-many; \
           for i in $(seq 600); do ln -s to/$i $i; done",
    );
    let many: String =
        (1..=600).map(|i| format!("[[agent]]\nname = \"m\"\nexec = \"/opt/hp-many/{i}\"\n")).collect();
    configured(&many);
    daemon::write_rules(
        "50-tests.toml",
        "[[rule]]\nname = \"none\"\nexec = [\"hp-other\"]\naction = \"deny\"\n",
    );
    let said = holdpoint(&["reload"]);
    assert!(said.code != 0 && said.errors.contains("agent_places"), "{said:?}");
    assert_eq!(daemon.client().status().rules, 5);
    tries(&mut agent, "126");
    let mut new = Agent::start_plain(User::Bob, "bobs", &LOOP);
    tries(&mut new, "126");
    shell("rm -rf /opt/hp-many");
}

fn what_needs_a_restart_is_said_and_the_rest_is_in_force_at_once() {
    let mut daemon = with("");
    assert_eq!(holdpoint_as(User::Alice, None, &["status"]).code, 0);
    let file = "require_login_uid = true\napprover_group = \"nogroup\"\nbpf_object = \"/nowhere\"\n\
                [defaults]\ntimeout = \"1s\"\n[limits]\npending = 1\n";
    fs::write(CONFIG, file).unwrap();
    let said = reloads();
    let words = "needs a restart: 'approver_group', 'require_login_uid', 'bpf_object'";
    assert!(said.contains(words) && said.contains("systemctl restart holdpointd"), "{said}");
    // What was there stays: alice may, and nobody needs a login.
    assert_eq!(holdpoint_as(User::Alice, None, &["status"]).code, 0);
    let (mut first, mut second) = (Agent::start(&LOOP), Agent::start(&LOOP));
    first.say("hp-dynamic 7");
    let request = daemon.request(&first);
    // It expires after a second, by the new default. Whoever comes beside it is refused before that, by the new limit,
    // or expires as well.
    second.say("hp-dynamic 7");
    first.said("status 126");
    second.said("status 126");
    let (verdict, _) = daemon.end_of(&request);
    assert_eq!(verdict, holdpoint_core::request::Verdict::Expired);
    configured("");
    assert!(!reloads().contains("needs a restart"));
    first.say("hp-dynamic 7");
    let request = daemon.request(&first);
    daemon.approve(&request);
    first.said("status 7");
}
