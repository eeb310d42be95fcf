//! What waits, what was approved, the daemon and the kernel are out of an agent's reach.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        attempt::{WORKED, is_refused, is_refused_by, works, works_by},
        cli::{User, run, shell},
        daemon,
        programs::{self, DYNAMIC_ELF},
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    what_is_held_is_not_traced_or_written_to,
    what_was_approved_is_not_traced_or_written_to,
    what_is_no_agents_is_not_traced_or_written_to,
    an_agents_debugger_works_on_its_own,
    a_program_under_an_agents_tracer_is_refused,
    a_program_under_a_persons_tracer_is_held,
    a_program_that_shares_its_directories_is_refused,
    an_agent_sends_the_daemon_no_signal,
    an_agent_does_not_call_bpf,
    an_agent_loads_no_module_and_no_kernel,
    an_agent_does_not_open_what_is_the_daemons,
    an_agent_does_not_change_what_is_the_daemons,
    an_agent_mounts_nothing_over_what_is_the_daemons,
    an_agent_unmounts_nothing_of_what_the_daemon_needs,
    mounts_of_containers_work,
    an_agent_with_root_moves_nobody_into_another_cgroup,
    an_agent_cannot_take_the_gate_down,
];

/// Ways to get hold of a process, each by the test agent.
const WAYS: [&str; 4] = ["seize", "write-memory", "open-memory", "take-descriptor"];

/// Each way is open to the same user when it is no agent, and closed to an agent.
fn is_out_of_reach(daemon: &mut daemon::Daemon, user: User, pid: u32) {
    for way in WAYS {
        is_refused_by(daemon, user, &format!("holdpoint-test-agent {way} {pid}"), "trace_refused");
    }
}

fn what_is_held_is_not_traced_or_written_to() {
    let mut daemon = daemon::plain();
    let agent = Agent::start(&["sh", "-c", "hp-dynamic 7"]);
    let held = daemon.request(&agent).facts.unwrap().pid;
    is_out_of_reach(&mut daemon, User::Agent, held);
    is_out_of_reach(&mut daemon, User::Root, held);
    // A thread beside the one that waits has the same memory.
    let agent = Agent::start(&["holdpoint-test-agent", "exec-from-thread", DYNAMIC_ELF, "7"]);
    let held = daemon.request(&agent).facts.unwrap().pid;
    is_out_of_reach(&mut daemon, User::Agent, held);
}

fn what_was_approved_is_not_traced_or_written_to() {
    let mut daemon = daemon::plain();
    let line = "cp /usr/bin/sleep /tmp/hp-approved-$$ && mkdir /tmp/approved-$$ && mv /tmp/hp-approved-$$ /tmp/approved-$$/hp-dynamic && \
                exec /tmp/approved-$$/hp-dynamic infinity";
    let mut agent = Agent::start(&["sh", "-c", line]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    let pid = request.facts.unwrap().pid;
    eventually("it runs what was approved", || {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        (name.trim() == "hp-dynamic").then_some(())
    });
    is_out_of_reach(&mut daemon, User::Agent, pid);
    is_out_of_reach(&mut daemon, User::Root, pid);
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    agent.end();
}

fn what_is_no_agents_is_not_traced_or_written_to() {
    let mut daemon = daemon::plain();
    // Without an output of ours: should this test fail, whoever reads that would wait for the end of the sleep.
    let mut other = User::Agent.command("sleep", None);
    let mut other = other.arg("infinity").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("it has begun", || {
        let name = fs::read_to_string(format!("/proc/{}/comm", other.id())).unwrap_or_default();
        (name.trim() == "sleep").then_some(())
    });
    is_out_of_reach(&mut daemon, User::Agent, other.id());
    is_out_of_reach(&mut daemon, User::Root, other.id());
    other.kill().unwrap();
    other.wait().unwrap();
    let own = u32::try_from(daemon.process().pid().as_raw()).unwrap();
    is_refused_by(
        &mut daemon,
        User::Root,
        &format!("holdpoint-test-agent open-memory {own}"),
        "trace_refused",
    );
}

fn an_agents_debugger_works_on_its_own() {
    works(User::Agent, "holdpoint-test-agent trace-own-child");
    works(User::Agent, "holdpoint-test-agent exec-traced /bin/echo it worked");
}

fn a_program_under_an_agents_tracer_is_refused() {
    programs::install();
    let line = format!("holdpoint-test-agent exec-traced {DYNAMIC_ELF} 0 && echo {WORKED}");
    is_refused(User::Agent, &line, "refused_traced");
    is_refused(User::Root, &line, "refused_traced");
}

fn a_program_under_a_persons_tracer_is_held() {
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", "read go; hp-dynamic 7; echo status $?"]);
    let pid = agent.pid().as_raw();
    eventually("the shell reads", || {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        (name.trim() == "sh").then_some(())
    });
    let mut tracer = Command::new("strace");
    tracer.args(["-f", "-q", "-o", "/dev/null", "-p", &pid.to_string()]).process_group(0);
    let mut tracer = tracer.spawn().unwrap();
    eventually("it is traced", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        (!status.contains("TracerPid:\t0\n")).then_some(())
    });
    agent.say("go");
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"));
    tracer.wait().unwrap();
}

