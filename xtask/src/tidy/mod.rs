//! `cargo xtask tidy`: rules of the house that no compiler knows.
//!
//! Each rule looks at one file, or at the list of all, and returns complaints. The files are those
//! that git knows or would add.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::cache;
use crate::command;

mod catalogue;
mod keys;
mod rules;

/// Checks the tree and prints a line for each complaint.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = cache::repository()?;
    let mut git = Command::new("git");
    git.arg("-C").arg(&root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let listing = command::output(&mut git)?;
    // A file that git knows may have been removed from the tree.
    let names: Vec<&str> = listing.lines().filter(|name| root.join(name).is_file()).collect();
    let mut complaints = root_entries(&root, &names);
    let mut tests = BTreeSet::new();
    for name in &names {
        // What is not text has no lines to complain about.
        let Ok(text) = fs::read_to_string(root.join(name)) else { continue };
        complaints.extend(rules::check(name, &text));
        tests.extend(catalogue::tests_in(name, &text));
    }
    complaints.extend(attacks(&root, &tests));
    complaints.extend(policy_keys(&root));
    for complaint in &complaints {
        eprintln!("tidy: {complaint}");
    }
    println!("tidy: {} files, {} complaints", names.len(), complaints.len());
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The catalogue of attacks, and the other pages that name tests.
fn attacks(root: &Path, tests: &BTreeSet<String>) -> Vec<String> {
    // One that is missing names nothing, and is complained about for each of its lines.
    let page = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let lines = catalogue::check(&page(catalogue::CATALOGUE), &page(catalogue::LIMITATIONS), tests);
    let naming = catalogue::NAMING.into_iter();
    lines
        .into_iter()
        .chain(naming.flat_map(|name| catalogue::check_names(name, &page(name), tests)))
        .collect()
}

/// The pages about rules, and the schemas by which they are measured.
fn policy_keys(root: &Path) -> Vec<String> {
    let text = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    keys::check(&keys::Texts {
        page: text(keys::PAGE),
        manual: text(keys::MANUAL),
        rules: text(keys::RULES),
        cases: text(keys::CASES),
    })
}

fn root_entries(root: &Path, names: &[&str]) -> Vec<String> {
    let mut entries: Vec<&str> = names.iter().filter_map(|name| name.split('/').next()).collect();
    entries.retain(|entry| !entry.starts_with('.'));
    entries.sort_unstable();
    entries.dedup();
    let readme = fs::read_to_string(root.join("README.md")).unwrap_or_default();
    rules::check_root(&entries, &readme)
}
