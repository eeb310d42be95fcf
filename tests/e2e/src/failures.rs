//! What is around the daemon fails: it is stopped, the disk is full, memory is short, the pins are gone.

use std::{fs, path::Path, process::Command};

use holdpoint_core::{
    request::{Outcome, State, Verdict, VoteKind},
    wire::{RequestView, Status},
};
use nix::sys::signal::Signal;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        api::Client,
        cli::{User, holdpoint, shell},
        daemon::{self, Daemon, Process},
        programs,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    while_the_daemon_is_stopped_execs_stay_held_and_afterwards_all_goes_on,
    on_a_full_disk_every_ask_is_denied_until_there_is_room_again,
    a_daemon_that_the_kernel_kills_for_its_memory_leaves_the_gate_shut,
    without_its_pins_the_gate_stays_shut_and_is_pinned_again,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

fn plain() -> Daemon {
    daemon::with(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)])
}

/// The first stopped child of the agent's first process.
fn held_child(agent: &Agent) -> u32 {
    eventually("the exec is held", || {
        let parent = agent.pid();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        let stopped = |pid: &&str| {
            let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
        };
        children.split_whitespace().find(stopped)?.parse().ok()
    })
}

fn works_unguarded() {
    let said = Agent::unguarded(User::Agent, &["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    assert!(said.output.contains("status 7"), "unguarded: {said:?}");
}

fn while_the_daemon_is_stopped_execs_stay_held_and_afterwards_all_goes_on() {
    works_unguarded();
    let mut daemon = plain();
    let (mut before, mut meanwhile) = (Agent::start(&LOOP), Agent::start(&LOOP));
    before.say("hp-dynamic 7");
    let request = daemon.request(&before);
    meanwhile.say("true");
    meanwhile.said("status 0");
    daemon.process().signal(Signal::SIGSTOP);
    let (mut client, id) = (Client::connect(), request.id.to_string());
    let vote = std::thread::spawn(move || client.vote(&id, VoteKind::Approve));
    meanwhile.say("unlisted 5");
    meanwhile.said("status 5");
    meanwhile.say("hp-dynamic 7");
    let held = held_child(&meanwhile);
    held_child(&before);
    assert!(!vote.is_finished(), "somebody else has answered");
    daemon.process().signal(Signal::SIGCONT);
    vote.join().unwrap().expect("the vote counts");
    before.said("status 7");
    let second = daemon.request(&meanwhile);
    assert_eq!(second.facts.as_ref().unwrap().pid, held);
    daemon.deny(&second);
    meanwhile.said("status 126");
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) }));
    assert_eq!(daemon.end_of(&second), (Verdict::Denied, Outcome::Refused));
    assert_eq!((daemon.count(&before), daemon.count(&meanwhile)), (1, 1), "asked twice");
}

/// A state directory of its own for a test, so small that it can be filled.
struct SmallDisk;

impl SmallDisk {
    fn mounted() -> Self {
        shell(&format!("mount -t tmpfs -o size=4m,mode=0700 tmpfs {}", daemon::STATE));
        Self
    }

    fn fill(&self) {
        shell(&format!("! dd if=/dev/zero of={}/filler bs=4k 2>/dev/null", daemon::STATE));
    }

