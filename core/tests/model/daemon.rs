//! The daemon's shell around the machine: carries out effects, fails to store, crashes, comes back.

use holdpoint_core::{
    request::{Effect, Input, Request, State, Vote, VoteError},
    time::BootTime,
};

use super::{Kernel, Task};

/// What the disk does with the next writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    Works,
    /// Every write fails.
    Full,
}

#[derive(Debug)]
pub(crate) struct Daemon {
    /// The request in memory; none while the daemon is down.
    memory: Option<Request>,
    /// All that was ever written, the last of which is on disk.
    pub(crate) stored: Vec<Request>,
    pub(crate) disk: Disk,
    /// The daemon crashes before it carries out the effect after so many.
    pub(crate) crash_after: Option<usize>,
}

impl Daemon {
    pub(crate) fn new(request: Request) -> Self {
        let stored = vec![request.clone()];
        Self { memory: Some(request), stored, disk: Disk::Works, crash_after: None }
    }

    pub(crate) fn request(&self) -> Option<&Request> {
        self.memory.as_ref()
    }

    pub(crate) fn crash(&mut self) {
        self.memory = None;
    }

    pub(crate) fn restart(&mut self, kernel: &mut Kernel, now: BootTime) {
        if self.memory.is_none() {
            let mut request = self.stored.last().unwrap().clone();
            let effects = request.resume_after_restart(kernel.phase(), now);
            self.memory = Some(request);
            self.carry_out(&effects, kernel, now);
        }
    }

    pub(crate) fn step(&mut self, input: &Input, kernel: &mut Kernel, now: BootTime) {
        let Some(request) = &mut self.memory else { return };
        let was_ended = request.is_ended().then(|| request.clone());
        let effects = request.step(input, now);
        if let Some(before) = was_ended {
            assert_eq!(
                (&before, &effects[..]),
                (&*request, &[][..]),
                "an ended request is changed by {input:?}"
            );
        }
        self.carry_out(&effects, kernel, now);
    }

    /// Gives the vote's result where the daemon is up and could store it.
    pub(crate) fn vote(
        &mut self,
        vote: &Vote,
        kernel: &mut Kernel,
        now: BootTime,
    ) -> Option<Result<(), VoteError>> {
        let request = self.memory.as_mut()?;
        let was_ended = request.is_ended().then(|| request.clone());
        let (result, effects) = request.vote(vote, now);
        if let Some(before) = was_ended {
            assert_eq!(
                (&before, &effects[..]),
                (&*request, &[][..]),
                "an ended request is changed by a vote"
            );
            assert!(result.is_err());
        }
        self.carry_out(&effects, kernel, now).then_some(result)
    }

    /// One turn of the loop: look at the kernel and the clock, and let go again what should have gone on.
    pub(crate) fn turn(&mut self, kernel: &mut Kernel, now: BootTime) {
        self.step(&Input::Kernel(kernel.phase()), kernel, now);
        self.step(&Input::Tick, kernel, now);
        let waits_for_the_task =
            |request: &Request| matches!(request.state, State::Approved { .. } | State::Refusing { .. });
        if self.memory.as_ref().is_some_and(waits_for_the_task) {
            kernel.go_on(now);
        }
    }

    /// Whether all that needs the disk was done.
    fn carry_out(&mut self, effects: &[Effect], kernel: &mut Kernel, now: BootTime) -> bool {
        let mut is_stored = true;
        for (index, effect) in effects.iter().enumerate() {
            if self.crash_after == Some(index) {
                self.crash_after = None;
                self.crash();
                return false;
            }
            if effect.needs_store() && !is_stored {
                continue;
            }
            match effect {
                Effect::Store if self.disk == Disk::Full => {
                    is_stored = false;
                    self.memory = self.stored.last().cloned();
                }
                Effect::Store => self.stored.extend(self.memory.clone()),
                Effect::Allow(valid_until) => kernel.allow(*valid_until),
                Effect::Refuse => kernel.refuse(),
                Effect::Resume => {
                    assert_ne!(kernel.task, Task::Filed, "a task is let go on where none waits");
                    kernel.go_on(now);
                }
                Effect::Kill => panic!("a faithful kernel lets nothing run that has to be killed"),
                Effect::Forget => kernel.forget(),
            }
        }
        is_stored
    }
}
