//! `holdpoint policy explain`.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use super::{
    super::common::{command, stdout},
    KUBERNETES, Rules, ends, json,
};

#[test]
fn explain_tells_the_decision_each_clause_and_what_came_close() {
    let rules = Rules::new(&[("10-kubernetes.toml", KUBERNETES)]);
    let output =
        rules.explain(&["--at", "2026-11-27T12:00:00Z", "--", "kubectl", "-n", "prod", "get", "pods"]);
    ends(&output, 0);
    let expected = "\
ask by rule 'kubernetes-production' (10-kubernetes.toml:9)
  program     kubectl: not on this host, so by its name alone
  risk        high
  meaning     Changes what runs in production.
  timeout     10m
  because     name 'kubectl' in rule 'kubernetes-production'
            | (10-kubernetes.toml:11)
clauses of rule 'kubernetes-production'
  yes       flags.--namespace  wants  in [\"prod\", \"prod-*\"]
                               found  prod
  yes       env.KUBECONFIG     wants  in [\"/etc/prod\"], or_absent
                               found  absent
came close, and did not apply
  allow by rule 'kubernetes-reads' (10-kubernetes.toml:19)
    in doubt  agents  wants  \"ci-*\"
                      found  not known
";
    assert_eq!(stdout(&output), expected);
    let explained = json(&rules.explain(&["--json", "--", "kubectl", "-n", "prod", "get"]));
    assert_eq!((&explained["listed"], &explained["decision"]["action"]), (&true.into(), &"ask".into()));
    assert_eq!(explained["rules"][0]["clauses"][0]["holds"], "yes");
}

#[test]
fn explain_takes_what_is_given_and_the_environment_from_here_only_where_asked() {
    let rules = Rules::new(&[("10.toml", KUBERNETES)]);
    let decided = |more: &[&str]| {
        let arguments =
            [&["--json", "--agent", "ci-7"], more, &["--", "kubectl", "-n", "prod", "get"]].concat();
        let mut command = command();
        command.args(["policy", "explain", "--rules"]).arg(rules.path("rules")).args(arguments);
        let output = command.env("KUBECONFIG", "/home/x").output().unwrap();
        json(&output)["decision"]["rule"].as_str().map(str::to_owned)
    };
    assert_eq!(decided(&[]).as_deref(), Some("kubernetes-production"));
    assert_eq!(decided(&["--env-from-here"]).as_deref(), Some("kubernetes-reads"));
    assert_eq!(decided(&["--env", "KUBECONFIG=/x"]).as_deref(), Some("kubernetes-reads"));
    assert_eq!(
        decided(&["--env-from-here", "--env", "KUBECONFIG=/etc/prod"]).as_deref(),
        Some("kubernetes-production")
    );
}

#[test]
fn every_clause_looks_at_what_its_option_says() {
    let text = "[[rule]]\nname = 'r'\nexec = ['x']\naction = 'allow'\nagents = ['a']\nusers = ['root']\ngroups = ['g']\n\
                hosts = ['h']\nunits = ['u.service']\ncwd = ['/none/d']\ntty = true\ndates = { from = '2030-01-01', to = '2030-01-01' }\n";
    let rules = Rules::new(&[("10.toml", text)]);
    let output = rules.explain(&["--json", "--", "x"]);
    let lacking = json(&output)["rules"][0]["clauses"].as_array().unwrap().clone();
    assert!(lacking.iter().all(|clause| clause["holds"] != "yes" || clause["key"] == "users"), "{lacking:?}");
    let given = "--json --agent a --user 0 --group g --group h --host h --unit u.service --cwd /none/d --tty --at 2030-01-01T00:00:00Z -- x";
    let output = rules.explain(&given.split(' ').collect::<Vec<_>>());
    assert_eq!(json(&output)["decision"]["rule"], "r", "{}", stdout(&output));
}

#[test]
fn explain_finds_the_file_and_follows_links() {
    let text = "[[rule]]\nname = 'r'\nexec = ['tool-1.2']\naction = 'ask'\nowner = 'other'\n";
    let rules = Rules::new(&[("10.toml", text)]);
    rules.program("tool-1.2", "");
    fs::set_permissions(rules.path("bin/tool-1.2"), fs::Permissions::from_mode(0o777)).unwrap();
    symlink("tool-1.2", rules.path("bin/tool")).unwrap();
    let text = stdout(&rules.explain(&["--", "tool"]));
    assert!(text.starts_with("ask by rule 'r' (10.toml:2)\n"), "{text}");
    assert!(text.replace("\n            | ", " ").contains(", names tool, tool-1.2\n"), "{text}");
    let by_path = stdout(&rules.explain(&["--cwd", rules.path("bin").to_str().unwrap(), "--", "./tool"]));
    assert!(by_path.starts_with("ask by rule 'r'"), "{by_path}");
    let elsewhere = stdout(&rules.explain(&["--env", "PATH=/none", "--", "tool"]));
    assert!(elsewhere.starts_with("not listed") && elsewhere.contains("not on this host"), "{elsewhere}");
}

#[test]
fn explain_says_that_the_interpreter_of_a_script_is_listed_and_that_content_is_not_looked_at() {
    let hash = "0".repeat(64);
    let text = format!("[[rule]]\nname = 'r'\nexec = ['interpreter']\naction = 'allow'\nhash = ['{hash}']\n");
    let rules = Rules::new(&[("10.toml", &text)]);
    rules.program("interpreter", "");
    rules.program("script", &format!("#!{}/interpreter -x\n", rules.path("bin").display()));
    let text = stdout(&rules.explain(&["--", "script"]));
    assert!(
        text.starts_with("not listed: no rule is about it, but one is about its interpreter\n"),
        "{text}"
    );
    let explained = json(&rules.explain(&["--json", "--", "script"]));
    assert_eq!(
        (&explained["listed"], &explained["interpreters"][0]["listed"]),
        (&false.into(), &true.into())
    );
    let text = stdout(&rules.explain(&["--", "interpreter"]));
    assert!(text.starts_with("ask: no rule decides") && text.contains("'hash' is in doubt"), "{text}");
}

#[test]
fn a_wrong_command_line_is_2() {
    let rules = Rules::new(&[("10.toml", KUBERNETES)]);
    for wrong in [
        &["--at", "noon", "--", "x"][..],
        &["--env", "x", "--", "x"],
        &["--agent", "A", "--", "x"],
        // What is known of a request its record says.
        &["k3m9z", "--tty"],
        &["k3m9z", "--", "x"],
        &[],
    ] {
        ends(&rules.explain(wrong), 2);
    }
    for arguments in [&["policy"][..], &["policy", "help"], &["policy", "none"]] {
        assert_eq!(command().args(arguments).output().unwrap().status.code(), Some(2), "{arguments:?}");
    }
}
