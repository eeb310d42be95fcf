//! The schemas that ship are those of the parser, take what it takes, and refuse what editors shall flag.

use std::{collections::BTreeSet, fs, path::PathBuf};

use jsonschema::{Validator, draft7};
use serde_json::Value;

use super::{documentation::Page, *};
use crate::policy::{SourceFile, parse};

/// Set to anything, it has the test write the files anew.
const WRITE: &str = "HOLDPOINT_WRITE_SCHEMAS";

/// What every key is given in turn, beside all examples and defaults of docs/policy.md.
const VALUES: [&str; 18] = [
    r#""x""#,
    r#""""#,
    r#""@x""#,
    r#""-""#,
    r#""-x""#,
    "1",
    "-1",
    "1.5",
    "true",
    r#"["x"]"#,
    "[]",
    "[1]",
    "{}",
    r#"{ x = "y" }"#,
    "{ x = 1 }",
    "[{}]",
    r#"["5m"]"#,
    r#""25:00""#,
];

const RULE: &str = "[[rule]]\nname = \"r\"\nexec = [\"x\"]\naction = \"ask\"\n";
const AROUND: &str =
    "\n[sets]\nx = [\"y\"]\n[[resource]]\nname = \"region\"\nexec = [\"x\"]\ndefault = \"d\"\n";
const COMMAND: &str = "[[command]]\nexec = [\"x\"]\nvalues = [\"-n\", \"--namespace\"]\n";
const RESOURCE: &str = "[[resource]]\nname = \"r\"\nexec = [\"x\"]\ndefault = \"d\"\n";
const CASE: &str = "[[case]]\nrun = \"x\"\naction = \"ask\"\n";

/// A table of keys, and a file that has it: before and after one of its keys.
struct Place {
    keys: &'static [&'static str],
    before: String,
    after: String,
}

fn places() -> Vec<Place> {
    let inside = |opening: &str| format!("{RULE}{opening}");
    let place = |keys, before, after: &str| Place { keys, before, after: format!("{after}{AROUND}") };
    vec![
        place(RULE_KEYS, RULE.to_owned(), "\n"),
        place(CLAUSE_KEYS, RULE.to_owned(), "\n"),
        place(CLAUSE_KEYS, inside("unless = { "), " }"),
        place(TEST_KEYS, inside("flags = { \"-x\" = { "), " } }"),
        // Alone it tests nothing.
        place(&["alias"], inside("flags = { \"-x\" = { present = true, "), " } }"),
        place(TEST_KEYS, inside("env = { X = { "), " } }"),
        place(TEST_KEYS, inside("unless = { resource = { region = { "), " } } }"),
        place(ARGS_KEYS, inside("args = { "), " }"),
        place(COUNT_KEYS, inside("args = { count = { "), " } }"),
        place(HOURS_KEYS, inside("hours = { "), " }"),
        place(DATES_KEYS, inside("[rule.dates]\nfrom = \"2026-01-01\"\nto = \"2028-01-01\"\n"), "\n"),
        place(COMMAND_KEYS, COMMAND.to_owned(), "\n"),
        place(RESOURCE_KEYS, RESOURCE.to_owned(), "\n"),
    ]
}

fn validator(schema: &Value) -> Validator {
    draft7::new(schema).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{error}\n{text}")))
        .unwrap()
}

fn file(text: &str) -> SourceFile {
    SourceFile { name: "f".to_owned(), text: text.to_owned() }
}

