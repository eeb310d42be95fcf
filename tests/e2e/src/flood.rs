//! Agents that ask without end: they are asked about within their limits, what was denied is not asked again at once, and
//! others are served meanwhile.

use std::{fs, path::Path, time::Instant};

use holdpoint_core::{
    flood::Cause,
    request::{Outcome, State, Verdict},
    wire::{Log, LogEvent, RequestList, RequestView},
};
use nix::sys::signal::Signal;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint, shell},
        daemon::{self, CONFIG, Daemon},
        ledger::Ran,
        programs,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    without_limits_each_exec_of_a_flood_is_a_request,
    a_flood_is_asked_about_within_its_limit_and_another_agent_is_served_meanwhile,
    of_requests_within_a_minute_no_more_than_the_limit_are_made_also_after_a_restart,
    what_was_denied_is_refused_without_asking_until_the_cooldown_is_over,
    what_was_denied_when_it_was_filed_is_refused_without_asking_too,
    a_flood_of_what_a_rule_denies_does_not_fill_the_record,
    a_flood_of_filings_that_nobody_reads_is_refused_and_counted,
];

const REFUSE: &str =
    "[[rule]]\nname = \"refused\"\nexec = [\"hp-static\"]\naction = \"ask\"\nwait = \"refuse\"\n";

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

/// Execs that an agent tries at once.
const FLOOD: u32 = 200;

fn limits(keys: &str) -> String {
    format!("require_login_uid = false\n[limits]\n{keys}\n")
}

fn limited(keys: &str) -> Daemon {
    daemon::with(&limits(keys), &[("50-tests.toml", programs::RULES)])
}

fn reload(keys: &str) {
    fs::write(CONFIG, limits(keys)).unwrap();
    let said = holdpoint(&["reload"]);
    assert_eq!(said.code, 0, "{said:?}");
}

/// So many execs at once, each with other arguments, and then what it is told of why they failed. It waits for a word
/// before it ends, since a process of the agent has to ask.
fn flood(ran: &Ran, count: u32) -> Agent {
    let line = format!(
        "i=0; while [ $i -lt {count} ]; do ({}) & i=$((i + 1)); done; read -r word; holdpoint why; wait; echo ended",
        ran.one("flood-$i")
    );
    Agent::start(&["sh", "-c", &line])
}

/// How many of its execs have failed with EPERM.
fn failed(agent: &Agent) -> usize {
    agent.output().lines().filter(|line| line.starts_with("status 126 of ")).count()
}

/// The flood does its work unguarded.
fn works_unguarded() -> Ran {
    let ran = Ran::empty();
    let said = Agent::unguarded(User::Agent, &["sh", "-c", &ran.one("unguarded")]);
    assert_eq!(said.output, "status 0 of unguarded: \n");
    Ran::empty()
}

/// All requests of the agent, whatever became of them.
fn requests_of(daemon: &mut Daemon, agent: &Agent) -> Vec<RequestView> {
    let all = daemon.client().get::<RequestList>("/v1/requests?state=all&limit=10000").requests;
    all.into_iter().filter(|view| daemon::is_of(view, agent)).collect()
}

/// What the record says of refusals for this cause: entries, and actions.
fn recorded(daemon: &mut Daemon, cause: Cause) -> (usize, u64) {
    let log: Log = daemon.client().get("/v1/log?limit=10000");
    let of_cause = log.entries.iter().filter_map(|entry| match &entry.event {
        LogEvent::RefusedUnasked { cause: told, more, .. } if *told == cause => Some(more + 1),
        _ => None,
    });
    let told: Vec<u64> = of_cause.collect();
    (told.len(), told.iter().sum())
}

fn without_limits_each_exec_of_a_flood_is_a_request() {
    let ran = works_unguarded();
    let mut daemon = daemon::plain();
    let mut agent = flood(&ran, 60);
    let requests = daemon.requests(&agent, 60);
    assert_eq!(failed(&agent), 0);
    for request in &requests {
        daemon.deny(request);
    }
    agent.end();
    assert_eq!(requests_of(&mut daemon, &agent).len(), 60);
}

