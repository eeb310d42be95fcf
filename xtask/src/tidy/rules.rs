//! The rules of tidy, as functions from text to complaints.

/// The root has a budget, so that a newcomer sees what the project consists of.
const ROOT_BUDGET: usize = 24;

/// A longer file holds more than one thing.
const LONGEST_FILE: usize = 450;

/// What would tie the project to one machine or one mirror. In two parts, or this file would complain
/// about itself.
const FOREIGN: [(&str, &str); 7] = [
    ("deb.", "debian.org"),
    ("security.", "debian.org"),
    ("https://", "crates.io/"),
    ("index.", "crates.io"),
    ("static.", "crates.io"),
    ("/wo", "rk/"),
    ("/root/", ".cache"),
];

/// Checks one file.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    let is_rust = name.ends_with(".rs");
    let mut complaints = Vec::new();
    let length = text.lines().count();
    if is_rust && length > LONGEST_FILE {
        complaints.push(format!("{name}: {length} lines; split it, {LONGEST_FILE} is the limit"));
    }
    for (place, line) in text.lines().enumerate() {
        let at = format!("{name}:{}", place + 1);
        for (one, two) in FOREIGN {
            if stands_alone(line, &format!("{one}{two}")) {
                complaints.push(format!("{at}: names {one}{two}, which belongs to one machine or mirror"));
            }
        }
        if is_rust && line.trim_start().starts_with("#[ignore") && !has_issue(line) {
            complaints.push(format!("{at}: an ignored test needs its issue: #[ignore = \"gh<N>\"]"));
        }
        if is_source(name) && mentions_todo(line) && !has_issue(line) {
            complaints.push(format!("{at}: a {}{} needs its issue: gh<N>", "TO", "DO"));
        }
    }
    complaints
}

/// Checks the visible entries of the root against the README.
pub(super) fn check_root(entries: &[&str], readme: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if entries.len() > ROOT_BUDGET {
        complaints
            .push(format!("the root has {} visible entries; {ROOT_BUDGET} is the limit", entries.len()));
    }
    for entry in entries.iter().filter(|entry| **entry != "README.md") {
        if !readme.contains(entry) {
            complaints.push(format!("README.md: does not say what {entry} is"));
        }
    }
    complaints
}

fn is_source(name: &str) -> bool {
    [".rs", ".toml", ".sh"].iter().any(|ending| name.ends_with(ending)) || name.starts_with("tests/vm/")
}

fn mentions_todo(line: &str) -> bool {
    ["TO", "FIX"].into_iter().zip(["DO", "ME"]).any(|(one, two)| line.contains(&format!("{one}{two}")))
}

/// Tells whether the line names an issue, as in `gh12`.
fn has_issue(line: &str) -> bool {
    line.match_indices("gh").any(|(place, _)| {
        line.get(place + 2..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// Tells whether the text occurs and is not the end of a longer word or path.
fn stands_alone(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(place, _)| {
        let before = line.get(..place).unwrap_or_default().chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_test_names_its_issue() {
        assert_eq!(check("a.rs", "#[ignore = \"gh7\"]").len(), 0);
        assert_eq!(check("a.rs", "    #[ignore = \"slow\"]").len(), 1);
        assert_eq!(check("a.rs", "#[ignore]").len(), 1);
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_a_longer_path_is_not() {
        let (one, two) = ("/wo", "rk/");
        assert_eq!(check("a.md", &format!("see {one}{two}x")).len(), 1);
        assert_eq!(check("a.md", &format!("see overlay{one}{two}x")).len(), 0);
    }

    #[test]
    fn a_long_file_is_too_long_in_rust_alone() {
        let text = "\n".repeat(LONGEST_FILE + 1);
        assert_eq!(check("a.rs", &text).len(), 1);
        assert_eq!(check("a.md", &text).len(), 0);
    }

    #[test]
    fn the_root_has_a_budget_and_the_readme_names_it_all() {
        assert_eq!(check_root(&["core", "README.md"], "## core").len(), 0);
        assert_eq!(check_root(&["core", "cli"], "core").len(), 1);
        assert_eq!(check_root(&["a"; ROOT_BUDGET + 1], "a").len(), 1);
    }
}
