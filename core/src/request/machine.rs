//! What each input does to a request.

use std::fmt;

use thiserror::Error;

use super::state::{Outcome, Request, State, Verdict, Vote, VoteKind};
use crate::{policy::Wait, time::BootTime};

/// What can happen to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// What the kernel's `holds` map says now. Said as often as one likes: it is a state, not an event.
    Kernel(KernelPhase),
    /// A rule decided without people, or the daemon cannot ask them.
    Decided(Refusal),
    /// A rule allows it without asking.
    AllowedByRule,
    /// A signal that ends the task is pending for it.
    Signalled,
    /// Only time has passed.
    Tick,
}

/// Where the kernel says that a held action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelPhase {
    /// Stopped, or about to run the same execve again.
    Held,
    /// Refused at once, and not tried again with an allowance yet: there is no task that waits.
    Filed,
    /// Past the check after the point of no return: the program runs.
    Running,
    /// The exec got its EPERM.
    Refused,
    /// Killed at the check after the point of no return.
    Killed,
    /// The program has ended, with this wait status.
    Exited(i32),
    /// The process executed another listed program after this one; how it will end is that one's affair.
    Replaced,
    /// The task ended, or executed something else, while it was held.
    Gone,
    /// The kernel does not know the hold at all.
    Unknown,
}

/// Why the daemon ends a request by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A rule denies it.
    DeniedByRule,
    /// What it is could not be found out, so nobody can be asked.
    Unreadable,
}

/// What shall be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Write the request to disk. Until it is there, the effects after it that [need it](Effect::needs_store)
    /// may not happen.
    Store,
    /// Set the allowance, valid until then.
    Allow(BootTime),
    /// Set the refusal: the same execve shall fail with EPERM. For what is filed: take the allowance back.
    Refuse,
    /// Let the task go on, and again until the kernel says that it did.
    Resume,
    /// Kill the process: it runs without an approval.
    Kill,
    /// Take the hold out of the kernel's maps.
    Forget,
}

impl Effect {
    /// Whether this effect may only happen once the [`Effect::Store`] before it went well.
    ///
    /// The others are safe without: a refusal lets nothing run, and a task that is let go on without an
    /// allowance is held again. So a disk that is full leaves no task stopped for ever.
    #[must_use]
    pub const fn needs_store(self) -> bool {
        matches!(self, Self::Allow(_) | Self::Forget)
    }
}

/// Why a vote does not count. The request goes on as if it had not been cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VoteError {
    /// Somebody, or a clock, was faster.
    AlreadyDecided(Verdict),
}

impl fmt::Display for VoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::AlreadyDecided(verdict) = self;
        match verdict {
            Verdict::Approved => f.write_str("the request is already approved"),
            Verdict::Denied => f.write_str("the request is already denied"),
            Verdict::Expired => f.write_str("the request has expired"),
            Verdict::Cancelled => f.write_str("the request was cancelled"),
        }
    }
}

impl Request {
    /// Takes one input at a time, and says what shall be done.
    ///
    /// Clocks come first: an input that arrives after a deadline finds the request expired.
    #[must_use]
    pub fn step(&mut self, input: &Input, now: BootTime) -> Vec<Effect> {
        // What the kernel has already done is older than a clock that we look at only now.
        if let Input::Kernel(phase) = input
            && let Some(effects) = self.kernel_moved_on(*phase)
        {
            return effects;
        }
        if let Some(effects) = self.clocks(now) {
            return effects;
        }
        match (&self.state, input) {
            (State::Pending, Input::AllowedByRule) => self.approve(now),
            (State::Pending, Input::Decided(Refusal::DeniedByRule)) => self.refuse(Verdict::Denied),
            (State::Pending, Input::Decided(Refusal::Unreadable) | Input::Signalled)
            | (State::Approved { .. }, Input::Signalled) => self.refuse(Verdict::Cancelled),
            _ => Vec::new(),
        }
    }

    /// Counts a vote.
    ///
    /// # Errors
    /// When the request has a verdict, be it from the clock that is looked at first. The effects that
    /// the clock caused come with the error.
    #[must_use = "the effects have to be carried out"]
    pub fn vote(&mut self, vote: &Vote, now: BootTime) -> (Result<(), VoteError>, Vec<Effect>) {
        let effects = self.clocks(now).unwrap_or_default();
        if let Some(verdict) = self.verdict() {
            return (Err(VoteError::AlreadyDecided(verdict)), effects);
        }
        let effects = match vote.kind {
            VoteKind::Approve => self.approve(now),
            VoteKind::Deny => self.refuse(Verdict::Denied),
        };
        (Ok(()), effects)
    }

