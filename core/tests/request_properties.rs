//! No sequence of votes, deaths, clocks, signals, crashes and full disks lets a task run twice, run without a
//! stored approval, or wait for ever.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod model;

use std::{num::NonZeroU64, time::Duration};

use holdpoint_core::{
    id::{HoldId, RequestId},
    policy::Wait,
    request::{Input, Outcome, Refusal, Request, State, Verdict, Vote, VoteKind, Voter},
    time::{BootTime, WallTime},
};
use model::{Daemon, Disk, Kernel, Task};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// What can happen, in any order.
#[derive(Clone, Debug)]
enum Happening {
    Vote(VoteKind),
    Decided(Refusal),
    AllowedByRule,
    Passes(u64),
    Turn,
    StrayContinue,
    Retry,
    SiblingStop,
    FatalSignal,
    ArgumentsChange,
    TaskDies,
    Crash,
    CrashAfter(usize),
    Restart,
    Disk(Disk),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => prop::sample::select(vec![VoteKind::Approve, VoteKind::Approve, VoteKind::Deny]).prop_map(Happening::Vote),
        1 => prop::sample::select(vec![Refusal::DeniedByRule, Refusal::Unreadable]).prop_map(Happening::Decided),
        1 => Just(Happening::AllowedByRule),
        4 => prop::sample::select(vec![0, 1, 5 * SECOND, 10 * SECOND, 10 * SECOND + 1, 40 * SECOND]).prop_map(Happening::Passes),
        8 => Just(Happening::Turn),
        2 => Just(Happening::StrayContinue),
        4 => Just(Happening::Retry),
        3 => Just(Happening::SiblingStop),
        1 => Just(Happening::FatalSignal),
        1 => Just(Happening::ArgumentsChange),
        1 => Just(Happening::TaskDies),
        1 => Just(Happening::Crash),
        2 => (0_usize..3).prop_map(Happening::CrashAfter),
        4 => Just(Happening::Restart),
        1 => Just(Happening::Disk(Disk::Full)),
        2 => Just(Happening::Disk(Disk::Works)),
    ]
}

fn wait() -> impl Strategy<Value = Wait> {
    prop::sample::select(vec![Wait::Hold, Wait::Refuse])
}

struct World {
    wait: Wait,
    kernel: Kernel,
    daemon: Daemon,
    now: BootTime,
    /// Votes that were counted and are on disk.
    counted: Vec<VoteKind>,
}

impl World {
    fn new(wait: Wait) -> Self {
        let now = BootTime(1000 * SECOND);
        let request = Request {
            id: RequestId::from_random(7),
            hold: HoldId(NonZeroU64::MIN),
            wait,
            made_at: now,
            deadline: now.after(Duration::from_secs(30)),
            valid_for: Duration::from_secs(10),
            state: State::Pending,
        };
        Self { wait, kernel: Kernel::new(wait), daemon: Daemon::new(request), now, counted: Vec::new() }
    }

    fn happens(&mut self, happening: &Happening) {
        let (kernel, now) = (&mut self.kernel, self.now);
        match happening {
            Happening::Vote(kind) => {
                if self.daemon.vote(&vote(*kind), kernel, now) == Some(Ok(())) {
                    self.counted.push(*kind);
                }
            }
            Happening::Decided(refusal) => self.daemon.step(&Input::Decided(*refusal), kernel, now),
            Happening::AllowedByRule => self.daemon.step(&Input::AllowedByRule, kernel, now),
            Happening::Passes(span) => self.now = now.after(Duration::from_nanos(*span)),
            Happening::Turn => self.daemon.turn(kernel, now),
            Happening::StrayContinue => kernel.go_on(now),
            Happening::Retry => kernel.retry(now),
            Happening::SiblingStop => kernel.sibling_stop = true,
            // A filing outlives the process that made it, and its signals.
            Happening::FatalSignal if self.wait == Wait::Refuse => {}
            Happening::FatalSignal => {
                kernel.signalled = true;
                self.daemon.step(&Input::Signalled, kernel, now);
            }
            Happening::ArgumentsChange => kernel.changed = true,
            Happening::TaskDies => kernel.die(),
            Happening::Crash => self.daemon.crash(),
            Happening::CrashAfter(effects) => self.daemon.crash_after = Some(*effects),
            Happening::Restart => self.daemon.restart(kernel, now),
            Happening::Disk(disk) => self.daemon.disk = *disk,
        }
        self.check();
    }