fn a_program_that_shares_its_directories_is_refused() {
    programs::install();
    let line = format!("holdpoint-test-agent exec-sharing {DYNAMIC_ELF} 0 && echo {WORKED}");
    is_refused(User::Agent, &line, "refused_traced");
}

fn an_agent_sends_the_daemon_no_signal() {
    let mut daemon = daemon::plain();
    let pid = daemon.process().pid();
    // One that does it no harm, so that it can be tried.
    for line in ["kill -CONT {} && echo it worked", "kill -s WINCH {} && echo it worked"] {
        is_refused_by(&mut daemon, User::Root, &line.replace("{}", &pid.to_string()), "signal_refused");
    }
    works_by(&daemon, User::Root, &format!("kill -0 {pid} && echo {WORKED}"));
    // What a file sends comes by itself: nobody is told that it did not.
    let before = daemon.client().counter("signal_refused");
    let said = Agent::start_as(User::Root, &["holdpoint-test-agent", "sigio", &pid.to_string(), "9"]).end();
    assert!(said.output.contains(WORKED), "{said:?}");
    assert!(daemon.client().counter("signal_refused") > before);
    let mut victim =
        Command::new("sleep").arg("infinity").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let said =
        Agent::unguarded(User::Root, &["holdpoint-test-agent", "sigio", &victim.id().to_string(), "9"]);
    assert!(said.output.contains(WORKED), "{said:?}");
    assert!(!victim.wait().unwrap().success(), "unguarded it ends what it is sent to");
}

fn an_agent_does_not_call_bpf() {
    is_refused(User::Root, "holdpoint-test-agent bpf", "bpf_refused");
}

fn an_agent_loads_no_module_and_no_kernel() {
    for verb in ["load-module /usr/bin/true", "load-module-data /usr/bin/true", "kexec", "io-ports"] {
        is_refused(User::Root, &format!("holdpoint-test-agent {verb}"), "kernel_refused");
    }
    is_refused(User::Root, &format!("head -c 1 /dev/mem >/dev/null && echo {WORKED}"), "kernel_refused");
}

fn an_agent_does_not_open_what_is_the_daemons() {
    for line in [
        "cat /etc/holdpoint/config.toml >/dev/null",
        "cat /etc/holdpoint/policies.d/*.toml >/dev/null",
        "ls /var/lib/holdpoint >/dev/null",
        "head -c 16 /var/lib/holdpoint/*.db* >/dev/null",
        "printf '' >>/etc/holdpoint/policies.d/50-tests.toml",
        "ls /sys/fs/bpf/holdpoint/maps >/dev/null",
        "cat /usr/lib/holdpoint/holdpoint.bpf.o >/dev/null",
        "printf '' >>/usr/lib/holdpoint/holdpoint.bpf.o",
    ] {
        is_refused(User::Root, &format!("{line} && echo {WORKED}"), "place_refused");
    }
}

fn an_agent_does_not_change_what_is_the_daemons() {
    // Each line puts back what it has changed.
    for line in [
        "touch /etc/holdpoint/policies.d/99.toml && rm /etc/holdpoint/policies.d/99.toml",
        "mkdir /run/holdpoint/x && rmdir /run/holdpoint/x",
        "ln -s /tmp /run/holdpoint/x && rm /run/holdpoint/x",
        "mkfifo /run/holdpoint/x && rm /run/holdpoint/x",
        "mv /etc/holdpoint/config.toml /etc/holdpoint/c && mv /etc/holdpoint/c /etc/holdpoint/config.toml",
        "mv /etc/holdpoint /etc/h && mv /etc/h /etc/holdpoint",
        "mv /sys/fs/bpf/holdpoint/maps/told /sys/fs/bpf/holdpoint/maps/t && mv /sys/fs/bpf/holdpoint/maps/t /sys/fs/bpf/holdpoint/maps/told",
        "chmod 644 /etc/holdpoint/config.toml",
        "ln /etc/holdpoint/config.toml /etc/linked && rm /etc/linked",
        "mv /usr/lib/holdpoint/holdpoint.bpf.o /usr/lib/o && mv /usr/lib/o /usr/lib/holdpoint/holdpoint.bpf.o",
        "mv /usr/lib/holdpoint /usr/lib/h && mv /usr/lib/h /usr/lib/holdpoint",
    ] {
        is_refused(User::Root, &format!("{line} && echo {WORKED}"), "place_refused");
    }
}

