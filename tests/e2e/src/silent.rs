//! What the daemon asks does not answer, or answers too late: a directory under a glob, the kernel's queue of changes,
//! the bus. Everybody else is served all the while, and it is said what is wrong.

use std::fs;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    changing::is_held_soon,
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint, holdpoint_as, shell},
        daemon::{self, Daemon},
        fuse::Fuse,
        programs::{self, put_copy},
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    a_directory_under_a_glob_that_does_not_answer_keeps_nobody_waiting,
    changes_that_the_kernel_drops_are_found_all_the_same,
    a_bus_that_does_not_answer_keeps_nobody_else_waiting,
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

/// A limit of the kernel's for those who watch files from now on. It is as before when this goes.
struct QueuedEvents(String);

impl QueuedEvents {
    const LIMIT: &str = "/proc/sys/fs/inotify/max_queued_events";

    fn at_most(count: u32) -> Self {
        let before = fs::read_to_string(Self::LIMIT).unwrap();
        fs::write(Self::LIMIT, count.to_string()).unwrap();
        Self(before)
    }
}

impl Drop for QueuedEvents {
    fn drop(&mut self) {
        fs::write(Self::LIMIT, &self.0).unwrap();
    }
}

fn changes_that_the_kernel_drops_are_found_all_the_same() {
    let root = "/opt/holdpoint-tests/many";
    let beside = "/opt/holdpoint-tests";
    let later = format!("{root}/later");
    programs::install();
    shell(&format!("rm -rf {root}; mkdir -p {root}"));
    let _few = QueuedEvents::at_most(16);
    let mut daemon = with(&format!("{root}/*"));
    let mut agent = Agent::start(&LOOP);
    agent.say("true");
    agent.said("status 0");
    // Once it is found without a drop, the directory is watched.
    let first = format!("{root}/first");
    put_copy(&first);
    is_held_soon(&mut daemon, &mut agent, &first);
    // Nobody takes events now. There is room for 16, and the one that matters comes after hundreds that do not, from the
    // directory above: all that tells of it is that some were dropped.
    daemon.process().signal(Signal::SIGSTOP);
    for number in 0..300 {
        let path = format!("{beside}/{number}");
        fs::write(&path, "").unwrap();
    }
    put_copy(&later);
    agent.say(&format!("{later} 7"));
    agent.said("status 7");
    daemon.process().signal(Signal::SIGCONT);
    is_held_soon(&mut daemon, &mut agent, &later);
    assert_eq!(problems(&mut daemon), "");
    shell(&format!("rm -rf {root} {beside}/[0-9]*"));
}

/// The bus takes connections, and says nothing. It goes on when this goes.
struct SilentBus(Pid);

impl SilentBus {
    fn begin() -> Self {
        let pid = shell("systemctl show --property=MainPID --value dbus.service").trim().parse().unwrap();
        assert_ne!(pid, 0, "there is no bus");
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        Self(Pid::from_raw(pid))
    }
}

impl Drop for SilentBus {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGCONT).unwrap();
    }
}

fn a_bus_that_does_not_answer_keeps_nobody_else_waiting() {
    let mut daemon = daemon::plain();
    let arguments = ["run", "--agent", "a", "--scope", "--", "echo", "it ran"];
    let said = holdpoint_as(User::Agent, None, &arguments);
    assert_eq!((said.code, said.output.as_str()), (0, "it ran\n"), "with a bus: {said:?}");
    let bus = SilentBus::begin();
    // As many as one user may start at a time, and one more.
    let mut waiting: Vec<Agent> =
        (0..5).map(|_| Agent::start_in_scope(User::Agent, &["echo", "it ran"])).collect();
    let refused = |agent: &Agent| agent.output().contains("too many are being started");
    eventually("one of them is refused", || waiting.iter().any(refused).then_some(()));
    let mut agent = Agent::start_as(User::Bob, &LOOP);
    serves(&mut daemon, &mut agent, "hp-dynamic", 7);
    assert_eq!(problems(&mut daemon), "");
    let mut late = 0;
    for agent in &mut waiting {
        let said = agent.end();
        assert!(said.code == 69 && !said.output.contains("it ran"), "{said:?}");
        assert!(said.output.contains("cannot start the scope 'holdpoint-agent-"), "{said:?}");
        late += usize::from(said.output.contains("systemd has not done it within 10s"));
    }
    assert_eq!(late, 4);
    drop(bus);
    eventually("it works again", || {
        (holdpoint_as(User::Agent, None, &arguments).output == "it ran\n").then_some(())
    });
}
