//! What an agent was refused without anybody being asked, and what of it waits: for the agent itself.

use holdpoint_core::{
    escape,
    time::WallTime,
    wire::{RefusalView, RequestView},
};

use super::{
    Style,
    sheet::{Sheet, Tone},
    summary,
    text::plain,
    time::{age, left, utc},
};

/// So much of a command is shown.
const CHARACTERS: usize = 300;

/// The refusals, the newest first, and then what waits.
pub(crate) fn page(refusals: &[RefusalView], waits: &[RequestView], now: WallTime, style: Style) -> String {
    let mut sheet = Sheet::new(style, false);
    if refusals.is_empty() {
        sheet.line("nothing of this agent was refused without asking of late");
    }
    for refusal in refusals {
        one(&mut sheet, refusal, now);
    }
    if waits.is_empty() {
        sheet.line("nothing of this agent waits for people");
    } else {
        sheet.heading("waits for people");
    }
    for view in waits {
        let label = format!("  {}  {:>5} left  ", view.id, left(view.deadline, now));
        sheet.lines(&label, &summary::command(view), Tone::Plain);
    }
    sheet.finish()
}

fn one(sheet: &mut Sheet, refusal: &RefusalView, now: WallTime) {
    let head = sheet.style.bold(&format!("refused {} ago, process {}", age(refusal.at, now), refusal.pid));
    sheet.line(&head);
    sheet.value("command", &command(refusal), Tone::Plain);
    let denied =
        refusal.request.as_ref().map_or_else(String::new, |request| format!(", as request {request}"));
    sheet.sentence("because", &format!("{}{denied}", plain(&refusal.because)), Tone::Plain);
    let until = match refusal.until {
        Some(until) if until > now => format!("{}, {} left", utc(until), left(until, now)),
        Some(until) => format!("{}: it is over, try again", utc(until)),
        None => "what is in the way is done: try again later".to_owned(),
    };
    sheet.sentence("until", &until, Tone::Plain);
    if refusal.more > 0 {
        sheet.sentence("more", &format!("{} others for the same cause", refusal.more), Tone::Plain);
    }
}

/// The command as one would type it; the program where nobody has looked at more.
pub(super) fn command(refusal: &RefusalView) -> String {
    told(&refusal.program, &refusal.argv, refusal.more_arguments)
}

/// The same of an entry of the record.
pub(super) fn told(
    program: &holdpoint_core::alleged::Alleged,
    argv: &[holdpoint_core::alleged::Alleged],
    more: u64,
) -> String {
    if argv.is_empty() {
        return if program.0.is_empty() {
            "(nobody has looked)".to_owned()
        } else {
            escape::command(std::slice::from_ref(program), CHARACTERS)
        };
    }
    let more = if more == 0 { String::new() } else { format!(" ({more} arguments more)") };
    format!("{}{more}", escape::command(argv, CHARACTERS))
}
