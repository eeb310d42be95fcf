//! The chain of parents as a small tree.

use holdpoint_core::{escape, facts::ExecFacts};

use super::super::{
    WIDTH,
    sheet::{Sheet, Tone},
    text::cut_middle,
};

/// Of more parents than this, those in the middle are left out.
const PARENTS: usize = 12;

/// So much of each command is escaped before it is cut to its line.
const CHARACTERS: usize = 200;

pub(super) fn tree(sheet: &mut Sheet, facts: &ExecFacts) {
    sheet.heading("processes, from the agent's root");
    let count = facts.parents.len();
    let cut = if sheet.full || count <= PARENTS { 0..0 } else { PARENTS / 2..count - PARENTS / 2 };
    let mut depth = 0;
    for (index, parent) in facts.parents.iter().rev().enumerate() {
        if cut.contains(&index) {
            if index == cut.start {
                let note = format!("  {}({} left out; see all with --full)", branch(depth), cut.len());
                sheet.line(&note);
                depth += 1;
            }
            continue;
        }
        let exe = escape::command(std::slice::from_ref(&parent.exe), CHARACTERS);
        let command = escape::for_terminal(parent.command.0.get(..CHARACTERS).unwrap_or(&parent.command.0));
        let before = format!("  {}{} ", branch(depth), parent.pid);
        let room = WIDTH - before.chars().count();
        let line = format!("{before}{}", cut_middle(&format!("{exe}: {command}"), room));
        sheet.line(&line);
        depth += 1;
    }
    let thread = if facts.tid == facts.pid { String::new() } else { format!(", thread {}", facts.tid) };
    let before = format!("  {}", branch(depth));
    sheet.lines(&before, &format!("{} this request{thread}", facts.pid), Tone::Plain);
}

/// The processes that wait with the request for the identical action.
pub(super) fn joined(sheet: &mut Sheet, joined: &[u32]) {
    if joined.is_empty() {
        return;
    }
    let all = joined.len() + 1;
    let note = format!("{all} processes wait for this; 'approve --processes {all}' is about all of them");
    sheet.sentence("", &note, Tone::Alarm);
    let pids = joined.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    sheet.value("the others", &pids, Tone::Plain);
}

/// What stands before a process so many levels down. It grows no further than half a line.
fn branch(depth: usize) -> String {
    match depth {
        0 => String::new(),
        _ => format!("{}└ ", "  ".repeat((depth - 1).min(15))),
    }
}
