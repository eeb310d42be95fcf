//! What is shown of rules is as documented, fits, and is printable.

use holdpoint_core::{
    alleged::Alleged,
    policy::{
        self, Policy, SourceFile,
        case::{self, Command},
    },
    wire::RequestView,
};

use super::{
    super::samples::{hostile, request},
    super::{Style, WIDTH, text::columns},
    cases, check, diff, explain, list,
};
use crate::commands::policy::{
    Differences, Explained, Failed, Fate, Findings, Interpreter, Listed, Program, Results, Said,
};

const STYLE: Style = Style { color: false };
const DOCUMENTATION: &str = include_str!("../../../../docs/cli.md");

/// The rules of the examples in docs/cli.md.
const RULES: &str = r#"
[[command]]
exec = ["kubectl"]
style = "pflag"
values = ["-n", "--namespace"]
aliases = { "-n" = "--namespace" }

[[rule]]
name = "kubernetes-production"
description = "Changes what runs in production."
exec = ["kubectl"]
action = "ask"
risk = "high"
timeout = "10m"
message = "Is there a ticket for it?"
flags = { "--namespace" = ["prod", "prod-*"] }

[[rule]]
name = "kubernetes-reads"
exec = ["kubectl", "oc"]
action = "allow"
subcommand = ["get", "describe"]

[[rule]]
name = "kubernetes-nights"
exec = ["kubectl"]
action = "deny"
deny_message = "Try again in the morning."
hours = { from = "22:00", to = "06:00" }
[rule.unless]
groups = ["night-shift"]
agents = ["pager"]
"#;

/// Checks what holds for everything that is printed.
fn checked(text: &str) -> &str {
    for line in text.lines() {
        assert!(columns(line) <= WIDTH, "{} columns: {line}", columns(line));
        assert!(!line.contains(|c: char| c.is_control() || "\u{202e}\u{200b}".contains(c)), "{line:?}");
    }
    text
}

fn documented(text: &str) {
    assert!(DOCUMENTATION.contains(checked(text)), "docs/cli.md should show this:\n{text}");
}

fn parsed(text: &str) -> Policy {
    let file = SourceFile { name: "10-kubernetes.toml".to_owned(), text: text.to_owned() };
    policy::parse(&[file]).unwrap_or_else(|errors| panic!("{}", errors[0])).0
}

fn program() -> Program {
    Program { file: Some("/usr/bin/kubectl".into()), names: vec![b"kubectl".to_vec()], ..Program::default() }
}

fn explained(rules: &str, argv: &[&str], at: &str) -> Explained {
    let policy = parsed(rules);
    let command = Command {
        names: vec![b"kubectl".to_vec()],
        argv: argv.iter().map(|argument| Alleged::from(*argument)).collect(),
        environment: Some(Vec::new()),
        at: case::point_in_time(at),
        groups: Some(Vec::new()),
        ..Command::default()
    };
    command.with(|exec, context| Explained {
        interpreters: Vec::new(),
        ..Explained::of(&policy, &program(), exec, context)
    })
}

#[test]
fn an_explanation_is_as_documented() {
    let argv = ["kubectl", "-n", "prod-eu", "delete", "pod", "web 0"];
    let explained = explained(RULES, &argv, "2026-11-27T12:00:00Z");
    documented(&explain::page(&explained, false, STYLE));
}

