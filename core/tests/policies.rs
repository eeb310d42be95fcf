//! The shipped rule packs, and what they have to say of real commands.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeMap, fs, path::Path};

use holdpoint_core::policy::{
    Policy, SourceFile,
    case::{self, Coverage},
    parse,
};

/// The files of all packs whose names end so, in the order in which an installation has them.
fn files(suffix: &str) -> Vec<SourceFile> {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut paths = Vec::new();
    for pack in fs::read_dir(packs).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let inside = fs::read_dir(pack).unwrap().map(|entry| entry.unwrap().path());
        paths.extend(inside.filter(|path| path.to_str().unwrap().ends_with(suffix)));
    }
    paths.sort_by_key(|path| path.file_name().unwrap().to_owned());
    paths.iter().map(|path| source(path)).collect()
}

/// The files of the examples, which stand below their packs.
fn examples(suffix: &str) -> Vec<SourceFile> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/cloud/examples");
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_str().unwrap().ends_with(suffix));
    paths.sort();
    paths.iter().map(|path| source(path)).collect()
}

fn source(path: &Path) -> SourceFile {
    let name = path.file_name().unwrap().to_str().unwrap();
    SourceFile::from_bytes(name, fs::read(path).unwrap()).unwrap()
}

fn packs() -> Policy {
    policy_of(files(".toml"))
}

fn policy_of(mut rules: Vec<SourceFile>) -> Policy {
    rules.retain(|file| !file.name.ends_with(case::SUFFIX));
    let (policy, warnings) = parse(&rules).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap()));
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

/// So that their order among themselves makes no difference.
#[test]
fn no_two_packs_name_the_same_program() {
    let policy = packs();
    let mut named = BTreeMap::new();
    for rule in policy.rules() {
        for pattern in &rule.exec {
            let pack = named.entry(pattern.text.as_str()).or_insert(rule.place.file.as_str());
            assert_eq!(*pack, rule.place.file, "{} is named by two", pattern.text);
        }
    }
}

#[test]
fn every_case_is_decided_as_it_says_and_every_rule_decides_one() {
    let policy = packs();
    let (mut coverage, mut wrong, mut count) = (Coverage::default(), Vec::new(), 0);
    for file in files(case::SUFFIX) {
        let cases = case::parse(&file).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap()));
        for case in cases {
            let outcome = case.run(&policy);
            coverage.add(&outcome.explanation);
            count += 1;
            if !outcome.passed {
                let said = (outcome.action, outcome.rule, outcome.explanation.decision.because);
                wrong.push(format!("{}: {:?} {:?}: {said:?}", case.place, case.action, case.rule));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
    let without: Vec<&str> = coverage.rules_without(&policy).collect();
    assert!(without.is_empty(), "rules without a case: {without:?}");
    assert!(count >= 400, "{count} cases");
}

/// Together with the packs, whose rules they restrict further.
#[test]
fn the_cases_of_the_examples_are_decided_as_they_say() {
    let policy = policy_of([files(".toml"), examples(".toml")].concat());
    let mut count = 0;
    for file in examples(case::SUFFIX) {
        for case in case::parse(&file).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap())) {
            let outcome = case.run(&policy);
            let said = (outcome.action, outcome.rule, outcome.explanation.decision.because);
            assert!(outcome.passed, "{}: {:?} {:?}: {said:?}", case.place, case.action, case.rule);
            count += 1;
        }
    }
    assert!(count > 20, "{count} cases");
}