/// What the parser says against a file with rules.
fn of_rules(text: &str) -> Vec<String> {
    let errors = parse(&[file(text)]).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

/// What it says against a file with cases.
fn of_cases(text: &str) -> Vec<String> {
    let errors = case::parse(&file(text)).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

/// The file with one key, in place of the same key where it has that already.
fn with(Place { before, after, .. }: &Place, key: &str, value: &str) -> String {
    let lines = before.split_inclusive('\n').filter(|line| !line.starts_with(&format!("{key} = ")));
    // The one key that needs another beside it.
    let beside = if key == "uses" { "for = \"1m\"\n" } else { "" };
    lines.chain([beside, format!("{key} = {value}{after}").as_str()]).collect()
}

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies"))
}

#[test]
fn the_schemas_that_ship_are_those_of_the_parser() {
    for (name, schema) in [("rules", rules()), ("cases", cases())] {
        let path = directory().join(format!("schema/{name}.schema.json"));
        if std::env::var_os(WRITE).is_some() {
            fs::write(&path, format!("{schema:#}\n")).unwrap();
        }
        let shipped: Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
        assert!(
            shipped == schema,
            "policies/schema/{name}.schema.json is not what the parser and docs/policy.md say; to write it anew: \
             {WRITE}=1 cargo test -p holdpoint-core --lib policy::schema"
        );
    }
}

#[test]
fn the_schemas_are_of_draft_07_and_take_their_own_examples_and_defaults() {
    fn try_own(schema: &Value, tried: &mut usize) {
        let mut own: Vec<&Value> = schema["examples"].as_array().into_iter().flatten().collect();
        own.extend(schema.get("default").filter(|_| schema.get("type").is_some()));
        for value in own {
            assert!(validator(schema).is_valid(value), "{value} is not taken by {schema:#}");
            *tried += 1;
        }
        let below = [&schema["items"], &schema["additionalProperties"]];
        let named = schema["properties"].as_object().into_iter().flat_map(Map::values);
        below
            .into_iter()
            .chain(named)
            .filter(|below| below.is_object())
            .for_each(|below| try_own(below, tried));
    }
    for schema in [rules(), cases()] {
        assert!(draft7::meta::is_valid(&schema));
        let mut tried = 0;
        try_own(&schema, &mut tried);
        assert!(tried > 10);
    }
}

#[test]
fn every_file_that_ships_is_taken() {
    let (rules, cases) = (validator(&rules()), validator(&cases()));
    let mut open = vec![directory()];
    let (mut of_rules, mut of_cases) = (0, 0);
    while let Some(directory) = open.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(".toml") {
                let is_cases = name.ends_with(case::SUFFIX);
                *(if is_cases { &mut of_cases } else { &mut of_rules }) += 1;
                let validator = if is_cases { &cases } else { &rules };
                let document = json(&fs::read_to_string(&path).unwrap());
                let errors: Vec<_> =
                    validator.iter_errors(&document).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
            }
        }
    }
    assert!(of_rules >= 7 && of_cases >= 7, "{of_rules} files with rules, {of_cases} with cases");
}

#[test]
fn what_the_parser_takes_the_schema_takes_and_what_has_a_wrong_type_or_word_it_does_not() {
    let schemas =
        [(validator(&rules()), of_rules as fn(&str) -> Vec<String>), (validator(&cases()), of_cases)];
    let page = Page::read();
    let mut values: BTreeSet<&str> = page.values().chain(VALUES).collect();
    let hash = format!("\"{}\"", "0f".repeat(32));
    values.extend([hash.as_str(), "\"deny\"", "\"go\"", "\"2027-06-01\"", "\"-n\""]);
    let mut all: Vec<(usize, Place)> = places().into_iter().map(|place| (0, place)).collect();
    all.push((1, Place { keys: case::CASE_KEYS, before: CASE.to_owned(), after: String::new() }));
    for (which, place) in &all {
        let (schema, parser) = &schemas[*which];
        for key in place.keys {
            let mut taken = 0;
            for value in &values {
                let text = with(place, key, value);
                let (valid, errors) = (schema.is_valid(&json(&text)), parser(&text));
                assert!(valid || !errors.is_empty(), "the parser takes what the schema refuses:\n{text}");
                let flagged = ["has the wrong type", "expected one of", "unknown key"];
                let must = errors.iter().find(|error| flagged.iter().any(|words| error.contains(words)));
                assert!(
                    !valid || must.is_none(),
                    "the schema takes what the parser refuses:\n{text}\n{must:?}"
                );
                taken += usize::from(valid && errors.is_empty());
            }
            assert!(taken > 0, "no value of {key} is tried that can stand there:\n{}", with(place, key, "…"));
        }
        let unknown = with(place, "nonsense", "1");
        assert!(!schema.is_valid(&json(&unknown)) && !parser(&unknown).is_empty(), "{unknown}");
    }
}

