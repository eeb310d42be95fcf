//! What came of the cases.

use std::fmt::Write as _;

use holdpoint_core::escape;

use super::{
    super::{Style, sheet::Sheet, text::plain},
    bounded, clauses, file_and_line,
};
use crate::commands::policy::{Failed, Fate, Results, Said};

/// So much of a command is shown.
const CHARACTERS: usize = 300;

/// Each case that failed, what no case tries where that is asked for, and how many there are.
pub(crate) fn page(results: &Results, coverage: bool, style: Style) -> String {
    let mut sheet = Sheet::new(style, false);
    for case in &results.failed {
        failed(&mut sheet, case);
    }
    if coverage {
        untried(&mut sheet, results);
    }
    sheet.finish() + &summary(results)
}

fn failed(sheet: &mut Sheet, case: &Failed) {
    let word = sheet.style.alarm("failed");
    sheet.painted("failed ", &format!("{word} "), &plain(&case.place));
    sheet.words("command", &escape::command(&case.command, CHARACTERS));
    if let Some(note) = &case.note {
        sheet.words("note", &bounded(note));
    }
    sheet.words("expected", &words(&case.expected));
    sheet.words("said", &words(&case.said));
    if case.said.action.is_some() {
        sheet.words("because", &bounded(&case.because));
    }
    let Some(rule) = case.expected.rule.as_ref().map(|rule| bounded(rule)) else {
        return;
    };
    let fate = match case.fate {
        None | Some(Fate::Decides) => return,
        Some(Fate::NoSuchRule) => format!("there is no rule '{rule}'"),
        Some(Fate::OtherPrograms) => format!("rule '{rule}' is about other programs"),
        Some(Fate::Outdone) => format!("rule '{rule}' applies, but the other comes first or denies"),
        Some(Fate::DoesNotApply) => format!("rule '{rule}' does not apply:"),
    };
    sheet.painted("  ", "  ", &fate);
    clauses::in_the_way(sheet, "    ", &case.clauses.iter().collect::<Vec<_>>());
}

pub(super) fn words(said: &Said) -> String {
    match (said.action, &said.rule) {
        (None, _) => "unlisted".to_owned(),
        (Some(action), Some(rule)) => format!("{action} by rule '{}'", bounded(rule)),
        (Some(action), None) => format!("{action}, by no rule"),
    }
}

fn untried(sheet: &mut Sheet, results: &Results) {
    if !results.rules.without.is_empty() {
        sheet.heading("rules that decide no case");
    }
    for rule in &results.rules.without {
        sheet.painted("  ", "  ", &format!("{} ({})", plain(&rule.rule), file_and_line(&rule.place)));
    }
    if !results.clauses.without.is_empty() {
        sheet.heading("clauses that no case tries both ways");
    }
    for clause in &results.clauses.without {
        let text = format!("{}: {} {}", plain(&clause.rule), plain(&clause.key), clause.lack);
        sheet.painted("  ", "  ", &text);
    }
}

fn summary(results: &Results) -> String {
    let Results { cases, passed, failed, rules, clauses } = results;
    let plural = if *cases == 1 { "" } else { "s" };
    let mut text = format!("{cases} case{plural}, {passed} passed, {} failed", failed.len());
    for (before, name, tried, all) in
        [("; ", "rules", rules.tried, rules.all), (", ", "clauses", clauses.tried, clauses.all)]
    {
        let _ = write!(text, "{before}{name} {tried} of {all}");
        // Rounded down: it is 100 where nothing is left.
        if let Some(percent) = (tried * 100).checked_div(all) {
            let _ = write!(text, " ({percent} %)");
        }
    }
    text + "\n"
}
