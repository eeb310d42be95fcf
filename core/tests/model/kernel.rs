//! The kernel half with one held task or one filed action, as the design has it.

use holdpoint_core::{policy::Wait, request::KernelPhase, time::BootTime};

/// What became of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Stopped inside its execve.
    Held,
    /// Its execve returned EPERM at once; the same action may be tried again.
    Filed,
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
    pub(crate) fn new(wait: Wait) -> Self {
        let (known, answer, runs) = (true, None, Vec::new());
        let task = match wait {
            Wait::Hold => Task::Held,
            Wait::Refuse => Task::Filed,
        };
        Self { task, known, answer, runs, sibling_stop: false, signalled: false, changed: false }
    }

    pub(crate) fn phase(&self) -> KernelPhase {
        match self.task {
            _ if !self.known => KernelPhase::Unknown,
            Task::Held => KernelPhase::Held,
            Task::Filed => KernelPhase::Filed,
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
        if let Some(Answer::Refuse) = self.answer {
            self.task = Task::Refused;
        }
        self.use_allowance(now);
    }

    /// Some process of the agent tries the filed action again.
    pub(crate) fn retry(&mut self, now: BootTime) {
        if self.task == Task::Filed && self.known {
            self.use_allowance(now);
        }
    }

    fn use_allowance(&mut self, now: BootTime) {
        let Some(Answer::Allow(valid_until)) = self.answer else { return };
        if now >= valid_until {
            return;
        }
        self.answer = None;
        if self.changed {
            self.task = Task::Killed;
        } else {
            self.task = Task::Running;
            self.runs.push((valid_until, now));
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
        if self.task == Task::Filed {
            self.task = Task::Refused;
        }
        self.known = false;
        self.answer = None;
    }

    pub(crate) fn knows(&self) -> bool {
        self.known
    }
}
