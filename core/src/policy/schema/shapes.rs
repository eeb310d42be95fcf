//! What can stand behind a key.
//!
//! A schema is never stricter than the parser: what it cannot say in full it leaves to `holdpoint policy check`. Shapes of
//! different types can be put together without `anyOf`, since each keyword is about one type alone; of `anyOf` and
//! `$ref` editors show too much or too little.

use serde_json::{Value, json};

use super::super::{MAX_PATTERNS, parse::clauses::MAX_COUNT, pattern::MAX_NAME_BYTES, schedule::DAY_NAMES};

/// An option by its name. What is left to the parser: the dashes of the program's style.
pub(super) const OPTION: &str =
    r"^-([^-=\u0000-\u0020\u007f-\u00a0]|-[^=\u0000-\u0020\u007f-\u00a0])[^=\u0000-\u0020\u007f-\u00a0]*$";

/// A program by its name alone.
const NAME: &str = r"^[^/]+$";

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn matching(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// Characters are counted here and bytes in the parser, which are more.
pub(super) fn line(most: usize) -> Value {
    json!({ "type": "string", "maxLength": most, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$" })
}

pub(super) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn words<T>(words: &[(&str, T)]) -> Value {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    json!({ "type": "string", "enum": words })
}

pub(super) fn duration() -> Value {
    json!({ "type": "string", "minLength": 2, "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$" })
}

pub(super) fn time_of_day() -> Value {
    matching("^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")
}

pub(super) fn date() -> Value {
    matching("^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
}

pub(super) fn days() -> Value {
    let day = DAY_NAMES.join("|");
    one_or_more(&matching(&format!("^({day})(-({day}))?$")), 1)
}

pub(super) fn count() -> Value {
    integer(0, MAX_COUNT)
}

pub(super) fn integer(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

pub(super) fn array(items: &Value, least: usize) -> Value {
    let mut array = json!({ "type": "array", "items": items });
    if least > 0 {
        array["minItems"] = json!(least);
    }
    array
}

/// One alone will do where an array is meant.
pub(super) fn one_or_more(items: &Value, least: usize) -> Value {
    either(items.clone(), array(items, least))
}

pub(super) fn globs() -> Value {
    one_or_more(&text(), 1)
}

pub(super) fn words_of_globs() -> Value {
    one_or_more(&matching(r"[^\t\n\f\r ]"), 1)
}

/// Hexadecimal digits, or a set.
pub(super) fn hashes() -> Value {
    one_or_more(&matching("^([0-9A-Fa-f]{64}$|@)"), 1)
}

/// What a rule is about: a name or an absolute path.
pub(super) fn programs() -> Value {
    let mut programs = array(&matching("^(/.|[^/]+$)"), 1);
    programs["maxItems"] = json!(MAX_PATTERNS);
    programs
}

/// What a `[[command]]` or `[[resource]]` is about.
pub(super) fn names() -> Value {
    let mut name = matching(NAME);
    name["maxLength"] = json!(MAX_NAME_BYTES);
    one_or_more(&name, 1)
}

pub(super) fn options() -> Value {
    one_or_more(&matching(OPTION), 0)
}

/// A table whose keys are names of the writer's own.
pub(super) fn free(names: Option<&str>, values: &Value) -> Value {
    let mut table = json!({ "type": "object", "additionalProperties": values });
    if let Some(pattern) = names {
        table["propertyNames"] = json!({ "pattern": pattern });
    }
    table
}

/// A table that may not be empty.
pub(super) fn filled(mut table: Value) -> Value {
    table["minProperties"] = json!(1);
    table
}

/// The one or the other, which are of different types.
pub(super) fn either(one: Value, other: Value) -> Value {
    let types = |shape: &Value| match &shape["type"] {
        Value::Array(types) => types.clone(),
        single => vec![single.clone()],
    };
    let mut all = types(&one);
    all.extend(types(&other));
    let (Value::Object(mut shape), Value::Object(other)) = (one, other) else {
        panic!("a shape is no object")
    };
    shape.extend(other);
    shape.insert("type".to_owned(), Value::Array(all));
    Value::Object(shape)
}