    /// What holds at every moment.
    fn check(&self) {
        let Self { kernel, daemon, .. } = self;
        assert!(kernel.runs.len() <= 1, "the program ran twice");
        for (valid_until, at) in &kernel.runs {
            let approval = |request: &Request| request.state == State::Approved { valid_until: *valid_until };
            assert!(daemon.stored.iter().any(approval), "the program ran without a stored approval");
            assert!(at < valid_until, "the program ran on an approval that had expired");
        }
        let mut ended = daemon.stored.iter().filter(|request| request.is_ended());
        if let Some(first) = ended.next() {
            assert!(ended.all(|request| request == first), "two verdicts were stored");
            assert!(daemon.stored.last().is_some_and(Request::is_ended), "an ended request came back");
        }
        assert!(self.counted.len() <= 1, "two votes decided one request");
    }

    /// The world calms down: the disk works, the daemon stays up, time goes on, the program ends.
    fn settle(&mut self) {
        self.daemon.disk = Disk::Works;
        self.daemon.crash_after = None;
        self.daemon.restart(&mut self.kernel, self.now);
        for _ in 0..12 {
            self.now = self.now.after(Duration::from_secs(60));
            self.daemon.turn(&mut self.kernel, self.now);
            self.check();
            if self.kernel.task == Task::Running {
                self.kernel.task = Task::Exited(0);
            }
        }
    }

    /// What holds at the end.
    fn check_the_end(&self) {
        let request = self.daemon.request().unwrap();
        let State::Ended { verdict, outcome } = request.state else {
            panic!("the request waits for ever: {:?}", self.daemon);
        };
        assert!(!self.kernel.knows(), "the hold was not forgotten");
        let happened = match self.kernel.task {
            Task::Exited(status) => Outcome::Executed { status: Some(status) },
            Task::Killed => Outcome::Killed,
            Task::Refused => Outcome::Refused,
            Task::Gone => Outcome::NeverRan,
            Task::Held | Task::Filed | Task::Running => panic!("the task waits for ever: {:?}", self.kernel),
        };
        assert_eq!(outcome, happened, "the record does not say what happened");
        if !self.kernel.runs.is_empty() {
            assert_eq!(
                verdict,
                Verdict::Approved,
                "the program ran, and the record says that nobody approved"
            );
        }
        match self.counted.first() {
            Some(VoteKind::Deny) => assert_eq!(verdict, Verdict::Denied, "a counted no was overruled"),
            Some(VoteKind::Approve) => assert_ne!(verdict, Verdict::Denied, "a counted yes was overruled"),
            None => {}
        }
    }
}

