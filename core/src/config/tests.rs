use std::time::Duration;

use super::*;
use crate::policy::{SourceFile, Wait};

fn read(text: &str) -> Result<(Config, Vec<String>), Vec<String>> {
    let file = SourceFile { name: "config.toml".to_owned(), text: text.to_owned() };
    let shown = |diagnostics: Vec<crate::diagnostic::Diagnostic>| {
        diagnostics.iter().map(ToString::to_string).collect()
    };
    parse(&file).map(|(config, warnings)| (config, shown(warnings))).map_err(shown)
}

/// The first lines of the errors.
fn messages(text: &str) -> Vec<String> {
    let first_line = |text: &String| text.lines().next().unwrap().to_owned();
    read(text).unwrap_err().iter().map(first_line).collect()
}

#[test]
fn an_empty_file_says_the_defaults() {
    assert_eq!(read("").unwrap(), (Config::default(), vec![]));
    assert_eq!(read("[show]\n[defaults]\n[limits]\n").unwrap(), (Config::default(), vec![]));
}

#[test]
fn every_key_is_read() {
    let text = r#"
        approver_group = "wheel"
        require_login_uid = false
        policies = "/p"
        state_directory = "/s"
        runtime_directory = "/r"
        bpf_object = "/b"
        mode = "observe"
        [show]
        environment = ["A", "B_*"]
        [defaults]
        timeout = "10m"
        valid_for = "30s"
        wait = "refuse"
        [limits]
        pending = 7
        agent_pending = 3
        agent_per_minute = 9
        cooldown = "0s"
    "#;
    let expected = Config {
        approver_group: "wheel".to_owned(),
        require_login_uid: false,
        policies: "/p".into(),
        state_directory: "/s".into(),
        runtime_directory: "/r".into(),
        bpf_object: "/b".into(),
        mode: Mode::Observe,
        show: Show { environment: vec!["A".to_owned(), "B_*".to_owned()] },
        defaults: Defaults {
            timeout: Duration::from_secs(600),
            valid_for: Duration::from_secs(30),
            wait: Wait::Refuse,
        },
        limits: Limits { pending: 7, agent_pending: 3, agent_per_minute: 9, cooldown: Duration::ZERO },
        agents: vec![],
    };
    assert_eq!(read(text).unwrap(), (expected, vec![]));
}

#[test]
fn unknown_keys_are_errors_in_each_table() {
    let told = read("aprover_group = \"x\"\n[show]\nenviroment = []\n[limits]\nrequests = 1\n").unwrap_err();
    let expected = "\
error: unknown key 'aprover_group'
  --> config.toml:1:1
   |
 1 | aprover_group = \"x\"
   | ^^^^^^^^^^^^^
   = did you mean 'approver_group'?";
    assert_eq!(told[0], expected);
    assert!(told[1].ends_with("= did you mean 'environment'?"), "{}", told[1]);
    assert!(
        told[2].ends_with("= known here: pending, agent_pending, agent_per_minute, cooldown"),
        "{}",
        told[2]
    );
}

#[test]
fn wrong_types_say_what_was_expected() {
    let text = "approver_group = 1\nrequire_login_uid = \"yes\"\npolicies = [\"/p\"]\nshow = 1\nlimits.pending = \"9\"\n";
    assert_eq!(
        messages(text),
        [
            "error: 'approver_group' has the wrong type: expected a string, found an integer",
            "error: 'require_login_uid' has the wrong type: expected true or false, found a string",
            "error: 'policies' has the wrong type: expected a string, found an array",
            "error: 'show' has the wrong type: expected a table, begun by `[show]`, found an integer",
            "error: 'pending' has the wrong type: expected an integer, found a string",
        ]
    );
}