    /// What has to be done again after a restart of the daemon, before any other input.
    ///
    /// Writing an allowance a second time lets nothing run twice: the kernel gives each hold an id of its
    /// own and takes the hold away when the allowance is used.
    #[must_use]
    pub fn resume_after_restart(&mut self, phase: KernelPhase, now: BootTime) -> Vec<Effect> {
        // Whether the allowance was taken back before the end is not known: once it is, the kernel's word counts.
        if phase == KernelPhase::Filed && matches!(self.state, State::Refusing { .. }) {
            return vec![Effect::Refuse];
        }
        let effects = self.step(&Input::Kernel(phase), now);
        if !effects.is_empty() {
            return effects;
        }
        match self.state {
            State::Approved { valid_until } => self.with_resume(vec![Effect::Allow(valid_until)]),
            State::Refusing { .. } => self.with_resume(vec![Effect::Refuse]),
            State::Ended { .. } => vec![Effect::Forget],
            State::Pending | State::Running => Vec::new(),
        }
    }

    /// When time alone changes something next.
    #[must_use]
    pub fn next_clock(&self) -> Option<BootTime> {
        match self.state {
            State::Pending => Some(self.deadline),
            State::Approved { valid_until } => Some(valid_until),
            State::Refusing { .. } | State::Running | State::Ended { .. } => None,
        }
    }

    fn clocks(&mut self, now: BootTime) -> Option<Vec<Effect>> {
        (self.next_clock()? <= now).then(|| self.refuse(Verdict::Expired))
    }

    fn approve(&mut self, now: BootTime) -> Vec<Effect> {
        let valid_until = now.after(self.valid_for);
        self.state = State::Approved { valid_until };
        self.with_resume(vec![Effect::Store, Effect::Allow(valid_until)])
    }

    fn refuse(&mut self, verdict: Verdict) -> Vec<Effect> {
        let had_allowance = matches!(self.state, State::Approved { .. });
        // What was filed has had its EPERM. Only where an allowance stood has the kernel to say whether it was used.
        if self.wait == Wait::Refuse && !had_allowance {
            return self.end(verdict, Outcome::Refused);
        }
        self.state = State::Refusing { verdict, had_allowance };
        self.with_resume(vec![Effect::Store, Effect::Refuse])
    }

    /// There is a task to let go on where one waits.
    fn with_resume(&self, mut effects: Vec<Effect>) -> Vec<Effect> {
        if self.wait == Wait::Hold {
            effects.push(Effect::Resume);
        }
        effects
    }

    fn end(&mut self, verdict: Verdict, outcome: Outcome) -> Vec<Effect> {
        self.state = State::Ended { verdict, outcome };
        vec![Effect::Store, Effect::Forget]
    }

    fn kernel_moved_on(&mut self, phase: KernelPhase) -> Option<Vec<Effect>> {
        if self.is_ended() {
            return Some(Vec::new());
        }
        let running = self.state == State::Running;
        let verdict = self.verdict().unwrap_or(Verdict::Cancelled);
        let may_have_run = matches!(
            self.state,
            State::Approved { .. } | State::Running | State::Refusing { had_allowance: true, .. }
        );
        // An allowance that was used in time counts, even where a clock or a signal was seen before that.
        // Where there was none, the record must not say that somebody approved.
        let verdict_if_used = if may_have_run { Verdict::Approved } else { verdict };
        Some(match phase {
            // The allowance was taken back before the kernel was looked at, so nobody can use it any more.
            KernelPhase::Filed if matches!(self.state, State::Refusing { .. }) => {
                self.end(verdict, Outcome::Refused)
            }
            KernelPhase::Held | KernelPhase::Filed => return None,
            KernelPhase::Running if running => return None,
            KernelPhase::Running if may_have_run => {
                self.state = State::Running;
                vec![Effect::Store]
            }
            // The kernel half lets nothing run without an allowance; should it ever, this is the last line.
            KernelPhase::Running => {
                let mut effects = vec![Effect::Kill];
                effects.extend(self.end(verdict, Outcome::Killed));
                effects
            }
            KernelPhase::Exited(status) => {
                self.end(verdict_if_used, Outcome::Executed { status: Some(status) })
            }
            KernelPhase::Replaced => self.end(verdict_if_used, Outcome::Executed { status: None }),
            KernelPhase::Killed => self.end(verdict_if_used, Outcome::Killed),
            KernelPhase::Refused => self.end(verdict, Outcome::Refused),
            KernelPhase::Gone | KernelPhase::Unknown if running => {
                self.end(Verdict::Approved, Outcome::Executed { status: None })
            }
            KernelPhase::Gone | KernelPhase::Unknown => self.end(verdict, Outcome::NeverRan),
        })
    }
}