fn vote(kind: VoteKind) -> Vote {
    let voter = Voter { name: "ada".to_owned(), uid: 1000, login_uid: Some(1000), channel: "cli".to_owned() };
    Vote { kind, voter, reason: None, at: WallTime(0) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn nothing_runs_twice_or_unapproved_or_waits_for_ever(
        wait in wait(), happenings in prop::collection::vec(happening(), 0..40),
    ) {
        let mut world = World::new(wait);
        for happening in &happenings {
            world.happens(happening);
        }
        world.settle();
        world.check_the_end();
    }

    /// With a disk that stays full nothing is approved, and yet no task stays stopped.
    #[test]
    fn a_disk_that_stays_full_refuses_everybody(
        wait in wait(), happenings in prop::collection::vec(happening(), 0..20),
    ) {
        let mut world = World::new(wait);
        world.daemon.disk = Disk::Full;
        for happening in happenings.iter().filter(|happening| !matches!(happening, Happening::Disk(_))) {
            world.happens(happening);
        }
        world.daemon.crash_after = None;
        world.daemon.restart(&mut world.kernel, world.now);
        for _ in 0..4 {
            world.now = world.now.after(Duration::from_secs(60));
            world.daemon.turn(&mut world.kernel, world.now);
        }
        prop_assert!(world.kernel.runs.is_empty());
        // What is filed stops nobody: each try has its EPERM.
        prop_assert!(matches!(world.kernel.task, Task::Refused | Task::Gone | Task::Filed), "{:?}", world.kernel);
    }
}

/// The model is not so strict that nothing can happen in it: each end is reached by a short way.
#[test]
fn each_end_can_be_reached() {
    use Happening::{
        ArgumentsChange, Crash, CrashAfter, Decided, FatalSignal, Passes, Restart, SiblingStop, TaskDies,
        Turn,
    };
    let approve = Happening::Vote(VoteKind::Approve);
    let deny = Happening::Vote(VoteKind::Deny);
    let executed = Outcome::Executed { status: Some(0) };
    let minute = Passes(60 * SECOND);
    for (happenings, verdict, outcome) in [
        (vec![approve.clone(), Turn], Verdict::Approved, executed),
        (vec![SiblingStop, approve.clone(), Turn], Verdict::Approved, executed),
        (vec![CrashAfter(1), approve.clone(), Restart], Verdict::Approved, executed),
        (vec![CrashAfter(0), approve.clone(), Restart], Verdict::Expired, Outcome::Refused),
        (vec![approve.clone(), Crash, Passes(SECOND), Restart, Turn], Verdict::Approved, executed),
        (vec![SiblingStop, approve.clone(), minute.clone(), Turn, Turn], Verdict::Expired, Outcome::Refused),
        (vec![approve.clone(), minute.clone(), Happening::Vote(VoteKind::Deny)], Verdict::Approved, executed),
        (vec![ArgumentsChange, approve.clone(), Turn], Verdict::Approved, Outcome::Killed),
        (vec![deny.clone(), approve.clone()], Verdict::Denied, Outcome::Refused),
        (vec![minute, approve.clone()], Verdict::Expired, Outcome::Refused),
        (vec![FatalSignal, approve.clone()], Verdict::Cancelled, Outcome::NeverRan),
        (vec![TaskDies, Turn, approve], Verdict::Cancelled, Outcome::NeverRan),
        (vec![Decided(Refusal::DeniedByRule)], Verdict::Denied, Outcome::Refused),
        (vec![Decided(Refusal::Unreadable)], Verdict::Cancelled, Outcome::Refused),
        (vec![Happening::AllowedByRule, deny], Verdict::Approved, executed),
    ] {
        let mut world = World::new(Wait::Hold);
        happenings.iter().for_each(|happening| world.happens(happening));
        world.settle();
        world.check_the_end();
        let state = &world.daemon.request().unwrap().state;
        assert_eq!(*state, State::Ended { verdict, outcome }, "{happenings:?}");
    }
}

/// The same for what was refused at once.
#[test]
fn each_end_of_a_filed_action_can_be_reached() {
    use Happening::{ArgumentsChange, Crash, CrashAfter, Decided, Passes, Restart, Retry, TaskDies, Turn};
    let approve = Happening::Vote(VoteKind::Approve);
    let deny = Happening::Vote(VoteKind::Deny);
    let executed = Outcome::Executed { status: Some(0) };
    let minute = Passes(60 * SECOND);
    for (happenings, verdict, outcome) in [
        (vec![approve.clone(), Retry, Turn], Verdict::Approved, executed),
        (vec![Retry, TaskDies, approve.clone(), Retry, Retry, Turn], Verdict::Approved, executed),
        (vec![approve.clone(), ArgumentsChange, Retry, Turn], Verdict::Approved, Outcome::Killed),
        (vec![approve.clone(), Turn], Verdict::Expired, Outcome::Refused),
        (vec![approve.clone(), minute.clone(), Retry, Turn], Verdict::Expired, Outcome::Refused),
        (vec![approve.clone(), Retry, minute.clone(), Turn], Verdict::Approved, executed),
        (vec![CrashAfter(1), approve.clone(), Restart, Retry], Verdict::Approved, executed),
        (vec![CrashAfter(0), approve.clone(), Restart, Retry], Verdict::Expired, Outcome::Refused),
        (vec![approve.clone(), Crash, Retry, minute.clone(), Restart], Verdict::Approved, executed),
        (vec![deny.clone(), Retry, approve.clone()], Verdict::Denied, Outcome::Refused),
        (vec![minute, approve, Retry], Verdict::Expired, Outcome::Refused),
        (vec![Decided(Refusal::DeniedByRule), Retry], Verdict::Denied, Outcome::Refused),
        (vec![Decided(Refusal::Unreadable), Retry], Verdict::Cancelled, Outcome::Refused),
        (vec![Happening::AllowedByRule, deny, Retry], Verdict::Approved, executed),
    ] {
        let mut world = World::new(Wait::Refuse);
        happenings.iter().for_each(|happening| world.happens(happening));
        world.settle();
        world.check_the_end();
        let state = &world.daemon.request().unwrap().state;
        assert_eq!(*state, State::Ended { verdict, outcome }, "{happenings:?}");
    }
}