#[test]
fn wrong_values_are_errors() {
    for (text, message) in [
        ("policies = \"etc\"", "error: 'policies' cannot be 'etc': it is not absolute"),
        (
            "policies = \"/a/../b\"",
            "error: 'policies' cannot be '/a/../b': it has a '.', '..' or empty component",
        ),
        (
            "bpf_object = \"/a/\"",
            "error: 'bpf_object' cannot be '/a/': it has a '.', '..' or empty component",
        ),
        ("bpf_object = \"/a\\u0007\"", "error: 'bpf_object' cannot be '/a\\x07': it has a control character"),
        ("approver_group = \"a b\"", "error: 'a b' cannot be the name of a group"),
        ("approver_group = \"\"", "error: '' cannot be the name of a group"),
        ("limits.pending = 0", "error: 'pending' has to be from 1 to 32768"),
        ("limits.pending = -1", "error: 'pending' has to be from 1 to 32768"),
        ("limits.pending = 32769", "error: 'pending' has to be from 1 to 32768"),
        ("limits.agent_pending = 0", "error: 'agent_pending' has to be from 1 to 32768"),
        ("limits.agent_per_minute = 60001", "error: 'agent_per_minute' has to be from 1 to 60000"),
        (
            "limits.cooldown = \"25h\"",
            "error: 'cooldown' is no duration that can be used: it is longer than 24h",
        ),
        ("show.environment = [\"*\"]", "error: '*' would show the whole environment"),
        ("show.environment = [\"\"]", "error: '' would show the whole environment"),
        ("show.environment = [\"A=B\"]", "error: 'A=B' cannot be the name of a variable"),
        ("defaults.wait = \"holt\"", "error: 'wait' is 'holt', expected one of \"hold\", \"refuse\""),
        (
            "defaults.timeout = \"25h\"",
            "error: 'timeout' is no duration that can be used: it is longer than 24h",
        ),
    ] {
        assert_eq!(messages(text), [message]);
    }
    let many = format!("show.environment = [{}]", "\"A\",".repeat(MAX_SHOWN + 1));
    assert_eq!(messages(&many), ["error: 'environment' names 257 variables, 256 is the limit"]);
}

#[test]
fn numbers_are_read_in_all_ways_that_toml_has() {
    assert_eq!(read("limits.pending = 0x1_00").unwrap().0.limits.pending, 256);
}

#[test]
fn what_looks_like_a_secret_is_never_shown() {
    let (config, warnings) =
        read("show.environment = [\"AWS_*\", \"PGPASSWORD\", \"gh_token\", \"M*L*X\"]").unwrap();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].starts_with("warning: 'PGPASSWORD' is never shown: the name looks like a secret\n"));
    for shown in ["AWS_PROFILE", "AWS_", "MLX", "MALAX"] {
        assert!(config.shows(shown.as_bytes()), "{shown}");
    }
    let secrets = [
        "AWS_SESSION_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "aws_key",
        "PGPASSWORD",
        "gh_token",
    ];
    for hidden in secrets.into_iter().chain(["PATH", "AWS", "XAWS_A", "MX", "", "LD_PRELOAD"]) {
        assert!(!config.shows(hidden.as_bytes()), "{hidden}");
    }
    assert!(config.shows(b"AWS_\xff"));
}

#[test]
fn the_defaults_show_what_they_name_and_no_secret() {
    let config = Config::default();
    for name in DEFAULT_ENVIRONMENT {
        let name = name.replace('*', "X");
        assert!(config.shows(name.as_bytes()), "{name} looks like a secret");
    }
    for hidden in [
        "GITHUB_TOKEN",
        "OPENAI_API_KEY",
        "MYSQL_PWD",
        "PGPASSWORD",
        "PGPASSFILE",
        "DB_PASS",
        "SLACK_WEBHOOK_URL",
        "DATABASE_URL",
        "SENTRY_DSN",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "LD_SECRET",
        "TF_CLI_ARGS_TOKEN",
        "ld_preload",
    ] {
        assert!(!config.shows(hidden.as_bytes()), "{hidden}");
    }
}

