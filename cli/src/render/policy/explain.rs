//! A decision, and how it came about.

use holdpoint_core::{
    escape::for_terminal,
    policy::{Action, Considered, Decision},
};

use super::{
    super::{
        Style,
        sheet::Sheet,
        text::plain,
        time::{span, utc},
    },
    action, bounded, clauses, file_and_line,
};
use crate::commands::policy::{
    Explained, Recorded,
    close::{close, failed},
};

/// So many rules that came close are shown, unless all are to be shown.
const CLOSE: usize = 5;

/// The decision first, then the deciding rule with its clauses, then the rules that came close.
pub(crate) fn page(explained: &Explained, all: bool, style: Style) -> String {
    let mut sheet = Sheet::new(style, all);
    let rules = &explained.explanation.rules;
    let decider = rules.iter().find(|rule| rule.decides);
    match decider {
        _ if !explained.listed => unlisted(&mut sheet, explained),
        Some(rule) => head(&mut sheet, "", rule),
        None => {
            let because = plain(&explained.explanation.decision.because);
            let ask = action(Action::Ask, style);
            sheet.painted("ask", &ask, &format!(": {because}"));
        }
    }
    program(&mut sheet, explained);
    if let Some(recorded) = &explained.request {
        request(&mut sheet, recorded, explained);
    }
    if let Some(done) = &explained.done {
        sheet.words("observed", &observed(done));
    }
    if let Some(rule) = decider {
        decided(&mut sheet, &explained.explanation.decision);
        also(&mut sheet, rules, all);
        sheet.heading(&format!("clauses of rule '{}'", plain(&rule.rule)));
        if rule.clauses.is_empty() {
            sheet.line("  none: it is about every call of its programs");
        }
        clauses::clauses(&mut sheet, "  ", &rule.clauses);
    }
    others(&mut sheet, explained, all);
    sheet.finish()
}

/// `ask by rule 'kubernetes-writes' (10-kubernetes.toml:8)`.
fn head(sheet: &mut Sheet, indent: &str, rule: &Considered) {
    let painted = format!("{indent}{}", action(rule.action, sheet.style));
    let text = format!(" by rule '{}' ({})", plain(&rule.rule), file_and_line(&rule.place));
    sheet.painted(&format!("{indent}{}", rule.action), &painted, &text);
}

fn unlisted(sheet: &mut Sheet, explained: &Explained) {
    sheet.line(if explained.interpreters.iter().any(|interpreter| interpreter.listed) {
        "not listed: no rule is about it, but one is about its interpreter"
    } else {
        "not listed: no rule is about it, it runs unasked"
    });
}

/// Which file it is, and what of it was not looked at.
fn program(sheet: &mut Sheet, explained: &Explained) {
    let names = explained.program.names.iter().map(|name| for_terminal(name));
    let names = names.collect::<Vec<_>>().join(", ");
    match &explained.program.file {
        Some(file) => {
            let file = for_terminal(file.as_os_str().as_encoded_bytes());
            let called =
                if explained.program.names.len() > 1 { format!(", names {names}") } else { String::new() };
            sheet.words("program", &format!("{file}{called}"));
        }
        None => {
            let path = explained.program.paths.first().map_or("", |_| " and its path");
            let text = format!("{names}: not on this host, so by its name{path} alone");
            sheet.words("program", &text);
        }
    }
    for interpreter in explained.interpreters.iter().filter(|interpreter| interpreter.listed) {
        let path = plain(&interpreter.path);
        let text = if explained.listed {
            format!("{path} is listed as well, and the stricter of both counts: explain it, too")
        } else {
            format!("{path} is listed, and is held instead: explain it with the same arguments")
        };
        sheet.words("interpreter", &text);
    }
    let looks = |rule: &Considered| {
        rule.clauses.iter().any(|looked| looked.key == "hash" || looked.key == "unless.hash")
    };
    if explained.explanation.rules.iter().any(looks) {
        sheet.words("content", "not looked at here, so that 'hash' is in doubt; the daemon looks");
    }
}

/// What was decided, and what of it is not in the record.
fn request(sheet: &mut Sheet, recorded: &Recorded, explained: &Explained) {
    sheet.words("request", &format!("{}, made {}", recorded.id, utc(recorded.made_at)));
    let rule = recorded
        .rule
        .as_deref()
        .map_or_else(|| "no rule".to_owned(), |rule| format!("rule '{}'", plain(rule)));
    let decision = &explained.explanation.decision;
    let same = if explained.listed && (recorded.action, &recorded.rule) == (decision.action, &decision.rule) {
        "the same"
    } else {
        "not what these rules say"
    };
    sheet.words("recorded", &format!("{} by {rule}: {same}", recorded.action));
    sheet.words("", &bounded(&recorded.because));
    sheet.words(
        "not known",
        "groups, and variables that requests do not show: what looks at them is in doubt",
    );
}

/// What is done, where what decides only observes.
fn observed(done: &Decision) -> String {
    let by = |rule: &Option<String>| {
        rule.as_deref().map_or_else(|| "no rule".to_owned(), |rule| format!("rule '{}'", plain(rule)))
    };
    match (done.action, &done.rule) {
        (Action::Allow, None) => "this is recorded and not done: the exec goes on".to_owned(),
        (action, rule) => {
            format!("this is recorded and not done; what is enforced says: {action} by {}", by(rule))
        }
    }
}

fn decided(sheet: &mut Sheet, decision: &Decision) {
    let texts = [
        ("meaning", &decision.description),
        ("message", &decision.message),
        ("agent told", &decision.deny_message),
    ];
    if let Some(risk) = decision.risk {
        sheet.words("risk", &risk.to_string());
    }
    for (label, text) in texts {
        if let Some(text) = text {
            sheet.words(label, &plain(text));
        }
    }
    if decision.action == Action::Ask {
        let timeout = span(u64::try_from(decision.timeout.as_millis()).unwrap_or(u64::MAX));
        sheet.words("timeout", &timeout);
    }
    let because = if sheet.full { plain(&decision.because) } else { bounded(&decision.because) };
    sheet.words("because", &because);
}

/// Rules that would decide if this one did not.
fn also(sheet: &mut Sheet, rules: &[Considered], all: bool) {
    let rules: Vec<&Considered> = rules.iter().filter(|rule| rule.applies && !rule.decides).collect();
    let shown = rules.iter().take(if all { rules.len() } else { CLOSE });
    let mut names: Vec<String> =
        shown.map(|rule| format!("{} ({})", plain(&rule.rule), file_and_line(&rule.place))).collect();
    if names.len() < rules.len() {
        names.push(format!("and {} more", rules.len() - names.len()));
    }
    if !names.is_empty() {
        sheet.words("also apply", &names.join(", "));
    }
}

/// Rules about the program that did not apply, each with what was in the way.
fn others(sheet: &mut Sheet, explained: &Explained, all: bool) {
    let rules = close(&explained.explanation);
    if rules.is_empty() {
        return;
    }
    sheet.heading("came close, and did not apply");
    let shown = if all { rules.len() } else { CLOSE };
    for rule in rules.iter().take(shown) {
        head(sheet, "  ", rule);
        clauses::in_the_way(sheet, "    ", &failed(rule));
    }
    if rules.len() > shown {
        let (more, are) = (rules.len() - shown, if rules.len() == shown + 1 { "is" } else { "are" });
        sheet.line(&format!("  {more} more {are} shown with --all"));
    }
}
