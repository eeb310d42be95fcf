//! What the rules say, what is wrong with them, and what came of their cases.

pub(crate) mod cases;
pub(crate) mod check;
mod clauses;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod list;

#[cfg(test)]
mod tests;

use holdpoint_core::policy::Action;

use super::{
    Style,
    text::{cut_middle, plain},
};

/// So much is shown of what has no limit of its own: a reason, a note, a name that may be none of a rule.
const CHARACTERS: usize = 600;

/// A place without its column: `file:line`.
fn file_and_line(place: &str) -> String {
    let line = place.rsplit_once(':').map_or(place, |(line, _)| line);
    plain(line)
}

/// A text of any length, printable and bounded.
fn bounded(text: &str) -> String {
    cut_middle(&plain(text), CHARACTERS)
}

/// The action in its colour.
fn action(action: Action, style: Style) -> String {
    let word = action.to_string();
    match action {
        Action::Ask => style.waiting(&word),
        Action::Deny => style.alarm(&word),
        Action::Allow => style.good(&word),
    }
}

/// `no rules`, `1 rule`, `2 rules`.
fn count(number: usize, one: &str) -> String {
    match number {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    }
}
