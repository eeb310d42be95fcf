//! Whatever comes in, what goes out is printable, fits, and is not endless.

use holdpoint_core::{
    alleged::Alleged,
    flood::Cause,
    policy::{Action, WouldBe},
    request::{Outcome, State, Verdict, Vote, VoteKind, Voter},
    time::WallTime,
    wire::{LogEntry, LogEvent, RefusalView, RequestView},
};

use super::{
    Style, WIDTH, log, pending,
    request::view,
    samples::{hostile, request},
    summary,
    text::columns,
    why,
};

const NOW: WallTime = WallTime(1_795_388_422_000);
const STYLE: Style = Style { color: false };

/// Checks what holds for everything that is printed.
fn checked(text: &str) -> &str {
    for line in text.lines() {
        assert!(columns(line) <= WIDTH, "{} columns: {line}", columns(line));
        let hidden = |c: char| c.is_control() || "\u{202e}\u{200b}\u{2028}".contains(c);
        assert!(!line.contains(hidden), "{line:?}");
    }
    text
}

fn huge(bytes: usize) -> RequestView {
    let mut view = request("k3m9z");
    view.facts.as_mut().unwrap().argv = vec![Alleged(vec![b'x'; bytes])];
    view
}

fn many_arguments() -> RequestView {
    let mut view = request("k3m9z");
    view.facts.as_mut().unwrap().argv =
        (0..100_000).map(|n| Alleged::from(format!("a{n}").as_str())).collect();
    view
}

#[test]
fn a_request_is_shown_as_documented() {
    let text = view(&request("k3m9z"), NOW, STYLE, false);
    let documentation = include_str!("../../../docs/cli.md");
    assert!(documentation.contains(checked(&text)), "docs/cli.md should show this:\n{text}");
}

#[test]
fn the_table_is_as_documented() {
    let mut list = vec![request("k3m9z"), request("7fq2a")];
    list[1].facts.as_mut().unwrap().argv =
        vec!["pg_dump".into(), "--host=db.internal".into(), "orders".into()];
    let text = pending::table(&list, NOW, STYLE);
    let documentation = include_str!("../../../docs/cli.md");
    assert!(documentation.contains(checked(&text)), "docs/cli.md should show this:\n{text}");
}

#[test]
fn nothing_that_an_agent_wrote_acts_on_the_terminal() {
    let hostile = hostile("k3m9z");
    for full in [false, true] {
        let text = view(&hostile, NOW, STYLE, full);
        assert!(checked(&text).contains("\\x1b[2J"));
        assert!(text.contains("nobody has checked them"));
    }
    checked(&pending::table(&[hostile.clone(), request("00000")], NOW, STYLE));
    checked(&summary::line(&hostile, STYLE));
    checked(&summary::voted(&hostile, VoteKind::Approve, STYLE));
}

#[test]
fn no_line_of_an_argument_passes_for_another() {
    let mut view_of = request("k3m9z");
    let evil = format!("{}  [1] ls", " ".repeat(WIDTH));
    view_of.facts.as_mut().unwrap().argv = vec!["rm".into(), evil.as_str().into()];
    let text = view(&view_of, NOW, STYLE, false);
    let beginnings = text.lines().filter(|line| line.trim_start().starts_with("[1]")).count();
    assert_eq!(beginnings, 1, "{text}");
}

#[test]
fn two_megabytes_and_a_hundred_thousand_arguments_are_cut_and_it_says_so() {
    for (view_of, note) in
        [(huge(2 << 20), "bytes cut]"), (many_arguments(), "(99940 arguments left out; see all with --full)")]
    {
        let text = view(&view_of, NOW, STYLE, false);
        assert!(checked(&text).contains(note), "{text}");
        assert!(text.lines().count() < 200 && text.len() < 20_000, "{} bytes", text.len());
        assert!(checked(&summary::voted(&view_of, VoteKind::Deny, STYLE)).len() < 2000);
    }
    assert!(view(&many_arguments(), NOW, STYLE, false).contains("[99999] a99999"), "the end is shown");
    let full = view(&many_arguments(), NOW, STYLE, true);
    assert!(checked(&full).contains("[50000] a50000") && !full.contains("left out"));
    assert!(view(&huge(100_000), NOW, STYLE, true).matches('x').count() >= 100_000);
}

#[test]
fn a_file_that_others_can_change_is_an_alarm() {
    let color = Style { color: true };
    let text = view(&hostile("k3m9z"), NOW, color, false);
    assert!(text.contains("\x1b[1;31mwarning: not root's"), "{text}");
    assert!(text.contains("\x1b[1;31mwarning: its group or everybody"), "{text}");
    assert!(text.contains("\x1b[1;31mLD_PRELOAD="), "{text}");
    assert!(text.contains("\x1b[1;31mLD_\\x1bSECRET (its name looks like a secret"), "{text}");
    assert_eq!(text.matches("LD_PRELOAD").count(), 1, "{text}");
    assert!(!view(&request("k3m9z"), NOW, color, false).contains("\x1b[1;31m"));
}

#[test]
fn a_request_that_could_not_be_looked_at_is_shown_all_the_same() {
    let blind = RequestView { facts: None, note: Some("the path was gone".into()), ..request("k3m9z") };
    assert!(checked(&view(&blind, NOW, STYLE, false)).contains("nobody can approve it"));
    checked(&pending::table(&[blind], NOW, STYLE));
}

