//! Attempts: a command that works unguarded, and is refused to an agent.

use super::{
    agent::Agent,
    cli::{Said, User},
    daemon::{self, Daemon},
};

/// What a command says when it has worked. The verbs of the test agent say it themselves.
pub(crate) const WORKED: &str = "it worked";

/// Shows that the line works unguarded, by the same user, beside a daemon that guards; and that an agent is refused, by
/// the protection of this counter.
pub(crate) fn is_refused(user: User, line: &str, counter: &str) {
    let mut daemon = daemon::plain();
    is_refused_by(&mut daemon, user, line, counter);
}

/// The same with a daemon that is there already.
pub(crate) fn is_refused_by(daemon: &mut Daemon, user: User, line: &str, counter: &str) {
    let before = daemon.client().counter(counter);
    let command = ["sh", "-c", line];
    let unguarded = Agent::unguarded(user, &command);
    assert!(unguarded.output.contains(WORKED), "unguarded: {line}: {unguarded:?}");
    assert_eq!(daemon.client().counter(counter), before, "what is no agent's was refused: {line}");
    let said = tried(user, line);
    assert!(!said.output.contains(WORKED), "guarded: {line}: {said:?}");
    assert!(daemon.client().counter(counter) > before, "not by {counter}: {line}: {said:?}");
}

/// Shows that the line works for an agent as it does unguarded.
pub(crate) fn works(user: User, line: &str) {
    let daemon = daemon::plain();
    works_by(&daemon, user, line);
}

/// The same with a daemon that is there already.
pub(crate) fn works_by(_daemon: &Daemon, user: User, line: &str) {
    let unguarded = Agent::unguarded(user, &["sh", "-c", line]);
    assert!(unguarded.output.contains(WORKED), "unguarded: {line}: {unguarded:?}");
    let said = tried(user, line);
    assert!(said.output.contains(WORKED), "guarded: {line}: {said:?}");
}

fn tried(user: User, line: &str) -> Said {
    Agent::start_as(user, &["sh", "-c", line]).end()
}
