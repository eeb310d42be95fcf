//! When two actions are the same question to a person, and when they are identical.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use holdpoint_core::{
    facts::ExecFacts,
    flood::question,
    policy::{Decision, Wait},
    request::is_identical,
};
use serde_json::{Value, json};

fn facts(changes: &[(&str, Value)]) -> ExecFacts {
    let mut value = json!({
        "agent": {"id": 3, "name": "claude", "claim": null},
        "user": {"uid": 1000, "euid": 1000, "name": "dev", "login_uid": 1000, "login_name": "dev"},
        "pid": 4711, "tid": 4711, "host": "build-7",
        "executable": {"path": "/usr/bin/kubectl", "sha256": "ab", "owner": 0, "owner_name": "root",
                       "mode": 0o755, "size": 49, "interpreter": null},
        "called": "/usr/bin/kubectl", "argv": ["kubectl", "delete", "pod"], "cwd": "/home/dev", "tty": "pts/3",
        "parents": [{"pid": 4700, "exe": "/usr/bin/bash", "command": "bash"}],
        "cgroup": "/user.slice", "unit": null, "env": {"KUBECONFIG": "/home/dev/.kube/config"},
    });
    for (pointer, change) in changes {
        *value.pointer_mut(pointer).unwrap() = change.clone();
    }
    serde_json::from_value(value).unwrap()
}

fn decision(rule: &str) -> Decision {
    let value = json!({"action": "ask", "rule": rule, "description": null, "because": "name 'kubectl'",
                       "timeout": 300_000, "valid_for": 30_000, "wait": "hold"});
    serde_json::from_value(value).unwrap()
}

#[test]
fn what_a_person_could_tell_apart_is_another_question() {
    let first = question(&facts(&[]), Wait::Hold);
    for (pointer, change) in [
        ("/executable/path", json!("/opt/bin/kubectl")),
        ("/executable/sha256", json!("cd")),
        ("/called", json!("/usr/bin/k")),
        ("/argv", json!(["kubectl", "delete pod"])),
        ("/argv", json!(["kubectl", "delete", "pod", ""])),
        ("/cwd", json!("/")),
        ("/user/uid", json!(0)),
        ("/user/euid", json!(0)),
        ("/env", json!({})),
        ("/env", json!({"KUBECONFIG": "/prod"})),
    ] {
        assert_ne!(question(&facts(&[(pointer, change)]), Wait::Hold), first, "{pointer}");
    }
    assert_ne!(question(&facts(&[]), Wait::Refuse), first);
}

#[test]
fn what_differs_from_try_to_try_is_the_same_question() {
    let first = question(&facts(&[]), Wait::Hold);
    let again = facts(&[
        ("/pid", json!(9)),
        ("/tid", json!(9)),
        ("/tty", json!(null)),
        ("/parents", json!([])),
        ("/called", json!("/bin/kubectl")),
    ]);
    assert_eq!(question(&again, Wait::Hold), first);
    // What was filed may have nothing of it but file and arguments.
    let filed = question(&facts(&[]), Wait::Refuse);
    let bare = [("/cwd", json!("")), ("/env", json!({})), ("/called", json!("")), ("/user/euid", json!(7))];
    assert_eq!(question(&facts(&bare), Wait::Refuse), filed);
    assert_ne!(question(&facts(&[("/argv", json!(["kubectl"]))]), Wait::Refuse), filed);
}

#[test]
fn no_boundary_of_a_question_can_be_moved() {
    let one = facts(&[("/argv", json!(["a", "bc"])), ("/env", json!({"A": "b"}))]);
    for argv in [json!(["ab", "c"]), json!(["abc"]), json!(["a", "b", "c"])] {
        let other = facts(&[("/argv", argv), ("/env", json!({"A": "b"}))]);
        assert_ne!(question(&other, Wait::Hold), question(&one, Wait::Hold));
    }
    let other = facts(&[("/argv", json!(["a", "bc"])), ("/env", json!({"Ab": ""}))]);
    assert_ne!(question(&other, Wait::Hold), question(&one, Wait::Hold));
}

#[test]
fn the_identical_action_differs_in_its_processes_alone() {
    let (one, rule) = (facts(&[]), decision("cloud"));
    let again = facts(&[("/pid", json!(9)), ("/tid", json!(10)), ("/parents", json!([]))]);
    assert!(is_identical((&one, &rule), (&again, &rule)));
    for (pointer, change) in [
        ("/tty", json!("pts/4")),
        ("/cgroup", json!("/system.slice")),
        ("/called", json!("/bin/kubectl")),
        ("/argv", json!(["kubectl"])),
        ("/executable/mode", json!(0o777)),
        ("/user/login_uid", json!(null)),
        ("/agent/id", json!(4)),
        ("/env", json!({})),
    ] {
        let other = facts(&[(pointer, change)]);
        assert!(!is_identical((&one, &rule), (&other, &rule)), "{pointer}");
    }
    assert!(!is_identical((&one, &rule), (&one, &decision("other"))));
}
