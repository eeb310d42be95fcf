//! The daemon tries its own gate; and what an operator sees who is locked out.

use std::{fs, path::Path};

use holdpoint_core::request::{Outcome, Verdict};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint, holdpoint_as, shell},
        daemon::{self, Daemon},
        programs,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    a_gate_that_has_lost_its_check_is_whole_again_with_the_next_start,
    a_canary_that_a_dead_daemon_left_behind_does_not_run,
    whoever_is_locked_out_sees_what_is_held_and_can_deny_all,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

fn plain() -> Daemon {
    daemon::with(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)])
}

fn a_gate_that_has_lost_its_check_is_whole_again_with_the_next_start() {
    let mut daemon = plain();
    let mut agent = Agent::start(&LOOP);
    agent.say("hp-forbidden 7");
    agent.said("status 126");
    // As root can do it while no daemon holds on to it: the one program that looks at execs goes, the others stay.
    daemon.kill();
    let links = fs::read_dir("/sys/fs/bpf/holdpoint").unwrap().flatten().map(|entry| entry.path());
    let links = links.filter(|path| path.to_string_lossy().contains("/links-")).collect::<Vec<_>>();
    fs::remove_file(links[0].join("holdpoint_bprm_check")).unwrap();
    // The kernel lets go of the program a little later. What it holds until then nobody would ever answer.
    eventually("the gate is open", || {
        let ended = agent.output().matches("status").count();
        agent.say("hp-forbidden 7");
        eventually("it has ended", || {
            if let Some(held) = agent.stopped_child() {
                kill(Pid::from_raw(i32::try_from(held).unwrap()), Signal::SIGKILL).unwrap();
            }
            (agent.output().matches("status").count() > ended).then_some(())
        });
        agent.output().contains("status 7").then_some(())
    });
    daemon.start_again();
    assert_eq!(holdpoint(&["status"]).code, 0);
    // The tags and the maps are those from before.
    let mut again = Agent::start(&LOOP);
    for agent in [&mut agent, &mut again] {
        let before = agent.output().matches("status 126").count();
        agent.say("hp-forbidden 7");
        eventually("it is denied again", || {
            (agent.output().matches("status 126").count() > before).then_some(())
        });
    }
    let links = fs::read_dir("/sys/fs/bpf/holdpoint").unwrap().flatten();
    let links: Vec<_> =
        links.filter(|entry| entry.file_name().to_string_lossy().starts_with("links-")).collect();
    assert_eq!(links.len(), 1, "{links:?}");
}

fn a_canary_that_a_dead_daemon_left_behind_does_not_run() {
    let mut daemon = plain();
    let held = daemon.client().counter("held");
    // Killed in the middle of a try, which a reload is: whether it is depends on the moment.
    let reload = std::thread::spawn(|| holdpoint(&["reload"]));
    daemon.kill();
    reload.join().unwrap();
    daemon.start_again();
    let views = daemon.watch.look(<[_]>::len);
    assert_eq!(views, 0, "a canary became a request");
    assert_eq!(daemon.client().counter("held"), held, "a canary is counted");
    // Not this program, which may have been told to run the tests about canaries.
    let is_left = |line: &str| line.contains("canary") && !line.contains("holdpoint-e2e");
    eventually("no canary is left", || (!shell("ps -eo args").lines().any(is_left)).then_some(()));
    assert!(!holdpoint(&["agents"]).output.contains("4294967295"));
    assert!(Path::new("/run/holdpoint/holdpoint-canary").is_symlink());
}

fn whoever_is_locked_out_sees_what_is_held_and_can_deny_all() {
    let mut daemon = plain();
    let mut agents: Vec<Agent> = (0..3).map(|_| Agent::start(&LOOP)).collect();
    let mut requests = Vec::new();
    for agent in &mut agents {
        agent.say("hp-dynamic 7");
        requests.push(daemon.request(agent));
    }
    daemon.kill();
    let said = holdpoint(&["recover"]);
    assert_eq!(said.code, 0, "{said:?}");
    for request in &requests {
        let pid = request.facts.as_ref().unwrap().pid.to_string();
        assert!(said.output.contains(&pid), "{pid} is missing: {}", said.output);
    }
    assert!(said.output.contains("holdpointd --take-down"), "{}", said.output);
    let refused = holdpoint(&["recover", "--deny-all"]);
    assert!(refused.code == 69 && refused.errors.contains("without the daemon"), "{refused:?}");
    daemon.start_again();
    let said = holdpoint(&["recover"]);
    assert!(
        said.code == 0 && requests.iter().all(|request| said.output.contains(request.id.as_str())),
        "{said:?}"
    );
    assert_eq!(holdpoint_as(User::Bob, None, &["recover", "--deny-all"]).code, 77);
    let mut own = Agent::start_as(User::Root, &["holdpoint", "recover", "--deny-all"]);
    assert_ne!(own.end().code, 0, "an agent has denied: {}", own.output());
    assert_eq!(daemon.client().pending().len(), 3);
    let said = holdpoint(&["recover", "--deny-all"]);
    assert!(said.code == 0 && said.output.contains("denied 3 requests"), "{said:?}");
    for (agent, request) in agents.iter().zip(&requests) {
        agent.said("status 126");
        assert_eq!(daemon.end_of(request), (Verdict::Denied, Outcome::Refused));
    }
}