#[test]
fn what_denies_tells_what_the_agent_is_told_and_unless_is_one_clause_where_it_is_in_the_way() {
    let night = explained(RULES, &["kubectl", "get", "pods"], "2026-11-27T23:00:00Z");
    let text = explain::page(&night, false, STYLE);
    assert!(checked(&text).starts_with("deny by rule 'kubernetes-nights' (10-kubernetes.toml:"), "{text}");
    for part in [
        "agent told  Try again in the morning.",
        "also apply  kubernetes-reads (10",
        "no        unless.groups",
    ] {
        assert!(text.contains(part), "'{part}' is missing:\n{text}");
    }
    assert!(!text.contains("timeout"), "nobody is asked: {text}");

    let shift = RULES.replace("agents = [\"pager\"]", "agents = [\"*\"]").replace("\"night-shift\"", "\"*\"");
    let policy = parsed(&shift);
    let command = Command {
        names: vec![b"kubectl".to_vec()],
        agent: Some("pager".to_owned()),
        groups: Some(vec![policy::Account { id: 7, name: None }]),
        at: case::point_in_time("2026-11-27T23:00:00Z"),
        ..Command::default()
    };
    let explained = command.with(|exec, context| Explained {
        interpreters: Vec::new(),
        ..Explained::of(&policy, &program(), exec, context)
    });
    let text = explain::page(&explained, false, STYLE);
    assert!(checked(&text).contains("    no        unless  holds, all of it: agents, groups\n"), "{text}");
    let all = explain::page(&explained, true, STYLE);
    assert!(checked(&all).contains("    yes       unless.groups"), "{all}");
}

#[test]
fn what_is_listed_and_not_decided_is_asked_about() {
    let text = explain::page(&explained(RULES, &["kubectl", "apply"], "2026-11-27T12:00:00Z"), false, STYLE);
    assert!(checked(&text).starts_with("ask: no rule decides about this program"), "{text}");
    assert!(text.contains("came close, and did not apply\n  deny by rule 'kubernetes-nights'"), "{text}");
}

#[test]
fn what_is_unlisted_runs_unasked_unless_its_interpreter_is_listed() {
    let rules = "[[rule]]\nname = 'r'\nexec = ['nc']\naction = 'deny'\n";
    let mut explained = explained(rules, &["kubectl"], "2026-11-27T12:00:00Z");
    let expected = "not listed: no rule is about it, it runs unasked\n  program     /usr/bin/kubectl\n";
    assert_eq!(explain::page(&explained, false, STYLE), expected);
    explained.interpreters.push(Interpreter { path: "/usr/bin/python3".to_owned(), listed: true });
    let text = explain::page(&explained, false, STYLE);
    assert!(
        checked(&text).starts_with("not listed: no rule is about it, but one is about its interpreter\n")
    );
    explained.program = Program { names: vec![b"no\x1b".to_vec()], ..Program::default() };
    assert!(checked(&explain::page(&explained, false, STYLE)).contains("no\\x1b: not on this host"));
}

#[test]
fn at_most_five_rules_come_close_unless_all_are_asked_for() {
    let rule = |index| {
        format!(
            "[[rule]]\nname = 'r{index}'\nexec = ['kubectl']\naction = 'ask'\nagents = ['a']\nusers = ['x']\ntty = true\n"
        )
    };
    let rules: String = (0..9).map(rule).collect();
    let mut explained = explained(&rules, &["kubectl"], "2026-11-27T12:00:00Z");
    for rule in &mut explained.explanation.rules {
        (rule.applies, rule.decides) = (false, false);
    }
    let short = explain::page(&explained, false, STYLE);
    assert_eq!(checked(&short).matches("ask by rule").count(), 5, "{short}");
    assert!(short.ends_with("  4 more are shown with --all\n"), "{short}");
    assert_eq!(explain::page(&explained, true, STYLE).matches("ask by rule").count(), 9);
}

#[test]
fn long_sets_are_cut_unless_all_is_asked_for_and_nothing_acts_on_the_terminal() {
    let names: String = (0..500).map(|index| format!("\"namespace-{index}\\u202e\\u001b\", ")).collect();
    let rules = RULES.replace("\"prod\", ", &names);
    let argv = ["kubectl", "-n", "prod-eu", "\x1b[2J\n  no  ", &"x".repeat(5000)];
    let explained = explained(&rules, &argv, "2026-11-27T12:00:00Z");
    let text = explain::page(&explained, false, STYLE);
    assert!(checked(&text).lines().count() < 40, "{text}");
    let all = explain::page(&explained, true, STYLE);
    assert!(checked(&all).contains("namespace-250\\u{202e}\\x1b"), "{all}");
}

