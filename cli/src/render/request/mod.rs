//! All of one request: who, what, why, where, and what became of it.

mod facts;
mod processes;

use holdpoint_core::{
    policy::{Action, Decision, Risk, Wait},
    request::{State, Vote},
    time::WallTime,
    wire::RequestView,
};

use super::{
    Style,
    sheet::{Sheet, Tone},
    summary,
    text::plain,
    time::{age, left, span, utc},
};

/// The full view. Without `full`, what is very long is cut, and the cut says so.
pub(crate) fn view(view: &RequestView, now: WallTime, style: Style, full: bool) -> String {
    let mut sheet = Sheet::new(style, full);
    heading(&mut sheet, view, now);
    match &view.facts {
        Some(facts) => facts::who_and_what(&mut sheet, facts),
        None => {
            sheet.sentence("what", "it could not be looked at, so nobody can approve it", Tone::Alarm);
        }
    }
    why(&mut sheet, view);
    if let Some(facts) = &view.facts {
        facts::surroundings(&mut sheet, facts);
        processes::tree(&mut sheet, facts);
        processes::joined(&mut sheet, &view.joined);
    }
    clocks(&mut sheet, view, now);
    end(&mut sheet, view, now);
    sheet.finish()
}

fn heading(sheet: &mut Sheet, view: &RequestView, now: WallTime) {
    let state = summary::state(&view.state);
    let state = match view.state {
        State::Pending => sheet.style.waiting(&format!("{state}, {} left", left(view.deadline, now))),
        _ => sheet.style.bold(&state),
    };
    let id = sheet.style.bold(view.id.as_str());
    sheet.line(&format!("request {id}: {state}"));
}

fn why(sheet: &mut Sheet, view: &RequestView) {
    let decision = &view.decision;
    let action = match decision.action {
        Action::Ask => "people decide",
        Action::Deny => "refused without asking",
        Action::Allow => "allowed without asking",
    };
    sheet.heading("why it is held");
    if let Some(would_be) = &decision.would_be {
        sheet.sentence("observed", &summary::would_be(would_be), Tone::Plain);
        sheet.value("since", &plain(&would_be.because), Tone::Plain);
    }
    match &decision.rule {
        Some(rule) => sheet.value("rule", &format!("{} ({action})", plain(rule)), Tone::Plain),
        None => sheet.sentence("rule", &format!("none matched ({action})"), Tone::Plain),
    }
    if let Some(description) = &decision.description {
        sheet.value("meaning", &plain(description), Tone::Plain);
    }
    if let Some(risk) = decision.risk {
        let tone = if risk >= Risk::High { Tone::Alarm } else { Tone::Plain };
        sheet.value("risk", &risk.to_string(), tone);
    }
    if let Some(message) = &decision.message {
        sheet.value("message", &plain(message), Tone::Plain);
    }
    sheet.value("matched by", &plain(&decision.because), Tone::Plain);
    approval(sheet, decision);
    let wait = match view.wait {
        Wait::Hold => "the process is stopped until the verdict",
        Wait::Refuse => {
            "the exec has failed with EPERM; the same one passes once when retried after approval"
        }
    };
    sheet.sentence("waiting", wait, Tone::Plain);
}

/// What an approval is about beside the one exec.
fn approval(sheet: &mut Sheet, decision: &Decision) {
    if let Some(grant) = decision.grant {
        let span = span(u64::try_from(grant.span.as_millis()).unwrap_or(u64::MAX));
        let uses = grant.uses.map_or_else(String::new, |uses| format!(", {uses} execs in all"));
        let text = format!("an approval also holds for the identical action, for {span}{uses}");
        sheet.sentence("again", &text, Tone::Alarm);
    }
}

fn clocks(sheet: &mut Sheet, view: &RequestView, now: WallTime) {
    sheet.heading("clocks");
    sheet.value("made", &format!("{}, {} ago", utc(view.made_at), age(view.made_at, now)), Tone::Plain);
    let remaining = match view.state {
        State::Pending => format!(", {} left", left(view.deadline, now)),
        _ => String::new(),
    };
    sheet.value("decide by", &format!("{}{remaining}", utc(view.deadline)), Tone::Plain);
    let valid_for = span(u64::try_from(view.decision.valid_for.as_millis()).unwrap_or(u64::MAX));
    let valid = match view.valid_until {
        Some(until) => format!("{}, {} left", utc(until), left(until, now)),
        None => format!("{valid_for} after approval, or it expires"),
    };
    sheet.value("go on by", &valid, Tone::Plain);
}

fn end(sheet: &mut Sheet, view: &RequestView, now: WallTime) {
    sheet.heading("votes and outcome");
    if view.votes.is_empty() {
        sheet.value("votes", "none", Tone::Plain);
    }
    for vote in &view.votes {
        one_vote(sheet, vote);
    }
    sheet.value("outcome", &summary::state(&view.state), Tone::Plain);
    if let Some(with) = &view.with {
        sheet.sentence(
            "with",
            &format!("it waited with request {with}, and was approved with it"),
            Tone::Plain,
        );
    }
    if let Some(at) = view.ended_at {
        sheet.value("ended", &format!("{}, {} ago", utc(at), age(at, now)), Tone::Plain);
    }
    if let Some(note) = &view.note {
        sheet.value("note", &plain(note), Tone::Plain);
    }
}

fn one_vote(sheet: &mut Sheet, vote: &Vote) {
    sheet.value("vote", &format!("{}, {}", summary::vote_words(vote), utc(vote.at)), Tone::Plain);
    if let Some(reason) = &vote.reason {
        sheet.value("  reason", &plain(reason), Tone::Plain);
    }
}
