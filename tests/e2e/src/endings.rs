//! How a hold ends when nobody approves it in time, and what comes between: clocks, signals, death.

use std::{fs, path::Path};

use holdpoint_core::request::{Outcome, State, Verdict};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, run},
        daemon,
        programs::{self, DYNAMIC_ELF, FORBIDDEN, HARMLESS, IMPATIENT, SHORT_LIVED},
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    without_a_vote_the_exec_fails_when_the_time_is_up,
    an_approval_that_the_task_cannot_use_in_time_expires,
    the_death_of_the_held_process_cancels_its_request,
    a_signal_that_ends_the_process_cancels_and_kills_it,
    an_ignored_signal_changes_nothing,
    continuing_a_held_process_holds_it_again_and_asks_nobody_anew,
    a_storm_of_continues_lets_nothing_run_and_shows_no_errno,
    a_handler_for_sigcont_sees_no_errno_of_the_kernels,
    a_rule_denies_without_asking,
    a_rule_allows_without_asking,
    a_refused_exec_passes_once_when_tried_again_after_approval,
    an_interactive_bash_shows_a_stopped_job_that_goes_on_after_the_approval,
    in_an_interactive_bash_a_refused_command_works_when_tried_again,
];

/// The pid of the process that a request is about.
fn pid(request: &holdpoint_core::wire::RequestView) -> Pid {
    Pid::from_raw(i32::try_from(request.facts.as_ref().unwrap().pid).unwrap())
}

/// What sh says when it has run the program with the status 7.
fn in_sh(program: &str) -> String {
    format!("{program} 7; echo \"status $?\"")
}

/// The command does its work unguarded.
fn works_unguarded(command: &[&str]) {
    programs::install();
    let said = Agent::unguarded(User::Agent, command);
    assert!(said.output.contains("status 7"), "unguarded: {said:?}");
    assert_eq!(Snapshot::all_reported(&said.output).len(), 1, "unguarded: {said:?}");
}

fn without_a_vote_the_exec_fails_when_the_time_is_up() {
    let line = in_sh(IMPATIENT);
    works_unguarded(&["sh", "-c", &line]);
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let request = daemon.request(&agent);
    let said = agent.end();
    assert!(said.output.contains("Operation not permitted\nstatus 126"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output), []);
    assert_eq!(daemon.end_of(&request), (Verdict::Expired, Outcome::Refused));
    let late = daemon.client().vote(request.id.as_str(), holdpoint_core::request::VoteKind::Approve);
    assert_eq!(late.unwrap_err().kind, "urn:holdpoint:problem:already-decided");
}

/// A cgroup that can be frozen: what is in it does not go on, whatever signals it gets.
struct Freezer(&'static str);

impl Freezer {
    fn around(pid: Pid) -> Self {
        let freezer = Self("/sys/fs/cgroup/holdpoint-tests");
        fs::create_dir_all(freezer.0).unwrap();
        fs::write(Path::new(freezer.0).join("cgroup.procs"), pid.to_string()).unwrap();
        freezer.set("1");
        let events = Path::new(freezer.0).join("cgroup.events");
        eventually("the cgroup is frozen", || {
            fs::read_to_string(&events).unwrap().contains("frozen 1").then_some(())
        });
        freezer
    }

    fn set(&self, value: &str) {
        fs::write(Path::new(self.0).join("cgroup.freeze"), value).unwrap();
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.set("0");
    }
}

fn an_approval_that_the_task_cannot_use_in_time_expires() {
    let line = in_sh(SHORT_LIVED);
    works_unguarded(&["sh", "-c", &line]);
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let request = daemon.request(&agent);
    let freezer = Freezer::around(pid(&request));
    daemon.approve(&request);
    daemon.watch.until("the approval expires", |requests| {
        let state = &requests.iter().find(|view| view.hold == request.hold)?.state;
        match state {
            State::Refusing { verdict, .. } | State::Ended { verdict, .. } => {
                assert_eq!(*verdict, Verdict::Expired);
                Some(())
            }
            _ => None,
        }
    });
    drop(freezer);
    let said = agent.end();
    assert!(said.output.contains("Operation not permitted\nstatus 126"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output), [], "it ran on an approval that had expired");
    assert_eq!(daemon.end_of(&request), (Verdict::Expired, Outcome::Refused));
}

fn the_death_of_the_held_process_cancels_its_request() {
    let line = in_sh(DYNAMIC_ELF);
    works_unguarded(&["sh", "-c", &line]);
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let request = daemon.request(&agent);
    kill(pid(&request), Signal::SIGKILL).unwrap();
    let said = agent.end();
    assert!(said.output.contains("status 137"), "{said:?}");
    assert_eq!(daemon.end_of(&request), (Verdict::Cancelled, Outcome::NeverRan));
    let late = daemon.client().vote(request.id.as_str(), holdpoint_core::request::VoteKind::Approve);
    assert_eq!(late.unwrap_err().kind, "urn:holdpoint:problem:already-decided");
}

fn a_signal_that_ends_the_process_cancels_and_kills_it() {
    let line = in_sh(DYNAMIC_ELF);
    works_unguarded(&["bash", "-c", &line]);
    let daemon = daemon::plain();
    for (signal, status) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        // Not sh: up to the exec its child has the handler for SIGINT that `sh -c` installs, and does not end by it.
        let mut agent = Agent::start(&["bash", "-c", &line]);
        let request = daemon.request(&agent);
        kill(pid(&request), signal).unwrap();
        assert_eq!(daemon.end_of(&request), (Verdict::Cancelled, Outcome::NeverRan), "{signal}");
        let said = agent.end();
        // bash dies of an interrupt that killed its child, as its own parent would want it to.
        let expected = said.output.contains(&format!("status {status}")) || said.code == status;
        assert!(expected, "{signal}: {said:?}");
        assert_eq!(Snapshot::all_reported(&said.output), []);
    }
}

