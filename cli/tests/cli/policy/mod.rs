//! `holdpoint policy`, on directories of the test's own.

mod cases;
mod explain;
mod init;
mod schema;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;

use super::common::{command, stderr, stdout};

/// Files of rules, and a directory of programs that is the whole PATH.
struct Rules {
    directory: tempfile::TempDir,
}

impl Rules {
    fn new(files: &[(&str, &str)]) -> Self {
        let rules = Self { directory: tempfile::tempdir().unwrap() };
        for name in ["rules", "bin"] {
            fs::create_dir(rules.path(name)).unwrap();
        }
        for (name, text) in files {
            fs::write(rules.path("rules").join(name), text).unwrap();
        }
        rules
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        fs::write(self.path("bin").join(name), text).unwrap();
        fs::set_permissions(self.path("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// `holdpoint policy WHAT rules`, with more arguments.
    fn run(&self, what: &str, more: &[&str]) -> Output {
        run(what, &[&[self.path("rules").to_str().unwrap()], more].concat(), &self.path("bin"))
    }

    /// `holdpoint policy explain --rules rules`, with more arguments.
    fn explain(&self, more: &[&str]) -> Output {
        let rules = self.path("rules");
        run("explain", &[&["--rules", rules.to_str().unwrap()], more].concat(), &self.path("bin"))
    }
}

fn run(what: &str, arguments: &[&str], path: &Path) -> Output {
    command().args(["policy", what]).args(arguments).env("PATH", path).output().unwrap()
}

fn json(output: &Output) -> Value {
    let text = stdout(output);
    assert!(text.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn ends(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(output), stderr(output));
}

const KUBERNETES: &str = r#"
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
flags = { "--namespace" = ["prod", "prod-*"] }
env = { KUBECONFIG = { or_absent = true, in = ["/etc/prod"] } }

[[rule]]
name = "kubernetes-reads"
exec = ["kubectl"]
action = "allow"
subcommand = ["get", "describe"]
agents = ["ci-*"]
"#;

#[test]
fn check_counts_files_rules_errors_and_warnings() {
    let rules = Rules::new(&[("10-kubernetes.toml", KUBERNETES), ("20-empty.toml", "")]);
    rules.program("kubectl", "");
    let output = rules.run("check", &["--strict"]);
    ends(&output, 0);
    assert_eq!(
        (stdout(&output).as_str(), stderr(&output).as_str()),
        ("2 files, 2 rules, no errors, no warnings\n", "")
    );
}

#[test]
fn check_warns_once_of_each_program_that_is_not_on_this_host() {
    let text = "[[rule]]\nname = 'a'\nexec = ['no-such', '/none/x', '/none/*', 'tool']\naction = 'ask'\n\
                [[rule]]\nname = 'b'\nexec = ['no-such']\naction = 'ask'\nusers = ['x']\n";
    let rules = Rules::new(&[("10.toml", text)]);
    rules.program("tool", "");
    let output = rules.run("check", &["--color", "never"]);
    ends(&output, 0);
    let lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    let [.., name, path, count] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(name, "warning: 10.toml:3:9: 'no-such' is in no directory of PATH");
    assert_eq!(path, "warning: 10.toml:3:20: '/none/x' does not exist");
    // The third is the parser's: the rule 'b' never decides.
    assert_eq!(count, "1 file, 2 rules, no errors, 3 warnings");
    assert!(stdout(&output).contains("'no-such' never decides here"), "{}", stdout(&output));

    let strict = rules.run("check", &["--strict"]);
    ends(&strict, 1);
    assert_eq!(stderr(&strict), "holdpoint: the rules have warnings, and --strict counts them as errors\n");
    let elsewhere = rules.run("check", &["--no-host"]);
    assert!(stdout(&elsewhere).ends_with("no errors, 1 warning\n"), "{}", stdout(&elsewhere));
    let found = json(&rules.run("check", &["--json"]));
    assert_eq!((&found["rules"], &found["errors"], &found["warnings"]), (&2.into(), &0.into(), &3.into()));
    assert_eq!(found["missing"][0]["line"], 3);
}

#[test]
fn errors_are_told_with_their_place_and_are_65() {
    let bad = "[[rule]]\nname = \"x\"\nexec = [\"kubectl\"]\naction = \"aks\"\n";
    let rules = Rules::new(&[("10.toml", bad), ("20.toml", "x = [")]);
    let output = rules.run("check", &[]);
    ends(&output, 65);
    let text = stdout(&output);
    assert!(
        text.starts_with("error: ") && text.contains("--> 10.toml:4:10\n") && text.contains("^^^^^"),
        "{text}"
    );
    assert!(text.ends_with("\n2 files, 2 errors\n"), "{text}");
    assert_eq!(stderr(&output), "holdpoint: the rules cannot be used: see the errors\n");
    let found = json(&rules.run("check", &["--json"]));
    assert_eq!((&found["rules"], &found["diagnostics"][0]["line"]), (&Value::Null, &4.into()));

    for output in [rules.run("list", &[]), rules.run("test", &[]), rules.explain(&["--", "kubectl"])] {
        ends(&output, 65);
        assert_eq!(stdout(&output), "");
        assert!(
            stderr(&output).starts_with("holdpoint: the rules cannot be used\nerror: "),
            "{}",
            stderr(&output)
        );
        assert!(stderr(&output).contains("--> 20.toml:1:"), "{}", stderr(&output));
    }
}

#[test]
fn nothing_in_a_file_acts_on_the_terminal() {
    let evil = "[[rule]]\nname = \"x\"\nexec = [\"\u{202e}\u{9b}31m\"]\naction = \"ask\" # \u{1b}[2J\n";
    let rules =
        Rules::new(&[("10.toml", evil), ("20\x1b[2J.toml", "x = ["), ("30.cases.toml", "\u{202e} = 1")]);
    for output in [rules.run("check", &[]), rules.run("list", &[]), rules.run("test", &[])] {
        let text = stdout(&output) + &stderr(&output);
        assert!(text.contains("20\\x1b[2J.toml"), "{text}");
        assert!(!text.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'), "{text:?}");
    }
}

#[test]
fn an_empty_directory_has_no_rules_and_one_that_is_not_there_cannot_be_read() {
    let rules = Rules::new(&[]);
    let output = rules.run("check", &[]);
    ends(&output, 1);
    assert_eq!(stdout(&output), "no files, no rules, no errors, no warnings\n");
    assert_eq!(stderr(&output), "holdpoint: no rules: no program is listed, so nothing is held\n");
    ends(&rules.run("check", &["--json"]), 1);
    assert_eq!(stdout(&rules.run("list", &[])), "no rules: no program is listed, so nothing is held\n");
    let unlisted = rules.explain(&["--", "kubectl"]);
    ends(&unlisted, 0);
    assert!(
        stdout(&unlisted).starts_with("not listed: no rule is about it, it runs unasked\n"),
        "{}",
        stdout(&unlisted)
    );

    let none = rules.path("none");
    let none = none.to_str().unwrap();
    for (what, arguments) in [
        ("check", &[none][..]),
        ("list", &[none]),
        ("test", &[none]),
        ("explain", &["--rules", none, "--", "ls"]),
    ] {
        let output = run(what, arguments, Path::new("/bin"));
        ends(&output, 65);
        let told = format!(
            "holdpoint: cannot read '{none}': No such file or directory (os error 2); name the directory that has the rules\n"
        );
        assert_eq!((stdout(&output), stderr(&output)), (String::new(), told), "{what}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_cause_and_cure() {
    let rules = Rules::new(&[("10.toml", KUBERNETES)]);
    let file = rules.path("rules/10.toml");
    let output = run("check", &[file.to_str().unwrap()], Path::new("/bin"));
    ends(&output, 65);
    assert!(
        stderr(&output).ends_with("Not a directory (os error 20); name the directory that the file is in\n")
    );
    fs::write(&file, b"# \xff").unwrap();
    let output = rules.run("check", &[]);
    ends(&output, 65);
    assert!(
        stderr(&output).contains("10.toml:1:3") && stderr(&output).contains("not UTF-8"),
        "{}",
        stderr(&output)
    );
    fs::remove_file(&file).unwrap();
    symlink(&file, &file).unwrap();
    let output = rules.run("check", &[]);
    ends(&output, 65);
    assert!(stderr(&output).contains("10.toml': Too many levels of symbolic links"), "{}", stderr(&output));
    // Root may read everything.
    if !nix::unistd::geteuid().is_root() {
        fs::remove_file(&file).unwrap();
        fs::write(&file, "").unwrap();
        for path in [file, rules.path("rules")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
            let output = rules.run("check", &[]);
            ends(&output, 77);
            assert!(
                stderr(&output).ends_with("Permission denied (os error 13); try it as root\n"),
                "{}",
                stderr(&output)
            );
        }
        fs::set_permissions(rules.path("rules"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn several_directories_are_one_and_places_tell_them_apart() {
    let one = Rules::new(&[("20.toml", "[[rule]]\nname = 'second'\nexec = ['x']\naction = 'ask'\n")]);
    let other = Rules::new(&[
        ("10.toml", "[[rule]]\nname = 'first'\nexec = ['x']\naction = 'allow'\nagents = ['a']\n"),
        ("20.toml", "[[rule]]\nname = 'third'\nexec = ['y']\naction = 'ask'\n"),
    ]);
    let (one, other) = (one.path("rules"), other.path("rules"));
    let directories = [one.to_str().unwrap(), other.to_str().unwrap()];
    let list = json(&run("list", &[&directories[..], &["--json"]].concat(), Path::new("/bin")));
    let rules: Vec<(&str, &str)> = list["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["name"].as_str().unwrap(), rule["file"].as_str().unwrap()))
        .collect();
    let files = [other.join("10.toml"), one.join("20.toml"), other.join("20.toml")];
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(rules, [("first", files[0]), ("second", files[1]), ("third", files[2])]);
    let table = stdout(&run("list", &directories, Path::new("/bin")));
    assert!(table.lines().all(|line| line.chars().count() <= 80) && table.contains("20.toml:2"), "{table}");
}

#[test]
fn list_has_the_rules_in_their_order() {
    let rules = Rules::new(&[("10.toml", KUBERNETES)]);
    let output = rules.run("list", &[]);
    ends(&output, 0);
    let expected = "\
RULE                   ACTION  RISK  PROGRAMS  CLAUSES  PLACE
kubernetes-production  ask     high  kubectl         2  10.toml:9
kubernetes-reads       allow   -     kubectl         2  10.toml:19
";
    assert_eq!(stdout(&output), expected);
    assert_eq!(json(&rules.run("list", &["--json"]))["rules"][1]["exec"][0], "kubectl");
}

#[test]
fn manual_pages_and_completions_know_the_commands_below() {
    let directory = tempfile::tempdir().unwrap();
    ends(&command().arg("man").arg(directory.path()).output().unwrap(), 0);
    let page = fs::read_to_string(directory.path().join("holdpoint-policy-explain.1")).unwrap();
    assert!(page.contains("\\-\\-env\\-from\\-here"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let output = command().args(["completions", shell]).output().unwrap();
        assert!(stdout(&output).contains("env-from-here"), "{shell}");
    }
}
