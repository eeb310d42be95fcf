//! Machines on which a listed exec could get through: the daemon does not start there, and says what to do.

use std::{fs, path::Path};

use crate::{
    runner::{Test, tests},
    support::{
        cli::{User, holdpoint_as},
        daemon::{self, Process},
        programs,
    },
};

pub(crate) const LSM_OFF: &[Test] = tests![LsmOff, 60: without_the_bpf_lsm_the_daemon_does_not_start];
pub(crate) const PREEMPT_FULL: &[Test] =
    tests![PreemptFull, 60: with_full_preemption_before_linux_6_2_the_daemon_does_not_start];

fn without_the_bpf_lsm_the_daemon_does_not_start() {
    let active = fs::read_to_string("/sys/kernel/security/lsm").unwrap();
    assert!(!active.contains("bpf"), "this boot is not what it should be: {active}");
    refuses("BPF LSM", &format!("add 'lsm={},bpf' to the kernel's command line", active.trim()));
}

fn with_full_preemption_before_linux_6_2_the_daemon_does_not_start() {
    let booted = fs::read_to_string("/proc/cmdline").unwrap();
    assert!(booted.contains("preempt=full"), "this boot is not what it should be: {booted}");
    refuses("preemption model", "preempt=voluntary");
}

fn refuses(check: &str, cure: &str) {
    daemon::prepare(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let said = daemon::holdpointd(&["--check"]);
    assert_eq!(said.code, 1, "{said:?}");
    let failed: Vec<&str> = said.output.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failed.len() == 1 && failed[0].contains(check), "{said:?}");
    assert!(said.output.contains(cure), "{said:?}");

    let said = daemon::holdpointd(&["--check", "--json"]);
    assert_eq!(said.code, 1, "{said:?}");
    let checks: Vec<serde_json::Value> = serde_json::from_str(&said.output).unwrap();
    let failed: Vec<_> = checks.iter().filter(|check| !check["cure"].is_null()).collect();
    assert!(failed.len() == 1 && failed[0]["name"] == check, "{checks:?}");

    let mut process = Process::start();
    assert_eq!(process.ended().code(), Some(1), "{}", process.log());
    assert!(process.log().contains(cure), "{}", process.log());
    assert!(!Path::new("/sys/fs/bpf/holdpoint").exists(), "it left something pinned");
    assert_eq!(fs::read_dir(daemon::RUNTIME).unwrap().count(), 0, "it left a socket");

    // Nobody is told that a gate is there which is not.
    let said = holdpoint_as(User::Agent, None, &["run", "--agent", "a", "--", "echo", "it ran"]);
    assert_eq!((said.code, said.output.as_str()), (69, ""), "{said:?}");
}
