//! How the daemon is.

use holdpoint_core::{
    time::WallTime,
    wire::{Counter, Status},
};

use super::{
    Style,
    sheet::{Sheet, Tone},
    text::plain,
    time::{age, utc},
};

/// The daemon's state, what is wrong first.
pub(crate) fn page(status: &Status, now: WallTime, style: Style) -> String {
    let mut sheet = Sheet::new(style, false);
    let enforcing = if status.enforcing && status.mode.observes() {
        style.alarm("observing only: nothing is held, and what would have been is recorded")
    } else if status.enforcing {
        style.good("enforcing: listed execs of agents are held")
    } else {
        style.alarm("NOT enforcing: see the problems")
    };
    sheet.line(&format!("holdpointd {} is {enforcing}", plain(&status.version)));
    for problem in &status.problems {
        sheet.sentence("problem", &plain(problem), Tone::Alarm);
    }
    let since =
        format!("{} ({} ago), pid {}", utc(status.started_at), age(status.started_at, now), status.pid);
    sheet.value("since", &since, Tone::Plain);
    sheet.value("kernel", &plain(&status.kernel), Tone::Plain);
    sheet.value("requests", &format!("{} wait, {} run", status.pending, status.running), Tone::Plain);
    let rules = match status.observing_rules {
        0 => status.rules.to_string(),
        observing => format!("{}, {observing} of them only observe", status.rules),
    };
    sheet.value("rules", &rules, Tone::Plain);
    if !status.observed_agents.is_empty() {
        let names = status.observed_agents.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
        sheet.value("observed", &format!("agents that are not held: {names}"), Tone::Plain);
    }
    let listed = format!("{} names, {} files", status.listed_names, status.listed_files);
    sheet.value("listed", &listed, Tone::Plain);
    if !status.counters.is_empty() {
        sheet.heading("counters of the kernel half");
    }
    counters(&mut sheet, &status.counters);
    if !status.unasked.is_empty() {
        sheet.heading("without asking anybody, since the daemon started");
    }
    counters(&mut sheet, &status.unasked);
    sheet.finish()
}

fn counters(sheet: &mut Sheet, counters: &[Counter]) {
    for counter in counters {
        sheet.lines(&format!("  {:>10}  ", counter.count), &plain(&counter.name), Tone::Plain);
        sheet.sentence("", &plain(&counter.meaning), Tone::Plain);
    }
}
