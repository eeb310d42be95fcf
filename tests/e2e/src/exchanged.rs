//! What was approved is what runs: arguments, environment, path and content are exchanged while the exec is held.

use std::fs;

use holdpoint_core::request::{Outcome, Verdict};
use nix::sys::signal::Signal;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, shell},
        daemon,
        programs::{self, DYNAMIC_ELF, SCRIPT, SCRIPT_OF_SCRIPT},
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 600:
    what_a_handler_exchanges_after_the_approval_is_killed,
    what_a_script_begins_with_is_bound_as_well,
    what_no_one_exchanges_runs_also_with_a_handler,
    a_file_that_is_changed_while_it_is_held_does_not_run,
    what_was_asked_before_a_restart_is_bound_after_it,
    a_program_without_arguments_is_approved_as_one,
];

/// By a path that can be exchanged for another one of the same file.
const BY_PATH: &str = "/usr/local/bin/./hp-dynamic";

pub(crate) const DIFFERS: &str =
    "arguments, environment or path at the start of the program were not those that were approved";

fn is_killed(daemon: &mut daemon::Daemon, what: &str, path: &str) {
    let mut agent = Agent::start(&["holdpoint-test-agent", "exec-exchanged", what, path, "7"]);
    let request = daemon.request(&agent);
    assert_eq!(request.facts.as_ref().unwrap().argv[1].0, b"7");
    daemon.approve(&request);
    let said = agent.end();
    assert_eq!(said.code, 128 + Signal::SIGKILL as i32, "{what}: {said:?}");
    assert_eq!(said.output, "", "{what}: it has run");
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Killed), "{what}");
    let note = daemon.client().request(request.id.as_str()).note.unwrap();
    assert!(note.contains(DIFFERS), "{what}: {note}");
}

fn what_a_handler_exchanges_after_the_approval_is_killed() {
    let mut daemon = daemon::plain();
    for what in ["argument", "first-argument", "variable", "path", "boundary"] {
        is_killed(&mut daemon, what, BY_PATH);
    }
}

fn what_a_script_begins_with_is_bound_as_well() {
    let mut daemon = daemon::plain();
    for what in ["argument", "variable", "boundary"] {
        is_killed(&mut daemon, what, SCRIPT);
        is_killed(&mut daemon, what, SCRIPT_OF_SCRIPT);
    }
    is_killed(&mut daemon, "path", "/usr/local/bin/./hp-script");
}

fn what_no_one_exchanges_runs_also_with_a_handler() {
    let mut daemon = daemon::plain();
    for path in [BY_PATH, SCRIPT, SCRIPT_OF_SCRIPT] {
        let mut agent = Agent::start(&["holdpoint-test-agent", "exec-exchanged", "nothing", path, "7"]);
        let request = daemon.request(&agent);
        daemon.approve(&request);
        assert_eq!(agent.end().code, 7, "{path}: {}", agent.output());
        assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) }));
    }
}

fn a_file_that_is_changed_while_it_is_held_does_not_run() {
    shell("rm -rf /tmp/hp-own; mkdir -m 755 /tmp/hp-own; chown bob /tmp/hp-own");
    let path = "/tmp/hp-own/hp-dynamic";
    let place = || {
        programs::put_copy(path);
        shell(&format!("chown bob {path}"));
    };
    let mut daemon = daemon::plain();
    // What it may be changed to without another size or time of modification.
    let change = [
        format!(
            "printf x | dd of={path} bs=1 seek=200000 conv=notrunc status=none; touch -d 2020-01-01 {path}"
        ),
        format!("printf x >>{path}"),
        format!("chmod u+s {path}"),
    ];
    for change in change {
        place();
        let mut agent = Agent::start_as(User::Bob, &["sh", "-c", &format!("{path} 7; echo \"status $?\"")]);
        let request = daemon.request(&agent);
        shell(&change);
        daemon.approve(&request);
        assert!(agent.end().output.contains("status 126"), "{change}: {}", agent.output());
        assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Refused), "{change}");
        let note = daemon.client().request(request.id.as_str()).note.unwrap();
        assert!(note.contains("the file was changed"), "{change}: {note}");
    }
    place();
    let mut agent = Agent::start_as(User::Bob, &["sh", "-c", &format!("{path} 7; echo \"status $?\"")]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"), "unchanged: {}", agent.output());
    fs::remove_dir_all("/tmp/hp-own").unwrap();
}

fn what_was_asked_before_a_restart_is_bound_after_it() {
    let mut daemon = daemon::plain();
    let exec = |what| Agent::start(&["holdpoint-test-agent", "exec-exchanged", what, SCRIPT, "7"]);
    let mut agents = ["nothing", "argument"].map(exec);
    let requests = [daemon.request(&agents[0]), daemon.request(&agents[1])];
    daemon.kill();
    daemon.start_again();
    requests.iter().for_each(|request| daemon.approve(request));
    let codes = agents.each_mut().map(|agent| agent.end().code);
    assert_eq!(codes, [7, 128 + Signal::SIGKILL as i32]);
}

fn a_program_without_arguments_is_approved_as_one() {
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["holdpoint-test-agent", "exec-without-arguments", DYNAMIC_ELF]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert_eq!(agent.end().code, 0, "{}", agent.output());
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(0) }));
}
