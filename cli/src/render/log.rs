//! Entries of the record.

use holdpoint_core::{
    alleged::Alleged,
    escape,
    wire::{LogEntry, LogEvent},
};

use super::{
    Style,
    sheet::{Sheet, Tone},
    summary,
    text::plain,
    time::utc,
    why,
};

/// So much of what an agent wrote is shown in an entry.
const CHARACTERS: usize = 300;

/// One entry: a line where it fits, and some where it does not.
pub(crate) fn entry(entry: &LogEntry, style: Style) -> String {
    let mut sheet = Sheet::new(style, false);
    let request = entry.request.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let about = format!("{:>6} {} {request:<5} ", entry.seq, utc(entry.at));
    let agent = entry.agent.as_deref().map_or_else(String::new, |name| format!("{}: ", plain(name)));
    sheet.lines(&about, &format!("{agent}{}", words(&entry.event)), Tone::Plain);
    sheet.finish()
}

fn words(event: &LogEvent) -> String {
    match event {
        LogEvent::Started { version } => format!("holdpointd {} began to enforce", plain(version)),
        LogEvent::Stopped => "holdpointd stopped; the gate stays shut".to_owned(),
        LogEvent::PolicyLoaded { rules } => format!("{rules} rules in force"),
        LogEvent::AgentTagged { pid, claim } => {
            let claim = claim.as_ref().map_or_else(String::new, |claim| {
                format!(", claims {}", escape::command(std::slice::from_ref(claim), CHARACTERS))
            });
            format!("process {pid} tagged{claim}")
        }
        LogEvent::AgentAttached { pid, unit, by, threads } => {
            let what = match (pid, unit) {
                (Some(pid), _) => format!("process {pid}"),
                (None, unit) => format!("unit {}", plain(unit.as_deref().unwrap_or_default())),
            };
            format!("{what} attached by {} ({threads} threads)", plain(&by.name))
        }
        LogEvent::AgentRefused { what, pid, program, target, file, more } => {
            let shown = |text: &Alleged| escape::command(std::slice::from_ref(text), CHARACTERS);
            let target = target.map_or_else(String::new, |target| format!(", about process {target}"));
            let file = file.as_ref().map_or_else(String::new, |file| format!(", about {}", shown(file)));
            let more = if *more == 0 { String::new() } else { format!(" ({more} more before)") };
            format!("{}: process {pid}, {}{target}{file}{more}", plain(what), shown(program))
        }
        LogEvent::RefusedUnasked { cause, pid, program, argv, more_arguments, until, denied, more } => {
            let until = until.map_or_else(String::new, |until| format!(", until {}", utc(until)));
            let denied = denied.as_ref().map_or_else(String::new, |request| format!(" as request {request}"));
            let more = if *more == 0 { String::new() } else { format!(" ({more} more before)") };
            let command = why::told(program, argv, *more_arguments);
            format!(
                "{}: refused without asking, since {}{denied}{until}: process {pid}, {command}{more}",
                cause.counter(),
                cause.because()
            )
        }
        LogEvent::RequestMade { program, rule, would_be } => {
            let rule = rule.as_deref().map_or_else(String::new, |rule| format!(" (rule {})", plain(rule)));
            let observed = would_be
                .as_ref()
                .map_or_else(String::new, |would_be| format!("; observed: {}", summary::would_be(would_be)));
            let program = escape::command(std::slice::from_ref(program), CHARACTERS);
            format!("asks to run {program}{rule}{observed}")
        }
        LogEvent::Voted { vote } => {
            let reason =
                vote.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", plain(reason)));
            format!("{}{reason}", summary::vote_words(vote))
        }
        LogEvent::State { state, note } => {
            let note = note.as_deref().map_or_else(String::new, |note| format!(": {}", plain(note)));
            format!("{}{note}", summary::state(state))
        }
    }
}