fn an_agent_mounts_nothing_over_what_is_the_daemons() {
    for place in ["/etc/holdpoint", "/etc/holdpoint/policies.d", "/run/holdpoint", "/var/lib", "/sys/fs/bpf"]
    {
        let line = format!("mount -t tmpfs none {place} && umount {place} && echo {WORKED}");
        is_refused(User::Root, &line, "mount_refused");
        // Where mounts are shared with the host, they appear there.
        let line = format!(
            "unshare --mount --propagation unchanged sh -c 'mount --bind /tmp {place} && umount {place}' && echo {WORKED}"
        );
        is_refused(User::Root, &line, "mount_refused");
    }
    works(
        User::Root,
        &format!("mkdir -p /tmp/m && mount -t tmpfs none /tmp/m && umount /tmp/m && echo {WORKED}"),
    );
}

fn an_agent_unmounts_nothing_of_what_the_daemon_needs() {
    // What lies at another place as well can be tried: the gate needs the one at which it is pinned.
    shell("mkdir -p /opt/holdpoint-tests/bpf");
    let mut daemon = daemon::plain();
    let before = daemon.client().counter("mount_refused");
    let bound = |place: &str| format!("mount --bind /sys/fs/bpf {place} && umount {place} && echo {WORKED}");
    let unguarded = Agent::unguarded(User::Root, &["sh", "-c", &bound("/opt/holdpoint-tests/bpf")]);
    assert!(unguarded.output.contains(WORKED), "{unguarded:?}");
    for line in [
        "umount /sys/fs/bpf",
        "umount --lazy /sys/fs/bpf",
        "umount --lazy /sys",
        "mount --make-private /sys && mount --move /sys/fs/bpf /opt/holdpoint-tests/bpf",
        "unshare --mount --propagation unchanged umount --lazy /sys/fs/bpf",
    ] {
        let said = Agent::start_as(User::Root, &["sh", "-c", &format!("{line} && echo {WORKED}")]).end();
        assert!(!said.output.contains(WORKED), "{line}: {said:?}");
        assert!(fs::exists("/sys/fs/bpf/holdpoint/maps/meta").unwrap(), "{line}: it is gone");
    }
    assert!(daemon.client().counter("mount_refused") >= before + 5);
}

fn mounts_of_containers_work() {
    for line in [
        "unshare --mount sh -c 'mount -t tmpfs none /run && mount -t tmpfs none /etc && umount /etc'",
        "unshare --mount sh -c 'mkdir -p /mnt/old && mount -t tmpfs none /mnt && mkdir /mnt/old && cd /mnt && \
         cp -a /bin /lib /lib64 /mnt/ 2>/dev/null; pivot_root . old && umount -l /old 2>/dev/null || test -d /old'",
        "unshare --user --map-root-user --mount --pid --fork sh -c 'mount -t proc proc /proc && mount -t tmpfs none /run'",
    ] {
        works(User::Root, &format!("{line} && echo {WORKED}"));
    }
}

fn an_agent_with_root_moves_nobody_into_another_cgroup() {
    shell("mkdir -p /sys/fs/cgroup/hp-tests");
    // A child that waits is moved.
    let line = format!(
        "sleep 100 >/dev/null 2>&1 & echo $! >/sys/fs/cgroup/hp-tests/cgroup.procs; moved=$?; kill $!; \
         test $moved = 0 && echo {WORKED}"
    );
    is_refused(User::Root, &line, "cgroup_refused");
    let line = format!("echo 0 >/sys/fs/cgroup/hp-tests/cgroup.freeze && echo {WORKED}");
    is_refused(User::Root, &line, "cgroup_refused");
    works(User::Root, &format!("cat /sys/fs/cgroup/hp-tests/cgroup.procs && echo {WORKED}"));
    // To whom a cgroup was delegated, it stays so.
    shell("mkdir -p /sys/fs/cgroup/hp-delegated && chown -R agent /sys/fs/cgroup/hp-delegated");
    works(User::Agent, &format!("echo 0 >/sys/fs/cgroup/hp-delegated/cgroup.freeze && echo {WORKED}"));
    eventually("the cgroups are empty", || {
        shell("rmdir /sys/fs/cgroup/hp-tests /sys/fs/cgroup/hp-delegated 2>/dev/null; true");
        (!fs::exists("/sys/fs/cgroup/hp-tests").unwrap()).then_some(())
    });
}

fn an_agent_cannot_take_the_gate_down() {
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let mut agent =
        Agent::start_as(User::Root, &["sh", "-c", "read go; holdpointd --take-down; echo status $?"]);
    daemon.kill();
    agent.say("go");
    let said = agent.end();
    assert!(!said.output.contains("status 0"), "{said:?}");
    for pin in ["maps/tasks", "maps/holds", "maps/meta"] {
        assert!(fs::exists(format!("/sys/fs/bpf/holdpoint/{pin}")).unwrap(), "{said:?}");
    }
    // Unguarded the same command does it.
    let said = run(Command::new("holdpointd").arg("--take-down"));
    assert_eq!(said.code, 0, "{said:?}");
}