fn an_ignored_signal_changes_nothing() {
    let line = format!("trap '' TERM; {}", in_sh(DYNAMIC_ELF));
    works_unguarded(&["sh", "-c", &line]);
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let request = daemon.request(&agent);
    kill(pid(&request), Signal::SIGTERM).unwrap();
    kill(pid(&request), Signal::SIGCHLD).unwrap();
    kill(pid(&request), Signal::SIGWINCH).unwrap();
    daemon.approve(&request);
    let said = agent.end();
    assert!(said.output.contains("status 7"), "{said:?}");
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) }));
}

fn continuing_a_held_process_holds_it_again_and_asks_nobody_anew() {
    let line = in_sh(DYNAMIC_ELF);
    works_unguarded(&["sh", "-c", &line]);
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let request = daemon.request(&agent);
    for _ in 0..5 {
        let before = daemon.client().counter("held_again");
        kill(pid(&request), Signal::SIGCONT).unwrap();
        eventually("the exec is held again", || {
            (daemon.client().counter("held_again") > before).then_some(())
        });
    }
    assert_eq!(agent.output(), "", "it ran, or came back");
    assert_eq!(daemon.client().pending().len(), 1);
    daemon.approve(&request);
    let said = agent.end();
    assert!(said.output.contains("status 7"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output).len(), 1);
    assert_eq!(daemon.count(&agent), 1);
}

fn a_storm_of_continues_lets_nothing_run_and_shows_no_errno() {
    let line = in_sh(DYNAMIC_ELF);
    works_unguarded(&["sh", "-c", &line]);
    let mut daemon = daemon::plain();
    for approve in [true, false] {
        let mut agent = Agent::start(&["sh", "-c", &line]);
        let request = daemon.request(&agent);
        let target = pid(&request).to_string();
        let storm = std::thread::spawn(move || {
            run(User::Agent.command("holdpoint-test-agent", None).args(["continue", &target, "3000"]))
        });
        if approve {
            daemon.approve(&request);
        } else {
            daemon.deny(&request);
        }
        let said = agent.end();
        let storm = storm.join().unwrap();
        // All sent, or until the process was gone (ESRCH).
        assert!(storm.output.contains("continued 3000") || storm.output.contains("errno=3"), "{storm:?}");
        let (expected, runs) =
            if approve { ("status 7", 1) } else { ("Operation not permitted\nstatus 126", 0) };
        assert!(said.output.contains(expected), "{said:?}");
        assert_eq!(Snapshot::all_reported(&said.output).len(), runs, "{said:?}");
        assert_eq!(daemon.count(&agent), 1, "asked more than once");
    }
}

fn a_handler_for_sigcont_sees_no_errno_of_the_kernels() {
    let line = format!("holdpoint-test-agent exec-with-handler {DYNAMIC_ELF} 7; echo \"status $?\"");
    works_unguarded(&["sh", "-c", &line]);
    let mut daemon = daemon::plain();
    for approve in [true, false] {
        let mut agent = Agent::start(&["sh", "-c", &line]);
        let request = daemon.request(&agent);
        for _ in 0..5 {
            let before = daemon.client().counter("held_again");
            kill(pid(&request), Signal::SIGCONT).unwrap();
            eventually("the exec is held again", || {
                (daemon.client().counter("held_again") > before).then_some(())
            });
        }
        if approve {
            daemon.approve(&request);
        } else {
            daemon.deny(&request);
        }
        let said = agent.end();
        let expected = if approve { "status 7" } else { "errno=1\nstatus 100" };
        assert!(said.output.contains(expected), "{said:?}");
        assert_eq!(said.output.matches("errno=").count(), usize::from(!approve), "{said:?}");
        assert_eq!(daemon.count(&agent), 1, "asked more than once");
    }
}

