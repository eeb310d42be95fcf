//! What was held goes on as the same user in the same place, or not at all.

use std::collections::HashSet;

use holdpoint_core::{
    request::{Outcome, State, Verdict},
    wire::RequestView,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, shell},
        daemon::{self, Daemon},
        programs::{self, DYNAMIC_ELF},
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    who_becomes_another_after_the_approval_is_refused,
    who_goes_to_another_namespace_after_the_approval_is_refused,
    who_goes_to_another_directory_after_the_approval_is_refused,
    who_changes_before_the_exec_is_shown_so_and_runs,
    what_a_thread_does_all_the_while_runs_where_it_was_shown_or_not_at_all,
    who_changes_before_the_daemon_looks_is_shown_as_held_or_not_at_all,
    a_filed_exec_passes_only_for_the_same_user_in_the_same_directory,
];

const CREDENTIALS: [&str; 11] = [
    "user",
    "saved-user",
    "group",
    "groups",
    "many-groups",
    "effective-capability",
    "permitted-capability",
    "bounding-capability",
    "securebits",
    "login",
    "user-namespace",
];
const NAMESPACES: [&str; 7] = ["mounts", "network", "host-name", "ipc", "processes", "cgroups", "time"];

const OF_CREDENTIALS: &str = "user, groups, capabilities, login or user namespace were not those";
const OF_NAMESPACES: &str = "it was not in the namespaces in which it was held";
const OF_DIRECTORY: &str = "the working directory was not that in which it was held";
const OF_ROOT: &str = "the root directory was not that with which it was held";

/// The change works by itself, and the program runs after it; made between approval and exec it is refused, and the record
/// says what it was.
fn is_refused(daemon: &mut Daemon, what: &str, why: &str) {
    let unguarded =
        Agent::unguarded(User::Root, &["holdpoint-test-agent", "exec-after", what, DYNAMIC_ELF, "7"]);
    assert_eq!(unguarded.code, 7, "unguarded, {what}: {unguarded:?}");
    let before = daemon.client().counter("refused_moved");
    let mut agent =
        Agent::start_as(User::Root, &["holdpoint-test-agent", "exec-moved", what, DYNAMIC_ELF, "7"]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    let said = agent.end();
    assert_eq!((said.code, said.output.as_str()), (100, "errno=1\n"), "{what}: {said:?}");
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Refused), "{what}");
    let note = daemon.client().request(request.id.as_str()).note.unwrap();
    assert!(note.contains(why), "{what}: {note}");
    assert_eq!(daemon.client().counter("refused_moved"), before + 1, "{what}");
}

fn who_becomes_another_after_the_approval_is_refused() {
    let mut daemon = daemon::plain();
    CREDENTIALS.iter().for_each(|what| is_refused(&mut daemon, what, OF_CREDENTIALS));
}

fn who_goes_to_another_namespace_after_the_approval_is_refused() {
    let mut daemon = daemon::plain();
    NAMESPACES.iter().for_each(|what| is_refused(&mut daemon, what, OF_NAMESPACES));
}

/// The directory in which agents start and the root, each mounted a second time: the inodes are the same.
struct Again;

impl Again {
    fn mount() -> Self {
        shell(
            "cd /opt/holdpoint-tests && mkdir -p again root && mount --bind /tmp again && mount --bind / root",
        );
        Self
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        shell("umount --lazy /opt/holdpoint-tests/again /opt/holdpoint-tests/root");
    }
}

fn who_goes_to_another_directory_after_the_approval_is_refused() {
    let mut daemon = daemon::plain();
    let again = Again::mount();
    is_refused(&mut daemon, "directory", OF_DIRECTORY);
    is_refused(&mut daemon, "directory-again", OF_DIRECTORY);
    is_refused(&mut daemon, "root", OF_ROOT);
    drop(again);
}

fn who_changes_before_the_exec_is_shown_so_and_runs() {
    let mut daemon = daemon::plain();
    for (verb, what, uid, cwd) in [
        ("exec-moved", "nothing", 0, "/tmp"),
        ("exec-after", "user", 1002, "/tmp"),
        ("exec-after", "many-groups", 0, "/tmp"),
        ("exec-after", "directory", 0, "/opt"),
        ("exec-after", "mounts", 0, "/tmp"),
    ] {
        let mut agent = Agent::start_as(User::Root, &["holdpoint-test-agent", verb, what, DYNAMIC_ELF, "7"]);
        let request = daemon.request(&agent);
        let facts = request.facts.as_ref().unwrap();
        assert_eq!((facts.user.uid, facts.user.euid), (uid, uid), "{what}");
        assert_eq!(String::from_utf8_lossy(&facts.cwd.0), cwd, "{what}");
        daemon.approve(&request);
        assert_eq!(agent.end().code, 7, "{what}: {}", agent.output());
    }
}

/// A thread goes to and fro between two directories, so that the exec can be caught between any two steps.
const TRIES: usize = 60;

