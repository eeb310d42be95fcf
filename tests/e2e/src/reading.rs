//! A listed file is there for agents to be executed, not to be read: by whatever way they open it.

use std::fs;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        attempt::{self, WORKED, is_refused, works},
        cli::{User, run, shell},
        daemon,
        programs::{self, BY_PATH, DYNAMIC_ELF, SCRIPT},
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    a_listed_program_is_not_copied,
    the_dynamic_loader_does_not_run_a_listed_program,
    an_interpreter_does_not_run_a_listed_script,
    a_listed_program_is_not_read_under_another_name,
    a_listed_program_is_not_read_through_proc,
    a_listed_program_is_not_read_by_handle_or_io_uring,
    a_listed_program_below_an_overlay_is_not_read,
    a_containers_own_copy_of_a_listed_program_is_not_read,
    what_was_approved_is_not_read_from_the_process_that_runs_it,
    an_approved_script_is_read_by_its_interpreter_and_not_by_its_children,
    an_approved_script_on_an_overlay_is_read_by_its_interpreter,
    what_only_has_the_name_of_a_listed_program_is_read,
    a_listed_program_can_be_looked_at,
    an_agent_makes_a_file_of_a_listed_name,
    a_refusal_is_told_of_once_a_second_and_escaped,
];

const COUNTER: &str = "read_refused";

fn a_listed_program_is_not_copied() {
    for user in [User::Agent, User::Root] {
        for command in ["cp {} /tmp/$$.copy", "cat {} >/tmp/$$.copy", "dd if={} of=/tmp/$$.copy status=none"]
        {
            let command = command.replace("{}", DYNAMIC_ELF);
            let line = format!("{command} && chmod 755 /tmp/$$.copy && /tmp/$$.copy 0 && echo {WORKED}");
            is_refused(user, &line, COUNTER);
        }
    }
}

fn the_dynamic_loader_does_not_run_a_listed_program() {
    let line = format!("/lib64/ld-linux-x86-64.so.2 {DYNAMIC_ELF} 0 && echo {WORKED}");
    is_refused(User::Agent, &line, COUNTER);
    is_refused(User::Root, &line, COUNTER);
}

