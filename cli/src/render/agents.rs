//! Agents as trees of their processes.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    escape,
    wire::{AgentList, AgentView, AttachAnswer, AttachBody, ProcessView},
};

use super::{
    Style, WIDTH,
    text::{columns, cut_middle, plain},
};

/// So deep a tree is shown as one; what is deeper stands below each other.
const MAX_DEPTH: usize = 15;

/// All agents.
pub(crate) fn trees(list: &AgentList, style: Style) -> String {
    if list.agents.is_empty() {
        return "no agents\n".to_owned();
    }
    list.agents.iter().map(|agent| tree(agent, style)).collect()
}

/// What became of what was to be attached.
pub(crate) fn attached(body: &AttachBody, answer: &AttachAnswer) -> String {
    let what = match (body.pid, &body.unit) {
        (Some(pid), _) => format!("process {pid}"),
        (None, unit) => format!("unit {}", plain(unit.as_deref().unwrap_or_default())),
    };
    let mut text = format!("attached {what} to agent {}: {} threads", plain(&body.name), answer.threads);
    if answer.others > 0 {
        text.push_str(&format!("; {} belong to another agent and stay so", answer.others));
    }
    text + "\n"
}

fn tree(agent: &AgentView, style: Style) -> String {
    let count = agent.processes.len();
    let declared = if agent.declared { ", declared" } else { "" };
    let plural = if count == 1 { "" } else { "es" };
    let head = format!("{} (number {}{declared}), {count} process{plural}", plain(&agent.name), agent.id.0);
    let mut text = style.bold(&cut_middle(&head, WIDTH)) + "\n";
    let own: BTreeSet<u32> = agent.processes.iter().map(|process| process.pid).collect();
    let mut children: BTreeMap<u32, Vec<&ProcessView>> = BTreeMap::new();
    for process in &agent.processes {
        // One whose parent is no agent's is a root.
        let parent = if own.contains(&process.parent) { process.parent } else { 0 };
        children.entry(parent).or_default().push(process);
    }
    let mut waiting: Vec<(&ProcessView, usize)> =
        children.remove(&0).into_iter().flatten().rev().map(|root| (root, 0)).collect();
    while let Some((process, depth)) = waiting.pop() {
        text.push_str(&line(process, depth));
        let below = children.remove(&process.pid).into_iter().flatten().rev();
        waiting.extend(below.map(|child| (child, depth + 1)));
    }
    text
}

fn line(process: &ProcessView, depth: usize) -> String {
    let indent = match depth {
        0 => String::new(),
        _ => format!("{}└ ", "  ".repeat((depth - 1).min(MAX_DEPTH))),
    };
    let stopped = if matches!(process.state, 'T' | 't') { ", stopped" } else { "" };
    let head = format!("  {indent}{} ", process.pid);
    let tail = format!(" (uid {}{stopped})", process.uid);
    // A program that has gone has no file; then its name is all there is.
    let what = if process.exe.0.is_empty() { &process.comm } else { &process.exe };
    let room = WIDTH.saturating_sub(columns(&head) + columns(&tail));
    format!("{head}{}{tail}\n", cut_middle(&escape::command(std::slice::from_ref(what), WIDTH * 4), room))
}

#[cfg(test)]
mod tests {
    use holdpoint_core::{alleged::Alleged, id::AgentId};

    use super::*;

    fn process(pid: u32, parent: u32, exe: &str, state: char) -> ProcessView {
        ProcessView { pid, parent, uid: 1000, state, exe: Alleged::from(exe), comm: Alleged::from("x") }
    }

    #[test]
    fn processes_stand_below_their_parents_and_evil_names_stay_in_their_line() {
        let long = format!("/{}\x1b[2J\n", "x".repeat(200));
        let processes = vec![
            process(10, 1, "/bin/sh", 'S'),
            process(11, 10, "/usr/bin/kubectl", 'T'),
            process(12, 11, &long, 'S'),
            process(20, 7, "/bin/dash", 'S'),
        ];
        let agent =
            AgentView { id: AgentId(3), name: "ci".to_owned(), claim: None, declared: true, processes };
        let text = trees(&AgentList { agents: vec![agent] }, Style { color: false });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ci (number 3, declared), 4 processes");
        assert_eq!(lines[1], "  10 /bin/sh (uid 1000)");
        assert_eq!(lines[2], "  └ 11 /usr/bin/kubectl (uid 1000, stopped)");
        assert!(lines[3].starts_with("    └ 12 ") && lines[3].ends_with(" (uid 1000)"), "{text}");
        assert_eq!(lines[4], "  20 /bin/dash (uid 1000)");
        assert_eq!(lines.len(), 5);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(lines.iter().all(|line| columns(line) <= WIDTH));
    }
}
