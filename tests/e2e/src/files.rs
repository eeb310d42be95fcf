//! Which file: a program is found under whatever path and name it is called, and nothing else is touched.

use std::{fs, os::unix::fs::symlink, path::Path};

use nix::sys::signal::Signal;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, shell},
        daemon,
        programs::{self, BY_PATH, DYNAMIC_ELF, UNLISTED},
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    a_link_of_a_listed_name_is_held_whatever_it_leads_to,
    a_link_of_another_name_to_a_listed_file_is_held,
    a_hard_link_of_another_name_is_held,
    a_renamed_file_is_held,
    a_path_through_proc_is_held,
    a_copy_under_the_listed_name_is_held,
    a_file_on_overlayfs_is_held,
    a_listed_file_on_overlayfs_is_held_after_a_rename,
    a_program_in_a_containers_root_is_held,
    an_unlisted_program_never_waits_for_the_daemon,
    a_process_that_is_no_agent_runs_what_is_listed,
    a_grandchild_in_a_session_of_its_own_is_still_the_agent,
];

/// Shows that this program is held when an agent calls it, and runs after an approval. `runs` is what it says then.
fn is_held(user: User, command: &[&str], runs: &str) {
    let unguarded = Agent::unguarded(user, command);
    assert!(unguarded.output.contains(runs), "unguarded: {unguarded:?}");
    let mut daemon = daemon::plain();
    is_held_by(&mut daemon, user, command, runs);
}

fn is_held_by(daemon: &mut daemon::Daemon, user: User, command: &[&str], runs: &str) {
    let mut agent = Agent::start_as(user, command);
    let request = daemon.request(&agent);
    assert!(!agent.output().contains(runs), "it ran unasked: {}", agent.output());
    daemon.approve(&request);
    let said = agent.end();
    assert!(said.output.contains(runs), "approved: {said:?}");
}

fn a_link_of_a_listed_name_is_held_whatever_it_leads_to() {
    is_held(User::Agent, &["sh", "-c", "iptables --version; true"], "iptables v");
    // pg_dump is a link to a script in Perl, which executes the real pg_dump: two execs, and both are listed.
    let command = ["sh", "-c", "pg_dump --version; true"];
    assert!(Agent::unguarded(User::Agent, &command).output.contains("pg_dump (PostgreSQL)"));
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&command);
    let first = daemon.request(&agent);
    let facts = first.facts.clone().unwrap();
    assert!(facts.executable.path.shown().ends_with("/pg_wrapper"), "{:?}", facts.executable);
    assert!(facts.called.shown().ends_with("/pg_dump"), "{:?}", facts.called);
    daemon.approve(&first);
    let second = daemon.watch.until("the second exec", |requests| {
        let next = requests.iter().find(|view| {
            view.hold != first.hold
                && view.facts.as_ref().is_some_and(|facts| facts.pid == first.facts.as_ref().unwrap().pid)
        });
        next.cloned()
    });
    assert_eq!(agent.output(), "");
    daemon.approve(&second);
    assert!(agent.end().output.contains("pg_dump (PostgreSQL)"));
}

fn a_link_of_another_name_to_a_listed_file_is_held() {
    programs::install();
    let _gone = fs::remove_file("/tmp/innocent");
    symlink(DYNAMIC_ELF, "/tmp/innocent").unwrap();
    is_held(User::Agent, &["sh", "-c", "/tmp/innocent 7; echo status $?"], "status 7");
}

fn a_hard_link_of_another_name_is_held() {
    programs::install();
    let _gone = fs::remove_file("/opt/holdpoint-tests/innocent");
    fs::hard_link(DYNAMIC_ELF, "/opt/holdpoint-tests/innocent").unwrap();
    is_held(User::Agent, &["sh", "-c", "/opt/holdpoint-tests/innocent 7; echo status $?"], "status 7");
}

fn a_renamed_file_is_held() {
    programs::install();
    let renamed = "/opt/holdpoint-tests/renamed";
    let line = format!("{renamed} 7; echo status $?");
    let mut daemon = daemon::plain();
    is_held_by(&mut daemon, User::Agent, &["sh", "-c", &format!("{BY_PATH} 7; echo status $?")], "status 7");
    fs::rename(BY_PATH, renamed).unwrap();
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &line]);
    assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
    is_held_by(&mut daemon, User::Agent, &["sh", "-c", &line], "status 7");
    fs::rename(renamed, BY_PATH).unwrap();
}

fn a_path_through_proc_is_held() {
    programs::install();
    let line = format!("/proc/self/root{DYNAMIC_ELF} 7; echo status $?");
    is_held(User::Agent, &["sh", "-c", &line], "status 7");
}