fn a_flood_is_asked_about_within_its_limit_and_another_agent_is_served_meanwhile() {
    let ran = works_unguarded();
    let mut daemon = limited("agent_pending = 5\nagent_per_minute = 1000");
    let (mut quiet, mut other) = (Agent::start(&LOOP), Agent::start(&LOOP));
    let served = |daemon: &mut Daemon, agent: &mut Agent, status: u32| {
        let begun = Instant::now();
        agent.say(&format!("hp-dynamic {status}"));
        let request = daemon.request(agent);
        let asked = begun.elapsed();
        daemon.approve(&request);
        agent.said(&format!("status {status}\n"));
        asked
    };
    let alone = served(&mut daemon, &mut quiet, 7);
    let begun = Instant::now();
    let mut agent = flood(&ran, FLOOD);
    eventually("the flood begins", || (failed(&agent) > 5).then_some(()));
    let beside = served(&mut daemon, &mut other, 8);
    let again = served(&mut daemon, &mut quiet, 9);
    let refused_by_then = failed(&agent);
    eventually("all others are refused", || (failed(&agent) == FLOOD as usize - 5).then_some(()));
    println!(
        "(asked after {} ms alone, {} and {} ms beside a flood of {FLOOD}, of which {refused_by_then} had been refused) ",
        alone.as_millis(),
        beside.as_millis(),
        again.as_millis()
    );
    let requests = daemon.requests(&agent, 5);
    assert_eq!(daemon.client().pending().len(), 5);
    assert_eq!(daemon.client().counter("refused_agent_pending"), u64::from(FLOOD) - 5);
    assert_eq!(fs::read_to_string(ran.path()).unwrap(), "", "something ran unasked");
    // The agent itself is told.
    agent.say("why");
    agent.said("waits for people");
    let said = agent.output();
    let because = Cause::AgentPending.because();
    let others = format!("{} others for the same cause", FLOOD - 6);
    assert!(said.contains(because) && said.contains(&others), "{said}");
    assert!(said.contains("until  ") && said.contains(" left"), "{said}");
    // What waits is decided as ever, and makes room for others.
    for request in &requests {
        daemon.approve(request);
    }
    let said = agent.end().output;
    assert_eq!(said.matches("status 0 of flood-").count(), 5, "{said}");
    assert_eq!(ran.counts().len(), 5);
    assert_eq!(requests_of(&mut daemon, &agent).len(), 5);
    // Few lines, and all of it is counted in them.
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60 + 1).unwrap();
    assert!(recorded(&mut daemon, Cause::AgentPending).0 <= minutes);
    daemon.stop();
    daemon.start_again();
    let (entries, actions) = recorded(&mut daemon, Cause::AgentPending);
    assert!(
        entries <= minutes + 1 && actions == u64::from(FLOOD) - 5,
        "{entries} entries, {actions} actions"
    );
    let log = holdpoint(&["log", "--limit", "10000"]).output;
    assert!(log.contains("refused_agent_pending") && log.contains(" more before)"), "{log}");
}

/// Has it try, and waits until it fails or is asked about: the request, where it is.
fn tries(daemon: &mut Daemon, agent: &mut Agent, command: &str) -> Option<RequestView> {
    let failed = agent.output().matches("status 126\n").count();
    agent.say(command);
    eventually("it fails or is asked about", || {
        let waits = daemon.client().pending().into_iter().find(|view| daemon::is_of(view, agent));
        let has_failed = agent.output().matches("status 126\n").count() > failed;
        (waits.is_some() || has_failed).then_some(waits)
    })
}

/// An agent that has asked three times, and was refused a fourth time, and a fifth time by another daemon. None where that
/// took longer than the minute in which it counts.
fn has_asked_three_times(daemon: &mut Daemon) -> Option<Agent> {
    let mut agent = Agent::start(&LOOP);
    for status in 1..=3 {
        agent.say(&format!("hp-dynamic {status}"));
        let request = daemon.request(&agent);
        daemon.approve(&request);
        agent.said(&format!("status {status}\n"));
    }
    if tries(daemon, &mut agent, "hp-dynamic 4").is_some() {
        return None;
    }
    daemon.kill();
    daemon.start_again();
    tries(daemon, &mut agent, "hp-dynamic 5").is_none().then_some(agent)
}

