//! `holdpoint policy schema`.

use std::path::Path;

use serde_json::Value;

use super::{run, stdout};

#[test]
fn the_schema_of_rules_and_that_of_cases_are_printed_as_they_ship() {
    let printed = |arguments: &[&str]| -> Value {
        serde_json::from_str(&stdout(&run("schema", arguments, Path::new("/nowhere")))).unwrap()
    };
    let needed = |schema: &Value, key: &str| schema["properties"][key]["items"]["required"].clone();
    assert_eq!(needed(&printed(&[]), "rule"), serde_json::json!(["name", "exec", "action"]));
    assert_eq!(printed(&["rules"]), printed(&[]));
    assert_eq!(needed(&printed(&["cases"]), "case"), serde_json::json!(["run", "action"]));
    assert_eq!(run("schema", &["other"], Path::new("/nowhere")).status.code(), Some(2));
}

#[test]
fn what_is_printed_is_text_for_a_terminal() {
    for of in ["rules", "cases"] {
        let text = stdout(&run("schema", &[of], Path::new("/nowhere")));
        assert!(text.ends_with("}\n") && !text.contains(|c: char| c.is_control() && c != '\n'));
    }
}
