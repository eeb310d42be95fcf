//! Clauses, and what each of them found.

use holdpoint_core::policy::{Looked, Truth};

use super::super::{
    WIDTH,
    sheet::Sheet,
    text::{columns, cut_middle, fit, plain},
};
use crate::commands::policy::close::{UNLESS, is_unless};

/// The columns of the longest word for a truth.
const TRUTH: usize = 8;

/// The widest key that stands before what it wants; a wider one has a line of its own.
const KEY: usize = 24;

/// So many lines of what is wanted and what is found are shown, unless all is to be shown.
const LINES: usize = 4;

/// The clauses for which a rule does not apply. Those of `unless` are in the way together: one by one they say little, and
/// are shown where all is to be shown.
pub(super) fn in_the_way(sheet: &mut Sheet, indent: &str, looked: &[&Looked]) {
    let (unless, own): (Vec<&Looked>, Vec<&Looked>) = looked.iter().partition(|looked| is_unless(looked));
    if sheet.full || unless.is_empty() {
        return clauses(sheet, indent, looked.iter().copied());
    }
    clauses(sheet, indent, own);
    let keys = unless.iter().filter_map(|looked| looked.key.strip_prefix(UNLESS));
    let holds = unless.iter().map(|looked| looked.holds).min().unwrap_or(Truth::Yes);
    let words = if holds == Truth::Yes { "holds, all of it: " } else { "may hold, all of it: " };
    let text = format!("{words}{}", plain(&keys.collect::<Vec<_>>().join(", ")));
    let label = format!("{indent}{}  unless  ", fit(&Truth::No.to_string(), TRUTH));
    let painted = format!("{indent}{}  unless  ", sheet.style.alarm(&fit(&Truth::No.to_string(), TRUTH)));
    value(sheet, &label, &painted, &text);
}

/// Below each other: whether each holds, its key, what it wants and what it found.
pub(super) fn clauses<'l>(sheet: &mut Sheet, indent: &str, clauses: impl IntoIterator<Item = &'l Looked>) {
    let clauses: Vec<(String, &Looked)> =
        clauses.into_iter().map(|looked| (plain(&looked.key), looked)).collect();
    let widths = clauses.iter().map(|(key, _)| columns(key));
    let width = widths.filter(|width| *width <= KEY).max().unwrap_or(0);
    for (key, looked) in &clauses {
        one(sheet, indent, key, width, looked);
    }
}

fn one(sheet: &mut Sheet, indent: &str, key: &str, width: usize, looked: &Looked) {
    let word = fit(&looked.holds.to_string(), TRUTH);
    let painted = match looked.holds {
        Truth::Yes => sheet.style.good(&word),
        Truth::No => sheet.style.alarm(&word),
        Truth::Doubt => sheet.style.waiting(&word),
    };
    let blank = " ".repeat(columns(indent) + TRUTH + 2 + width);
    let start = format!("{indent}{word}  ");
    let (before, painted) = if columns(key) <= width {
        let key = fit(key, width);
        (format!("{start}{key}"), format!("{indent}{painted}  {key}"))
    } else {
        let key = cut_middle(key, WIDTH - columns(&start));
        sheet.line(&format!("{indent}{painted}  {key}"));
        (blank.clone(), blank.clone())
    };
    value(sheet, &format!("{before}  wants  "), &format!("{painted}  wants  "), &looked.wanted);
    let found = format!("{blank}  found  ");
    value(sheet, &found, &found, &looked.found);
}

fn value(sheet: &mut Sheet, label: &str, painted: &str, text: &str) {
    let text = plain(text);
    let room = WIDTH.saturating_sub(columns(label)) * LINES;
    let text = if sheet.full { text } else { cut_middle(&text, room) };
    sheet.painted(label, painted, &text);
}