fn of_requests_within_a_minute_no_more_than_the_limit_are_made_also_after_a_restart() {
    let mut daemon = limited("agent_per_minute = 3");
    let mut other = Agent::start(&LOOP);
    let agent = (0..5).find_map(|_| has_asked_three_times(&mut daemon));
    let mut agent = agent.expect("the machine is too slow for this test");
    assert_eq!(daemon.client().counter("refused_agent_per_minute"), 1);
    assert_eq!(requests_of(&mut daemon, &agent).len(), 3);
    // Rules that allow know no limit, and others have their own.
    agent.say("hp-harmless 6");
    agent.said("status 6\n");
    other.say("hp-dynamic 7");
    let request = daemon.request(&other);
    daemon.approve(&request);
    other.said("status 7\n");
    agent.say("holdpoint why");
    agent.said(Cause::AgentPerMinute.because());
    reload("agent_per_minute = 60");
    agent.say("hp-dynamic 8");
    let request = daemon.request(&agent);
    daemon.approve(&request);
    agent.said("status 8\n");
}

/// Has it try, and waits until it has failed without a request.
fn refused_unasked(daemon: &mut Daemon, agent: &mut Agent, command: &str) {
    let (before, requests) =
        (agent.output().matches("status 126\n").count(), requests_of(daemon, agent).len());
    agent.say(command);
    eventually("it fails", || (agent.output().matches("status 126\n").count() > before).then_some(()));
    assert_eq!(requests_of(daemon, agent).len(), requests, "it was asked about");
}

/// Has it try, and denies it.
fn asked_and_denied(daemon: &mut Daemon, agent: &mut Agent, command: &str) -> RequestView {
    let before = agent.output().matches("status 126\n").count();
    agent.say(command);
    let request = daemon.request(agent);
    daemon.deny(&request);
    eventually("it fails", || (agent.output().matches("status 126\n").count() > before).then_some(()));
    assert_eq!(daemon.end_of(&request), (Verdict::Denied, Outcome::Refused));
    request
}

fn what_was_denied_is_refused_without_asking_until_the_cooldown_is_over() {
    let mut daemon = limited("cooldown = \"1h\"");
    let (mut agent, mut other) = (Agent::start(&LOOP), Agent::start(&LOOP));
    let denied = asked_and_denied(&mut daemon, &mut agent, "hp-dynamic 7");
    for _ in 0..3 {
        refused_unasked(&mut daemon, &mut agent, "hp-dynamic 7");
    }
    assert_eq!(daemon.client().counter("refused_cooldown"), 3);
    agent.say("holdpoint why");
    agent.said(&format!("{}, as request {}", Cause::Cooldown.because(), denied.id));
    agent.said("59m left");
    // Another daemon knows it as well.
    daemon.kill();
    daemon.start_again();
    refused_unasked(&mut daemon, &mut agent, "hp-dynamic 7");
    // What is another action is asked about: other arguments, another directory, another program, another agent.
    asked_and_denied(&mut daemon, &mut agent, "hp-dynamic 8");
    asked_and_denied(&mut daemon, &mut agent, "env --chdir=/var hp-dynamic 7");
    asked_and_denied(&mut daemon, &mut agent, "hp-static 7");
    asked_and_denied(&mut daemon, &mut other, "hp-dynamic 7");
    refused_unasked(&mut daemon, &mut agent, "hp-dynamic 7");
    // So is the same when the time is up, which a reload makes earlier.
    reload("cooldown = \"3s\"");
    let before = requests_of(&mut daemon, &agent).len();
    let again = eventually("it is asked about again", || tries(&mut daemon, &mut agent, "hp-dynamic 7"));
    assert_eq!(requests_of(&mut daemon, &agent).len(), before + 1);
    daemon.approve(&again);
    agent.said("status 7\n");
    // What expired was not denied: it may be asked again.
    for _ in 0..2 {
        agent.say("hp-impatient 7");
        let request = daemon.request(&agent);
        assert_eq!(daemon.end_of(&request), (Verdict::Expired, Outcome::Refused));
    }
}

fn what_was_denied_when_it_was_filed_is_refused_without_asking_too() {
    let mut daemon = daemon::with(&limits("cooldown = \"1h\""), &[("10-refuse.toml", REFUSE)]);
    let mut agent = Agent::start(&LOOP);
    agent.say("hp-static 7");
    agent.said("status 126\n");
    let request = daemon.request(&agent);
    daemon.deny(&request);
    assert_eq!(daemon.end_of(&request), (Verdict::Denied, Outcome::Refused));
    refused_unasked(&mut daemon, &mut agent, "hp-static 7");
    eventually("it was refused for that", || {
        (daemon.client().counter("refused_cooldown") == 1).then_some(())
    });
    refused_unasked(&mut daemon, &mut agent, "hp-static 7");
    reload("cooldown = \"0s\"");
    // Until the daemon has given the last one up, the kernel half refuses it by itself.
    eventually("it is asked about again", || {
        agent.say("hp-static 7");
        daemon.client().pending().into_iter().find(|view| daemon::is_of(view, &agent))
    });
}

