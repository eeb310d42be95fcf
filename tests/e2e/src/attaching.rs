//! `holdpoint attach`: what runs already becomes an agent's, with all threads and descendants.

use std::process::Command;

use holdpoint_core::wire::AgentList;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{Said, User, holdpoint, holdpoint_as, shell},
        daemon,
        programs::DYNAMIC_ELF,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    a_process_is_attached_with_its_descendants,
    of_a_process_that_forks_all_the_while_no_child_gets_away,
    a_thread_that_is_not_the_leader_is_attached_as_well,
    a_unit_is_attached_with_what_it_starts_later,
    what_cannot_be_attached_is_refused_with_the_reason,
    a_process_that_ends_while_it_is_attached_is_said_to_have_ended,
];

/// Runs each line of its input as a command and says its status.
const LOOP: &str = "while read -r line; do $line; echo \"status $?\"; done";

fn attach(agent: &str, pid: impl std::fmt::Display) -> Said {
    holdpoint(&["attach", "--agent", agent, "--pid", &format!("{pid}")])
}

fn a_process_is_attached_with_its_descendants() {
    let mut daemon = daemon::plain();
    let mut tree = Agent::start_plain(User::Bob, "late", &["sh", "-c", &format!("sh -c '{LOOP}'; echo end")]);
    tree.say("hp-dynamic 7");
    tree.said("status 7");
    let said = attach("late", tree.pid());
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.output, format!("attached process {} to agent late: 2 threads\n", tree.pid()));
    tree.say("hp-dynamic 6");
    let request = daemon.request(&tree);
    let list: AgentList = serde_json::from_str(&holdpoint(&["--json", "agents"]).output).unwrap();
    let late = list.agents.iter().find(|agent| agent.name == "late").unwrap();
    let root = u32::try_from(tree.pid().as_raw()).unwrap();
    let held = late.processes.iter().find(|process| process.state == 'T').unwrap();
    assert_eq!(held.pid, request.facts.as_ref().unwrap().pid);
    assert!(late.processes.iter().any(|process| process.pid == root), "{late:?}");
    daemon.approve(&request);
    tree.said("status 6");
    let log = holdpoint(&["log"]).output;
    assert!(log.contains(&format!("process {root} attached by root (2")), "{log}");
}

fn of_a_process_that_forks_all_the_while_no_child_gets_away() {
    let daemon = daemon::plain();
    shell("cd /tmp; rm -f hp-go hp-ran; mkfifo hp-go; touch hp-ran; chmod 666 hp-go hp-ran");
    // Each child waits for the word, and then executes what a rule denies. The children are made while the parent is
    // being attached; there is no exec in between that would find out about the parent.
    let line = "echo begun; i=0; while [ $i -lt 200 ]; do \
                  (read -r word </tmp/hp-go; hp-forbidden --append /tmp/hp-ran $i 0) 2>/dev/null & i=$((i + 1)); \
                done; echo forked; wait";
    let mut storm = Agent::start_plain(User::Bob, "storm", &["sh", "-c", line]);
    storm.said("begun");
    let said = attach("storm", storm.pid());
    assert_eq!(said.code, 0, "{said:?}");
    storm.said("forked");
    let go = "while pgrep -u bob -x sh >/dev/null; do timeout 1 sh -c 'echo go >/tmp/hp-go' || true; done";
    let go = std::thread::spawn(|| shell(go));
    storm.end();
    go.join().unwrap();
    let ran = std::fs::read_to_string("/tmp/hp-ran").unwrap();
    assert_eq!(ran, "", "children ran what is denied");
    daemon.watch.until("each child has tried", |requests| {
        (requests.iter().filter(|view| daemon::is_of(view, &storm)).count() == 200).then_some(())
    });
}

fn a_thread_that_is_not_the_leader_is_attached_as_well() {
    let mut daemon = daemon::plain();
    let command = ["holdpoint-test-agent", "exec-from-thread-when-told", DYNAMIC_ELF, "7"];
    let mut unguarded = Agent::start_plain(User::Bob, "threads", &command);
    unguarded.say("go");
    assert_eq!(unguarded.end().code, 7, "unguarded: {}", unguarded.output());
    let mut agent = Agent::start_plain(User::Bob, "threads", &command);
    agent.said("ready");
    assert_eq!(attach("threads", agent.pid()).code, 0);
    agent.say("go");
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert_eq!(agent.end().code, 7, "{}", agent.output());
}