fn what_a_thread_does_all_the_while_runs_where_it_was_shown_or_not_at_all() {
    shell("mkdir -p -m 755 /tmp/hp-here /tmp/hp-there");
    let attack = format!("holdpoint-test-agent exec-wandering /tmp/hp-here /tmp/hp-there {DYNAMIC_ELF} 7");
    let places: HashSet<String> = (0..50)
        .map(|_| Snapshot::reported(&Agent::unguarded(User::Agent, &["sh", "-c", &attack]).output).cwd)
        .collect();
    assert_eq!(places.len(), 2, "unguarded it runs here and there: {places:?}");

    let mut daemon = daemon::plain();
    let line = format!("i=0; while [ $i -lt {TRIES} ]; do i=$((i + 1)); {attack}; done");
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let mut seen: HashSet<_> = daemon.watch.look(|all| all.iter().map(|view| view.hold).collect());
    let (mut shown, mut unseen, mut refused, mut killed) = (Vec::new(), 0, 0, 0);
    for _ in 0..TRIES {
        let view = next(&daemon, &mut seen);
        let Some(facts) = view.facts.as_ref() else {
            let note = view.note.unwrap_or_default();
            assert!(note.contains("its working directory was not that"), "{note}");
            unseen += 1;
            continue;
        };
        let place = String::from_utf8_lossy(&facts.cwd.0).into_owned();
        daemon.approve(&view);
        match daemon.end_of(&view) {
            (Verdict::Approved, Outcome::Executed { status: Some(1792) }) => shown.push(place),
            (Verdict::Approved, Outcome::Refused) => refused += 1,
            (Verdict::Approved, Outcome::Killed) => killed += 1,
            other => panic!("{other:?}"),
        }
    }
    let said = agent.end();
    let ran: Vec<String> =
        Snapshot::all_reported(&said.output).into_iter().map(|snapshot| snapshot.cwd).collect();
    assert_eq!(ran, shown, "it ran elsewhere than was shown");
    print!(
        "{TRIES} exchanges: {unseen} refused at once, {refused} later, {killed} killed, {} where they were shown: ",
        ran.len()
    );
    assert!(unseen + refused + killed > 0, "the attack is none");
    assert!(!ran.is_empty(), "nothing gets through");
}

/// The next request that nobody has seen: one that waits, or one that was refused at once.
fn next(daemon: &Daemon, seen: &mut HashSet<holdpoint_core::id::HoldId>) -> RequestView {
    let view = daemon.watch.until("another request", |all| {
        let is_next = |view: &&RequestView| {
            !seen.contains(&view.hold) && (view.state == State::Pending || view.ended_at.is_some())
        };
        all.iter().find(is_next).cloned()
    });
    seen.insert(view.hold);
    view
}

fn who_changes_before_the_daemon_looks_is_shown_as_held_or_not_at_all() {
    let mut daemon = daemon::plain();
    for (what, why) in [("directory", "its working directory was not that"), ("user", OF_CREDENTIALS)] {
        // A daemon has to be there to make it an agent's.
        let line =
            format!("echo ready; read go; exec holdpoint-test-agent exec-moved {what} {DYNAMIC_ELF} 7");
        let mut agent = Agent::start_as(User::Root, &["sh", "-c", &line]);
        agent.said("ready");
        daemon.kill();
        agent.say("go");
        let pid = agent.pid();
        eventually("it is held", || is_stopped(pid).then_some(()));
        kill(pid, Signal::SIGCONT).unwrap();
        // It was somewhere else, and is held again.
        let elsewhere = || match what {
            "directory" => {
                std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap() == std::path::Path::new("/opt")
            }
            _ => std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("\nUid:\t1002\t"),
        };
        eventually("its handler has run", || (elsewhere() && is_stopped(pid)).then_some(()));
        let mut seen = HashSet::new();
        daemon.start_again();
        let view = next(&daemon, &mut seen);
        if let Some(facts) = &view.facts {
            assert_eq!(facts.user.uid, 0, "{what}: shown as another than it was held as");
            daemon.approve(&view);
        }
        let said = agent.end();
        assert_eq!((said.code, said.output.as_str()), (100, "ready\nerrno=1\n"), "{what}: {said:?}");
        let end = daemon.end_of(&view).1;
        assert_eq!(end, Outcome::Refused, "{what}");
        let note = daemon.client().request(view.id.as_str()).note.unwrap();
        assert!(note.contains(why), "{what}: {note}");
    }
}

fn is_stopped(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().trim_start().starts_with('T')
}

const REFUSE: &str =
    "[[rule]]\nname = \"refused\"\nexec = [\"hp-dynamic\"]\naction = \"ask\"\nwait = \"refuse\"\n";

fn a_filed_exec_passes_only_for_the_same_user_in_the_same_directory() {
    programs::install();
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-refuse.toml", REFUSE)]);
    let lines = [
        "cd /tmp; hp-dynamic 7",
        "cd /opt; hp-dynamic 7",
        "cd /tmp; setpriv --reuid=1002 hp-dynamic 7",
        "cd /tmp; unshare --mount hp-dynamic 7",
    ];
    for line in lines {
        let unguarded = Agent::unguarded(User::Root, &["sh", "-c", line]);
        assert_eq!(unguarded.code, 7, "unguarded: {line}: {unguarded:?}");
    }
    let mut agent = Agent::start_as(
        User::Root,
        &["sh", "-c", "while read -r line; do eval \"$line\"; echo \"status $?\"; done"],
    );
    let mut tried = 0;
    let mut tries = |line: &str, status: &str| {
        tried += 1;
        agent.say(line);
        eventually("it was tried", || (agent.output().matches("status ").count() == tried).then_some(()));
        let last = agent.output().lines().last().unwrap().to_owned();
        assert_eq!(last, format!("status {status}"), "{line}: {}", agent.output());
    };
    tries(lines[0], "126");
    let mut seen = HashSet::new();
    let request = next(&daemon, &mut seen);
    assert_eq!(String::from_utf8_lossy(&request.facts.as_ref().unwrap().cwd.0), "/tmp");
    daemon.approve(&request);
    // Elsewhere, or as somebody else, it is another action, about which people are asked anew.
    for (line, status) in [(lines[1], "126"), (lines[2], "126"), (lines[3], "126")] {
        tries(line, status);
        let other = next(&daemon, &mut seen);
        assert_ne!(other.hold, request.hold, "{line}");
    }
    tries(lines[0], "7");
    tries(lines[0], "126");
}