fn a_flood_of_what_a_rule_denies_does_not_fill_the_record() {
    let ran = works_unguarded();
    let mut daemon = limited("agent_per_minute = 5");
    let command = format!("hp-forbidden --append {} $i 0", ran.path());
    let line = format!(
        "i=0; while [ $i -lt 100 ]; do {command}; echo \"status $?\"; i=$((i + 1)); done 2>/dev/null"
    );
    let begun = Instant::now();
    let said = Agent::start(&["sh", "-c", &line]).end().output;
    let minutes = begun.elapsed().as_secs() / 60 + 1;
    assert_eq!(said.matches("status 126\n").count(), 100, "{said}");
    assert_eq!(fs::read_to_string(ran.path()).unwrap(), "", "a denied program ran");
    let all = daemon.client().get::<RequestList>("/v1/requests?state=all&limit=10000").requests;
    assert!(all.len() as u64 <= 5 * minutes, "{} requests in {minutes} minutes", all.len());
    let counted = daemon.client().counter("refused_unrecorded");
    assert_eq!(counted + all.len() as u64, 100);
    daemon.stop();
    daemon.start_again();
    let (entries, actions) = recorded(&mut daemon, Cause::Unrecorded);
    assert_eq!(actions, counted);
    assert!(entries as u64 <= minutes + 1, "{entries} entries");
}

fn a_flood_of_filings_that_nobody_reads_is_refused_and_counted() {
    const COUNT: usize = 400;
    let ran = works_unguarded();
    let mut daemon =
        daemon::with(&limits("agent_pending = 5\nagent_per_minute = 1000"), &[("10-refuse.toml", REFUSE)]);
    let (mut agent, mut other) = (Agent::start(&LOOP), Agent::start(&LOOP));
    agent.say("true");
    agent.said("status 0\n");
    let before = fs::metadata(Path::new(daemon::STATE).join("holdpoint.db")).unwrap().len();
    let (full_before, filed_before) =
        (daemon.client().counter("refused_ring_full"), daemon.client().counter("filed"));
    // The buffer of filings has room for some 240.
    daemon.process().signal(Signal::SIGSTOP);
    let command = format!("hp-static --append {} $i 0", ran.path());
    agent.say(&format!("eval i=0; while [ $i -lt {COUNT} ]; do {command}; i=$((i + 1)); done"));
    eventually("all are refused", || {
        (agent.output().matches("not permitted").count() == COUNT).then_some(())
    });
    daemon.process().signal(Signal::SIGCONT);
    let full = eventually("the buffer was full", || {
        Some(daemon.client().counter("refused_ring_full") - full_before).filter(|count| *count > 0)
    });
    let filed = daemon.client().counter("filed") - filed_before;
    assert_eq!(full + filed, COUNT as u64);
    eventually("all that was filed is asked about or refused", || {
        let refused = daemon.client().counter("refused_agent_pending");
        (refused + daemon.client().status().pending == filed).then_some(())
    });
    assert_eq!(daemon.client().pending().len(), 5);
    assert_eq!(fs::read_to_string(ran.path()).unwrap(), "", "something ran unasked");
    let after = fs::metadata(Path::new(daemon::STATE).join("holdpoint.db")).unwrap().len();
    assert!(after < before + (1 << 20), "the database grew from {before} to {after} bytes");
    println!("({full} found no room, {filed} were filed) ");
    // Another agent's is filed and asked about.
    other.say("hp-static 7");
    other.said("status 126\n");
    let request = daemon.request(&other);
    daemon.approve(&request);
    other.say("hp-static 7");
    other.said("status 7\n");
    let state = daemon.client().request(request.id.as_str()).state;
    assert!(matches!(state, State::Running | State::Ended { verdict: Verdict::Approved, .. }), "{state:?}");
    shell("rm -f /tmp/holdpoint-ran");
}
