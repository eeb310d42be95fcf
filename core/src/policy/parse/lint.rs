//! What can be seen of a rule alone, and is no error of one key: options that no `[[command]]` knows, resources that nothing
//! tells.

use super::super::{Clause, PatternKind, Rule, tools::Tools};
use crate::{
    diagnostic::quoted,
    document::{Problems, Table},
};

pub(super) fn rule(rule: &Rule, table: &Table<'_, '_>, tools: &Tools, problems: &mut Problems<'_>) {
    let all = rule.clauses.iter().flat_map(|clause| match clause {
        Clause::Unless(inner) => inner.as_slice(),
        other => std::slice::from_ref(other),
    });
    let names = rule.exec.iter().filter_map(|pattern| match pattern.kind {
        PatternKind::Name => Some(pattern.text.as_str()),
        _ => pattern.last_component(),
    });
    let names: Vec<&str> = names.collect();
    for clause in all {
        match clause {
            Clause::Flag(flag, _) => known(flag, "flags", &names, table, tools, problems),
            Clause::Resource(resource, _) => told(resource, "resource", &names, table, tools, problems),
            Clause::When(expression) => {
                for option in expression.options() {
                    known(&[option], "when", &names, table, tools, problems);
                }
                for resource in expression.resources() {
                    told(resource, "when", &names, table, tools, problems);
                }
            }
            _ => {}
        }
    }
}

/// Of an option, by any of its names.
fn known<T: AsRef<str>>(
    option: &[T],
    key: &str,
    names: &[&str],
    table: &Table<'_, '_>,
    tools: &Tools,
    problems: &mut Problems<'_>,
) {
    for (program, grammar) in names.iter().filter_map(|name| Some((name, tools.grammars.get(*name)?))) {
        if option.iter().any(|name| grammar.knows(name.as_ref())) {
            continue;
        }
        let shown = quoted(option.first().map(AsRef::as_ref).unwrap_or_default());
        let message = format!("the [[command]] of {} knows no option {shown}", quoted(program));
        let hint = "add it to its values or flags: until then it is in doubt wherever it stands";
        problems.warning(table.key_span(key), message, hint);
    }
}

fn told(
    resource: &str,
    key: &str,
    names: &[&str],
    table: &Table<'_, '_>,
    tools: &Tools,
    problems: &mut Problems<'_>,
) {
    for name in names.iter().filter(|name| tools.resource(resource, name.as_bytes()).is_none()) {
        let message = format!("nothing tells the resource {} of {}", quoted(resource), quoted(name));
        let hint = "add a [[resource]] of that name with the program in 'exec'";
        problems.error_with_hint(table.key_span(key), message, hint);
    }
}
