//! The shipped rule packs, and what they have to say of real programs.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, fs, path::Path};

use holdpoint_core::policy::{Exec, Policy, SourceFile, parse};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    program: String,
    called: Option<String>,
    action: String,
    rule: Option<String>,
}

/// The TOML files of a directory below `policies/`, in the order of their names.
fn files_of(directory: &str) -> Vec<SourceFile> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(directory);
    let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    paths.sort();
    let read = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        SourceFile::from_bytes(name, fs::read(path).unwrap()).unwrap()
    };
    paths.iter().map(|path| read(path)).collect()
}

fn packs() -> Policy {
    let (policy, warnings) =
        parse(&files_of("")).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap()));
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));
    policy
}

#[test]
fn the_packs_have_no_warnings_and_every_rule_says_what_it_is_for() {
    let policy = packs();
    assert!(!policy.rules().is_empty());
    for rule in policy.rules() {
        assert!(rule.description.is_some(), "{}", rule.name);
    }
}

#[test]
fn every_case_is_decided_as_it_says_and_every_rule_has_one() {
    let policy = packs();
    let mut seen = BTreeSet::new();
    for file in files_of("cases") {
        let cases: Cases =
            toml::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.name));
        for Case { program, called, action, rule } in cases.case {
            let name = program.rsplit('/').next().unwrap();
            let names = [name.as_bytes(), called.as_deref().unwrap_or(name).as_bytes()];
            let exec = Exec { names: &names, paths: &[program.as_bytes()] };
            let decision = policy.decide(&exec);
            let decided =
                if policy.listed(&exec) { decision.action.to_string() } else { "unlisted".to_owned() };
            let case = format!("{}: {program} called {called:?}", file.name);
            assert_eq!((decided, &decision.rule), (action, &rule), "{case}");
            seen.extend(rule);
        }
    }
    let without: Vec<&str> =
        policy.rules().iter().map(|rule| rule.name.as_str()).filter(|name| !seen.contains(*name)).collect();
    assert!(without.is_empty(), "rules without a case: {without:?}");
}
