//! The table of rules.

use holdpoint_core::escape::for_terminal;

use super::{
    super::{
        Style, WIDTH,
        text::{columns, cut_start, fit, plain},
    },
    action,
};
use crate::commands::policy::{Listed, NO_RULES};

const GAP: &str = "  ";

/// What a rule's name, its place and its programs get at least, where they need it: with the longest risk, all of the line.
const NAME: usize = 20;
const PLACE: usize = 19;
const PROGRAMS: usize = 10;

/// The table, or a sentence when it would be empty.
pub(crate) fn table(rules: &[Listed], style: Style) -> String {
    if rules.is_empty() {
        return format!("{NO_RULES}\n");
    }
    let widest = |title: &str, cell: &dyn Fn(&Listed) -> String| {
        let cells = rules.iter().map(|rule| columns(&cell(rule)));
        cells.chain([columns(title)]).max().unwrap_or(0)
    };
    let risk_width = widest("RISK", &risk);
    let action_width = widest("ACTION", &said);
    let fixed = action_width + risk_width + "CLAUSES".len() + 5 * GAP.len();
    let all = |rule: &Listed| programs(rule, usize::MAX);
    let wanted = [
        (widest("RULE", &|rule| plain(&rule.name)), NAME),
        (widest("PLACE", &place), PLACE),
        (widest("PROGRAMS", &all), PROGRAMS),
    ];
    let [name, place_width, programs_width] = share(WIDTH.saturating_sub(fixed), wanted);
    let row = |cells: [&str; 6], action: String| {
        let [name_cell, action_cell, risk_cell, programs_cell, clauses_cell, place_cell] = cells;
        let action_room = action_width.saturating_sub(columns(action_cell));
        let cells = [
            fit(name_cell, name),
            action + &" ".repeat(action_room),
            fit(risk_cell, risk_width),
            fit(programs_cell, programs_width),
            format!("{clauses_cell:>7}"),
            cut_start(place_cell, place_width),
        ];
        cells.join(GAP)
    };
    let titles = ["RULE", "ACTION", "RISK", "PROGRAMS", "CLAUSES", "PLACE"];
    let mut text = style.bold(&row(titles, "ACTION".to_owned())) + "\n";
    for rule in rules {
        let (word, clauses) = (said(rule), rule.clauses.to_string());
        let cells = [&rule.name, &word, &risk(rule), &programs(rule, programs_width), &clauses, &place(rule)];
        let painted = word.replace(&rule.action.to_string(), &action(rule.action, style));
        text.push_str(&row(cells.map(String::as_str), painted));
        text.push('\n');
    }
    if rules.iter().any(|rule| rule.mode.observes()) {
        text.push_str("an action in parentheses is recorded and not done: the rule only observes\n");
    }
    text
}

/// What it does; in parentheses where it only observes.
fn said(rule: &Listed) -> String {
    if rule.mode.observes() { format!("({})", rule.action) } else { rule.action.to_string() }
}

/// The columns of each, of which it wants so many and gets some at least; the first ones get what is left.
fn share(room: usize, wanted: [(usize, usize); 3]) -> [usize; 3] {
    let least = wanted.map(|(wants, least)| wants.min(least));
    let mut left = room.saturating_sub(least.iter().sum());
    let mut widths = least;
    for (width, (wants, _)) in widths.iter_mut().zip(wanted) {
        let more = wants.saturating_sub(*width).min(left);
        *width += more;
        left -= more;
    }
    widths
}

fn risk(rule: &Listed) -> String {
    rule.risk.map_or_else(|| "-".to_owned(), |risk| risk.to_string())
}

/// As many as there is room for, one at least, and how many more there are: `kubectl +2`.
fn programs(rule: &Listed, room: usize) -> String {
    let names: Vec<String> = rule.exec.iter().map(|program| for_terminal(program.as_bytes())).collect();
    let shown = |count: usize| {
        let text = names.iter().take(count).cloned().collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(count);
        if more == 0 { text } else { format!("{text} +{more}") }
    };
    let counts = (1..=names.len()).rev();
    counts.map(shown).find(|text| columns(text) <= room).unwrap_or_else(|| shown(1))
}

fn place(rule: &Listed) -> String {
    format!("{}:{}", for_terminal(rule.file.as_bytes()), rule.line)
}
