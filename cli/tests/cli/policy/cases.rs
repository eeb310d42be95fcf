//! `holdpoint policy test`.

use super::{
    super::common::{stderr, stdout},
    KUBERNETES, Rules, ends, json,
};

const CASES: &str = r#"
[[case]]
run = "kubectl -n prod get pods"
action = "ask"
rule = "kubernetes-production"

[[case]]
run = "kubectl get pods"
agent = "ci-1"
action = "allow"
rule = "kubernetes-reads"

[[case]]
run = "ls"
action = "unlisted"
"#;

#[test]
fn test_tries_all_cases_and_says_what_none_of_them_tries() {
    let rules = Rules::new(&[("10.toml", KUBERNETES), ("10.cases.toml", CASES)]);
    let output = rules.run("test", &[]);
    ends(&output, 0);
    assert_eq!(stdout(&output), "3 cases, 3 passed, 0 failed; rules 2 of 2 (100 %), clauses 2 of 4 (50 %)\n");
    let coverage = stdout(&rules.run("test", &["--coverage"]));
    assert!(coverage.starts_with("clauses that no case tries both ways\n"), "{coverage}");
    assert!(coverage.contains("  kubernetes-production: env.KUBECONFIG never fails\n"), "{coverage}");
    let results = json(&rules.run("test", &["--json"]));
    assert_eq!((&results["cases"], &results["passed"]), (&3.into(), &3.into()));
    assert_eq!(results["clauses"]["without"].as_array().unwrap().len(), 2);
}

#[test]
fn a_case_that_fails_is_told_with_its_place_and_why_and_is_1() {
    let cases = "[[case]]\nrun = [\"kubectl\", \"delete\", \"a b\"]\naction = \"allow\"\nrule = \"kubernetes-reads\"\n\
                 [[case]]\nrun = \"kubectl\"\naction = \"ask\"\nrule = \"gone\"\n\
                 [[case]]\nrun = \"ls\"\naction = \"deny\"\nrule = \"kubernetes-reads\"\n";
    let rules = Rules::new(&[("10.toml", KUBERNETES), ("10.cases.toml", cases)]);
    let output = rules.run("test", &[]);
    ends(&output, 1);
    let expected = "\
failed 10.cases.toml:1:1
  command     kubectl delete 'a b'
  expected    allow by rule 'kubernetes-reads'
  said        ask, by no rule
  because     no rule decides about this program, so people are asked
  rule 'kubernetes-reads' does not apply:
    in doubt  agents      wants  \"ci-*\"
                          found  not known
    no        subcommand  wants  \"get\", \"describe\"
                          found  delete 'a b'
failed 10.cases.toml:5:1
  command     kubectl
  expected    ask by rule 'gone'
  said        ask, by no rule
  because     no rule decides about this program, so people are asked
  there is no rule 'gone'
failed 10.cases.toml:9:1
  command     ls
  expected    deny by rule 'kubernetes-reads'
  said        unlisted
  rule 'kubernetes-reads' is about other programs
3 cases, 0 passed, 3 failed; rules 0 of 2 (0 %), clauses 0 of 4 (0 %)
";
    assert_eq!(stdout(&output), expected);
    assert_eq!(stderr(&output), "holdpoint: 3 of 3 cases failed\n");
    let results = json(&rules.run("test", &["--json"]));
    assert_eq!(
        (&results["failed"][1]["fate"], &results["failed"][0]["command"][2]),
        (&"no_such_rule".into(), &"a b".into())
    );
}

#[test]
fn no_cases_are_1_and_cases_that_do_not_parse_65() {
    let none = Rules::new(&[("10.toml", KUBERNETES)]);
    let output = none.run("test", &[]);
    ends(&output, 1);
    assert!(stderr(&output).starts_with("holdpoint: no cases: no file in '"), "{}", stderr(&output));
    let bad = Rules::new(&[
        ("10.toml", KUBERNETES),
        ("10.cases.toml", "[[case]]\nrun = \"x\"\n"),
        ("20.cases.toml", "x = 1\n"),
    ]);
    let output = bad.run("test", &[]);
    ends(&output, 65);
    assert!(
        stderr(&output).starts_with("holdpoint: the cases cannot be used\nerror: a case has no 'action'\n")
    );
    assert!(stderr(&output).contains("--> 20.cases.toml:1:1\n"), "{}", stderr(&output));
    // With nothing listed, such a case passes for the wrong reason.
    let empty = Rules::new(&[("10.cases.toml", "[[case]]\nrun = \"ls\"\naction = \"unlisted\"\n")]);
    let output = empty.run("test", &[]);
    ends(&output, 1);
    assert_eq!(stderr(&output), "holdpoint: no rules: no program is listed, so nothing is held\n");
}
