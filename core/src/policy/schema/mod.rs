//! The JSON schemas of rules and cases, for editors.
//!
//! Each key of the parser has one line here, which says what can stand behind it; words and limits are those of the parser,
//! and what an editor shows of a key is its row in docs/policy.md. A key without a line or a row fails the tests. They
//! are draft 07, which all editors know: <https://json-schema.org/draft-07>. `policies/schema` has the files as they
//! ship; the test of them says how they are written anew.

mod documentation;
mod shapes;
mod tests;

use serde_json::{Map, Value, json};

use self::{
    documentation::Page,
    shapes::{
        OPTION, array, boolean, count, date, days, duration, either, filled, free, globs, hashes, integer,
        line, matching, names, one_or_more, options, programs, text, time_of_day, words, words_of_globs,
    },
};
use super::{
    ACTIONS, LOADER_VARIABLES, MAX_DESCRIPTION_BYTES, MAX_RULE_NAME_BYTES, MAX_USES, MODES, OWNERS, RISKS,
    STYLES, WAITS, case,
    parse::{
        RULE_KEYS, TOP_KEYS,
        clauses::{ARGS_KEYS, CLAUSE_KEYS, COUNT_KEYS},
        schedule::{DATES_KEYS, HOURS_KEYS},
        tools::{COMMAND_KEYS, RESOURCE_KEYS},
        values::{FLAG_KEYS, TEST_KEYS},
    },
};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a file with rules.
fn rules() -> Value {
    document("Rules of holdpoint", "a file", TOP_KEYS, top)
}

/// The schema of a file with cases.
fn cases() -> Value {
    let mut case = array(&table("[[case]]", case::CASE_KEYS, case_key), 0);
    case["description"] = json!("Commands, and what the rules have to say of each.");
    json!({
        "$schema": DRAFT, "title": "Cases of holdpoint's rules",
        "type": "object", "additionalProperties": false, "properties": { case::TOP_KEY: case },
    })
}

fn top(key: &str) -> Option<Value> {
    Some(match key {
        "mode" => words(&MODES),
        "rule" => array(&rule(), 0),
        "command" => array(&table("[[command]]", COMMAND_KEYS, command), 0),
        "resource" => array(&table("[[resource]]", RESOURCE_KEYS, resource), 0),
        "sets" => free(None, &one_or_more(&text(), 0)),
        _ => return None,
    })
}

fn rule() -> Value {
    let mut rule = table("[[rule]]", RULE_KEYS, rule_key);
    let Value::Object(clauses) = table("clauses", CLAUSE_KEYS, clause)["properties"].take() else {
        unreachable!()
    };
    if let Value::Object(properties) = &mut rule["properties"] {
        properties.extend(clauses);
    }
    rule
}

fn rule_key(key: &str) -> Option<Value> {
    Some(match key {
        "name" => matching(&format!("^[a-z0-9._-]{{1,{MAX_RULE_NAME_BYTES}}}$")),
        "description" | "message" | "deny_message" => line(MAX_DESCRIPTION_BYTES),
        "exec" => programs(),
        "action" => words(&ACTIONS),
        "mode" => words(&MODES),
        "timeout" | "valid_for" | "for" => duration(),
        "uses" => integer(2, MAX_USES),
        "wait" => words(&WAITS),
        "loader_variables" => words(&LOADER_VARIABLES),
        "risk" => words(&RISKS),
        "unless" => filled(table("clauses", CLAUSE_KEYS, clause)),
        _ => return None,
    })
}

fn clause(key: &str) -> Option<Value> {
    Some(match key {
        "agents" | "users" | "groups" | "hosts" | "units" | "cgroups" | "cwd" | "parents" => globs(),
        "tty" => boolean(),
        "when" => text(),
        "args" => filled(table("args", ARGS_KEYS, args)),
        "subcommand" => words_of_globs(),
        "flags" => free(Some(OPTION), &test(FLAG_KEYS)),
        "env" => free(Some("^[^=]+$"), &test(TEST_KEYS)),
        "resource" => free(None, &test(TEST_KEYS)),
        "hours" => table("hours", HOURS_KEYS, hours),
        "dates" => {
            let period = table("dates", DATES_KEYS, dates);
            either(period.clone(), array(&period, 1))
        }
        "hash" => hashes(),
        "owner" => words(&OWNERS),
        _ => return None,
    })
}

/// A test of a value, or short for `in` what it has to be.
fn test(keys: &[&str]) -> Value {
    either(globs(), filled(table("tests of a value", keys, test_key)))
}

fn test_key(key: &str) -> Option<Value> {
    Some(match key {
        "in" | "not_in" => globs(),
        "regex" => text(),
        "present" | "or_absent" => boolean(),
        "alias" => options(),
        _ => return None,
    })
}

fn args(key: &str) -> Option<Value> {
    Some(match key {
        "any" | "all" | "none" => globs(),
        "regex" => text(),
        "count" => {
            either(count(), table("count", COUNT_KEYS, |key| matches!(key, "min" | "max").then(count)))
        }
        _ => return None,
    })
}

fn hours(key: &str) -> Option<Value> {
    Some(match key {
        "days" => days(),
        "from" | "to" => time_of_day(),
        "zone" => text(),
        "outside" => boolean(),
        _ => return None,
    })
}

fn dates(key: &str) -> Option<Value> {
    Some(match key {
        "from" | "to" => date(),
        "zone" => text(),
        _ => return None,
    })
}

fn command(key: &str) -> Option<Value> {
    Some(match key {
        "exec" => names(),
        "style" => words(&STYLES),
        "values" | "flags" => options(),
        "aliases" => free(Some(OPTION), &matching(OPTION)),
        "after" => one_or_more(&text(), 1),
        "stops_at_word" | "more_options" => boolean(),
        _ => return None,
    })
}

fn resource(key: &str) -> Option<Value> {
    Some(match key {
        "name" | "default" => text(),
        "exec" => names(),
        "flags" => options(),
        "env" => one_or_more(&matching("^[^=*?]+$"), 0),
        _ => return None,
    })
}

fn case_key(key: &str) -> Option<Value> {
    Some(match key {
        "run" => either(text(), array(&text(), 0)),
        "action" => words(&case::ACTIONS),
        "rule" | "program" | "called" | "agent" | "user" | "host" | "unit" | "cgroup" | "cwd" | "at"
        | "sha256" | "note" => text(),
        "groups" | "parents" => one_or_more(&text(), 0),
        "env" => free(None, &text()),
        "tty" => boolean(),
        "owner" => words(&OWNERS),
        _ => return None,
    })
}

fn document(title: &str, documented: &str, keys: &[&str], shape: fn(&str) -> Option<Value>) -> Value {
    let mut document = table(documented, keys, shape);
    document["$schema"] = json!(DRAFT);
    document["title"] = json!(title);
    document
}

/// A table with these keys and no other, as docs/policy.md has them.
fn table(documented: &str, keys: &[&str], shape: fn(&str) -> Option<Value>) -> Value {
    let page = Page::read();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        let row = page.row(documented, key);
        let mut schema = shape(key).unwrap_or_else(|| {
            panic!("the key '{key}' of {documented} has no line in core/src/policy/schema/mod.rs")
        });
        schema["description"] = json!(row.description());
        if let Some(default) = row.default() {
            schema["default"] = default;
        }
        if let Some(example) = row.example() {
            schema["examples"] = json!([example]);
        }
        if row.is_needed() {
            required.push(*key);
        }
        properties.insert((*key).to_owned(), schema);
    }
    let mut table = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}
