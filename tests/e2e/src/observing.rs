//! Looking at a held exec: what agents write is shown whole and harmless, or the exec is refused with the reason,
//! and nobody else waits for it.

use holdpoint_core::{alleged::Alleged, wire::RequestView};
use nix::sys::signal::Signal;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint, run, shell},
        daemon,
        fuse::Fuse,
        programs::{self, DYNAMIC_ELF},
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    odd_arguments_are_shown_escaped_and_kept_whole,
    more_arguments_than_a_person_can_read_are_refused_with_the_reason,
    memory_that_cannot_be_read_is_refused_with_the_reason,
    a_file_system_of_the_agents_stalls_nobody_else,
    a_file_system_of_the_agents_does_not_keep_the_daemon_from_starting_again,
    a_reader_that_cannot_be_killed_does_not_keep_the_daemon_from_starting_again,
];

fn odd_arguments_are_shown_escaped_and_kept_whole() {
    let unguarded = Agent::unguarded(User::Agent, &["holdpoint-test-agent", "exec-odd", DYNAMIC_ELF]);
    assert_eq!(Snapshot::all_reported(&unguarded.output).len(), 1, "unguarded: {unguarded:?}");
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["holdpoint-test-agent", "exec-odd", DYNAMIC_ELF]);
    let request = daemon.request(&agent);
    let odd: [&[u8]; 6] =
        [b"\xff\xfe", b"\x1b[2J\x07", b"two\nlines", "a\u{202e}b".as_bytes(), b"", b"it's \"$HOME\""];
    let expected: Vec<Alleged> =
        std::iter::once(DYNAMIC_ELF.as_bytes()).chain(odd).map(Alleged::from).collect();
    assert_eq!(request.facts.as_ref().unwrap().argv, expected);
    for arguments in
        [&["show", request.id.as_str()][..], &["pending"], &["--json", "show", request.id.as_str()], &["log"]]
    {
        let said = holdpoint(arguments);
        assert_eq!(said.code, 0, "{said:?}");
        let escaped = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}' || c == '\u{fffd}');
        assert!(said.output.chars().all(escaped), "{arguments:?}: {:?}", said.output);
    }
    daemon.approve(&request);
    assert_eq!(Snapshot::all_reported(&agent.end().output).len(), 1);
}

fn more_arguments_than_a_person_can_read_are_refused_with_the_reason() {
    let mut daemon = daemon::plain();
    for (bytes, count, shown) in [("2000", "100", true), ("120000", "17", false), ("1", "100000", false)] {
        // The kernel takes a quarter of the limit for the stack as arguments.
        let line = format!(
            "ulimit -s 65536; holdpoint-test-agent exec-large {bytes} {count} {DYNAMIC_ELF}; echo \"status $?\""
        );
        let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &line]);
        assert!(unguarded.output.contains("status 0"), "unguarded, {count} of {bytes}: {unguarded:?}");
        let mut agent = Agent::start(&["sh", "-c", &line]);
        if shown {
            let request = daemon.request(&agent);
            let arguments = request.facts.as_ref().unwrap().argv.len();
            assert_eq!(arguments.to_string(), (count.parse::<usize>().unwrap() + 1).to_string());
            daemon.approve(&request);
            assert!(agent.end().output.contains("status 0"), "{}", agent.output());
            continue;
        }
        let said = agent.end();
        assert!(said.output.contains("errno=1\nstatus 100"), "{count} of {bytes}: {said:?}");
        let view = daemon.watch.until("the record of the refusal", |requests| {
            requests.iter().rev().find(|view| view.facts.is_none() && view.ended_at.is_some()).cloned()
        });
        assert!(
            view.note.as_deref().is_some_and(|note| note.contains("the arguments exceed")),
            "{:?}",
            view.note
        );
        let shown = run(User::Root.command("holdpoint", None).args(["show", view.id.as_str()]));
        assert!(shown.code == 0 && shown.output.contains("the arguments exceed"), "{shown:?}");
    }
    assert_eq!(daemon.client().pending().len(), 0);
}

