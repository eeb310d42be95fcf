//! What is shown and what a key means. Pure: changes, keys and times come in, what to do comes out.

use std::time::Duration;

use holdpoint_core::{id::RequestId, request::VoteKind, wire::RequestView};

/// How long a request must have been on the screen before a key decides it. A key that was typed for the
/// request before, or for no request, must not hit one that nobody has seen.
pub(super) const SAFE_AFTER: Duration = Duration::from_millis(300);

/// The requests that wait, the oldest first, and the one that is shown.
#[derive(Debug, Default)]
pub(super) struct Board {
    pending: Vec<RequestView>,
    shown: Option<RequestId>,
    /// Since when, on a clock of the caller's that never goes back.
    shown_since: Duration,
    /// How many processes were said to wait for it when it came up. Others that come meanwhile are asked about later.
    shown_processes: u64,
}

/// What a change means for the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Another request is to be shown, or the shown one anew, and what was typed before is void.
    Show,
    /// Only the line of counts.
    Count,
}

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing: no such key, or too soon.
    Nothing,
    /// Too soon after the request came up.
    TooSoon,
    /// A vote on exactly this request, and on as many processes as were shown with it.
    Vote(RequestId, VoteKind, u64),
    /// Another request was chosen.
    Show,
    /// Tell the keys.
    Help,
    /// End.
    Quit,
}

impl Board {
    /// Forgets everything, for a new stream that begins with all that waits.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The request that is shown, with its place and the number of all.
    pub(super) fn shown(&self) -> Option<(&RequestView, usize)> {
        let at = self.place()?;
        self.pending.get(at).map(|view| (view, at + 1))
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.pending.len()
    }

    /// Takes a request as it is now.
    pub(super) fn change(&mut self, view: RequestView, now: Duration) -> Effect {
        let is_shown = self.shown.as_ref() == Some(&view.id);
        let at = self.pending.iter().position(|known| known.id == view.id);
        let waits = view.state == holdpoint_core::request::State::Pending;
        match at {
            Some(at) if waits => {
                let same = self.pending.get(at).is_some_and(|known| says_the_same(known, &view));
                if let Some(known) = self.pending.get_mut(at) {
                    *known = view;
                }
                // What a person has read is not what it says now.
                if is_shown && !same {
                    self.shown_since = now;
                    return Effect::Show;
                }
                Effect::Count
            }
            Some(at) => {
                self.pending.remove(at);
                if is_shown {
                    // The next in line moves up, else the oldest comes.
                    let next = self.pending.get(at).or_else(|| self.pending.first());
                    let next = next.map(|next| next.id.clone());
                    self.comes_up(next, now);
                    return Effect::Show;
                }
                Effect::Count
            }
            None if waits => {
                let id = view.id.clone();
                self.pending.push(view);
                if self.shown.is_none() {
                    self.comes_up(Some(id), now);
                    return Effect::Show;
                }
                Effect::Count
            }
            None => Effect::Count,
        }
    }

    /// Says that the shown request is on the screen only now.
    pub(super) fn displayed(&mut self, now: Duration) {
        self.shown_since = now;
        self.shown_processes = self.shown().map_or(1, |(view, _)| 1 + view.joined.len() as u64);
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: u8, now: Duration) -> Act {
        match key.to_ascii_lowercase() {
            b'a' => self.vote(VoteKind::Approve, now),
            b'd' => self.vote(VoteKind::Deny, now),
            b'n' => self.step(1, now),
            b'p' => self.step(self.pending.len().saturating_sub(1), now),
            b'q' => Act::Quit,
            b'?' | b'h' => Act::Help,
            _ => Act::Nothing,
        }
    }

    fn vote(&self, kind: VoteKind, now: Duration) -> Act {
        match &self.shown {
            Some(_) if now.saturating_sub(self.shown_since) < SAFE_AFTER => Act::TooSoon,
            Some(id) => Act::Vote(id.clone(), kind, self.shown_processes.max(1)),
            None => Act::Nothing,
        }
    }

    fn step(&mut self, by: usize, now: Duration) -> Act {
        let Some(at) = self.place() else { return Act::Nothing };
        let next = (at + by) % self.pending.len().max(1);
        if next == at {
            return Act::Nothing;
        }
        let next = self.pending.get(next).map(|view| view.id.clone());
        self.comes_up(next, now);
        Act::Show
    }

    /// Until it is on the screen nobody was shown more than its own process.
    fn comes_up(&mut self, id: Option<RequestId>, now: Duration) {
        (self.shown, self.shown_since, self.shown_processes) = (id, now, 1);
    }

    fn place(&self) -> Option<usize> {
        let id = self.shown.as_ref()?;
        self.pending.iter().position(|view| view.id == *id)
    }
}