#[test]
fn a_key_that_is_needed_is_needed_in_the_schema() {
    let (rules, cases) = (validator(&rules()), validator(&cases()));
    let mut needed = Vec::new();
    for (whole, schema, parser) in [
        (RULE, &rules, of_rules as fn(&str) -> Vec<String>),
        (COMMAND, &rules, of_rules),
        (RESOURCE, &rules, of_rules),
        (CASE, &cases, of_cases),
    ] {
        assert!(schema.is_valid(&json(whole)) && parser(whole).is_empty(), "{whole}");
        for line in whole.lines().skip(1) {
            let text = whole.replace(line, "");
            // A resource that nothing tells has no key of which one could say that it is missing.
            if !line.starts_with("default") {
                assert_eq!(schema.is_valid(&json(&text)), parser(&text).is_empty(), "{text}");
            }
            needed.extend((!schema.is_valid(&json(&text))).then(|| line.split(' ').next().unwrap()));
        }
    }
    assert_eq!(needed, ["name", "exec", "action", "exec", "name", "exec", "run", "action"]);
}

#[test]
fn what_is_broken_is_refused() {
    let (rules, cases) = (validator(&rules()), validator(&cases()));
    let in_rule = |line: &str| format!("{RULE}{line}\n");
    for text in [
        "[[rules]]\nname = \"r\"\n".to_owned(),
        "[rule]\nname = \"r\"\nexec = [\"x\"]\naction = \"ask\"\n".to_owned(),
        "sets = [\"x\"]".to_owned(),
        "[sets]\nx = [1]".to_owned(),
        in_rule("tiemout = \"5m\""),
        in_rule("timeout = 300"),
        in_rule("timeout = \"5 minutes\""),
        in_rule("risk = \"severe\""),
        in_rule("flags = { \"--force\" = { presnt = true } }"),
        in_rule("flags = { force = { present = true } }"),
        in_rule("args = {}"),
        in_rule("args = { count = { mini = 1 } }"),
        in_rule("hours = { from = \"9:00\" }"),
        in_rule("hours = { days = [\"monday\"] }"),
        in_rule("dates = { from = \"2026-12-20\" }"),
        in_rule("hash = \"abc\""),
        in_rule("unless = { unless = { tty = true } }"),
        in_rule("unless = { agents = [] }"),
        in_rule("subcommand = [\" \"]"),
        RULE.replace("\"r\"", "\"Prod Deletes\""),
        RULE.replace("\"r\"", &format!("\"{}\"", "r".repeat(MAX_RULE_NAME_BYTES + 1))),
        RULE.replace("[\"x\"]", "\"x\""),
        RULE.replace("[\"x\"]", "[]"),
        RULE.replace("[\"x\"]", "[\"bin/x\"]"),
        RULE.replace("ask", "Ask"),
        COMMAND.replace("[\"x\"]", "[\"/usr/bin/x\"]"),
        COMMAND.replace("--namespace", "namespace"),
    ] {
        assert!(!rules.is_valid(&json(&text)), "the schema takes\n{text}");
        assert!(!of_rules(&text).is_empty(), "the parser takes\n{text}");
    }
    for text in [
        CASE.replace("ask", "hold"),
        CASE.replace("\"x\"", "1"),
        format!("{CASE}env = {{ A = 1 }}\n"),
        format!("{CASE}user = [\"deploy\"]\n"),
        format!("{CASE}nota = \"x\"\n"),
        format!("{RULE}{CASE}"),
    ] {
        assert!(!cases.is_valid(&json(&text)), "the schema takes\n{text}");
        assert!(!of_cases(&text).is_empty(), "the parser takes\n{text}");
    }
}
