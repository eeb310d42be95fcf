//! Proves that docs/policy.md and holdpoint-policy(5) have every key, and no other.

use std::collections::BTreeSet;

use super::{
    case::CASE_KEYS,
    parse::{
        RULE_KEYS,
        clauses::{ARGS_KEYS, CLAUSE_KEYS, COUNT_KEYS},
        schedule::{DATES_KEYS, HOURS_KEYS},
        tools::{COMMAND_KEYS, RESOURCE_KEYS},
        values::FLAG_KEYS,
    },
};

const PAGE: &str = include_str!("../../../docs/policy.md");
const MANUAL: &str = include_str!("../../../packaging/holdpoint-policy.5");

/// The tables of the page in their order.
fn tables() -> [(&'static str, Vec<&'static str>); 10] {
    [
        ("[[rule]]", RULE_KEYS.to_vec()),
        ("clauses", CLAUSE_KEYS.to_vec()),
        ("tests of a value", FLAG_KEYS.to_vec()),
        ("args", ARGS_KEYS.to_vec()),
        ("count", COUNT_KEYS.to_vec()),
        ("hours", HOURS_KEYS.to_vec()),
        ("dates", DATES_KEYS.to_vec()),
        ("[[command]]", COMMAND_KEYS.to_vec()),
        ("[[resource]]", RESOURCE_KEYS.to_vec()),
        ("[[case]]", CASE_KEYS.to_vec()),
    ]
}

/// The keys of each table of keys; the one of `[sets]` has names of the reader's own.
fn documented() -> Vec<BTreeSet<&'static str>> {
    let mut tables: Vec<BTreeSet<&str>> = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        if line.starts_with("| key | type | default | example | meaning |") {
            inside = true;
            tables.push(BTreeSet::new());
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside
            && let Some(key) = line.strip_prefix("| `").and_then(|rest| rest.split_once("` |"))
            && let Some(table) = tables.last_mut()
        {
            assert!(table.insert(key.0), "{} is in a table twice", key.0);
        }
    }
    tables
}

#[test]
fn the_page_has_every_key_with_type_default_and_example_and_no_other() {
    let mut documented = documented();
    documented.retain(|keys| !keys.is_empty());
    let expected = tables();
    assert_eq!(documented.len(), expected.len());
    for ((table, keys), found) in expected.into_iter().zip(documented) {
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), found, "the table of {table}");
    }
    for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
        assert!(!line.contains("| |"), "an empty cell: {line}");
    }
}

#[test]
fn the_manual_page_has_every_key() {
    let words: BTreeSet<&str> =
        MANUAL.lines().flat_map(|line| line.split([' ', ',', '"', '(', ')'])).collect();
    for (table, keys) in tables() {
        for key in keys {
            assert!(words.contains(key), "{key} of {table} is missing in holdpoint-policy.5");
        }
    }
}