fn an_interpreter_does_not_run_a_listed_script() {
    for command in ["sh {} 0", "bash {} 0", "bash -c '. {} 0'", "sh <{}"] {
        let line = format!("{} && echo {WORKED}", command.replace("{}", SCRIPT));
        is_refused(User::Agent, &line, COUNTER);
    }
    let python = "/usr/local/bin/hp-harmless-python";
    programs::put(python, b"#!/usr/bin/python3\nprint('it', 'worked')\n");
    let rules = format!("[[rule]]\nname = \"python\"\nexec = [\"{python}\"]\naction = \"ask\"\n");
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-python.toml", &rules)]);
    attempt::is_refused_by(&mut daemon, User::Agent, &format!("python3 {python}"), COUNTER);
    // Approved it runs, and its interpreter reads it.
    let mut agent = Agent::start(&["sh", "-c", python]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert!(agent.end().output.contains(WORKED));
}

fn a_listed_program_is_not_read_under_another_name() {
    programs::install();
    shell("cd /opt/holdpoint-tests && ln -f by-path hard && ln -sf by-path soft");
    for name in ["hard", "soft", "../holdpoint-tests/./by-path"] {
        is_refused(
            User::Agent,
            &format!("cat /opt/holdpoint-tests/{name} >/dev/null && echo {WORKED}"),
            COUNTER,
        );
    }
    let bound = format!(
        "unshare --mount sh -c 'touch /tmp/bound && mount --bind {BY_PATH} /tmp/bound && cat /tmp/bound >/dev/null' && echo {WORKED}"
    );
    is_refused(User::Root, &bound, COUNTER);
}

fn a_listed_program_is_not_read_through_proc() {
    programs::install();
    is_refused(
        User::Agent,
        &format!("cat /proc/self/root{DYNAMIC_ELF} >/dev/null && echo {WORKED}"),
        COUNTER,
    );
    is_refused(User::Agent, &format!("holdpoint-test-agent read-by-proc-fd {DYNAMIC_ELF}"), COUNTER);
}

fn a_listed_program_is_not_read_by_handle_or_io_uring() {
    is_refused(User::Root, &format!("holdpoint-test-agent read-by-handle {DYNAMIC_ELF}"), COUNTER);
    is_refused(User::Agent, &format!("holdpoint-test-agent read-by-uring {DYNAMIC_ELF}"), COUNTER);
}

/// Mounts an overlay over a directory, in a namespace of its own. Anybody can do that in a user namespace.
fn in_an_overlay(user: User, lower: &str, then: &str) -> String {
    let (namespaces, option) = match user {
        User::Root => ("--mount", "index=off"),
        _ => ("--user --map-root-user --mount", "userxattr"),
    };
    format!(
        "unshare {namespaces} sh -c 'mount -t tmpfs none /mnt && cd /mnt && mkdir upper work merged && \
         mount -t overlay overlay -o {option},lowerdir={lower},upperdir=/mnt/upper,workdir=/mnt/work merged && {then}'"
    )
}

fn a_listed_program_below_an_overlay_is_not_read() {
    programs::install();
    shell("rm -rf /opt/holdpoint-tests/lower && mkdir /opt/holdpoint-tests/lower");
    // A listed inode under a name that is not listed: the overlay shows another inode and another name.
    shell("ln /opt/holdpoint-tests/by-path /opt/holdpoint-tests/lower/other");
    for (user, then) in [
        (User::Agent, "cat merged/other >copy"),
        (User::Root, "cat merged/other >copy"),
        (User::Root, "echo >>merged/other"),
        (User::Root, "chmod 700 merged/other"),
        (User::Root, "mv merged/other merged/another"),
    ] {
        let line = in_an_overlay(user, "/opt/holdpoint-tests/lower", &format!("{then} && echo {WORKED}"));
        is_refused(user, &line, COUNTER);
    }
    shell("rm -rf /opt/holdpoint-tests/lower");
}

fn a_containers_own_copy_of_a_listed_program_is_not_read() {
    shell("mkdir -p /opt/holdpoint-tests/root/bin");
    programs::put_copy("/opt/holdpoint-tests/root/bin/hp-dynamic");
    let line = format!("cat /opt/holdpoint-tests/root/bin/hp-dynamic >/dev/null && echo {WORKED}");
    is_refused(User::Agent, &line, COUNTER);
}

fn what_was_approved_is_not_read_from_the_process_that_runs_it() {
    programs::install();
    let mut daemon = daemon::plain();
    let mut sleeper =
        Agent::start(&["sh", "-c", "cp /usr/bin/sleep /tmp/hp-dynamic; exec /tmp/hp-dynamic infinity"]);
    let request = daemon.request(&sleeper);
    daemon.approve(&request);
    let pid = request.facts.unwrap().pid;
    crate::support::wait::eventually("it runs what was approved", || {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        (name.trim() == "hp-dynamic").then_some(())
    });
    let first = format!("$(ls /proc/{pid}/map_files | head -n 1)");
    for (user, file) in [
        (User::Agent, "exe".to_owned()),
        (User::Root, "exe".to_owned()),
        (User::Root, format!("map_files/{first}")),
    ] {
        let line = format!("cat /proc/{pid}/{file} >/dev/null && echo {WORKED}");
        attempt::is_refused_by(&mut daemon, user, &line, COUNTER);
    }
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    sleeper.end();
}

fn an_approved_script_is_read_by_its_interpreter_and_not_by_its_children() {
    let script = "/usr/local/bin/hp-reader";
    programs::put(
        script,
        b"#!/bin/sh\ncat <$0 >/dev/null && echo own\n(cat $0) >/dev/null && echo it worked\n",
    );
    let rules = format!("[[rule]]\nname = \"reader\"\nexec = [\"{script}\"]\naction = \"ask\"\n");
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-reader.toml", &rules)]);
    assert!(Agent::unguarded(User::Agent, &[script]).output.contains(WORKED));
    let mut agent = Agent::start(&["sh", "-c", script]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    let said = agent.end();
    assert!(!said.output.contains(WORKED), "{said:?}");
    assert!(said.output.contains("Operation not permitted"), "{said:?}");
}

fn an_approved_script_on_an_overlay_is_read_by_its_interpreter() {
    programs::install();
    // Not by root in a user namespace of the agent's: there a listed program is refused.
    let line = in_an_overlay(User::Root, "/usr/local/bin", "./merged/hp-script 7; echo status $?");
    let unguarded = Agent::unguarded(User::Root, &["sh", "-c", &line]);
    assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
    let mut daemon = daemon::plain();
    let mut agent = Agent::start_as(User::Root, &["sh", "-c", &line]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    let said = agent.end();
    assert!(said.output.contains("status 7"), "approved: {said:?}");
}

fn what_only_has_the_name_of_a_listed_program_is_read() {
    shell("mkdir -p /opt/holdpoint-tests/names/kubectl && echo text >/opt/holdpoint-tests/names/hp-dynamic");
    works(
        User::Agent,
        &format!(
            "cat /opt/holdpoint-tests/names/hp-dynamic && ls /opt/holdpoint-tests/names/kubectl && echo {WORKED}"
        ),
    );
    works(User::Agent, &format!("cat /usr/local/bin/unlisted >/dev/null && echo {WORKED}"));
}

fn a_listed_program_can_be_looked_at() {
    for line in ["ls -l {}", "stat {}", "which hp-dynamic", "test -x {}", "readlink -f {}"] {
        works(User::Agent, &format!("{} && echo {WORKED}", line.replace("{}", DYNAMIC_ELF)));
    }
}

fn an_agent_makes_a_file_of_a_listed_name() {
    // As git does: with an execute bit from the start.
    let make =
        "import os; os.write(os.open(\"hp-dynamic\", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o755), b\"x\")";
    works(
        User::Agent,
        &format!("mkdir /tmp/made-$$ && cd /tmp/made-$$ && python3 -c '{make}' && echo {WORKED}"),
    );
    let then = format!("cp /usr/local/bin/unlisted merged/kubectl && echo {WORKED}");
    works(User::Agent, &in_an_overlay(User::Agent, "/usr/share", &then));
    shell("rm -rf /tmp/made-*");
}

fn a_refusal_is_told_of_once_a_second_and_escaped() {
    programs::install();
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let before = daemon.client().counter(COUNTER);
    // The name of the program that reads is the agent's to choose.
    let line = format!(
        "cp /bin/cat \"$(printf '/tmp/a\\033[2J')\"; for i in $(seq 50); do /tmp/a*J {DYNAMIC_ELF}; done >/dev/null 2>&1"
    );
    Agent::start(&["sh", "-c", &line]).end();
    let told = daemon.process().logged("read_refused");
    assert!(told.contains("hp-dynamic") && !told.contains('\x1b'), "{told}");
    assert_eq!(daemon.client().counter(COUNTER), before + 50);
    let lines = daemon.process().log().matches("read_refused").count();
    assert!(lines < 25, "told of {lines} times");
    let log = run(std::process::Command::new("holdpoint").arg("log"));
    assert!(log.output.contains("read_refused") && !log.output.contains('\x1b'), "{log:?}");
    shell("rm -f /tmp/a*J");
}
