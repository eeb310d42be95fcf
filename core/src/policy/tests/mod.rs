mod clauses;
mod errors;
mod hostile;
mod observe;
mod print;
mod replay;
mod when;
mod when_hostile;

use std::time::Duration;

use super::*;
use crate::diagnostic::Diagnostic;

fn file(name: &str, text: &str) -> SourceFile {
    SourceFile { name: name.to_owned(), text: text.to_owned() }
}

fn policy(text: &str) -> Policy {
    let (policy, warnings) = parse(&[file("10.toml", text)]).unwrap_or_else(|errors| panic!("{}", errors[0]));
    assert_eq!(warnings, []);
    policy
}

fn errors(text: &str) -> Vec<Diagnostic> {
    parse(&[file("10.toml", text)]).unwrap_err()
}

fn warnings(text: &str) -> Vec<String> {
    let (_, warnings) = parse(&[file("10.toml", text)]).unwrap();
    warnings.iter().map(ToString::to_string).collect()
}

/// The message about a rule whose `exec` is this.
fn exec_error(exec: &str) -> String {
    let errors = errors(&format!("[[rule]]\nname = \"r\"\nexec = [{exec}]\naction = \"ask\"\n"));
    assert_eq!(errors.len(), 1, "{exec}");
    assert_eq!(errors[0].line, 3, "{exec}");
    errors[0].message.clone()
}

