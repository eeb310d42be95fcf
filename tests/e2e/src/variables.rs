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
        programs::{self, DYNAMIC_ELF, HARMLESS, OTHER_LIBRARIES, PRELOADED, SCRIPT, SCRIPT_OF_SCRIPT},
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 240:
    a_variable_of_the_dynamic_loader_is_refused_and_the_record_names_it,
    a_rule_that_allows_does_not_allow_another_library,
    a_rule_can_show_them_and_people_decide,
    other_variables_are_shown_and_a_rule_can_refuse_them_all,
    what_is_tried_again_with_a_variable_of_the_dynamic_loader_is_killed,
    wherever_the_variable_stands_in_the_environment_it_is_found,
    a_script_that_is_tried_again_with_one_is_killed,
    what_is_tried_again_with_one_runs_where_the_rule_shows_them,
    a_rule_that_refuses_them_all_and_does_not_hold_is_refused_itself,
    a_script_whose_interpreter_refuses_them_all_is_refused_where_it_does_not_wait,
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

/// A rule that refuses at once, with more lines.
fn refusing(lines: &str) -> String {
    format!(
        "[[rule]]\nname = \"refused\"\nexec = [\"hp-dynamic\", \"hp-script\"]\naction = \"ask\"\nwait = \"refuse\"\n{lines}\n"
    )
}

/// An agent that runs each line of its input, and the daemon that refuses its execs at once.
struct Retrying {
    daemon: Daemon,
    agent: Agent,
    lines: u32,
}

impl Retrying {
    fn begin(lines: &str) -> Self {
        let daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-refuse.toml", &refusing(lines))]);
        let agent = Agent::start(&["sh", "-c", "while read -r line; do eval \"$line\"; done"]);
        Self { daemon, agent, lines: 0 }
    }

    /// What the agent says of a line, with the status.
    fn runs(&mut self, line: &str) -> String {
        let before = self.agent.output().len();
        self.lines += 1;
        let end = format!(" after line {}\n", self.lines);
        self.agent.say(&format!("{line}; echo \"status $? after line {}\"", self.lines));
        self.agent.said(&end);
        self.agent.output()[before..].replace(&end, "")
    }

    /// The line is refused, asked about, and approved.
    fn is_approved(&mut self, line: &str) -> RequestView {
        let said = self.runs(line);
        assert!(said.ends_with("status 126"), "{line}: {said}");
        let request = self.daemon.request(&self.agent);
        self.daemon.approve(&request);
        request
    }

    /// The one line is approved, and the same program is killed when it is tried again by the other.
    fn is_killed(&mut self, approved: &str, tried: &str) {
        let request = self.is_approved(approved);
        let said = self.runs(tried);
        assert!(said.ends_with("status 137"), "{tried}: {said}");
        assert!(!said.contains("another library runs"), "{tried}: {said}");
        assert_eq!(self.daemon.end_of(&request), (Verdict::Approved, Outcome::Killed), "{tried}");
        let note = self.daemon.client().request(request.id.as_str()).note.unwrap();
        assert!(note.contains("tried again with a variable of the dynamic loader"), "{tried}: {note}");
    }
}

fn what_is_tried_again_with_a_variable_of_the_dynamic_loader_is_killed() {
    let plain = format!("{DYNAMIC_ELF} 7");
    let preload = format!("LD_PRELOAD={PRELOADED}");
    let path = format!("LD_LIBRARY_PATH={OTHER_LIBRARIES}");
    for (variable, says) in [(&preload, "another library runs\nstatus 9"), (&path, OTHER_LIBRARIES)] {
        let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &with(variable, DYNAMIC_ELF)]);
        assert!(unguarded.output.contains(says), "unguarded: {unguarded:?}");
    }
    let mut retrying = Retrying::begin("");
    for variable in [&preload, &path, "GLIBC_TUNABLES=glibc.malloc.check=1", "LD_AUDIT=/tmp/hp-none.so"] {
        retrying.is_killed(&plain, &format!("env '{variable}' {plain}"));
    }
    let request = retrying.is_approved(&plain);
    assert!(retrying.runs(&plain).ends_with("status 7"), "{}", retrying.agent.output());
    assert_eq!(
        retrying.daemon.end_of(&request),
        (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) })
    );
}