#[test]
fn colours_are_on_words_alone_and_leave_the_columns() {
    let argv = ["kubectl", "-n", "prod", "apply"];
    let explained = explained(RULES, &argv, "2026-11-27T12:00:00Z");
    let painted = explain::page(&explained, false, Style { color: true });
    assert!(painted.starts_with("\x1b[33mask\x1b[0m by rule"), "{painted}");
    let mut plain = painted;
    for code in ["\x1b[33m", "\x1b[32m", "\x1b[1;31m", "\x1b[1m", "\x1b[0m"] {
        assert!(plain.contains(code), "{code:?}: {plain}");
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, explain::page(&explained, false, STYLE));
}

#[test]
fn findings_are_as_documented() {
    let file = |text: &str| SourceFile { name: "10-kubernetes.toml".to_owned(), text: text.to_owned() };
    let rules = "[[rule]]\nname = \"kubernetes\"\nexec = [\"kubectl\", \"/opt/bin/helm\"]\naction = \"deny\"\ntimeout = \"5m\"\n";
    let (policy, warnings) = policy::parse(&[file(rules)]).unwrap();
    let mut missing = Vec::new();
    for (pattern, trouble) in
        policy.rules()[0].exec.iter().zip(["is in no directory of PATH", "does not exist"])
    {
        let severity = holdpoint_core::diagnostic::Severity::Warning;
        let message = format!("'{}' {trouble}", pattern.text);
        let mut warning =
            holdpoint_core::diagnostic::Diagnostic::of_file(severity, &pattern.place.file, message);
        (warning.line, warning.column) = (pattern.place.line, pattern.place.column);
        missing.push(warning);
    }
    documented(&check::page(&Findings::new(1, Some(1), warnings, missing), STYLE));

    let errors = policy::parse(&[file("[[rule]]\nnmae = 'x'\n# \u{1b}")]).unwrap_err();
    let text = check::page(&Findings::new(3, None, errors, Vec::new()), STYLE);
    assert!(checked(&text).starts_with("error: "), "{text}");
    assert!(text.ends_with("\n3 files, 1 error\n") || text.ends_with(" errors\n"), "{text}");
    let none = check::page(&Findings::new(0, Some(0), Vec::new(), Vec::new()), STYLE);
    assert_eq!(none, "no files, no rules, no errors, no warnings\n");
}

#[test]
fn the_results_of_cases_are_as_documented() {
    let file = SourceFile {
        name: "10-kubernetes.cases.toml".to_owned(),
        text: "[[case]]\nrun = [\"kubectl\", \"delete\", \"pod\", \"web 0\"]\nat = \"2026-11-27T12:00:00Z\"\n\
               action = \"allow\"\nrule = \"kubernetes-reads\"\nnote = \"a pod comes back by itself\"\n\
               [[case]]\nrun = \"kubectl get pods\"\nat = \"2026-11-27T12:00:00Z\"\naction = \"allow\"\nrule = \"kubernetes-reads\"\n"
            .to_owned(),
    };
    let results = Results::of(&parsed(RULES), &case::parse(&file).unwrap());
    documented(&cases::page(&results, true, STYLE));
    let short = cases::page(&results, false, STYLE);
    assert!(
        short.ends_with("\n2 cases, 1 passed, 1 failed; rules 1 of 3 (33 %), clauses 1 of 5 (20 %)\n"),
        "{short}"
    );
    assert!(!short.contains("rules that decide no case"), "{short}");
}

