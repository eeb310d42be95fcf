//! Variables that decide which code a program runs: refused, or shown and then a part of what is approved.

use std::fs;

use holdpoint_core::{
    request::{Outcome, State, Verdict},
    wire::RequestView,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint},
        daemon::{self, Daemon, is_of},
        programs::{self, DYNAMIC_ELF, HARMLESS},
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 240:
    a_variable_of_the_dynamic_loader_is_refused_and_the_record_names_it,
    a_rule_that_allows_does_not_allow_another_library,
    a_rule_can_show_them_and_people_decide,
    other_variables_are_shown_and_a_rule_can_refuse_them_all,
];

/// A line of the shell that executes the program with the variable set.
fn with(variable: &str, program: &str) -> String {
    format!("env '{variable}' {program} 7; echo \"status $?\"")
}

/// Shows that the exec is refused without asking, and gives the request.
fn is_refused(daemon: &Daemon, line: &str, variable: &str) -> RequestView {
    let mut agent = Agent::start(&["sh", "-c", line]);
    let said = agent.end();
    assert!(said.output.contains("status 126"), "{line}: {said:?}");
    let request = daemon.watch.until("the request has ended", |requests| {
        let ended = |view: &&RequestView| is_of(view, &agent) && matches!(view.state, State::Ended { .. });
        requests.iter().find(ended).cloned()
    });
    assert_eq!(request.state, State::Ended { verdict: Verdict::Denied, outcome: Outcome::Refused }, "{line}");
    let note = request.note.clone().unwrap_or_default();
    assert!(note.contains(&format!("the variable '{variable}' is set")), "{line}: {note}");
    request
}

fn a_variable_of_the_dynamic_loader_is_refused_and_the_record_names_it() {
    let unguarded =
        |variable: &str| Agent::unguarded(User::Agent, &["sh", "-c", &with(variable, DYNAMIC_ELF)]);
    // The loader says itself that it looks at these.
    for (variable, says) in [
        ("LD_PRELOAD=/tmp/hp-none.so", "from LD_PRELOAD cannot be preloaded"),
        ("LD_AUDIT=/tmp/hp-none.so", "cannot be loaded as audit interface"),
    ] {
        let said = unguarded(variable);
        assert!(said.output.contains(says) && said.output.contains("status 7"), "unguarded: {said:?}");
    }
    let daemon = daemon::plain();
    for variable in
        ["LD_PRELOAD=/tmp/hp-none.so", "LD_AUDIT=/tmp/hp-none.so", "LD_LIBRARY_PATH=/tmp", "GLIBC_TUNABLES=x"]
    {
        assert!(unguarded(variable).output.contains("status 7"), "{variable}");
        let name = variable.split('=').next().unwrap();
        let request = is_refused(&daemon, &with(variable, DYNAMIC_ELF), name);
        assert_eq!(request.facts.unwrap().loader_variables, [name]);
    }
}

fn a_rule_that_allows_does_not_allow_another_library() {
    let daemon = daemon::plain();
    let said = Agent::start(&["sh", "-c", &format!("{HARMLESS} 7; echo \"status $?\"")]).end();
    assert!(said.output.contains("status 7"), "{said:?}");
    is_refused(&daemon, &with("LD_PRELOAD=/tmp/hp-none.so", HARMLESS), "LD_PRELOAD");
}

fn a_rule_can_show_them_and_people_decide() {
    let rules = "[[rule]]\nname = \"shown\"\nexec = [\"hp-dynamic\"]\naction = \"ask\"\nloader_variables = \"show\"\n";
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-shown.toml", rules)]);
    let mut agent = Agent::start(&["sh", "-c", &with("LD_PRELOAD=/tmp/hp-\u{1b}[2Jnone.so", DYNAMIC_ELF)]);
    let request = daemon.request(&agent);
    assert_eq!(request.facts.as_ref().unwrap().loader_variables, ["LD_PRELOAD"]);
    let shown = holdpoint(&["--color", "always", "show", request.id.as_str()]).output;
    assert!(shown.contains("\u{1b}[1;31mLD_PRELOAD="), "{shown}");
    assert!(shown.contains("/tmp/hp-\\x1b[2Jnone.so"), "{shown}");
    assert!(shown.contains("warning: by these other code can run"), "{shown}");
    daemon.approve(&request);
    let said = agent.end();
    assert!(said.output.contains("cannot be preloaded") && said.output.contains("status 7"), "{said:?}");
}

fn other_variables_are_shown_and_a_rule_can_refuse_them_all() {
    programs::put("/usr/local/bin/hp-bash", b"#!/bin/bash\nexit \"$1\"\n");
    fs::write("/tmp/hp-environment", "echo it worked\n").unwrap();
    let line = with("BASH_ENV=/tmp/hp-environment", "/usr/local/bin/hp-bash");
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &line]);
    assert!(unguarded.output.contains("it worked\nstatus 7"), "unguarded: {unguarded:?}");

    let rule = "[[rule]]\nname = \"bash\"\nexec = [\"hp-bash\"]\naction = \"ask\"\n";
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-bash.toml", rule)]);
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let request = daemon.request(&agent);
    assert_eq!(request.facts.as_ref().unwrap().loader_variables, ["BASH_ENV"]);
    daemon.approve(&request);
    assert!(agent.end().output.contains("it worked\nstatus 7"), "{}", agent.output());

    daemon::write_rules("10-bash.toml", &format!("{rule}loader_variables = \"refuse-all\"\n"));
    assert_eq!(holdpoint(&["reload"]).code, 0);
    is_refused(&daemon, &line, "BASH_ENV");
}
