//! Looking and deciding, against a daemon that answers what the test says.

use std::process::Stdio;

use super::common::{Daemon, command, problem, request, stderr, stdout};

#[test]
fn without_a_daemon_every_command_says_so_and_how_to_see_why() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    // A socket file that nobody listens on is the same to a person.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    for socket in [socket, directory.path().join("none")] {
        for arguments in [
            &["pending"][..],
            &["show", "k3"],
            &["approve", "k3"],
            &["deny", "k3"],
            &["watch"],
            &["log"],
            &["status"],
            &["reload"],
        ] {
            let output = command().arg("--socket").arg(&socket).args(arguments).output().unwrap();
            assert_eq!(output.status.code(), Some(69), "{arguments:?}");
            let text = stderr(&output);
            assert!(text.starts_with("holdpoint: holdpointd is not running"), "{text}");
            assert!(text.contains("systemctl status holdpointd"), "{text}");
        }
    }
}

#[test]
fn approve_votes_on_each_id_and_prints_what_was_approved() {
    let (one, two) = (request("k3m9z", "running"), request("7fq2a", "running"));
    let daemon = Daemon::start(&[
        ("POST /v1/requests/k3m9z/votes", 200, &one),
        ("POST /v1/requests/7f/votes", 200, &two),
    ]);
    let output = daemon.run(&["approve", "K3M9Z", "7F", "--reason", "planned"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("approved k3m9z") && stdout(&output).contains("approved 7fq2a"));
    let bodies: Vec<_> = daemon.calls().into_iter().map(|call| call.body).collect();
    assert_eq!(bodies, [r#"{"verdict":"approve","reason":"planned"}"#; 2]);
}

#[test]
fn approve_says_how_many_processes_it_is_about() {
    let daemon = Daemon::start(&[("POST /v1/requests/k3m9z/votes", 200, &request("k3m9z", "running"))]);
    let output = daemon.run(&["approve", "k3m9z", "--processes", "3"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(daemon.calls()[0].body, r#"{"verdict":"approve","reason":null,"processes":3}"#);
    assert_eq!(daemon.run(&["approve", "k3m9z", "--processes", "0"]).status.code(), Some(2));
    assert_eq!(daemon.run(&["deny", "k3m9z", "--processes", "3"]).status.code(), Some(2));
}

#[test]
fn why_asks_the_agents_socket_what_was_refused_and_what_waits() {
    let refusals = r#"{"refusals":[{"cause":"agent_pending","because":"too many wait","at":1,"until":null,
        "request":null,"pid":7,"program":"/usr/bin/kubectl","argv":["kubectl","get"],"more_arguments":1,"more":4}]}"#
        .replace('\n', "");
    let waits = format!(r#"{{"requests":[{}]}}"#, request("k3m9z", "pending"));
    let daemon = Daemon::start(&[("GET /v1/refusals", 200, &refusals), ("GET /v1/requests", 200, &waits)]);
    let output = daemon.run(&["why"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for part in ["too many wait", "kubectl get (1 arguments more)", "4 others for the same cause", "k3m9z"] {
        assert!(stdout(&output).contains(part), "{}", stdout(&output));
    }
    let output = daemon.run(&["why", "--json"]);
    assert!(stdout(&output).contains("\"cause\":\"agent_pending\""), "{}", stdout(&output));
    // Without --socket it is the agents' one.
    let output = command().args(["why"]).output().unwrap();
    assert!(output.status.code() != Some(0) && stderr(&output).contains("agent.sock"), "{}", stderr(&output));
}

#[test]
fn a_vote_that_is_refused_keeps_no_other_from_being_cast_and_gives_the_exit_code() {
    let late = problem("already-decided", 409, "the request is already denied");
    let good = request("7fq2a", "ended").replace(r#"{"is":"ended"}"#, r#"{"is":"running"}"#);
    let daemon = Daemon::start(&[
        ("POST /v1/requests/k3m9z/votes", 409, &late),
        ("POST /v1/requests/7fq2a/votes", 200, &good),
    ]);
    let output = daemon.run(&["deny", "k3m9z", "7fq2a"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "holdpoint: the request is already denied\n");
    assert!(stdout(&output).contains("denied 7fq2a"));
    assert_eq!(daemon.calls().len(), 2);
}

#[test]
fn one_text_that_is_no_id_stops_all_votes() {
    let daemon = Daemon::start(&[]);
    let output = daemon.run(&["approve", "k3m9z", "../../reload"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr(&output).contains("is not a request id"), "{}", stderr(&output));
    assert!(daemon.calls().is_empty());
}

#[test]
fn an_ambiguous_or_unknown_id_is_65_and_a_missing_permission_77() {
    let ambiguous = problem("ambiguous-id", 409, "'k3' begins k3m9z and k3aaa");
    let forbidden = problem("not-permitted", 403, "not a member");
    let daemon =
        Daemon::start(&[("GET /v1/requests/k3", 409, &ambiguous), ("GET /v1/status", 403, &forbidden)]);
    let output = daemon.run(&["show", "k3"]);
    assert_eq!((output.status.code(), stderr(&output).contains("k3m9z and k3aaa")), (Some(65), true));
    assert_eq!(daemon.run(&["show", "zz"]).status.code(), Some(65));
    assert_eq!(daemon.run(&["status"]).status.code(), Some(77));
}

#[test]
fn an_error_in_the_rules_is_printed_with_its_lines_and_nothing_hidden() {
    let detail = "policies.d/a.toml:3:1: unknown key\\n  actoin = 1\\n  ^ \\u001b[2J";
    let daemon = Daemon::start(&[("POST /v1/reload", 422, &problem("bad-policy", 422, detail))]);
    let output = daemon.run(&["reload"]);
    assert_eq!(output.status.code(), Some(65));
    assert_eq!(
        stderr(&output),
        "holdpoint: policies.d/a.toml:3:1: unknown key\n  actoin = 1\n  ^ \\x1b[2J\n"
    );
}

#[test]
fn json_is_what_the_daemon_said_in_plain_ascii() {
    let body = format!(r#"{{"requests":[{}]}}"#, request("k3m9z", "pending"));
    let daemon = Daemon::start(&[("GET /v1/requests?state=pending&limit=10000", 200, &body)]);
    let output = daemon.run(&["pending", "--json"]);
    assert!(
        stdout(&output).trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "{}",
        stdout(&output)
    );
    let (ours, theirs): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&stdout(&output)).unwrap(), serde_json::from_str(&body).unwrap());
    assert_eq!(ours, theirs);
    let table = stdout(&daemon.run(&["pending", "--color", "always"]));
    assert!(table.starts_with("\x1b[1mID") && !stdout(&daemon.run(&["pending"])).contains('\x1b'), "{table}");
}

#[test]
fn watch_in_a_pipe_prints_changes_until_the_daemon_ends() {
    let lines = format!(
        "{{\"is\":\"request\",\"request\":{}}}\n{{\"is\":\"lagged\"}}\n",
        request("k3m9z", "pending")
    );
    let daemon = Daemon::start(&[("GET /v1/events", 200, &lines)]);
    let output = daemon.run(&["watch"]);
    assert_eq!(output.status.code(), Some(69));
    assert_eq!(stdout(&output).lines().count(), 2);
    assert!(stdout(&output).starts_with("k3m9z pending: "));
    assert_eq!(stdout(&daemon.run(&["watch", "--json"])).lines().last(), Some(r#"{"is":"lagged"}"#));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let entry = r#"{"seq":1,"at":1,"request":null,"agent":null,"event":{"is":"stopped"}}"#;
    let body = format!(r#"{{"entries":[{}]}}"#, vec![entry; 5000].join(","));
    let daemon = Daemon::start(&[("GET /v1/log?limit=5000", 200, &body)]);
    let mut child = command()
        .arg("--socket")
        .arg(daemon.socket())
        .args(["log", "--limit", "5000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn doctor_works_without_a_daemon_and_names_a_cure_for_each_failure() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("none");
    let output = command().arg("--socket").arg(&socket).args(["doctor", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 8);
    for check in checks {
        assert_eq!(check["ok"].as_bool().unwrap(), check["cure"].is_null(), "{check}");
    }
    let text = command().arg("--socket").arg(&socket).arg("doctor").output().unwrap();
    assert!(stdout(&text).contains("holdpointd --check"));
    assert!(stdout(&text).lines().all(|line| line.chars().count() <= 80), "{}", stdout(&text));
}

#[test]
fn completions_and_manual_pages_come_from_the_program() {
    let output = command().args(["completions", "bash"]).output().unwrap();
    assert!(output.status.success() && stdout(&output).contains("approve"));
    let directory = tempfile::tempdir().unwrap();
    let output = command().arg("man").arg(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = std::fs::read_to_string(directory.path().join("holdpoint-approve.1")).unwrap();
    assert!(page.contains("\\-\\-reason"), "{page}");
}