#[test]
fn each_fate_of_the_expected_rule_is_told_and_nothing_acts_on_the_terminal() {
    let evil = "\x1b[2J\u{202e}";
    for (fate, words) in [
        (Fate::NoSuchRule, "there is no rule '\\x1b[2J"),
        (Fate::OtherPrograms, "is about other programs"),
        (Fate::Outdone, "applies, but the other comes first"),
        (Fate::DoesNotApply, "does not apply:"),
    ] {
        let failed = Failed {
            place: format!("{evil}.cases.toml:1:1"),
            command: vec![Alleged::from(evil); 400],
            note: Some(evil.repeat(100)),
            expected: Said { action: Some(policy::Action::Ask), rule: Some(evil.to_owned()) },
            said: Said { action: None, rule: None },
            because: evil.to_owned(),
            fate: Some(fate),
            clauses: Vec::new(),
        };
        let results = Results { failed: vec![failed], ..Results::of(&Policy::default(), &[]) };
        let text = cases::page(&results, true, STYLE);
        assert!(checked(&text).contains(words) && text.contains("said        unlisted"), "{text}");
        assert!(text.ends_with("; rules 0 of 0, clauses 0 of 0\n"), "{text}");
    }
}

#[test]
fn the_table_is_as_documented() {
    let rows: Vec<Listed> = parsed(RULES).rules().iter().map(Listed::of).collect();
    documented(&list::table(&rows, STYLE));
    assert_eq!(list::table(&[], STYLE), "no rules: no program is listed, so nothing is held\n");
}

#[test]
fn a_table_of_long_names_fits() {
    let exec: String = (0..50).map(|index| format!("'/opt/{}\u{202e}{index}', ", "x".repeat(50))).collect();
    let rules = format!(
        "[[rule]]\nname = '{}'\nexec = [{exec}]\naction = 'ask'\nrisk = 'critical'\n",
        "n".repeat(64)
    );
    let mut rows: Vec<Listed> = parsed(&rules).rules().iter().map(Listed::of).collect();
    rows[0].file = format!("/etc/{}\x1b/10.toml", "日本".repeat(50));
    let text = list::table(&rows, STYLE);
    assert!(checked(&text).contains("10.toml:2\n"), "{text}");
}

#[test]
fn a_rule_that_observes_is_in_parentheses_and_what_is_done_is_said() {
    let rules = RULES.replace("action = \"ask\"", "action = \"ask\"\nmode = \"observe\"");
    let rows: Vec<Listed> = parsed(&rules).rules().iter().map(Listed::of).collect();
    let table = list::table(&rows, STYLE);
    assert!(checked(&table).contains("  (ask)"), "{table}");
    assert!(table.ends_with("recorded and not done: the rule only observes\n"), "{table}");
    let explained = explained(&rules, &["kubectl", "-n", "prod", "get", "pods"], "2026-11-27T12:00:00Z");
    let text = explain::page(&explained, false, STYLE);
    let words = checked(&text).split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ");
    assert!(text.starts_with("ask by rule 'kubernetes-production'"), "{text}");
    let done =
        "observed this is recorded and not done; what is enforced says: allow by rule 'kubernetes-reads'";
    assert!(words.contains(done), "{text}");
}

#[test]
fn what_other_rules_would_have_said_is_as_documented() {
    let requests = [request("k3m9z")];
    let old = parsed(RULES);
    let new = parsed(&RULES.replace("from = \"22:00\"", "from = \"23:30\""));
    let differences = Differences::of(&old, &new, &requests);
    documented(&diff::page(&differences, STYLE));
    let none = Differences::of(&old, &old, &requests);
    assert_eq!(diff::page(&none, STYLE), "1 request, 0 decided otherwise\n");
    let other = parsed("[[rule]]\nname = \"x\"\nexec = [\"other\"]\naction = \"ask\"\n");
    let text = diff::page(&Differences::of(&old, &other, &requests), STYLE);
    assert!(checked(&text).contains("new         unlisted"), "{text}");
    let unread = Differences::of(&old, &new, &[RequestView { facts: None, ..request("k3m9z") }]);
    assert_eq!(diff::page(&unread, STYLE), "1 request, 0 decided otherwise, 1 of which nothing is known\n");
    // Its program's own name is one that no rule can have.
    let mut evil = hostile("k3m9z");
    evil.facts.as_mut().unwrap().executable.path = "/usr/bin/kubectl".into();
    let differences = Differences::of(&old, &other, &[evil]);
    assert_eq!(differences.otherwise.len(), 1);
    checked(&diff::page(&differences, STYLE));
}