fn memory_that_cannot_be_read_is_refused_with_the_reason() {
    let command = ["holdpoint-test-agent", "exec-unreadable", DYNAMIC_ELF];
    let unguarded = Agent::unguarded(User::Root, &command);
    assert_eq!(Snapshot::all_reported(&unguarded.output).len(), 1, "unguarded: {unguarded:?}");
    let daemon = daemon::plain();
    let before = daemon.watch.look(<[_]>::len);
    let said = Agent::start_as(User::Root, &command).end();
    assert_eq!(said.output, "errno=1\n");
    let view = unread(&daemon, before, 1).remove(0);
    assert!(view.note.as_deref().unwrap_or_default().contains("cannot read"), "{view:?}");
}

/// Waits for so many new requests of which nothing could be found out.
fn unread(daemon: &daemon::Daemon, before: usize, count: usize) -> Vec<RequestView> {
    daemon.watch.until("the record of the refusals", |requests| {
        let unread =
            requests.iter().skip(before).filter(|view| view.facts.is_none() && view.ended_at.is_some());
        let unread: Vec<_> = unread.cloned().collect();
        (unread.len() == count).then_some(unread)
    })
}

fn a_file_system_of_the_agents_stalls_nobody_else() {
    let mut daemon = daemon::plain();
    let server = Fuse::serve();
    let before = daemon.watch.look(<[_]>::len);
    let held = daemon.client().counter("held");
    let mut stuck: Vec<Agent> = (0..3).map(|_| Agent::start(&["sh", "-c", &server.exec()])).collect();
    eventually("they are held", || (daemon.client().counter("held") >= held + 3).then_some(()));
    // Meanwhile others are served.
    let mut agent = Agent::start(&["sh", "-c", "hp-static 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"));
    for agent in &mut stuck {
        assert!(agent.end().output.contains("Operation not permitted\nstatus 126"), "{}", agent.output());
    }
    let refused = unread(&daemon, before, 3);
    assert!(
        refused.iter().all(|view| view.note.as_deref().unwrap_or_default().contains("FUSE")),
        "{refused:?}"
    );
    assert_eq!(holdpoint(&["status"]).code, 0);
}

fn a_file_system_of_the_agents_does_not_keep_the_daemon_from_starting_again() {
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let server = Fuse::serve();
    let held = daemon.client().counter("held");
    let stuck = Agent::start(&["sh", "-c", &server.exec()]);
    eventually("it is held", || (daemon.client().counter("held") == held + 1).then_some(()));
    let mut agent = Agent::start(&["sh", "-c", "hp-static 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    daemon.kill();
    daemon.start_again();
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"));
    drop(stuck);
}

fn a_reader_that_cannot_be_killed_does_not_keep_the_daemon_from_starting_again() {
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    // A listed name would not let the agent open it.
    let mut server = Fuse::serve_as("unlisted");
    let file = server.file();
    let command = ["holdpoint-test-agent", "exec-beside", &file, DYNAMIC_ELF];
    let unguarded = Agent::unguarded(User::Agent, &command);
    assert_eq!(Snapshot::all_reported(&unguarded.output).len(), 1, "unguarded: {unguarded:?}");
    let mut stuck = Agent::start(&command);
    assert_eq!(server.says(), "unanswered");
    let mut agent = Agent::start(&["sh", "-c", "hp-static 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    let killed = daemon.process().pid();
    daemon.process().signal(Signal::SIGKILL);
    eventually("a thread of the killed daemon is all that is left", || {
        let states = shell(&format!("ps -L -o stat= -p {killed}"));
        states.lines().all(|state| state.starts_with(['Z', 'D'])).then_some(())?;
        states.contains('D').then_some(())
    });
    let mut killed = daemon.start_beside();
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"));
    // The next daemon's reader is stuck as well, and the exec is refused.
    let refused = daemon.watch.until("the record of the refusal", |requests| {
        requests.iter().find(|view| view.facts.is_none() && view.ended_at.is_some()).cloned()
    });
    assert!(refused.note.as_deref().unwrap_or_default().contains("took longer"), "{refused:?}");
    // Before that the agent waits for its own server, too: its memory is locked.
    drop(server);
    assert_eq!(stuck.end().output, "errno=1\n");
    killed.ended();
}
