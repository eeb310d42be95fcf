//! What `holdpoint recover` found, and the ways out.

use holdpoint_core::{escape, time::WallTime};

use super::{
    Style, WIDTH, pending,
    text::{cut_middle, plain, wrap_words},
};
use crate::commands::recover::Findings;

/// The page.
pub(crate) fn page(findings: &Findings, now: WallTime, style: Style) -> String {
    let mut text = String::new();
    let mut say = |sentence: &str| {
        for line in wrap_words(sentence, WIDTH) {
            text.push_str(&line);
            text.push('\n');
        }
    };
    match (&findings.status, &findings.trouble) {
        (Some(status), _) if status.problems.is_empty() => {
            say(&format!("holdpointd runs (pid {}), and nothing is wrong with it.", status.pid));
        }
        (Some(status), _) => {
            say(&format!("holdpointd runs (pid {}), and says:", status.pid));
            status.problems.iter().for_each(|problem| say(&format!("  {}", plain(problem))));
        }
        (None, trouble) => {
            say("holdpointd cannot be asked:");
            say(&format!("  {}", plain(trouble.as_deref().unwrap_or_default())));
            say(
                "Until it runs, what agents execute of the listed programs stands still. Nobody else is concerned.",
            );
        }
    }
    text.push('\n');
    if findings.status.is_some() {
        text.push_str(&style.bold("what waits for a person"));
        text.push('\n');
        text.push_str(&pending::table(&findings.pending, now, style));
    } else {
        text.push_str(&style.bold("processes that stand still in an exec"));
        text.push('\n');
        if findings.stopped.is_empty() {
            text.push_str("none that this user can see\n");
        }
        for process in &findings.stopped {
            let comm = escape::command(std::slice::from_ref(&process.comm), WIDTH);
            let line = format!("{:>8}  {comm}, a child of {}", process.pid, process.parent);
            text.push_str(&cut_middle(&line, WIDTH));
            text.push('\n');
        }
    }
    text.push('\n');
    text.push_str(&style.bold("ways out"));
    text.push('\n');
    for (command, what) in ways(findings.status.is_some()) {
        text.push_str(&format!("  {command:<32}  {what}\n"));
    }
    text
}

fn ways(runs: bool) -> Vec<(&'static str, &'static str)> {
    let mut ways = if runs {
        vec![
            ("holdpoint show ID", "who, what and why"),
            ("holdpoint deny ID", "end one: its exec fails with EPERM"),
            ("holdpoint recover --deny-all", "end all that wait"),
        ]
    } else {
        vec![
            ("journalctl -u holdpointd -n 50", "why it does not run"),
            ("holdpointd --check", "what this host lacks, with the cure"),
            ("systemctl restart holdpointd", "it takes over what is held"),
        ]
    };
    ways.push(("kill -KILL PID", "end one process for good; nothing runs by it"));
    ways.push(("holdpointd --take-down", "open the gate: deny all, hold nothing more"));
    ways
}

#[cfg(test)]
mod tests {
    use holdpoint_core::alleged::Alleged;

    use super::*;
    use crate::{commands::recover::Stopped, render::text::columns};

    #[test]
    fn without_a_daemon_it_shows_what_stands_still_and_the_ways_out() {
        let stopped = vec![Stopped { pid: 4711, parent: 1, comm: Alleged::from("sh\x1b[2J") }];
        let trouble = Some("cannot reach holdpointd".to_owned());
        let findings = Findings { status: None, trouble, pending: Vec::new(), stopped };
        let text = page(&findings, WallTime(0), Style { color: false });
        for words in ["cannot reach holdpointd", "4711", "journalctl", "--take-down"] {
            assert!(text.contains(words), "'{words}' is missing: {text}");
        }
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