#[test]
fn an_ended_request_tells_who_decided_and_what_came_of_it() {
    let voter = Voter { name: "alice\x1b".into(), uid: 0, login_uid: Some(1000), channel: "cli".into() };
    let vote = Vote { kind: VoteKind::Approve, voter, reason: Some("planned\x1b".into()), at: NOW };
    let outcome = Outcome::Executed { status: Some(3 << 8) };
    let state = State::Ended { verdict: Verdict::Approved, outcome };
    let ended = RequestView { votes: vec![vote], state, ended_at: Some(NOW), ..request("k3m9z") };
    let text = view(&ended, NOW, STYLE, false);
    for part in
        ["approved, ran, exit code 3", "approved by alice\\x1b (uid 0, login 1000, cli)", "planned\\x1b"]
    {
        assert!(checked(&text).contains(part), "{text}");
    }
}

fn refusal() -> RefusalView {
    RefusalView {
        cause: Cause::Cooldown,
        because: Cause::Cooldown.because().to_owned(),
        at: WallTime(NOW.0 - 12_000),
        until: Some(WallTime(NOW.0 + 288_000)),
        request: Some("k3m9z".parse().unwrap()),
        pid: 4711,
        program: "/usr/bin/kubectl".into(),
        argv: vec!["kubectl".into(), "delete".into(), "namespace".into(), "my prod".into()],
        more_arguments: 0,
        more: 2,
    }
}

#[test]
fn an_agent_is_told_why_as_documented() {
    let text = why::page(&[refusal()], &[request("7fq2a")], NOW, STYLE);
    let documentation = include_str!("../../../docs/cli.md");
    assert!(documentation.contains(checked(&text)), "docs/cli.md should show this:\n{text}");
    assert!(why::page(&[], &[], NOW, STYLE).contains("nothing of this agent was refused"));
}

#[test]
fn nothing_that_was_refused_acts_on_the_terminal() {
    let evil: Alleged = "\x1b[2J\u{202e}".repeat(100).as_str().into();
    let unread = RefusalView { argv: Vec::new(), program: evil.clone(), until: None, ..refusal() };
    let long = RefusalView { argv: vec![evil; 50], more_arguments: u64::MAX, ..refusal() };
    assert!(checked(&why::page(&[unread, long], &[hostile("k3m9z")], NOW, STYLE)).lines().count() < 60);
}

#[test]
fn every_entry_of_the_log_fits_and_is_printable() {
    let evil = "\x1b[2J\u{202e}".repeat(100);
    let voter = Voter { name: evil.clone(), uid: 0, login_uid: None, channel: "cli".into() };
    let vote = Vote { kind: VoteKind::Deny, voter, reason: Some(evil.clone()), at: NOW };
    for event in [
        LogEvent::Started { version: evil.clone() },
        LogEvent::Stopped,
        LogEvent::PolicyLoaded { rules: 3 },
        LogEvent::AgentTagged { pid: 1, claim: Some(evil.as_str().into()) },
        LogEvent::AgentRefused {
            what: "read_refused".to_owned(),
            pid: 1,
            program: evil.as_str().into(),
            target: Some(2),
            file: Some(evil.as_str().into()),
            more: 3,
        },
        LogEvent::RefusedUnasked {
            cause: Cause::Cooldown,
            pid: 1,
            program: evil.as_str().into(),
            argv: vec![evil.as_str().into(); 3],
            more_arguments: 7,
            until: Some(NOW),
            denied: Some("k3m9z".parse().unwrap()),
            more: 3,
        },
        LogEvent::RequestMade {
            program: evil.as_str().into(),
            rule: Some(evil.clone()),
            would_be: Some(WouldBe {
                action: Action::Ask,
                rule: Some(evil.clone()),
                because: evil.clone(),
                risk: None,
            }),
        },
        LogEvent::Voted { vote },
        LogEvent::State {
            state: State::Refusing { verdict: Verdict::Expired, had_allowance: false },
            note: Some(evil.clone()),
        },
    ] {
        let entry = LogEntry { seq: 12, at: NOW, request: None, agent: Some(evil.clone()), event };
        assert!(checked(&log::entry(&entry, STYLE)).lines().count() <= 8);
    }
}

#[test]
fn every_example_in_the_api_documentation_has_the_shape_it_is_named_after() {
    use holdpoint_core::wire;
    fn survives<T: serde::Serialize + serde::de::DeserializeOwned>(text: &str) -> bool {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let typed: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        serde_json::to_value(typed).unwrap() == value
    }
    let documentation = include_str!("../../../docs/api.md");
    let blocks: Vec<_> = documentation.split("\n```json ").skip(1).collect();
    assert!(blocks.len() > 10);
    for block in blocks {
        let (name, rest) = block.split_once('\n').unwrap();
        let text = rest.split("\n```").next().unwrap();
        assert!(
            match name {
                "RequestView" => survives::<wire::RequestView>(text),
                "RequestList" => survives::<wire::RequestList>(text),
                "VoteBody" => survives::<wire::VoteBody>(text),
                "Change" => survives::<wire::Change>(text),
                "Log" => survives::<wire::Log>(text),
                "LogEntry" => survives::<wire::LogEntry>(text),
                "Status" => survives::<wire::Status>(text),
                "RefusalList" => survives::<wire::RefusalList>(text),
                "Reloaded" => survives::<wire::Reloaded>(text),
                "AgentList" => survives::<wire::AgentList>(text),
                "AttachBody" => survives::<wire::AttachBody>(text),
                "AttachAnswer" => survives::<wire::AttachAnswer>(text),
                "RunBody" => survives::<wire::RunBody>(text),
                "RunAnswer" => survives::<wire::RunAnswer>(text),
                "Problem" => survives::<wire::Problem>(text),
                "Report" => survives::<serde_json::Value>(text),
                other => panic!("no such shape: {other}"),
            },
            "{name}: {text}"
        );
    }
}
