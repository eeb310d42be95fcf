//! Another version of the kernel half takes over: there is no moment without a gate.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, shell},
        daemon::{self, Process},
        programs,
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    while_the_programs_are_replaced_nothing_runs_free,
    a_replacement_that_did_not_come_to_its_end_is_made_again,
    pinned_maps_of_another_shape_are_refused_and_the_gate_stays_shut,
];

const OBJECT: &str = "/usr/lib/holdpoint/holdpoint.bpf.o";
const PINS: &str = "/sys/fs/bpf/holdpoint";

/// Makes the object another one: what stands behind the end of an ELF file means nothing.
struct Changed(Vec<u8>);

impl Changed {
    fn object() -> Self {
        let before = fs::read(OBJECT).unwrap();
        OpenOptions::new().append(true).open(OBJECT).unwrap().write_all(b"another version").unwrap();
        Self(before)
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        let _ = fs::write(OBJECT, &self.0);
    }
}

/// The directories of links, each with its number of entries.
fn links() -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = fs::read_dir(PINS)
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name.starts_with("links-").then(|| (name, fs::read_dir(entry.path()).unwrap().count()))
        })
        .collect();
    found.sort();
    found
}

fn while_the_programs_are_replaced_nothing_runs_free() {
    let mut daemon = daemon::with_own_gate(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    shell("rm -f /tmp/hp-free; touch /tmp/hp-free; chmod 666 /tmp/hp-free");
    let unguarded =
        Agent::unguarded(User::Agent, &["hp-forbidden", "--append", "/tmp/hp-free", "unguarded", "0"]);
    assert_eq!((unguarded.code, fs::read_to_string("/tmp/hp-free").unwrap().as_str()), (0, "unguarded\n"));
    fs::write("/tmp/hp-free", "").unwrap();
    // They try all the while, by an exec of their own and by a fork and an exec.
    let line = "while [ ! -e /tmp/hp-enough ]; do hp-forbidden --append /tmp/hp-free $$ 0 2>/dev/null; \
                (exec hp-forbidden --append /tmp/hp-free $$ 0) 2>/dev/null; done; echo ended";
    shell("rm -f /tmp/hp-enough");
    let mut loops: Vec<Agent> = (0..4).map(|_| Agent::start(&["sh", "-c", line])).collect();
    let mut held = Agent::start(&["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    let request = daemon.request(&held);
    let before = links();
    let mut tried = daemon.client().counter("refused_by_verdict");
    for round in 0..3 {
        let changed = Changed::object();
        if round == 1 {
            daemon.kill();
        } else {
            daemon.stop();
        }
        daemon.start_again();
        drop(changed);
        let now = daemon.client().counter("refused_by_verdict");
        assert!(now >= tried, "the counters began anew");
        tried = now;
        assert_eq!(links().len(), 1, "{:?}", links());
        assert_ne!(links(), before, "the programs are the old ones");
        // And back to the version from before.
        daemon.stop();
        daemon.start_again();
        assert_eq!(links(), before);
    }
    let again = daemon.request(&held);
    assert_eq!((&again.id, again.made_at), (&request.id, request.made_at), "it was asked twice");
    daemon.approve(&again);
    assert!(held.end().output.contains("status 7"), "{}", held.output());
    assert_eq!(Snapshot::all_reported(&held.output()).len(), 1);
    fs::write("/tmp/hp-enough", "").unwrap();
    for agent in &mut loops {
        agent.said("ended");
    }
    assert_eq!(fs::read_to_string("/tmp/hp-free").unwrap(), "", "a denied program ran");
    assert!(daemon.client().counter("refused_by_verdict") > 20, "they have hardly tried");
}

fn a_replacement_that_did_not_come_to_its_end_is_made_again() {
    let mut daemon = daemon::with_own_gate(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let before = links();
    daemon.stop();
    // As a daemon leaves it that dies while it attaches: some links, of a version that never came into force.
    let (own, _) = &before[0];
    let other = Path::new(PINS).join("links-0123456789abcdef");
    fs::create_dir(&other).unwrap();
    let changed = Changed::object();
    daemon.start_again();
    assert_eq!(links().len(), 1, "{:?}", links());
    assert_ne!(&links()[0].0, own);
    drop(changed);
    daemon.stop();
    daemon.start_again();
    assert_eq!(links(), before);
    let mut agent = Agent::start(&["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"));
}

fn pinned_maps_of_another_shape_are_refused_and_the_gate_stays_shut() {
    let mut daemon = daemon::with_own_gate(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let mut agent = Agent::start(&["sh", "-c", "echo ready; read -r line; hp-dynamic 7; echo \"status $?\""]);
    agent.said("ready");
    daemon.stop();
    // The map of one name is another.
    shell(&format!("cd {PINS}/maps && mv holds aside && mv retries holds"));
    let mut next = Process::start();
    assert!(!next.ended().success());
    for word in ["its map 'holds' is", "ours is", "--take-down", "the gate is shut"] {
        assert!(next.log().contains(word), "'{word}' is missing: {}", next.log());
    }
    agent.say("go");
    eventually("the exec is held without a daemon", || agent.stopped_child());
    shell(&format!("cd {PINS}/maps && mv holds retries && mv aside holds"));
    daemon.start_again();
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"));
}
