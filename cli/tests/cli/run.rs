//! `holdpoint run`: the command runs as an agent, or it does not run.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Stdio};

use super::common::{Daemon, command, problem, stderr, stdout};

#[test]
fn without_a_daemon_the_command_does_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let marker = directory.path().join("marker");
    let output = command()
        .args(["run", "--agent", "a", "--socket"])
        .arg(directory.path().join("no.sock"))
        .args(["--", "touch"])
        .arg(&marker)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(stderr(&output).contains("holdpointd is not running"), "{}", stderr(&output));
    assert!(stderr(&output).contains("the command was not run"), "{}", stderr(&output));
    assert!(!marker.exists());
}

#[test]
fn when_the_daemon_says_no_or_nonsense_the_command_does_not_run() {
    let refusals = [
        (503, problem("store-failed", 503, "the disk is full")),
        (409, problem("cannot-tag", 409, "it is an agent already")),
        (403, problem("agent-may-not", 403, "no")),
        (400, problem("bad-request", 400, "no")),
        (500, "<html>".to_owned()),
        (200, "{}".to_owned()),
        (200, r#"{"agent":0}"#.to_owned()),
        (302, r#"{"agent":1}"#.to_owned()),
    ];
    for (status, body) in refusals {
        let daemon = Daemon::start(&[("POST /v1/agents", status, &body)]);
        let output = daemon.run(&["run", "--agent", "a", "--", "echo", "it ran"]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(69), ""), "{status} {body}");
        assert!(stderr(&output).contains("the command was not run"), "{}", stderr(&output));
    }
}

#[test]
fn the_process_that_was_tagged_becomes_the_command() {
    let daemon = Daemon::start(&[("POST /v1/agents", 200, r#"{"agent":3}"#)]);
    let script =
        "echo $$; grep SigIgn /proc/$$/status; ls -l /proc/$$/fd | grep -c -e socket -e anon_inode; exit 7";
    let child = command()
        .arg("--socket")
        .arg(daemon.socket())
        .args(["run", "--agent", "claude", "--reason", "tidy \u{1b}", "--", "sh", "-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "the exit status is the command's");
    let text = stdout(&output);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], pid.to_string());
    let ignored = u64::from_str_radix(lines[1].split_whitespace().last().unwrap(), 16).unwrap();
    assert_eq!(ignored & (1 << 12), 0, "SIGPIPE is not ignored");
    assert_eq!(lines[2], "0", "nothing of ours is open");
    let calls = daemon.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body, "{\"name\":\"claude\",\"reason\":\"tidy \\u001b\"}");
    assert_eq!((calls[0].pid, calls[0].threads), (i32::try_from(pid).unwrap(), 1));
}

#[test]
fn a_scope_is_asked_for_only_when_it_is_wanted() {
    let daemon = Daemon::start(&[("POST /v1/agents", 200, r#"{"agent":3}"#)]);
    assert!(daemon.run(&["run", "--agent", "a", "--scope", "--", "true"]).status.success());
    assert_eq!(daemon.calls()[0].body, r#"{"name":"a","reason":null,"scope":true}"#);
    let daemon =
        Daemon::start(&[("POST /v1/agents", 503, &problem("unavailable", 503, "cannot start the scope"))]);
    let output = daemon.run(&["run", "--agent", "a", "--scope", "--", "echo", "it ran"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(69), ""));
    assert!(stderr(&output).contains("cannot start the scope"), "{}", stderr(&output));
}

#[test]
fn a_command_that_cannot_be_executed_ends_as_in_a_shell() {
    let daemon = Daemon::start(&[("POST /v1/agents", 200, r#"{"agent":3}"#)]);
    let missing = daemon.run(&["run", "--agent", "a", "--", "no-such-program-\u{1b}"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(stderr(&missing).contains("cannot execute 'no-such-program-\\x1b'"), "{}", stderr(&missing));
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "x").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    let not_executable = daemon.run(&["run", "--agent", "a", "--", plain.to_str().unwrap()]);
    assert_eq!(not_executable.status.code(), Some(126));
}

#[test]
fn a_wrong_command_line_asks_nobody() {
    let daemon = Daemon::start(&[]);
    for arguments in [
        &["run", "--agent", "Bad Name", "--", "true"][..],
        &["run", "--", "true"],
        &["run", "--agent", "a"],
        &["run", "--agent", "a", "true"],
    ] {
        assert_eq!(daemon.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert!(daemon.calls().is_empty());
}
