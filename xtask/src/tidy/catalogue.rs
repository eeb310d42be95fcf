//! The catalogue of attacks: each line has a result, and a test that is there or a control that is named.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// The page with the lines.
pub(super) const CATALOGUE: &str = "docs/bypass-catalogue.md";

/// The page with the controls for what is out of reach.
pub(super) const LIMITATIONS: &str = "docs/limitations.md";

/// Other pages that name tests.
pub(super) const NAMING: [&str; 2] = ["docs/threat-model.md", "docs/limitations.md"];

/// The lines of sections A to F, and of H.
const LINES: [RangeInclusive<u32>; 2] = [1..=58, 71..=74];

/// What can come of an attack: held or denied, killed, no effect, documented.
const RESULTS: [&str; 4] = ["H", "K", "S", "D"];

/// The names of the tests in a file, as `module::name`. Those of the VM stand in a table, others have an attribute.
pub(super) fn tests_in(name: &str, text: &str) -> Vec<String> {
    let Some(module) = module_of(name) else { return Vec::new() };
    let tables = text.split("tests![").skip(1).filter_map(|rest| rest.split(']').next());
    let in_tables = tables.filter_map(|table| table.split_once(':')).flat_map(|(_, names)| names.split(','));
    let mut found: Vec<&str> = in_tables.map(str::trim).filter(|name| is_name(name)).collect();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= matches!(line, "#[test]" | "#[tokio::test]");
        if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            is_test = false;
            found.extend(rest.split('(').next());
        }
    }
    found.iter().map(|test| format!("{module}::{test}")).collect()
}

/// Checks the catalogue against the tests that there are, and against the controls.
pub(super) fn check(catalogue: &str, limitations: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let controls: BTreeSet<u32> = rows(limitations).into_iter().map(|(number, _)| number).collect();
    let mut complaints = Vec::new();
    let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
    for (number, cells) in rows(catalogue) {
        *seen.entry(number).or_default() += 1;
        let at = format!("{CATALOGUE}: line {number}");
        let [_, result, proof] = cells.as_slice() else {
            complaints.push(format!("{at} has not the four columns number, attack, result, shown by"));
            continue;
        };
        let results: Vec<&str> = result.split(',').map(str::trim).collect();
        for odd in results.iter().filter(|result| !RESULTS.contains(result)) {
            complaints.push(format!("{at}: '{odd}' is none of {}", RESULTS.join(", ")));
        }
        let named = named_tests(proof);
        if results.iter().any(|result| *result != "D") && named.is_empty() {
            complaints.push(format!("{at} is {result}, and no test shows it"));
        }
        for test in named.iter().filter(|test| !tests.contains(**test)) {
            complaints.push(format!("{at}: there is no test {test}"));
        }
        if results.contains(&"D") && !controls.contains(&number) {
            complaints.push(format!("{at} is out of reach: {LIMITATIONS} names no control for it"));
        }
    }
    for number in LINES.into_iter().flatten() {
        match seen.remove(&number) {
            Some(1) => {}
            Some(times) => complaints.push(format!("{CATALOGUE}: line {number} is there {times} times")),
            None => complaints.push(format!("{CATALOGUE}: line {number} is missing")),
        }
    }
    complaints
        .extend(seen.keys().map(|number| format!("{CATALOGUE}: there is no line {number} to be about")));
    complaints
}

/// Checks that the tests that a page names are there.
pub(super) fn check_names(page: &str, text: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let missing = named_tests(text).into_iter().filter(|test| !tests.contains(*test));
    missing.map(|test| format!("{page}: there is no test {test}")).collect()
}

/// The rows of all tables that begin with a number: that number, and the other cells.
fn rows(text: &str) -> Vec<(u32, Vec<String>)> {
    let row = |line: &str| {
        let line = line.trim().strip_prefix('|')?.strip_suffix('|')?.replace("\\|", "\u{0}");
        let mut cells = line.split('|').map(|cell| cell.trim().replace('\u{0}', "|"));
        let number = cells.next()?.parse().ok()?;
        Some((number, cells.collect()))
    };
    text.lines().filter_map(row).collect()
}

/// What stands between backticks and looks like a test: `module::name_of_it`.
fn named_tests(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|quoted| quoted.split_once("::").is_some_and(|(one, two)| is_name(one) && is_name(two)))
        .collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The module of a source file: its own name, or that of its directory.
fn module_of(name: &str) -> Option<&str> {
    let path = name.strip_suffix(".rs")?;
    let mut parts = path.rsplit('/');
    parts.next().map(|last| if last == "mod" { parts.next().unwrap_or(last) } else { last })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "pub(crate) const TESTS: &[Test] = tests![Normal, 120:\n    a_b,\n    c_d,\n];\nfn a_b() {}\n";

    fn tests() -> BTreeSet<String> {
        tests_in("tests/e2e/src/files.rs", TABLE).into_iter().collect()
    }

    /// All lines, each with the same rest.
    fn catalogue(rest: &str) -> String {
        LINES.into_iter().flatten().map(|number| format!("| {number} | x | {rest} |\n")).collect()
    }

    #[test]
    fn tests_are_found_in_tables_and_by_their_attribute() {
        assert_eq!(tests_in("tests/e2e/src/files.rs", TABLE), ["files::a_b", "files::c_d"]);
        let text = "#[tokio::test]\nasync fn one() {}\nfn none() {}\n    #[test]\n    fn two(\n";
        assert_eq!(tests_in("daemon/src/api/tests/mod.rs", text), ["tests::one", "tests::two"]);
    }

    #[test]
    fn a_line_that_is_not_out_of_reach_has_a_test_that_is_there() {
        assert_eq!(check(&catalogue("H, K | `files::a_b` \\| and `x`"), "", &tests()), Vec::<String>::new());
        assert!(check(&catalogue("S | `x` and words"), "", &tests())[0].contains("no test shows it"));
        assert!(
            check(&catalogue("H | `files::a_b`, `files::gone`"), "", &tests())[0].contains("files::gone")
        );
        assert!(check(&catalogue("X | `files::a_b`"), "", &tests())[0].contains("'X' is none of"));
    }

    #[test]
    fn what_is_out_of_reach_has_a_control() {
        let controls: String = LINES.into_iter().flatten().map(|n| format!("| {n} | y | z |\n")).collect();
        assert_eq!(check(&catalogue("D | "), &controls, &tests()), Vec::<String>::new());
        assert_eq!(check(&catalogue("D | "), "", &tests()).len(), 62);
    }

    #[test]
    fn no_line_is_missing_or_there_twice() {
        let whole = catalogue("H | `files::a_b`");
        assert_eq!(check(&whole.replace("| 17 |", "| 16 |"), "", &tests()).len(), 2);
        assert_eq!(check(&format!("{whole}| 59 | x | H | `files::a_b` |\n"), "", &tests()).len(), 1);
    }
}