    fn make_room(&self) {
        fs::remove_file(Path::new(daemon::STATE).join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        shell(&format!("umount --lazy {}", daemon::STATE));
    }
}

fn on_a_full_disk_every_ask_is_denied_until_there_is_room_again() {
    works_unguarded();
    daemon::take_down_shared();
    daemon::prepare(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let disk = SmallDisk::mounted();
    let mut daemon = Daemon::start();
    let (mut agent, mut waiting) = (Agent::start(&LOOP), Agent::start(&LOOP));
    agent.say("hp-dynamic 7");
    let first = daemon.request(&agent);
    daemon.approve(&first);
    agent.said("status 7");
    daemon.end_of(&first);
    waiting.say("hp-dynamic 7");
    let open = daemon.request(&waiting);
    disk.fill();
    // What waits already cannot be approved any more: an approval that is not on record lets nothing run.
    let problem = daemon.client().vote(open.id.as_str(), VoteKind::Approve).expect_err("it was approved");
    assert!(problem.kind.ends_with(":store-failed") && problem.detail.contains("full"), "{problem:?}");
    waiting.said("status 126");
    agent.say("hp-dynamic 8");
    agent.said("status 126");
    agent.say("unlisted 5");
    agent.said("status 5");
    let log = daemon.process().logged("the store cannot be written: every ask is denied");
    assert!(log.contains("full"), "{log}");
    let status = holdpoint(&["status"]);
    assert!(status.output.contains("every ask is denied") && status.output.contains("full"), "{status:?}");
    let mut refused = Agent::start(&["hp-dynamic", "7"]);
    let said = refused.end();
    assert!(said.code != 7 && said.output.contains("full"), "an agent that is on no record: {said:?}");
    // One that is to start now does not, and says why. The gate stays shut.
    daemon.kill();
    agent.say("hp-dynamic 9");
    let held = held_child(&agent);
    let mut next = Process::start();
    assert!(!next.ended().success(), "{}", next.log());
    assert!(
        next.log().contains("No space left") && next.log().contains("the gate that is pinned stays shut"),
        "{}",
        next.log()
    );
    disk.make_room();
    daemon.start_again();
    let again = daemon.request(&agent);
    assert_eq!(again.facts.as_ref().unwrap().pid, held);
    daemon.approve(&again);
    agent.said("status 9");
    // And a running one gets over it by itself.
    disk.fill();
    agent.say("hp-dynamic 10");
    eventually("it is denied", || (agent.output().matches("status 126").count() == 2).then_some(()));
    disk.make_room();
    agent.say("hp-dynamic 11");
    let last = daemon.request(&agent);
    daemon.process().logged("the store can be written again");
    daemon.approve(&last);
    agent.said("status 11");
    let status = holdpoint(&["status"]);
    assert!(!status.output.contains("problem"), "{status:?}");
    let output = agent.output();
    assert!(!output.contains("status 8") && !output.contains("status 10"), "{output}");
}

const GROUP: &str = "/sys/fs/cgroup/holdpoint-test-memory";

fn a_daemon_that_the_kernel_kills_for_its_memory_leaves_the_gate_shut() {
    works_unguarded();
    let mut daemon = plain();
    let (mut before, mut meanwhile) = (Agent::start(&LOOP), Agent::start(&LOOP));
    before.say("hp-dynamic 7");
    let request = daemon.request(&before);
    meanwhile.say("true");
    meanwhile.said("status 0");
    daemon.stop();
    fs::create_dir(GROUP).unwrap();
    let line = format!("echo 0 >{GROUP}/cgroup.procs; exec holdpointd");
    daemon.start_again_by(Command::new("sh").args(["-c", &line]));
    fs::write(format!("{GROUP}/memory.max"), "64K").unwrap();
    daemon.ended();
    let events = fs::read_to_string(format!("{GROUP}/memory.events")).unwrap();
    assert!(!events.contains("oom_kill 0"), "it was not killed for its memory: {events}");
    fs::remove_dir(GROUP).unwrap();
    meanwhile.say("hp-dynamic 7");
    let held = held_child(&meanwhile);
    assert!(!meanwhile.output().contains("status 7"), "it ran without a daemon");
    daemon.start_again();
    let again = daemon.request(&before);
    assert_eq!(
        (&again.id, again.hold, again.made_at),
        (&request.id, request.hold, request.made_at),
        "asked twice"
    );
    let second = daemon.request(&meanwhile);
    assert_eq!(second.facts.as_ref().unwrap().pid, held);
    daemon.approve(&again);
    daemon.deny(&second);
    before.said("status 7");
    meanwhile.said("status 126");
    assert_eq!(daemon.end_of(&again), (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) }));
}

const TRIED: &str = "/tmp/hp-tried";

/// An agent that tries all the while what is denied. What it gets to run writes into a file.
fn impatient() -> Agent {
    shell(&format!("rm -f {TRIED} /tmp/hp-enough; touch {TRIED}; chmod 666 {TRIED}"));
    let command = ["hp-forbidden", "--append", TRIED, "free", "0"];
    let unguarded = Agent::unguarded(User::Agent, &command);
    assert_eq!((unguarded.code, fs::read_to_string(TRIED).unwrap().as_str()), (0, "free\n"));
    fs::write(TRIED, "").unwrap();
    let line =
        format!("while [ ! -e /tmp/hp-enough ]; do {} 2>/dev/null; done; echo ended", command.join(" "));
    Agent::start(&["sh", "-c", &line])
}

/// Waits until it has tried some times more.
fn tries_on(daemon: &mut Daemon) {
    let before = daemon.client().counter("refused_by_verdict");
    eventually("it tries on", || (daemon.client().counter("refused_by_verdict") > before + 5).then_some(()));
}

fn without_its_pins_the_gate_stays_shut_and_is_pinned_again() {
    let mut daemon = daemon::with_own_gate(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let agent = impatient();
    let mut held = Agent::start(&LOOP);
    held.say("hp-dynamic 7");
    let request: RequestView = daemon.request(&held);
    // Single pins, while the file system is there.
    shell("rm -r /sys/fs/bpf/holdpoint/links-*");
    daemon.process().logged("are pinned again");
    tries_on(&mut daemon);
    shell("umount /sys/fs/bpf");
    let log = daemon.process().logged("only as long as holdpointd runs");
    assert!(log.contains("mount -t bpf"), "{log}");
    tries_on(&mut daemon);
    let status: Status = daemon.client().status();
    assert!(
        status.enforcing && status.problems.iter().any(|problem| problem.contains("/sys/fs/bpf")),
        "{status:?}"
    );
    shell("mount -t bpf bpf /sys/fs/bpf");
    eventually("it is pinned again", || daemon.client().status().problems.is_empty().then_some(()));
    tries_on(&mut daemon);
    // And now without a daemon.
    daemon.kill();
    held_child(&held);
    daemon.start_again();
    daemon.process().logged("adopting the pinned programs");
    tries_on(&mut daemon);
    shell("touch /tmp/hp-enough");
    agent.said("ended");
    assert_eq!(fs::read_to_string(TRIED).unwrap(), "", "a denied program ran");
    let again = daemon.request(&held);
    assert_eq!((&again.id, again.made_at), (&request.id, request.made_at), "asked twice");
    daemon.approve(&again);
    held.said("status 7");
    let ended = daemon.client().request(again.id.as_str()).state;
    assert!(matches!(ended, State::Running | State::Ended { verdict: Verdict::Approved, .. }), "{ended:?}");
}
