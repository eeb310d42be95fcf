//! What is wrong with a part of an expression, and where it stands.

use std::ops::Range;

use super::*;

impl Checker<'_> {
    pub(super) fn no_such_function(&self, part: &IdedExpr, name: &str) -> Fault {
        let message = match FUNCTIONS.contains(&name) {
            true => format!("'{name}' is called in another way"),
            false => format!("unknown function {}", quoted(name)),
        };
        let hint = match (name, nearest(name, &FUNCTIONS)) {
            ("size" | "int" | "has", _) => format!("write {name}(x)"),
            ("contains" | "startsWith" | "endsWith" | "matches", _) => format!("write x.{name}('a')"),
            ("exists" | "all" | "exists_one" | "filter" | "map", _) => {
                format!("write list.{name}(x, x == 'a')")
            }
            (_, Some(near)) => format!("did you mean '{near}'?"),
            (_, None) => format!("there are {}", FUNCTIONS.join(", ")),
        };
        self.fault_at_name(part, name, message).hint(hint)
    }

    pub(super) fn wrong(&self, part: &IdedExpr, wanted: Kind, found: Kind) -> Fault {
        self.fault(part, format!("expected {wanted}, found {found}"))
    }

    pub(super) fn fault(&self, part: &IdedExpr, message: impl Into<String>) -> Fault {
        Fault::new(self.span(part), message)
    }

    /// The parser notes the place of a dot or a bracket, and the name stands beside it.
    pub(super) fn fault_at_name(&self, part: &IdedExpr, name: &str, message: impl Into<String>) -> Fault {
        let span = self.span(part);
        let (before, after) = (self.text.get(..span.start), self.text.get(span.start..));
        let (before, after) = (before.unwrap_or_default().trim_end(), after.unwrap_or_default());
        let blank = |text: &str| text.len() - text.trim_start_matches(['.', ' ', '\t', '\r', '\n']).len();
        let start = if before.ends_with(name) && !after.starts_with(name) {
            before.len() - name.len()
        } else {
            span.start + blank(after)
        };
        if self.text.get(start..).is_some_and(|here| here.starts_with(name)) {
            return Fault::new(start..start + name.len(), message);
        }
        Fault::new(span, message)
    }

    pub(super) fn span(&self, part: &IdedExpr) -> Range<usize> {
        let offset = self.program.source_info().offset_for(part.id);
        let size = |at: u32| usize::try_from(at).unwrap_or_default();
        offset.map_or(0..self.text.len(), |(start, last)| size(start)..size(last) + 1)
    }
}