fn a_unit_is_attached_with_what_it_starts_later() {
    let mut daemon = daemon::plain();
    shell(
        "rm -rf /tmp/hp-attach; mkdir -m 777 /tmp/hp-attach; mkfifo /tmp/hp-attach/in; chmod 666 /tmp/hp-attach/in",
    );
    shell(
        "systemctl reset-failed hp-attached.service 2>/dev/null || true; systemd-run --quiet --unit=hp-attached --uid=bob \
         sh -c 'while read -r line </tmp/hp-attach/in; do hp-dynamic $line; echo \"status $?\" >>/tmp/hp-attach/out; done'",
    );
    let wrote =
        |text: &str| std::fs::read_to_string("/tmp/hp-attach/out").ok().filter(|out| out.contains(text));
    shell("echo 7 >/tmp/hp-attach/in");
    eventually("it runs unguarded", || wrote("status 7"));
    let said = holdpoint(&["attach", "--agent", "unit", "--unit", "hp-attached.service"]);
    assert_eq!(said.code, 0, "{said:?}");
    shell("echo 6 >/tmp/hp-attach/in");
    let request = daemon
        .watch
        .until("it is held", |requests| requests.last().filter(|view| view.ended_at.is_none()).cloned());
    assert_eq!(request.facts.as_ref().unwrap().agent.name, "unit");
    daemon.approve(&request);
    eventually("it goes on", || wrote("status 6"));
    shell("systemctl stop hp-attached.service");
}

fn what_cannot_be_attached_is_refused_with_the_reason() {
    let mut daemon = daemon::plain();
    let own = daemon.client().status().pid;
    let refused = |said: Said, word: &str| {
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.errors.contains(word), "'{word}' is missing: {said:?}");
    };
    refused(attach("x", 1), "init");
    refused(attach("x", 2), "thread of the kernel");
    refused(attach("x", own), "holdpointd itself");
    refused(attach("x", 4_000_000), "No such process");
    let mut agent = Agent::start(&["sh", "-c", LOOP]);
    agent.say("true");
    agent.said("status 0");
    refused(attach("x", agent.pid()), &format!("belongs to agent '{}' already", agent.name()));
    let unit = |name: &str| holdpoint(&["attach", "--agent", "x", "--unit", name]);
    refused(unit("no-such-unit.service"), "no such unit");
    refused(unit("holdpointd.service"), "needs itself");
    refused(unit("a*.service"), "one unit is attached at a time");
    assert_eq!(holdpoint(&["attach", "--agent", "x"]).code, 2);
    assert_eq!(holdpoint(&["attach", "--agent", "X", "--pid", "1"]).code, 2);
    let said = holdpoint_as(User::Bob, None, &["attach", "--agent", "x", "--pid", &agent.pid().to_string()]);
    assert_eq!(said.code, 77, "{said:?}");
}

fn a_process_that_ends_while_it_is_attached_is_said_to_have_ended() {
    let mut daemon = daemon::plain();
    let (mut attached, mut ended) = (0, 0);
    // From one that ends before anybody looks to one that outlives it.
    for hundredths in (0..60).step_by(2) {
        let mut brief = Command::new("sleep").arg(format!("0.{hundredths:02}")).spawn().unwrap();
        let pid = brief.id();
        let reaper = std::thread::spawn(move || brief.wait().unwrap());
        let said = attach("brief", pid);
        reaper.join().unwrap();
        if said.code == 0 {
            attached += 1;
        } else {
            let words = ["No such process", "it has ended", "it ended while it was attached"];
            let is_told = words.iter().any(|word| said.errors.contains(word));
            assert!(said.code == 1 && is_told, "{said:?}");
            ended += 1;
        }
    }
    assert!(attached > 0 && ended > 0, "{attached} attached, {ended} ended");
    eventually("nothing is left of them", || {
        let list: AgentList = daemon.client().get("/v1/agents");
        let mut brief = list.agents.iter().filter(|agent| agent.name == "brief");
        brief.all(|agent| agent.processes.is_empty()).then_some(())
    });
    let agent = Agent::start(&["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    agent.said("status 7");
}