/// The documentation has every key, every default variable and every name that is never shown.
#[test]
fn the_documentation_is_complete() {
    let text = include_str!("../../../docs/configuration.md");
    let keys = [
        "approver_group",
        "require_login_uid",
        "policies",
        "state_directory",
        "runtime_directory",
        "bpf_object",
    ];
    let nested = [
        "show.environment",
        "defaults.timeout",
        "defaults.valid_for",
        "defaults.wait",
        "limits.pending",
        "limits.agent_pending",
        "limits.agent_per_minute",
        "limits.cooldown",
    ];
    for word in keys.iter().chain(&nested).chain(DEFAULT_ENVIRONMENT).chain(NEVER_SHOWN) {
        assert!(text.contains(&format!("`{word}`")), "{word} is missing in docs/configuration.md");
    }
    let example: String =
        text.lines().filter_map(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(read(&example).unwrap().1, Vec::<String>::new());
}

#[test]
fn agents_are_read_in_their_order() {
    use crate::agent::How;
    let text = "[[agent]]\nname = \"ci\"\nuser = \"agent\"\n[[agent]]\nname = \"ci\"\nunit = \"ci-*.service\"\n\
                [[agent]]\nname = \"claude\"\nexec = \"/usr/local/bin/claude\"\n";
    let (config, warnings) = read(text).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let read: Vec<(&str, String)> =
        config.agents.iter().map(|agent| (agent.name.as_str(), agent.how.to_string())).collect();
    assert_eq!(
        read,
        [
            ("ci", "user 'agent'".to_owned()),
            ("ci", "unit 'ci-*.service'".to_owned()),
            ("claude", "executable '/usr/local/bin/claude'".to_owned())
        ]
    );
    assert!(matches!(config.agents[0].how, How::User(_)));
    assert_eq!(config.agents[1].place.to_string(), "config.toml:6:1");
}

#[test]
fn wrong_agents_are_told_of_with_their_place() {
    let wrong = |lines: &str| messages(&format!("[[agent]]\n{lines}"));
    for (lines, message) in [
        ("user = \"x\"", "an agent has no 'name'"),
        ("name = \"A\"\nuser = \"x\"", "is no name for an agent"),
        ("name = \"a\"", "none of 'user', 'exec' and 'unit'"),
        ("name = \"a\"\nuser = \"x\"\nunit = \"x.service\"", "both 'user' and 'unit'"),
        ("name = \"a\"\nuser = \"root\"", "root cannot be an agent"),
        ("name = \"a\"\nuser = \"x y\"", "cannot be the name of a user"),
        ("name = \"a\"\nexec = \"claude\"", "it is not absolute"),
        ("name = \"a\"\nunit = \"*.service\"", "every unit of the host"),
        ("name = \"a\"\nuser = 7", "user"),
        ("name = \"a\"\nuzer = \"x\"", "uzer"),
    ] {
        let said = wrong(lines);
        assert!(said.iter().any(|said| said.contains(message)), "{lines}: {said:?}");
    }
    let twice = "[[agent]]\nname = \"a\"\nuser = \"x\"\n[[agent]]\nname = \"b\"\nuser = \"x\"\n";
    assert!(messages(twice)[0].contains("user 'x' is an agent already, by config.toml:3:1"));
}

#[test]
fn what_can_change_at_a_reload_does_and_what_cannot_is_named() {
    let in_force = read("approver_group = \"wheel\"\n[limits]\npending = 7\n").unwrap().0;
    let text = r#"
        approver_group = "adm"
        state_directory = "/s"
        policies = "/p"
        [show]
        environment = ["A"]
        [defaults]
        timeout = "10m"
        [[agent]]
        name = "ci"
        user = "agent"
    "#;
    let file = read(text).unwrap().0;
    let (now, needs_restart) = in_force.reloaded(file.clone());
    assert_eq!(needs_restart, ["approver_group", "state_directory"]);
    let expected = Config {
        approver_group: in_force.approver_group.clone(),
        state_directory: in_force.state_directory.clone(),
        ..file
    };
    assert_eq!(now, expected);
    assert_eq!(now.limits, Limits::default(), "a key that is not there any more has its default again");
    assert_eq!(now.reloaded(now.clone()), (now.clone(), vec![]));
}

#[test]
fn an_agent_is_observed_by_all_of_its_entries_or_by_none() {
    let entry = |user: &str, mode: &str| format!("[[agent]]\nname = \"ci\"\nuser = \"{user}\"\n{mode}\n");
    let observe = "mode = \"observe\"";
    let (config, _) = read(&(entry("a", observe) + &entry("b", observe))).unwrap();
    assert!(config.observes("ci") && !config.observes("other"));
    assert_eq!(config.observed_agents(), ["ci"]);
    let (config, _) = read(&entry("a", "")).unwrap();
    assert!(!config.observes("ci") && config.observed_agents().is_empty());
    assert!(read("mode = \"observe\"").unwrap().0.observes("anybody"));
    let told = read(&(entry("a", observe) + &entry("b", ""))).unwrap_err();
    assert!(told[0].contains("agent 'ci' is observed by one entry and not by another"), "{}", told[0]);
}
