//! Who, what and where.

use holdpoint_core::{
    alleged::Alleged,
    escape,
    facts::{ExecFacts, FileFacts, UserFacts},
};

use super::super::{
    sheet::{Sheet, Tone},
    text::plain,
};

/// Of more arguments than this, those in the middle are left out.
const ARGUMENTS: usize = 60;

/// So many of the last arguments are shown in any case.
const LAST_ARGUMENTS: usize = 10;

/// So many characters of one value are shown. With the mark that says how many bytes were cut, that is what the
/// eight lines of a value have room for.
const CHARACTERS: usize = 480;

/// The permission bits that let somebody other than the owner change a file.
const WRITABLE: u32 = 0o022;

pub(super) fn who_and_what(sheet: &mut Sheet, facts: &ExecFacts) {
    let agent = &facts.agent;
    sheet.heading("who");
    sheet.value("agent", &format!("{} (agent {})", plain(&agent.name), agent.id.0), Tone::Plain);
    match &agent.claim {
        Some(claim) => {
            let claim = shown(claim, sheet.full);
            sheet.value("it claims", &format!("\"{claim}\""), Tone::Plain);
            sheet.sentence("", "(the agent's own words: nobody has checked them)", Tone::Plain);
        }
        None => sheet.value("it claims", "(it gave no reason)", Tone::Plain),
    }
    sheet.value("user", &user(&facts.user), Tone::Plain);
    sheet.value("login", &login(&facts.user), Tone::Plain);
    sheet.heading("what");
    file(sheet, &facts.executable);
    let called = shown(&facts.called, sheet.full);
    sheet.value("called as", &called, Tone::Plain);
    arguments(sheet, &facts.argv);
    loader_variables(sheet, facts);
}

pub(super) fn surroundings(sheet: &mut Sheet, facts: &ExecFacts) {
    let full = sheet.full;
    sheet.heading("where");
    sheet.value("host", &plain(&facts.host), Tone::Plain);
    sheet.value("directory", &shown(&facts.cwd, full), Tone::Plain);
    sheet.value("terminal", &facts.tty.as_deref().map_or_else(|| "none".to_owned(), plain), Tone::Plain);
    if let Some(unit) = &facts.unit {
        sheet.value("unit", &plain(unit), Tone::Plain);
    }
    sheet.value("cgroup", &shown(&facts.cgroup, full), Tone::Plain);
    let others = facts.env.iter().filter(|(name, _)| !facts.loader_variables.contains(name));
    for (index, (name, value)) in others.enumerate() {
        if index == 0 {
            sheet.heading("environment (chosen variables)");
        }
        sheet.lines("  ", &format!("{}={}", plain(name), quoted(value, full)), Tone::Plain);
    }
}

/// Variables that decide which code the program runs: beside its arguments, since they are as much a part of what is
/// asked for.
fn loader_variables(sheet: &mut Sheet, facts: &ExecFacts) {
    if facts.loader_variables.is_empty() {
        return;
    }
    sheet.heading("loader variables");
    sheet.sentence("", "warning: by these other code can run in the program's name", Tone::Alarm);
    for name in &facts.loader_variables {
        let line = match facts.env.get(name) {
            Some(value) => format!("{}={}", plain(name), quoted(value, sheet.full)),
            None => format!("{} (its name looks like a secret: the value is not shown)", plain(name)),
        };
        sheet.lines("  ", &line, Tone::Alarm);
    }
}

fn file(sheet: &mut Sheet, file: &FileFacts) {
    let full = sheet.full;
    sheet.value("file", &shown(&file.path, full), Tone::Plain);
    let owner = file.owner_name.as_deref().map_or_else(String::new, |name| format!("{} ", plain(name)));
    let exposed = file.owner != 0 || file.mode & WRITABLE != 0;
    let tone = if exposed { Tone::Alarm } else { Tone::Plain };
    let ownership = format!("{owner}(uid {}), mode {:04o}, {} bytes", file.owner, file.mode, file.size);
    sheet.value("owner", &ownership, tone);
    if file.owner != 0 {
        sheet.sentence("", "warning: not root's; its owner can change what it does", Tone::Alarm);
    }
    if file.mode & WRITABLE != 0 {
        sheet.sentence("", "warning: its group or everybody can change what it does", Tone::Alarm);
    }
    sheet.value("sha256", &plain(&file.sha256), Tone::Plain);
    if let Some(interpreter) = &file.interpreter {
        sheet.value("script of", &shown(interpreter, full), Tone::Plain);
    }
}

fn arguments(sheet: &mut Sheet, argv: &[Alleged]) {
    let full = sheet.full;
    sheet.heading(&format!("arguments ({})", argv.len()));
    let cut = if full || argv.len() <= ARGUMENTS {
        0..0
    } else {
        ARGUMENTS - LAST_ARGUMENTS..argv.len() - LAST_ARGUMENTS
    };
    for (index, argument) in argv.iter().enumerate() {
        if index == cut.start && !cut.is_empty() {
            let note = format!("  ({} arguments left out; see all with --full)", cut.len());
            let note = sheet.style.waiting(&note);
            sheet.line(&note);
        }
        if !cut.contains(&index) {
            sheet.lines(&format!("  [{index}] "), &quoted(argument, full), Tone::Plain);
        }
    }
}

fn user(user: &UserFacts) -> String {
    let name = user.name.as_deref().map_or_else(String::new, |name| format!("{} ", plain(name)));
    if user.euid == user.uid {
        format!("{name}(uid {})", user.uid)
    } else {
        format!("{name}(uid {}), effective uid {}", user.uid, user.euid)
    }
}

fn login(user: &UserFacts) -> String {
    match (user.login_uid, &user.login_name) {
        (Some(uid), Some(name)) => format!("{} (uid {uid})", plain(name)),
        (Some(uid), None) => format!("uid {uid}"),
        (None, _) => "none: not started from a login".to_owned(),
    }
}

/// A value on a line of its own.
pub(super) fn shown(value: &Alleged, full: bool) -> String {
    if full || value.0.len() <= CHARACTERS {
        return value.shown();
    }
    // Quotes come with the cut, so that the mark of the cut cannot be part of the value.
    escape::command(std::slice::from_ref(value), CHARACTERS)
}

/// A value whose beginning and end can be seen.
fn quoted(value: &Alleged, full: bool) -> String {
    let limit = if full { usize::MAX } else { CHARACTERS };
    escape::command(std::slice::from_ref(value), limit)
}
