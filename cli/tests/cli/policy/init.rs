//! `holdpoint policy init`, from the packs of the source and from some of the test's own.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Output};

use super::{Rules, ends, json, run, stderr, stdout};

const RULE: &str = "# Names x.\n[[rule]]\nname = \"r\"\nexec = [\"x\", \"/opt/y\"]\naction = \"ask\"\n";

/// Packs beside the rules, and a call with both.
struct Init {
    rules: Rules,
}

impl Init {
    fn new(packs: &[(&str, &str)], there: &[(&str, &str)]) -> Self {
        let rules = Rules::new(there);
        fs::create_dir(rules.path("packs")).unwrap();
        for (name, text) in packs {
            fs::write(rules.path("packs").join(name), text).unwrap();
        }
        Self { rules }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let (rules, packs) = (self.rules.path("rules"), self.rules.path("packs"));
        let directories = ["--dir", rules.to_str().unwrap(), "--from", packs.to_str().unwrap()];
        run("init", &[&directories, arguments].concat(), Path::new("/nowhere"))
    }

    /// Names and contents.
    fn there(&self) -> Vec<(String, String)> {
        let entries = fs::read_dir(self.rules.path("rules")).unwrap().map(|entry| entry.unwrap());
        let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut files: Vec<_> =
            entries.map(|entry| (name(&entry), fs::read_to_string(entry.path()).unwrap())).collect();
        files.sort();
        files
    }
}

#[test]
fn without_a_pack_they_are_listed_and_nothing_changes() {
    let init = Init::new(&[("x.toml", RULE), ("x.cases.toml", "")], &[]);
    let output = init.run(&[]);
    ends(&output, 0);
    let text = stdout(&output);
    for part in ["x, 1 rule\n", "about       Names x.\n", "programs    x, /opt/y\n", "nothing was installed"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let listed = json(&init.run(&["--json"]));
    let expected =
        serde_json::json!([{ "name": "x", "about": "Names x.", "rules": 1, "exec": ["x", "/opt/y"] }]);
    assert_eq!(listed["packs"], expected);
    assert_eq!(init.there(), []);
}

#[test]
fn a_pack_is_installed_once_and_then_it_is_there() {
    let init = Init::new(&[("x.toml", RULE), ("z.toml", &RULE.replace("\"r\"", "\"z\""))], &[]);
    let output = init.run(&["--enforce", "x"]);
    ends(&output, 0);
    let path = init.rules.path("rules").join("x.toml");
    let text = stdout(&output);
    assert!(text.starts_with(&format!("installed {}, enforced\n", path.display())), "{text}");
    assert!(text.contains("  holdpoint policy check /") && text.ends_with("  holdpoint reload\n"), "{text}");
    assert_eq!(init.there(), [("x.toml".to_owned(), RULE.to_owned())]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
    let again = init.run(&["--enforce", "x"]);
    ends(&again, 0);
    assert!(stdout(&again).starts_with("unchanged "), "{}", stdout(&again));
    let done = json(&init.run(&["--enforce", "--json", "x", "z"]));
    assert_eq!(done["unchanged"], serde_json::json!([path]));
    assert_eq!(
        (&done["installed"][1], &done["observe"]),
        (&serde_json::Value::Null, &serde_json::json!(false))
    );
}

#[test]
fn what_is_refused_changes_nothing_and_says_why() {
    let init = Init::new(
        &[("a.toml", &RULE.replace("\"r\"", "\"a\"")), ("x.toml", RULE)],
        &[("x.toml", "# mine\n")],
    );
    let before = init.there();
    for (packs, why) in [
        (
            vec!["--enforce", "a", "x"],
            "another 'x.toml' is there, and no file is overwritten; compare the two",
        ),
        (vec!["--enforce", "a", "y"], "there is no pack 'y'; there are a, x"),
    ] {
        let output = init.run(&packs);
        ends(&output, 65);
        assert!(stderr(&output).contains(&format!("and nothing was changed: {why}")), "{}", stderr(&output));
        assert_eq!(init.there(), before);
    }
    let init = Init::new(&[("x.toml", RULE)], &[("10-mine.toml", RULE)]);
    let output = init.run(&["--enforce", "x"]);
    ends(&output, 65);
    assert!(stderr(&output).contains("two rules have the name 'r'"), "{}", stderr(&output));
    assert_eq!(init.there().len(), 1);
}

#[test]
fn directories_that_are_not_there_are_named() {
    let init = Init::new(&[], &[]);
    ends(&init.run(&[]), 65);
    assert!(stderr(&init.run(&[])).contains("there are no packs in '"));
    let init = Init::new(&[("x.toml", RULE)], &[]);
    fs::remove_dir(init.rules.path("rules")).unwrap();
    let output = init.run(&["--enforce", "x"]);
    ends(&output, 65);
    assert!(stderr(&output).contains("rules': No such file or directory"), "{}", stderr(&output));
}

/// All of them at once, as the package has them.
#[test]
fn the_packs_that_ship_are_listed_and_can_be_installed_together() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut packs = Vec::new();
    for directory in
        fs::read_dir(policies).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let name = format!("{}.toml", directory.file_name().unwrap().to_str().unwrap());
        if let Ok(text) = fs::read_to_string(directory.join(&name)) {
            packs.push((name, text));
        }
    }
    let files: Vec<(&str, &str)> = packs.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let init = Init::new(&files, &[]);
    let listed = json(&init.run(&["--json"]))["packs"].clone();
    assert_eq!((listed.as_array().unwrap().len(), packs.len()), (10, 10));
    for pack in listed.as_array().unwrap() {
        assert!(pack["about"].as_str().is_some_and(|about| about.ends_with('.')), "{pack}");
    }
    let names = packs.iter().map(|(name, _)| name.strip_suffix(".toml").unwrap());
    ends(&init.run(&names.chain(["--enforce"]).collect::<Vec<_>>()), 0);
    assert_eq!(init.there().len(), packs.len());
}

#[test]
fn rules_are_observed_unless_they_are_to_be_enforced() {
    let init = Init::new(&[("x.toml", RULE)], &[]);
    let output = init.run(&["x"]);
    ends(&output, 0);
    assert!(stdout(&output).contains("x.toml, observed\n"), "{}", stdout(&output));
    let [(_, text)] = init.there().try_into().unwrap();
    assert!(text.ends_with(&format!("\nmode = \"observe\"\n\n{RULE}")), "{text}");
    ends(&init.run(&["x"]), 0);
    let output = init.run(&["--enforce", "x"]);
    ends(&output, 65);
    assert!(stderr(&output).contains("it is this pack, observed"), "{}", stderr(&output));
}