fn a_rule_denies_without_asking() {
    let line = in_sh(FORBIDDEN);
    works_unguarded(&["sh", "-c", &line]);
    let daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let said = agent.end();
    assert!(said.output.contains("Operation not permitted\nstatus 126"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output), []);
    let rule = |requests: &[holdpoint_core::wire::RequestView]| {
        let view = requests.iter().find(|view| daemon::is_of(view, &agent))?;
        matches!(view.state, State::Ended { .. })
            .then(|| (view.decision.rule.clone(), view.state.clone(), view.votes.len()))
    };
    let (rule, state, votes) = daemon.watch.until("the record of the denial", rule);
    assert_eq!(rule.as_deref(), Some("forbidden"));
    assert_eq!(state, State::Ended { verdict: Verdict::Denied, outcome: Outcome::Refused });
    assert_eq!(votes, 0);
}

fn a_rule_allows_without_asking() {
    let line = in_sh(HARMLESS);
    works_unguarded(&["sh", "-c", &line]);
    let daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let said = agent.end();
    assert!(said.output.contains("status 7"), "{said:?}");
    let view = daemon.watch.until("the record of the exec", |requests| {
        requests
            .iter()
            .find(|view| daemon::is_of(view, &agent))
            .filter(|view| matches!(view.state, State::Ended { .. }))
            .cloned()
    });
    assert_eq!(view.decision.rule.as_deref(), Some("harmless"));
    let executed = Outcome::Executed { status: Some(7 << 8) };
    assert_eq!(view.state, State::Ended { verdict: Verdict::Approved, outcome: executed });
}

/// For callers that must not be stopped.
const REFUSE: &str =
    "[[rule]]\nname = \"refused\"\nexec = [\"hp-dynamic\"]\naction = \"ask\"\nwait = \"refuse\"\n";

fn a_refused_exec_passes_once_when_tried_again_after_approval() {
    let line = "while read -r line; do hp-dynamic 7; echo \"status $?\"; done";
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-refuse.toml", REFUSE)]);
    let mut agent = Agent::start(&["sh", "-c", line]);
    agent.say("once");
    agent.said("status 126");
    let request = daemon.request(&agent);
    agent.say("again, before anybody has decided");
    eventually("a second refusal", || (agent.output().matches("status 126").count() == 2).then_some(()));
    assert_eq!(daemon.client().pending().len(), 1, "the same action was asked about twice");
    daemon.approve(&request);
    agent.say("after the approval");
    agent.said("status 7");
    agent.say("and once more");
    eventually("a third refusal", || (agent.output().matches("status 126").count() == 3).then_some(()));
    assert_eq!(Snapshot::all_reported(&agent.output()).len(), 1);
}

/// With job control, and a terminal that script(1) makes.
const INTERACTIVE: [&str; 4] = ["script", "-qec", "bash --norc -i", "/dev/null"];

fn an_interactive_bash_shows_a_stopped_job_that_goes_on_after_the_approval() {
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&INTERACTIVE);
    agent.say("hp-dynamic 7");
    let request = daemon.request(&agent);
    assert!(
        request.facts.as_ref().unwrap().tty.as_deref().unwrap_or_default().starts_with("pts/"),
        "{request:?}"
    );
    agent.said("[1]+  Stopped");
    assert_eq!(Snapshot::all_reported(&agent.output()), []);
    daemon.approve(&request);
    agent.said("{\"pid\"");
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) }));
    agent.say("exit 0");
    assert_eq!(agent.end().code, 0);
}

fn in_an_interactive_bash_a_refused_command_works_when_tried_again() {
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-refuse.toml", REFUSE)]);
    let mut agent = Agent::start(&INTERACTIVE);
    agent.say("hp-dynamic 7");
    let request = daemon.request(&agent);
    agent.said("Operation not permitted");
    daemon.approve(&request);
    agent.say("hp-dynamic 7; echo \"and then $?\"");
    agent.said("and then 7");
    assert_eq!(Snapshot::all_reported(&agent.output()).len(), 1);
    assert!(!agent.output().contains("Stopped"), "{}", agent.output());
    agent.say("exit 0");
    agent.end();
}
