//! The kernel half with one held task, as the design has it.

use holdpoint_core::{request::KernelPhase, time::BootTime};

/// What became of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Stopped inside its execve.
    Held,
    /// Passed the check after the point of no return.
    Running,
    /// Its execve returned EPERM.
    Refused,
    /// Killed at the check after the point of no return.
    Killed,
    /// Ran and ended.
    Exited(i32),
    /// Ended without having run.
    Gone,
}

/// What the daemon has written for the hold.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Allow(BootTime),
    Refuse,
}

#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) task: Task,
    /// Whether the hold is still in the kernel's maps.
    known: bool,
    answer: Option<Answer>,
    /// How often the program was let run, and the allowance's end and the time at which it was.
    pub(crate) runs: Vec<(BootTime, BootTime)>,
    /// The next let-go is eaten by the stop of a sibling thread.
    pub(crate) sibling_stop: bool,
    /// A fatal signal waits for the task to go on.
    pub(crate) signalled: bool,
    /// The arguments are not what was approved.
    pub(crate) changed: bool,
}

impl Kernel {
    pub(crate) fn new() -> Self {
        let (known, answer, runs) = (true, None, Vec::new());
        Self { task: Task::Held, known, answer, runs, sibling_stop: false, signalled: false, changed: false }
    }

    pub(crate) fn phase(&self) -> KernelPhase {
        match self.task {
            _ if !self.known => KernelPhase::Unknown,
            Task::Held => KernelPhase::Held,
            Task::Running => KernelPhase::Running,
            Task::Refused => KernelPhase::Refused,
            Task::Killed => KernelPhase::Killed,
            Task::Exited(status) => KernelPhase::Exited(status),
            Task::Gone => KernelPhase::Gone,
        }
    }

    pub(crate) fn allow(&mut self, valid_until: BootTime) {
        self.answer = Some(Answer::Allow(valid_until));
    }

    pub(crate) fn refuse(&mut self) {
        self.answer = Some(Answer::Refuse);
    }

    /// SIGCONT by the daemon or by anybody else: the same execve runs again.
    pub(crate) fn go_on(&mut self, now: BootTime) {
        if self.task != Task::Held {
            return;
        }
        if std::mem::take(&mut self.sibling_stop) {
            return;
        }
        if self.signalled {
            self.task = Task::Gone;
            return;
        }
        match self.answer {
            Some(Answer::Allow(valid_until)) if now < valid_until => {
                self.answer = None;
                if self.changed {
                    self.task = Task::Killed;
                } else {
                    self.task = Task::Running;
                    self.runs.push((valid_until, now));
                }
            }
            Some(Answer::Refuse) => self.task = Task::Refused,
            Some(Answer::Allow(_)) | None => {}
        }
    }

    pub(crate) fn die(&mut self) {
        self.task = match self.task {
            Task::Held => Task::Gone,
            Task::Running => Task::Exited(9),
            other => other,
        };
    }

    /// A hold that is forgotten while its task is stopped would leave the task stopped for ever.
    pub(crate) fn forget(&mut self) {
        assert_ne!(self.task, Task::Held, "the hold of a stopped task is forgotten");
        assert_ne!(self.task, Task::Running, "the hold of a running program is forgotten");
        self.known = false;
        self.answer = None;
    }

    pub(crate) fn knows(&self) -> bool {
        self.known
    }
}
