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
            Clause::Flag(flag, _) => {
                for name in names.iter().filter_map(|name| Some((name, tools.grammars.get(*name)?))) {
                    let (program, grammar) = name;
                    if flag.iter().any(|flag| grammar.knows(flag)) {
                        continue;
                    }
                    let shown = quoted(flag.first().map(String::as_str).unwrap_or_default());
                    let message = format!("the [[command]] of {} knows no option {shown}", quoted(program));
                    let hint = "add it to its values or flags: until then it is in doubt wherever it stands";
                    problems.warning(table.key_span("flags"), message, hint);
                }
            }
            Clause::Resource(resource, _) => {
                for name in &names {
                    if tools.resource(resource, name.as_bytes()).is_none() {
                        let message =
                            format!("nothing tells the resource {} of {}", quoted(resource), quoted(name));
                        let hint = "add a [[resource]] of that name with the program in 'exec'";
                        problems.error_with_hint(table.key_span("resource"), message, hint);
                    }
                }
            }
            _ => {}
        }
    }
}
