//! What the daemon asks does not answer: everybody else is served all the while, and it is said what is wrong.

use std::fs;

use nix::sys::signal::Signal;

use crate::{
    changing::is_held_soon,
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint, shell},
        daemon::{self, Daemon},
        fuse::Fuse,
        programs::{self, put_copy},
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    a_directory_under_a_glob_that_does_not_answer_keeps_nobody_waiting,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

/// A daemon with a rule about a glob, and those of the tests.
fn with(glob: &str) -> Daemon {
    let rule = format!("[[rule]]\nname = \"glob\"\nexec = [\"{glob}\"]\naction = \"ask\"\n");
    daemon::with(daemon::PLAIN_CONFIG, &[("10-glob.toml", &rule), ("50-tests.toml", programs::RULES)])
}

/// An agent's exec is held and goes on when approved, and what is denied is denied.
fn serves(daemon: &mut Daemon, agent: &mut Agent, program: &str, status: u32) {
    agent.say(&format!("{program} {status}"));
    let request = daemon.request(agent);
    assert!(!agent.output().contains(&format!("status {status}\n")), "it ran unasked: {}", agent.output());
    daemon.approve(&request);
    agent.said(&format!("status {status}\n"));
    let denied = agent.output().matches("status 126").count();
    agent.say("hp-forbidden 7");
    eventually("it is denied", || (agent.output().matches("status 126").count() > denied).then_some(()));
}

fn problems(daemon: &mut Daemon) -> String {
    let status = daemon.client().status();
    assert!(status.enforcing, "{status:?}");
    status.problems.join("\n")
}

fn a_directory_under_a_glob_that_does_not_answer_keeps_nobody_waiting() {
    const LINKED: &str = "/opt/holdpoint-tests/linked";
    let directory = Fuse::DIRECTORY;
    let unanswered = format!("'{directory}' does not answer");
    programs::install();
    shell(&format!("mkdir -p {directory}; rm -f {directory}/* {LINKED}"));
    // Found by the glob, and known by its inode, also by a name that is in no rule.
    put_copy(format!("{directory}/tool"));
    fs::hard_link(format!("{directory}/tool"), LINKED).unwrap();
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &format!("{LINKED} 11; echo \"status $?\"")]);
    assert!(unguarded.output.contains("status 11"), "unguarded: {unguarded:?}");
    let mut daemon = with(&format!("{directory}/*"));
    let mut agent = Agent::start(&LOOP);
    serves(&mut daemon, &mut agent, LINKED, 11);
    assert_eq!(problems(&mut daemon), "");
    // From here on whoever looks into the directory waits for ever.
    let mut server = Fuse::serve();
    let said = holdpoint(&["reload"]);
    assert_eq!(server.says(), "unanswered");
    assert!(said.code == 0 && said.output.contains(&unanswered), "{said:?}");
    eventually("it is said what is wrong", || problems(&mut daemon).contains(&unanswered).then_some(()));
    serves(&mut daemon, &mut agent, "hp-dynamic", 12);
    // What was listed there stays so.
    serves(&mut daemon, &mut agent, LINKED, 13);
    // The next reload does not wait again: there is no further question.
    assert!(holdpoint(&["reload"]).output.contains(&unanswered));
    // A daemon that starts has to look there, too, and the thread that waits does not keep it from starting.
    let killed = daemon.process().pid();
    daemon.process().signal(Signal::SIGKILL);
    eventually("a thread of the killed daemon is all that is left", || {
        let states = shell(&format!("ps -L -o stat= -p {killed}"));
        (states.lines().all(|state| state.starts_with(['Z', 'D'])) && states.contains('D')).then_some(())
    });
    let mut killed = daemon.start_beside();
    assert_eq!(server.says(), "unanswered");
    eventually("it is said what is wrong", || problems(&mut daemon).contains(&unanswered).then_some(()));
    serves(&mut daemon, &mut agent, "hp-dynamic", 14);
    serves(&mut daemon, &mut agent, LINKED, 15);
    // The server ends, and what lies below is found.
    drop(server);
    killed.ended();
    eventually("all is well again", || problems(&mut daemon).is_empty().then_some(()));
    let later = format!("{directory}/later");
    put_copy(&later);
    is_held_soon(&mut daemon, &mut agent, &later);
    shell(&format!("rm -f {directory}/* {LINKED}"));
}