/// Whether a person who has read the one has read the other. Clocks and votes may differ.
fn says_the_same(one: &RequestView, other: &RequestView) -> bool {
    one.hold == other.hold && one.facts == other.facts && one.decision == other.decision
}

#[cfg(test)]
mod tests {
    use holdpoint_core::request::State;

    use super::*;
    use crate::render::samples::request;

    const NOW: Duration = Duration::from_secs(100);
    const LATER: Duration = Duration::from_secs(101);

    fn board(ids: &[&str]) -> Board {
        let mut board = Board::default();
        for id in ids {
            board.change(request(id), NOW);
        }
        board
    }

    fn id(text: &str) -> RequestId {
        text.parse().unwrap()
    }

    fn shown(board: &Board) -> Option<&str> {
        board.shown().map(|(view, _)| view.id.as_str())
    }

    fn decided(id: &str) -> RequestView {
        RequestView { state: State::Running, ..request(id) }
    }

    #[test]
    fn the_oldest_is_shown_and_a_newer_one_does_not_push_it_away() {
        let mut board = board(&["00001"]);
        assert_eq!(board.change(request("00002"), LATER), Effect::Count);
        assert_eq!((shown(&board), board.count()), (Some("00001"), 2));
    }

    #[test]
    fn a_key_decides_the_shown_request_by_its_whole_id() {
        let mut board = board(&["00001", "00002"]);
        assert_eq!(board.key(b'a', LATER), Act::Vote(id("00001"), VoteKind::Approve, 1));
        assert_eq!(board.key(b'n', LATER), Act::Show);
        assert_eq!(board.key(b'D', LATER + SAFE_AFTER), Act::Vote(id("00002"), VoteKind::Deny, 1));
        assert_eq!(board.key(b'n', LATER), Act::Show);
        assert_eq!(shown(&board), Some("00001"));
        assert_eq!(board.key(b'p', LATER), Act::Show);
        assert_eq!(shown(&board), Some("00002"));
    }

    #[test]
    fn a_key_that_was_typed_before_a_request_could_be_read_decides_nothing() {
        let mut board = board(&["00001", "00002"]);
        assert_eq!(board.key(b'a', NOW + SAFE_AFTER / 2), Act::TooSoon);
        // Somebody else decides the shown one just before the key is hit.
        assert_eq!(board.change(decided("00001"), LATER), Effect::Show);
        assert_eq!(shown(&board), Some("00002"));
        assert_eq!(board.key(b'a', LATER + SAFE_AFTER / 2), Act::TooSoon);
        assert_eq!(board.key(b'a', LATER + SAFE_AFTER), Act::Vote(id("00002"), VoteKind::Approve, 1));
    }

    #[test]
    fn a_request_that_says_something_else_has_to_be_read_again() {
        let mut board = board(&["00001"]);
        let mut later_deadline = request("00001");
        later_deadline.deadline.0 += 1;
        assert_eq!(board.change(later_deadline, LATER), Effect::Count);
        let mut other = request("00001");
        other.facts.as_mut().unwrap().argv.push("--force".into());
        assert_eq!(board.change(other, LATER), Effect::Show);
        assert_eq!(board.key(b'a', LATER), Act::TooSoon);
    }

    #[test]
    fn a_vote_is_about_the_processes_that_were_shown() {
        let mut board = board(&["00001"]);
        let with = |joined: Vec<u32>| RequestView { joined, ..request("00001") };
        assert_eq!(board.change(with(vec![7, 8]), LATER), Effect::Count);
        assert_eq!(board.key(b'a', LATER), Act::Vote(id("00001"), VoteKind::Approve, 1));
        board.displayed(NOW);
        // Who comes after that was not shown, and does not keep the person from deciding.
        assert_eq!(board.change(with(vec![7, 8, 9]), LATER), Effect::Count);
        assert_eq!(board.key(b'a', LATER), Act::Vote(id("00001"), VoteKind::Approve, 3));
    }

    #[test]
    fn with_nothing_to_decide_keys_do_nothing() {
        let mut board = board(&["00001"]);
        assert_eq!(board.key(b'n', LATER), Act::Nothing);
        assert_eq!(board.change(decided("00001"), LATER), Effect::Show);
        assert_eq!((shown(&board), board.count()), (None, 0));
        for key in [b'a', b'd', b'n', b'p', 0, 0x1b, b'\n', b' ', b'y'] {
            assert_eq!(board.key(key, LATER + LATER), Act::Nothing, "{key}");
        }
        assert_eq!(board.key(b'q', LATER), Act::Quit);
        assert_eq!(board.key(b'?', LATER), Act::Help);
    }
}
