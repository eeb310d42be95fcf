//! What other rules would have said.

use holdpoint_core::escape;

use super::{
    super::{Style, sheet::Sheet, text::plain, time::utc},
    bounded,
    cases::words,
};
use crate::commands::policy::{Differences, Otherwise};

/// So much of a command is shown.
const CHARACTERS: usize = 300;

/// Each request that would be decided otherwise, and how many there are.
pub(crate) fn page(differences: &Differences, style: Style) -> String {
    let mut sheet = Sheet::new(style, false);
    for otherwise in &differences.otherwise {
        one(&mut sheet, otherwise);
    }
    if differences.cut {
        sheet.line("older requests are not looked at: the daemon gives so many at once");
    }
    sheet.finish() + &summary(differences)
}

fn one(sheet: &mut Sheet, otherwise: &Otherwise) {
    let id = sheet.style.bold(otherwise.request.as_str());
    let text = format!(" {}, agent {}", utc(otherwise.made_at), plain(&otherwise.agent));
    sheet.painted(otherwise.request.as_str(), &id, &text);
    sheet.words("command", &escape::command(&otherwise.command, CHARACTERS));
    sheet.words("old", &words(&otherwise.old));
    sheet.words("new", &words(&otherwise.new));
    if let Some(because) = &otherwise.because {
        sheet.words("because", &bounded(because));
    }
}

fn summary(differences: &Differences) -> String {
    let Differences { requests, unread, by_other_rules, otherwise, .. } = differences;
    let noun = if *requests == 1 { "request" } else { "requests" };
    let mut text = format!("{requests} {noun}, {} decided otherwise", otherwise.len());
    if *by_other_rules > 0 {
        text.push_str(&format!(", {by_other_rules} by another rule and as before"));
    }
    if *unread > 0 {
        text.push_str(&format!(", {unread} of which nothing is known"));
    }
    text.push('\n');
    text
}
