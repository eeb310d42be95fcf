//! Rules that are tried on what was requested before.

use serde_json::json;

use super::{Action, Policy, policy};
use crate::{facts::ExecFacts, policy::replay, time::WallTime};

const RULES: &str = r#"
    [[command]]
    exec = ["x"]
    style = "gnu"

    [[rule]]
    name = "elsewhere"
    exec = ["x"]
    action = "deny"
    env = { SECRET_REGION = { not_in = ["eu"], or_absent = false } }

    [[rule]]
    name = "reads"
    exec = ["x"]
    action = "allow"
    subcommand = ["get"]
    users = ["dev"]
    env = { SHOWN = "yes" }
"#;

fn facts(changes: &serde_json::Value) -> ExecFacts {
    let mut all = json!({
        "agent": {"id": 1, "name": "claude", "claim": null},
        "user": {"uid": 1000, "euid": 1000, "name": "dev", "login_uid": null, "login_name": null},
        "pid": 1, "tid": 1, "host": "h",
        "executable": {"path": "/usr/bin/x", "sha256": "00", "owner": 0, "owner_name": null, "mode": 0o755, "size": 1, "interpreter": null},
        "called": "./link/x", "argv": ["x", "get", "y"], "cwd": "/", "tty": null, "parents": [], "cgroup": "/c", "unit": null,
        "env": {"SHOWN": "yes"}, "loader_variables": [], "other_env": ["HOME"]
    });
    for (key, value) in changes.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

fn said(policy: &Policy, facts: &ExecFacts) -> (Action, Option<String>) {
    let decision = replay::command(facts, WallTime(0)).with(|exec, context| {
        assert!(policy.listed(exec));
        policy.decide(exec, context)
    });
    (decision.action, decision.rule)
}

#[test]
fn what_the_record_has_decides_and_what_it_has_not_is_in_doubt() {
    let policy = policy(RULES);
    let allowed = (Action::Allow, Some("reads".to_owned()));
    assert_eq!(said(&policy, &facts(&json!({}))), allowed);
    assert_eq!(said(&policy, &facts(&json!({"argv": ["x", "delete"]}))), (Action::Ask, None));
    let denied = (Action::Deny, Some("elsewhere".to_owned()));
    for (changes, expected) in [
        // It is there, with a value that nobody kept.
        (json!({"other_env": ["HOME", "SECRET_REGION"]}), denied.clone()),
        // Nobody kept what else there was.
        (json!({"other_env": null}), denied),
        // By it the option behind the word would be none.
        (json!({"other_env": ["POSIXLY_CORRECT"], "argv": ["x", "get", "-a"]}), (Action::Ask, None)),
        (json!({"env": {"SHOWN": "yes", "SHOWN (again, 2)": "no"}}), (Action::Ask, None)),
        (
            json!({"user": {"uid": 1000, "euid": 0, "name": "dev", "login_uid": null, "login_name": null}}),
            (Action::Ask, None),
        ),
        // The arguments are those of the script.
        (json!({"is_interpreter": true, "called": "/tmp/script"}), (Action::Ask, None)),
    ] {
        assert_eq!(said(&policy, &facts(&changes)), expected, "{changes}");
    }
}

#[test]
fn the_name_of_a_script_is_none_of_its_interpreters() {
    let rules = policy("[[rule]]\nname = \"s\"\nexec = [\"script\"]\naction = \"deny\"\n");
    let of_script = facts(&json!({"is_interpreter": true, "called": "/tmp/script"}));
    assert!(!replay::command(&of_script, WallTime(0)).with(|exec, _| rules.listed(exec)));
    let called = facts(&json!({"called": "/tmp/script"}));
    assert!(replay::command(&called, WallTime(0)).with(|exec, _| rules.listed(exec)));
}