fn exec<'a>(names: &'a [&'a [u8]], paths: &'a [&'a [u8]]) -> Exec<'a> {
    Exec { names, paths }
}

const MIXED: &str = r#"
    [[rule]]
    name = "tools"
    description = "What the tool box has."
    exec = ["/opt/tools/*/terraform", "kubectl"]
    action = "ask"
    timeout = "10m"
    wait = "refuse"

    [[rule]]
    name = "reads"
    exec = ["/usr/bin/kubectl", "/usr/bin/stat"]
    action = "allow"

    [[rule]]
    name = "never"
    exec = ["/opt/tools/old/**", "nc"]
    action = "deny"
"#;

#[test]
fn every_key_is_read() {
    let policy = policy(MIXED);
    let [tools, reads, never] = policy.rules() else { panic!() };
    assert_eq!((tools.name.as_str(), tools.action), ("tools", Action::Ask));
    assert_eq!(tools.description.as_deref(), Some("What the tool box has."));
    assert_eq!((tools.timeout, tools.valid_for), (Some(Duration::from_secs(600)), None));
    assert_eq!(tools.wait, Some(Wait::Refuse));
    assert_eq!(tools.place.to_string(), "10.toml:3:12");
    let kinds: Vec<_> = tools.exec.iter().map(|pattern| (pattern.kind, pattern.place.to_string())).collect();
    let places = ["10.toml:5:13", "10.toml:5:39"].map(str::to_owned);
    let [first, second] = places;
    assert_eq!(kinds, [(PatternKind::Glob, first), (PatternKind::Name, second)]);
    assert_eq!((reads.action, never.action), (Action::Allow, Action::Deny));
}

#[test]
fn the_first_rule_decides_but_a_deny_always_wins() {
    let policy = policy(MIXED);
    let decide = |names: &[&[u8]], paths: &[&[u8]]| {
        let decision = policy.decide(&exec(names, paths), &Context::default());
        (decision.action, decision.because)
    };
    let because = |action, text: &str| (action, text.to_owned());
    assert_eq!(
        decide(&[b"kubectl"], &[b"/usr/bin/kubectl"]),
        because(Action::Ask, "name 'kubectl' in rule 'tools' (10.toml:5)")
    );
    assert_eq!(
        decide(&[b"kubectl-1.31"], &[b"/usr/bin/kubectl"]),
        because(Action::Allow, "path '/usr/bin/kubectl' in rule 'reads' (10.toml:12)")
    );
    assert_eq!(
        decide(&[b"terraform"], &[b"/opt/tools/old/terraform"]),
        because(Action::Deny, "glob '/opt/tools/old/**' in rule 'never' (10.toml:17)")
    );
    assert_eq!(decide(&[b"kubectl", b"nc"], &[]).0, Action::Deny);
}

#[test]
fn a_decision_takes_from_the_rule_what_it_says_and_the_rest_from_the_defaults() {
    let defaults =
        Defaults { timeout: Duration::from_secs(7), valid_for: Duration::from_secs(8), wait: Wait::Refuse };
    let policy = policy(MIXED).with_defaults(defaults);
    let tools = policy.decide(&exec(&[b"kubectl"], &[]), &Context::default());
    assert_eq!(
        (tools.timeout, tools.valid_for, tools.wait),
        (Duration::from_secs(600), defaults.valid_for, Wait::Refuse)
    );
    assert_eq!(tools.description.as_deref(), Some("What the tool box has."));
    let unlisted = policy.decide(&exec(&[b"ls"], &[b"/usr/bin/ls"]), &Context::default());
    let expected = Decision {
        action: Action::Ask,
        rule: None,
        description: None,
        risk: None,
        message: None,
        deny_message: None,
        because: "no rule decides about this program, so people are asked".to_owned(),
        timeout: defaults.timeout,
        valid_for: defaults.valid_for,
        wait: defaults.wait,
        loader_variables: LoaderVariables::RefuseLd,
        grant: None,
        would_be: None,
    };
    assert_eq!(unlisted, expected);
}

#[test]
fn what_needs_the_whole_environment_needs_an_exec_that_is_held() {
    let rule = |lines: &str| {
        format!(
            "[[rule]]\nname = \"r\"\nexec = [\"x\"]\naction = \"ask\"\nloader_variables = \"refuse-all\"\n{lines}\n"
        )
    };
    let told = errors(&rule("wait = \"refuse\""))[0].to_string();
    for part in ["needs an exec that is held", "10.toml:5:1", "say wait = \"hold\""] {
        assert!(told.contains(part), "{told}");
    }
    let waiting = |wait| Defaults { wait, ..Defaults::default() };
    let by_default = |lines: &str, wait| policy(&rule(lines)).with_defaults(waiting(wait)).contradictions();
    let told = by_default("", Wait::Refuse);
    assert_eq!(told.len(), 1);
    assert!(told[0].is_error() && told[0].to_string().contains("rule 'r' in line 2"), "{told:?}");
    assert_eq!(by_default("", Wait::Hold), []);
    assert_eq!(by_default("wait = \"hold\"", Wait::Refuse), []);
}

#[test]
fn a_rule_says_what_becomes_of_loader_variables() {
    let of = |line: &str| {
        let text = format!("[[rule]]\nname = \"r\"\nexec = [\"x\"]\naction = \"ask\"\n{line}\n");
        policy(&text).decide(&exec(&[b"x"], &[]), &Context::default()).loader_variables
    };
    assert_eq!(of(""), LoaderVariables::RefuseLd);
    assert_eq!(of("loader_variables = \"show\""), LoaderVariables::Show);
    assert_eq!(of("loader_variables = \"refuse-ld\""), LoaderVariables::RefuseLd);
    assert_eq!(of("loader_variables = \"refuse-all\""), LoaderVariables::RefuseAll);
    let denied = "[[rule]]\nname = \"r\"\nexec = [\"x\"]\naction = \"deny\"\nloader_variables = \"show\"\n";
    let told = warnings(denied);
    assert!(told[0].starts_with("warning: 'loader_variables' has no effect"), "{told:?}");
}

#[test]
fn what_is_listed_is_told_apart_from_what_only_has_the_name() {
    let policy = policy(MIXED);
    assert!(policy.listed(&exec(&[b"stat"], &[b"/usr/bin/stat"])));
    assert!(!policy.listed(&exec(&[b"stat"], &[b"/tmp/stat"])));
    assert!(policy.listed(&exec(&[b"x"], &[b"/proc/7/root/x", b"/opt/tools/1/terraform"])));
    assert!(!policy.listed(&exec(&[], &[b"/opt/tools/1/2/terraform"])));
    assert!(!policy.listed(&exec(&[], &[])));
    let names = |set: std::collections::BTreeSet<Vec<u8>>| -> Vec<String> {
        set.into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
    };
    assert_eq!(names(policy.names()), ["kubectl", "nc"]);
    assert_eq!(names(policy.candidate_names()), ["kubectl", "stat", "terraform"]);
    assert_eq!(
        policy.paths().map(|path| path.text.as_str()).collect::<Vec<_>>(),
        ["/usr/bin/kubectl", "/usr/bin/stat"]
    );
    let globs: Vec<_> = policy.globs().map(|glob| (glob.literal_prefix(), glob.last_component())).collect();
    assert_eq!(globs, [("/opt/tools", Some("terraform")), ("/opt/tools/old", None)]);
}

#[test]
fn paths_that_are_no_text_are_matched_as_bytes() {
    let policy = policy("[[rule]]\nname = \"r\"\nexec = [\"/opt/*/x\", \"/é/*\"]\naction = \"deny\"\n");
    assert!(policy.listed(&exec(&[b"\xff"], &[b"/opt/\xff\xfe/x"])));
    assert!(policy.listed(&exec(&[], &["/é/\u{202e}".as_bytes()])));
    assert!(!policy.listed(&exec(&[b"\xff\xff"], &[b"/opt/\xff/y", b"\xff", b""])));
}

#[test]
fn no_file_and_an_empty_file_are_a_policy_without_rules() {
    assert!(parse(&[]).unwrap().0.rules().is_empty());
    assert!(policy("# nothing yet\n").rules().is_empty());
}

#[test]
fn unknown_keys_name_the_nearest_one() {
    let text = "[[rule]]\nname = \"x\"\nexec = [\"a\"]\ntiemout = \"5m\"\naction = \"ask\"\n[[rules]]\n";
    let told: Vec<String> = errors(text).iter().map(ToString::to_string).collect();
    let expected = [
        "\
error: unknown key 'tiemout'
  --> 10.toml:4:1
   |
 4 | tiemout = \"5m\"
   | ^^^^^^^
   = did you mean 'timeout'?",
        "\
error: unknown key 'rules'
  --> 10.toml:6:3
   |
 6 | [[rules]]
   |   ^^^^^
   = did you mean 'rule'?",
    ];
    assert_eq!(told, expected);
}

#[test]
fn wrong_types_name_what_was_expected_and_found() {
    let text =
        "[[rule]]\nname = 1\ndescription = true\nexec = \"a\"\naction = [\"ask\"]\ntimeout = 5\nwait = 1.5\n";
    let told: Vec<String> = errors(text).into_iter().map(|error| error.message).collect();
    let expected = [
        "'name' has the wrong type: expected a string, found an integer",
        "'description' has the wrong type: expected a string, found a boolean",
        "'exec' has the wrong type: expected an array of strings, found a string",
        "'action' has the wrong type: expected one of \"ask\", \"deny\", \"allow\", found an array",
        "'timeout' has the wrong type: expected a duration such as \"5m\", found an integer",
        "'wait' has the wrong type: expected one of \"hold\", \"refuse\", found a float",
    ];
    assert_eq!(told, expected);
    let single = &errors("[rule]\nname = \"x\"\n")[0];
    assert_eq!(
        single.message,
        "'rule' has the wrong type: expected tables, each begun by `[[rule]]`, found a table"
    );
    assert_eq!(errors("rule = [1]")[0].column, 9);
}

#[test]
fn a_rule_needs_name_exec_and_action() {
    let told: Vec<String> = errors("\n[[rule]]\n").iter().map(ToString::to_string).collect();
    let expected = "\
error: a rule has no 'name'
  --> 10.toml:2:1
   |
 2 | [[rule]]
   | ^^^^^^^^
   = use a-z, 0-9, '-', '_' and '.', such as \"prod-kubectl\"";
    assert_eq!(told[0], expected);
    assert!(told[1].starts_with("error: a rule has no 'exec'\n"));
    assert!(told[2].starts_with("error: a rule has no 'action'\n"));
    assert_eq!(exec_error(""), "'exec' is empty: the rule is about no program");
}

#[test]
fn the_name_of_a_rule_is_one_plain_word() {
    for name in ["", "Prod", "a b", "a/b", "ä", "x\\n"] {
        let text = format!("[[rule]]\nname = \"{name}\"\nexec = [\"a\"]\naction = \"ask\"\n");
        assert!(errors(&text)[0].message.ends_with("cannot be the name of a rule"), "{name}");
    }
    let text = format!("[[rule]]\nname = \"{}\"\nexec = [\"a\"]\naction = \"ask\"\n", "n".repeat(65));
    assert_eq!(errors(&text)[0].message, "the name of a rule has 65 characters, 64 is the limit");
}

#[test]
fn two_rules_of_one_name_are_told_with_both_places_across_files() {
    let rule = "[[rule]]\nname = \"twice\"\nexec = [\"a\"]\naction = \"ask\"\n";
    let told = parse(&[file("a.toml", rule), file("b.toml", &format!("\n{rule}"))]).unwrap_err();
    let expected = "\
error: two rules have the name 'twice': at a.toml:2:8 and at b.toml:3:8
  --> b.toml:3:8
   |
 3 | name = \"twice\"
   |        ^^^^^^^
   = rename one of them: requests and the log tell rules by name";
    assert_eq!(told.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn all_errors_of_all_files_are_told_in_order() {
    let bad = "[[rule]]\nexec = [\"a/b\", \"*\"]\nnmae = \"x\"\naction = \"aks\"\n";
    let told = parse(&[file("a.toml", "x = ["), file("b.toml", bad), file("c.toml", bad)]).unwrap_err();
    let places: Vec<String> = told.iter().map(|error| format!("{}:{}", error.file, error.line)).collect();
    let of = |name: &str| [1, 2, 2, 3, 4].map(|line| format!("{name}.toml:{line}"));
    assert_eq!(places, [vec!["a.toml:1".to_owned()], of("b").to_vec(), of("c").to_vec()].concat());
}

#[test]
fn patterns_that_cannot_be_meant_are_errors() {
    for (exec, message) in [
        ("''", "a program's name is empty"),
        ("'*'", "'*' would hold every program"),
        ("'**'", "'**' would hold every program"),
        ("'aws*'", "'aws*' has a wildcard, but the kernel looks names up as they are"),
        ("'..'", "'..' is no program's name"),
        ("'bin/x'", "'bin/x' is a relative path: it would depend on the agent's working directory"),
        ("'./x'", "'./x' is a relative path: it would depend on the agent's working directory"),
        (
            "'/'",
            "'/' has an empty component ('//', or a slash at the end): the kernel's paths never have one",
        ),
        (
            "'/a//b'",
            "'/a//b' has an empty component ('//', or a slash at the end): the kernel's paths never have one",
        ),
        ("'/a/../b'", "'/a/../b' has a '..' component: the kernel's paths never have one"),
        ("'/a/./*'", "'/a/./*' has a '.' component: the kernel's paths never have one"),
        ("'/*/**'", "the glob '/*/**' has no literal component: it would match far too much"),
        ("\"a\\nb\"", "'a\\nb' has a control character"),
    ] {
        assert_eq!(exec_error(exec), message);
    }
    assert!(exec_error("'/opt/{a'").starts_with("'/opt/{a' is no glob that can be used: "));
    assert!(exec_error("'/opt/[a'").starts_with("'/opt/[a' is no glob that can be used: "));
}

#[test]
fn names_longer_than_the_kernels_key_are_errors_with_the_reason() {
    let long = "n".repeat(64);
    let message =
        format!("the name '{}…' has 64 bytes, but the kernel half looks up at most 63", "n".repeat(60));
    for exec in [format!("'{long}'"), format!("'/opt/{long}'"), format!("'/opt/*/{long}'")] {
        assert_eq!(exec_error(&exec), message);
    }
    let longer = format!("'/opt/{}/x'", "d".repeat(256));
    assert!(exec_error(&longer).contains("a component of more than 255 bytes"));
    assert_eq!(
        exec_error(&format!("'{}'", "/d".repeat(2048))),
        "a path has 4096 bytes, the kernel allows 4095"
    );
    policy(&format!("[[rule]]\nname = \"r\"\nexec = [\"{}\"]\naction = \"ask\"\n", "n".repeat(63)));
}

#[test]
fn limits_of_count_and_length_are_errors() {
    let rule = |name: &str, more: &str| format!("[[rule]]\nname = \"{name}\"\naction = \"deny\"\n{more}\n");
    let many = |count: usize, of: &dyn Fn(usize) -> String| (0..count).map(of).collect::<String>();
    let names = many(MAX_PATTERNS + 1, &|index| format!("\"p{index}\","));
    assert_eq!(
        errors(&rule("r", &format!("exec = [{names}]")))[0].message,
        "a rule names 1025 programs, 1024 is the limit"
    );
    let rules = many(MAX_RULES + 3, &|index| rule(&format!("r{index}"), &format!("exec = [\"p{index}\"]")));
    let told = errors(&rules);
    assert_eq!(
        told.iter().map(|error| error.message.as_str()).collect::<Vec<_>>(),
        ["there are more than 16384 rules"]
    );
    let globs = |from: usize| many(MAX_GLOBS / 2 + 1, &|index| format!("\"/opt/{}/*\",", from + index));
    let text =
        rule("a", &format!("exec = [{}]", globs(0))) + &rule("b", &format!("exec = [{}]", globs(10_000)));
    let told = errors(&text);
    assert_eq!(
        told.iter().map(|error| error.message.as_str()).collect::<Vec<_>>(),
        ["there are more than 1024 globs"]
    );
    let rules = many(17, &|index| {
        let names = many(1000, &|name| format!("\"p{index}-{name}\","));
        rule(&format!("r{index}"), &format!("exec = [{names}]"))
    });
    assert_eq!(errors(&rules)[0].message, "the rules name 17000 different programs, 16384 is the limit");
    let long = format!("exec = [\"a\"]\ndescription = \"{}\"", "d".repeat(1025));
    assert_eq!(errors(&rule("r", &long))[0].message, "the description has 1025 bytes, 1024 is the limit");
    let lines = "exec = [\"a\"]\ndescription = \"a\\nb\"";
    assert_eq!(errors(&rule("r", lines))[0].message, "the description has a line break or control character");
}

#[test]
fn globs_that_take_too_much_memory_together_are_an_error() {
    let glob = |index: usize| format!("'/opt/{index}/{}',", "{a,b}*/c*".repeat(52));
    let globs: String = (0..MAX_GLOBS).map(glob).collect();
    let told = errors(&format!("[[rule]]\nname = 'r'\nexec = [\n{globs}]\naction = 'ask'\n"));
    let told: Vec<&str> = told.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(told, ["the globs of all rules together take too much memory"]);
    let long = exec_error(&format!("'/opt/{}*'", "x".repeat(507)));
    assert!(long.ends_with("has 513 bytes, 512 is the limit"), "{long}");
}

#[test]
fn times_outside_their_limits_are_errors() {
    for (line, message) in [
        ("timeout = \"0s\"", "'timeout' is no duration that can be used: it is shorter than 1s"),
        ("timeout = \"25h\"", "'timeout' is no duration that can be used: it is longer than 24h"),
        ("valid_for = \"61m\"", "'valid_for' is no duration that can be used: it is longer than 1h"),
        ("valid_for = \"5\"", "'valid_for' is no duration that can be used: the number '5' has no unit"),
    ] {
        let text = format!("[[rule]]\nname = \"r\"\nexec = [\"a\"]\naction = \"ask\"\n{line}\n");
        assert_eq!(errors(&text)[0].message, message);
    }
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let told = warnings("[[rule]]\nname = \"r\"\nexec = [\"a\"]\naction = \"deny\"\ntimeout = \"5m\"\n");
    let expected = "\
warning: 'timeout' has no effect in a rule with the action 'deny'
  --> 10.toml:5:1
   |
 5 | timeout = \"5m\"
   | ^^^^^^^
   = nobody is asked, so nobody waits: leave it out";
    assert_eq!(told, [expected]);
}

#[test]
fn a_pattern_that_can_never_decide_is_a_warning() {
    let rule = |name: &str, action: &str, exec: &str| {
        format!("[[rule]]\nname = '{name}'\nexec = {exec}\naction = '{action}'\n")
    };
    let told = warnings(
        &(rule("a", "ask", "['x', '/y', 'x']") + &rule("b", "allow", "['x']") + &rule("c", "deny", "['/y']")),
    );
    let lines: Vec<&str> = told.iter().filter_map(|told| told.lines().next()).collect();
    let expected = [
        "warning: '/y' never decides here: rule 'c' denies it, and a deny always wins",
        "warning: 'x' is in this rule twice",
        "warning: 'x' never decides here: rule 'a' comes first",
    ];
    assert_eq!(lines, expected);
    assert!(told[0].ends_with("= it is also at 10.toml:11:9"), "{}", told[0]);
    let globs = rule("a", "deny", "['/opt/*']") + &rule("b", "ask", "['/opt/*']");
    assert!(warnings(&globs)[0].starts_with("warning: '/opt/*' never decides here: rule 'a' comes first\n"));
}

/// The documentation has every key, and its example is a rule.
#[test]
fn the_documentation_is_complete() {
    let text = include_str!("../../../../docs/policy.md");
    for key in super::parse::RULE_KEYS {
        assert!(text.contains(&format!("| `{key}` |")), "{key} is missing in docs/policy.md");
    }
    let indented = |line: &&str| line.is_empty() || line.starts_with("    ");
    let from = text.find("    [[rule]]").unwrap();
    let example: String =
        text[from..].lines().take_while(indented).map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(policy(&example).rules().len(), 1);
}