fn a_copy_under_the_listed_name_is_held() {
    programs::install();
    let line = "mkdir /tmp/copy-$$ && cp /usr/local/bin/unlisted /tmp/copy-$$/hp-dynamic && /tmp/copy-$$/hp-dynamic 7; echo status $?";
    is_held(User::Agent, &["sh", "-c", line], "status 7");
}

/// An overlay over an empty directory, taken away when this goes.
struct Overlay(&'static str);

impl Overlay {
    fn mount() -> Self {
        let root = "/opt/holdpoint-tests/overlay";
        shell(&format!(
            "mkdir -p {root}/lower {root}/upper {root}/work {root}/merged; chmod -R 755 {root}; \
             mount -t overlay overlay -o lowerdir={root}/lower,upperdir={root}/upper,workdir={root}/work {root}/merged"
        ));
        Self("/opt/holdpoint-tests/overlay/merged")
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        shell("umount --lazy /opt/holdpoint-tests/overlay/merged; rm -rf /opt/holdpoint-tests/overlay");
    }
}

fn a_file_on_overlayfs_is_held() {
    programs::install();
    let overlay = Overlay::mount();
    programs::put_copy("/opt/holdpoint-tests/overlay/lower/hp-dynamic");
    let line = format!("{} 7; echo status $?", overlay.path("hp-dynamic"));
    is_held(User::Agent, &["sh", "-c", &line], "status 7");
}

/// stat(2) tells of another device there than the one that the kernel half sees.
fn a_listed_file_on_overlayfs_is_held_after_a_rename() {
    programs::install();
    let overlay = Overlay::mount();
    let (tool, moved) = (overlay.path("tool"), overlay.path("moved"));
    programs::put_copy(&tool);
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &format!("{tool} 7; echo status $?")]);
    assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
    let rules = format!("[[rule]]\nname = \"tool\"\nexec = [\"{tool}\"]\naction = \"ask\"\n");
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-overlay.toml", &rules)]);
    is_held_by(&mut daemon, User::Agent, &["sh", "-c", &format!("{tool} 7; echo status $?")], "status 7");
    fs::rename(&tool, &moved).unwrap();
    is_held_by(&mut daemon, User::Agent, &["sh", "-c", &format!("{moved} 7; echo status $?")], "status 7");
}

fn a_program_in_a_containers_root_is_held() {
    programs::install();
    let root = "/opt/holdpoint-tests/container";
    fs::create_dir_all(format!("{root}/bin")).unwrap();
    programs::put_static_copy(format!("{root}/bin/hp-static"));
    let line = format!("unshare --mount chroot {root} /bin/hp-static 7; echo status $?");
    is_held(User::Root, &["sh", "-c", &line], "status 7");
}

fn an_unlisted_program_never_waits_for_the_daemon() {
    programs::install();
    let line = "while read -r program; do $program 7; echo \"status $?\"; done";
    let daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", line]);
    agent.say(UNLISTED);
    agent.said("status 7");
    daemon.process().signal(Signal::SIGSTOP);
    agent.say(&format!("env {UNLISTED}"));
    eventually("the unlisted program runs although the daemon is stopped", || {
        (Snapshot::all_reported(&agent.output()).len() == 2).then_some(())
    });
    // The gate is shut all the same.
    agent.say(DYNAMIC_ELF);
    let held = eventually("the listed program is stopped", || stopped_child_of(agent.pid().as_raw()));
    assert_eq!(Snapshot::all_reported(&agent.output()).len(), 2, "it ran while the daemon was stopped");
    daemon.process().signal(Signal::SIGCONT);
    let request = daemon.request(&agent);
    assert_eq!(request.facts.unwrap().pid, held);
}

/// A child of the process that is stopped by a signal.
fn stopped_child_of(parent: i32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let stopped = |pid: &&str| {
        let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
    };
    children.split_whitespace().find(stopped)?.parse().ok()
}

fn a_process_that_is_no_agent_runs_what_is_listed() {
    programs::install();
    let line = "hp-dynamic 7; echo status $?";
    is_held(User::Agent, &["sh", "-c", line], "status 7");
    let mut daemon = daemon::plain();
    let held = daemon.client().counter("held");
    for user in [User::Root, User::Agent, User::Bob] {
        let said = Agent::unguarded(user, &["sh", "-c", line]);
        assert!(said.output.contains("status 7"), "{user:?}: {said:?}");
    }
    assert_eq!(daemon.client().counter("held"), held, "a process that is no agent was held");
}

fn a_grandchild_in_a_session_of_its_own_is_still_the_agent() {
    programs::install();
    // The agent's first process has ended long before, and nothing in /proc leads from one to the other.
    let line = "(setsid sh -c 'hp-dynamic 7; echo status $?' </dev/null &) ; exit 0";
    is_held(User::Agent, &["sh", "-c", line], "status 7");
}
