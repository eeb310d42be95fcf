//! Races: somebody exchanges what is about to run all the while, at the worst moments, again and again. What was approved
//! runs, or nothing does.

use std::{collections::HashMap, time::Instant};

use holdpoint_core::{
    id::HoldId,
    request::{Outcome, State, Verdict},
    wire::RequestView,
};

use crate::{
    exchanged::DIFFERS,
    runner::{Test, tests},
    support::{
        agent::{Agent, end_all},
        cli::User,
        daemon::{self, Daemon},
        programs::{self, DYNAMIC_ELF},
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 600:
    what_a_neighbour_exchanges_all_the_while_runs_as_it_was_shown_or_not_at_all,
    what_another_process_writes_all_the_while_is_refused_to_it_or_kills,
    what_is_written_through_memory_that_was_opened_before_kills,
    what_is_written_where_nothing_refuses_it_kills,
    what_userfaultfd_serves_only_once_runs_as_it_was_shown_or_not_at_all,
];

pub(crate) const RACES: &[Test] = tests![Races, 7000:
    what_a_neighbour_exchanges_all_the_while_runs_as_it_was_shown_or_not_at_all,
    what_another_process_writes_all_the_while_is_refused_to_it_or_kills,
    what_is_written_through_memory_that_was_opened_before_kills,
    what_is_written_where_nothing_refuses_it_kills,
    what_userfaultfd_serves_only_once_runs_as_it_was_shown_or_not_at_all,
];

/// Side by side.
const AGENTS: usize = 4;

/// How often each is tried: 500 times, or as often as the soak says.
fn tries() -> usize {
    std::env::var("HOLDPOINT_E2E_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(500)
}

/// For what differs from another race in one point.
fn few() -> usize {
    tries() / 5
}

/// The attack works unguarded: the value runs that somebody else has put there.
fn exchanges_unguarded(user: User, attack: &str) {
    let line = format!("i=0; while [ $i -lt 20 ]; do i=$((i + 1)); {attack}; echo \"status $?\"; done");
    let unguarded = Agent::unguarded(user, &["sh", "-c", &line]);
    assert!(unguarded.output.contains("status 9\n"), "unguarded: {unguarded:?}");
}

/// What came of the attempts.
#[derive(Debug, Default)]
struct Figures {
    killed: usize,
    as_shown: usize,
    /// It could not be looked at.
    refused: usize,
}

impl Figures {
    fn all(&self) -> usize {
        self.killed + self.as_shown + self.refused
    }

    /// Adds one that has ended. `shown` is none where nobody was asked.
    fn add(&mut self, view: &RequestView, shown: Option<i32>) {
        let State::Ended { verdict, outcome } = view.state else { panic!("it goes on: {view:?}") };
        let note = view.note.as_deref().unwrap_or_default();
        match (verdict, outcome, shown) {
            (Verdict::Approved, Outcome::Killed, Some(_)) => {
                assert!(note.contains(DIFFERS), "{note}");
                self.killed += 1;
            }
            (Verdict::Approved, Outcome::Executed { status }, Some(shown)) => {
                assert_eq!(status, Some(shown << 8), "{shown} was approved, after {self:?}");
                self.as_shown += 1;
            }
            (Verdict::Cancelled, Outcome::Refused, None) => {
                assert!(note.contains("cannot read"), "{note}");
                self.refused += 1;
            }
            _ => panic!("{view:?}"),
        }
    }
}

/// Agents try it again and again, a person approves whatever they ask, and everything has to end as it was shown, or killed,
/// or refused. What the program's status says is the value that it got.
fn race(daemon: &mut Daemon, user: User, attack: &str, tries: usize) -> Figures {
    let begun = Instant::now();
    let each = tries.div_ceil(AGENTS);
    let line = format!(
        "i=0; while [ $i -lt {each} ]; do i=$((i + 1)); {attack} >/dev/null; echo \"status $?\"; done"
    );
    // All before this are somebody else's, or over.
    let mut from = daemon.watch.look(<[_]>::len);
    let mut agents: Vec<Agent> = (0..AGENTS).map(|_| Agent::start_as(user, &["sh", "-c", &line])).collect();
    let mut shown: HashMap<HoldId, i32> = HashMap::new();
    let mut over: Vec<bool> = Vec::new();
    let mut figures = Figures::default();
    while figures.all() < each * AGENTS {
        let news: Vec<(usize, RequestView)> = daemon.watch.until("the race goes on", |requests| {
            let later = requests.iter().enumerate().skip(from);
            let is_new = |(at, view): &(usize, &RequestView)| match view.state {
                State::Pending => !shown.contains_key(&view.hold),
                State::Ended { .. } => !over.get(at - from).is_some_and(|over| *over),
                _ => false,
            };
            let news: Vec<_> = later.filter(is_new).map(|(at, view)| (at, view.clone())).collect();
            (!news.is_empty()).then_some(news)
        });
        for (at, view) in news {
            if view.state == State::Pending {
                shown.insert(view.hold, i32::from(view.facts.as_ref().unwrap().argv[1].0[0] - b'0'));
                daemon.approve(&view);
                continue;
            }
            figures.add(&view, shown.get(&view.hold).copied());
            if over.len() <= at - from {
                over.resize(at - from + 1, false);
            }
            over[at - from] = true;
        }
        let done = over.iter().take_while(|over| **over).count();
        over.drain(..done);
        from += done;
    }
    // What the agents have seen of it is the same.
    let said = end_all(&mut agents).concat();
    let count = |status: &str| said.lines().filter(|line| *line == format!("status {status}")).count();
    assert_eq!(count("137"), figures.killed, "{figures:?}");
    assert_eq!(count("7") + count("9"), figures.as_shown, "{figures:?}");
    assert_eq!(count("100"), figures.refused, "{figures:?}");
    print!(
        "{} tries: {} killed, {} as they were shown, {} refused, {:.0} s: ",
        figures.all(),
        figures.killed,
        figures.as_shown,
        figures.refused,
        begun.elapsed().as_secs_f64()
    );
    figures
}

/// The program whose argument another process writes, with the value 7 until then.
fn written(way: &str) -> String {
    format!("holdpoint-test-agent exec-written {way} {DYNAMIC_ELF} 7 9")
}

fn what_a_neighbour_exchanges_all_the_while_runs_as_it_was_shown_or_not_at_all() {
    let attack = format!("holdpoint-test-agent exec-flickering {DYNAMIC_ELF} 7 9");
    exchanges_unguarded(User::Agent, &attack);
    let figures = race(&mut daemon::plain(), User::Agent, &attack, tries());
    assert!(figures.killed > 0, "the attack is none");
    assert!(figures.as_shown > 0, "nothing gets through");
    assert_eq!(figures.refused, 0);
}

/// Each call asks whether it may, and writes a thousand times. From the hold on it may not; one that had asked before goes on
/// to its end.
fn what_another_process_writes_all_the_while_is_refused_to_it_or_kills() {
    exchanges_unguarded(User::Agent, &written("process_vm_writev"));
    let mut daemon = daemon::plain();
    let before = daemon.client().counter("trace_refused");
    let figures = race(&mut daemon, User::Agent, &written("process_vm_writev"), tries());
    let refused = daemon.client().counter("trace_refused") - before;
    print!("{refused} calls refused: ");
    assert!(refused > 0, "nobody has tried to write to what is held");
    assert!(figures.as_shown > 0, "nothing gets through");
    assert_eq!(figures.refused, 0);
}

/// Whether somebody may write there is asked when it is opened, and never again: what remains is the comparison at the commit.
fn what_is_written_through_memory_that_was_opened_before_kills() {
    exchanges_unguarded(User::Agent, &written("/proc/PID/mem"));
    let figures = race(&mut daemon::plain(), User::Agent, &written("/proc/PID/mem"), few());
    assert!(figures.killed > 0, "the attack is none");
    assert!(figures.as_shown > 0, "nothing gets through");
    assert_eq!(figures.refused, 0);
}

/// The same as two tests above without the refusal, so that what comes behind it is seen to do its part.
fn what_is_written_where_nothing_refuses_it_kills() {
    exchanges_unguarded(User::Agent, &written("process_vm_writev"));
    daemon::prepare(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let mut daemon = Daemon::start_by(&mut daemon::without("trace_refused"));
    let before = daemon.client().counter("trace_refused");
    let figures = race(&mut daemon, User::Agent, &written("process_vm_writev"), few());
    assert_eq!(daemon.client().counter("trace_refused"), before, "it was refused all the same");
    assert!(figures.killed > 0, "the attack is none");
    assert!(figures.as_shown > 0, "nothing gets through");
    assert_eq!(figures.refused, 0);
}

/// The page is taken away between a millisecond and half a minute after the exec: before the daemon looks, which is refused
/// since the look waits for nobody; after it, which kills; or too late. Faults of the kernel's are root's to serve.
fn what_userfaultfd_serves_only_once_runs_as_it_was_shown_or_not_at_all() {
    let served =
        |milliseconds: &str| format!("holdpoint-test-agent exec-served {milliseconds} {DYNAMIC_ELF} 7 9");
    // Who looks into its memory finds the one value, and the program gets the other.
    let line = format!("{}; echo \"status $?\"", served("0"));
    let unguarded = Agent::unguarded(User::Root, &["sh", "-c", &line]);
    assert!(unguarded.output.starts_with("a look finds 7\n"), "unguarded: {unguarded:?}");
    assert!(unguarded.output.ends_with("status 9\n"), "unguarded: {unguarded:?}");
    let figures = race(&mut daemon::plain(), User::Root, &served("$((1 << i % 16))"), tries());
    assert!(figures.killed > 0, "the attack is none");
    assert!(figures.as_shown > 0, "nothing gets through");
}