fn wherever_the_variable_stands_in_the_environment_it_is_found() {
    let plain = format!("{DYNAMIC_ELF} 7");
    let mut retrying = Retrying::begin("");
    let tunables = "GLIBC_TUNABLES=glibc.malloc.check=1";
    // The kernel half looks at blocks of 64 bytes, each of which begins 48 after the one before.
    for (before, variable) in
        [(27, "LD_X=1"), (29, tunables), (44, "LD_X=1"), (45, tunables), (46, "LD_X=1"), (5000, tunables)]
    {
        let filler = "x".repeat(before);
        retrying.is_killed(&plain, &format!("env -i A={filler} '{variable}' {plain}"));
    }
    retrying.is_killed(&plain, &format!("env -i LD_X=1 {plain}"));
    retrying.is_killed(&plain, &format!("env -i LD_X=1 B=2 {plain}"));
    // What only looks like one, or stands in the arguments, is none.
    for harmless in ["XLD_PRELOAD=1", "LD=1", "A=LD_PRELOAD=1", "XGLIBC_TUNABLES=1", "GLIBC_TUNABLES2=1"] {
        for before in [0, 40, 43, 46] {
            let filler = "x".repeat(before);
            retrying.is_approved(&plain);
            let said = retrying.runs(&format!("env -i A={filler} '{harmless}' {plain}"));
            assert!(said.ends_with("status 7"), "{before} before {harmless}: {said}");
        }
    }
    retrying.is_approved(&format!("{DYNAMIC_ELF} LD_PRELOAD=x 7"));
    let said = retrying.runs(&format!("env -i {DYNAMIC_ELF} LD_PRELOAD=x 7"));
    assert!(said.ends_with("status 7"), "{said}");
}

fn a_script_that_is_tried_again_with_one_is_killed() {
    let plain = format!("{SCRIPT} 7");
    let mut retrying = Retrying::begin("");
    retrying.is_killed(&plain, &format!("env 'LD_PRELOAD={PRELOADED}' {plain}"));
    retrying.is_killed(&plain, &format!("env -i LD_X=1 {plain}"));
    retrying.is_approved(&plain);
    let said = retrying.runs(&plain);
    assert!(said.ends_with("status 7"), "{said}");
}

fn what_is_tried_again_with_one_runs_where_the_rule_shows_them() {
    let mut retrying = Retrying::begin("loader_variables = \"show\"");
    let plain = format!("{DYNAMIC_ELF} 7");
    let request = retrying.is_approved(&plain);
    let said = retrying.runs(&format!("env 'LD_PRELOAD={PRELOADED}' {plain}"));
    assert!(said.ends_with("another library runs\nstatus 9"), "{said}");
    assert_eq!(
        retrying.daemon.end_of(&request),
        (Verdict::Approved, Outcome::Executed { status: Some(9 << 8) })
    );
}

fn a_rule_that_refuses_them_all_and_does_not_hold_is_refused_itself() {
    let _daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-refuse.toml", &refusing(""))]);
    daemon::write_rules("10-refuse.toml", &refusing("loader_variables = \"refuse-all\""));
    let said = holdpoint(&["reload"]);
    assert_ne!(said.code, 0, "{said:?}");
    assert!(said.errors.contains("10-refuse.toml:6:1"), "{said:?}");
    assert!(said.errors.contains("needs an exec that is held"), "{said:?}");
    assert!(said.errors.contains("say wait = \"hold\""), "{said:?}");
}

fn a_script_whose_interpreter_refuses_them_all_is_refused_where_it_does_not_wait() {
    let rule = |name: &str, program: &str, lines: &str| {
        format!("[[rule]]\nname = \"{name}\"\nexec = [\"{program}\"]\naction = \"ask\"\n{lines}\n")
    };
    let rules = rule("script", "hp-script-of-script", "wait = \"refuse\"")
        + &rule("interpreter", "/usr/local/bin/unlisted-script", "loader_variables = \"refuse-all\"");
    let daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-script.toml", &rules)]);
    let mut agent = Agent::start(&["sh", "-c", &format!("{SCRIPT_OF_SCRIPT} 7; echo \"status $?\"")]);
    assert!(agent.end().output.contains("status 126"), "{}", agent.output());
    let request = daemon.watch.until("the request has ended", |requests| {
        let ended = |view: &&RequestView| is_of(view, &agent) && matches!(view.state, State::Ended { .. });
        requests.iter().find(ended).cloned()
    });
    assert!(matches!(request.state, State::Ended { verdict: Verdict::Denied, .. }), "{request:?}");
    let note = request.note.unwrap_or_default();
    assert!(note.contains("of an exec that is not held nobody sees them"), "{note}");
}
