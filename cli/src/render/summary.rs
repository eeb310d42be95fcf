//! Requests in a line or two.

use holdpoint_core::{
    escape,
    policy::{Action, WouldBe},
    request::{Outcome, State, Verdict, Vote, VoteKind},
    wire::RequestView,
};

use super::{
    Style, WIDTH,
    text::{columns, cut_middle, plain},
};

/// So much of a command is escaped before it is cut to its place.
const COMMAND_CHARACTERS: usize = 400;

/// The command line, bounded, as one would type it.
pub(crate) fn command(view: &RequestView) -> String {
    match &view.facts {
        Some(facts) if facts.argv.is_empty() => {
            format!("{} (no arguments)", shown_path(&facts.executable.path.0))
        }
        Some(facts) => {
            // Before the command, where no argument can write.
            let processes = match view.joined.len() {
                0 => String::new(),
                others => format!("[{} wait] ", others + 1),
            };
            processes + &escape::command(&facts.argv, COMMAND_CHARACTERS)
        }
        None => "(could not be looked at)".to_owned(),
    }
}

/// The agent's name.
pub(crate) fn agent(view: &RequestView) -> String {
    view.facts.as_ref().map_or_else(|| "?".to_owned(), |facts| plain(&facts.agent.name))
}

/// The user that the process runs as.
pub(crate) fn user(view: &RequestView) -> String {
    view.facts.as_ref().map_or_else(
        || "?".to_owned(),
        |facts| facts.user.name.as_deref().map_or_else(|| format!("uid {}", facts.user.uid), plain),
    )
}

/// One line: what stands where. It fits the width.
pub(crate) fn line(view: &RequestView, style: Style) -> String {
    let state = state(&view.state);
    let head =
        format!("{} {state}: {} ({}) ", view.id, cut_middle(&agent(view), 16), cut_middle(&user(view), 16));
    let command = cut_middle(&command(view), WIDTH.saturating_sub(columns(&head)));
    let painted = match view.state {
        State::Pending => style.waiting(&head),
        _ => head,
    };
    format!("{painted}{command}\n")
}

/// What was voted for: enough to see that it is what one meant.
pub(crate) fn voted(view: &RequestView, kind: VoteKind, style: Style) -> String {
    let word = match kind {
        VoteKind::Approve => style.good("approved"),
        VoteKind::Deny => style.alarm("denied"),
    };
    let mut sheet = super::sheet::Sheet::new(style, false);
    sheet.line(&format!(
        "{word} {}: {} (user {})",
        view.id,
        cut_middle(&agent(view), 24),
        cut_middle(&user(view), 24)
    ));
    sheet.lines("  ", &command(view), super::sheet::Tone::Plain);
    if let Some(facts) = &view.facts {
        sheet.lines("  in  ", &shown_path(&facts.cwd.0), super::sheet::Tone::Plain);
        sheet.lines("  file  ", &shown_path(&facts.executable.path.0), super::sheet::Tone::Plain);
    }
    sheet.finish()
}

/// Where it stands, in words.
pub(crate) fn state(state: &State) -> String {
    match state {
        State::Pending => "pending".to_owned(),
        State::Approved { .. } => "approved, not gone on yet".to_owned(),
        State::Refusing { verdict, .. } => format!("{}, not told yet", verdict_word(*verdict)),
        State::Running => "approved, running".to_owned(),
        State::Ended { verdict, outcome } => {
            format!("{}, {}", verdict_word(*verdict), outcome_words(outcome))
        }
    }
}

/// What came of it, in words.
pub(crate) fn outcome_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Executed { status: None } => "ran to its end".to_owned(),
        Outcome::Executed { status: Some(status) } => match (status & 0x7f, (status >> 8) & 0xff) {
            (0, code) => format!("ran, exit code {code}"),
            (signal, _) => format!("ran, ended by signal {signal}"),
        },
        Outcome::Killed => "killed before its first instruction".to_owned(),
        Outcome::Refused => "failed with EPERM".to_owned(),
        Outcome::NeverRan => "never ran".to_owned(),
    }
}

/// One vote in a line; the voter's reason is not in it.
pub(crate) fn vote_words(vote: &Vote) -> String {
    let kind = match vote.kind {
        VoteKind::Approve => "approved",
        VoteKind::Deny => "denied",
    };
    let voter = &vote.voter;
    let login = voter.login_uid.map_or_else(|| "no login".to_owned(), |uid| format!("login {uid}"));
    format!("{kind} by {} (uid {}, {login}, {})", plain(&voter.name), voter.uid, plain(&voter.channel))
}

/// What would have been done if nothing were only observed.
pub(crate) fn would_be(would_be: &WouldBe) -> String {
    let done = match would_be.action {
        Action::Ask => "people would have been asked",
        Action::Deny => "it would have been refused",
        Action::Allow => "it would have been allowed",
    };
    let rule =
        would_be.rule.as_deref().map_or_else(|| "no rule".to_owned(), |rule| format!("rule {}", plain(rule)));
    format!("{done}, by {rule}")
}

/// The verdict in a word.
fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approved => "approved",
        Verdict::Denied => "denied",
        Verdict::Expired => "expired",
        Verdict::Cancelled => "cancelled",
    }
}

/// A path of any length, bounded.
fn shown_path(bytes: &[u8]) -> String {
    escape::command(&[bytes.into()], COMMAND_CHARACTERS)
}
