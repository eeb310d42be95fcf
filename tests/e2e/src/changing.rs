//! Files that change while the daemon runs: what comes is held without a reload, and nothing slips through meanwhile.

use std::{fs, os::unix::fs::symlink, path::Path};

use holdpoint_core::{
    request::{Outcome, Verdict},
    wire::RequestView,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint, shell},
        daemon::{self, Daemon},
        programs::{self, FORBIDDEN, put_copy},
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    a_new_file_under_a_glob_is_held_without_a_reload,
    a_new_directory_under_a_glob_is_looked_into,
    a_file_that_is_moved_over_what_a_listed_link_leads_to_is_held,
    a_link_of_a_listed_name_to_a_new_version_lists_the_new_one,
    a_hard_link_made_before_an_upgrade_stays_held_and_the_new_file_is_too,
    a_declared_executable_in_a_replaced_directory_makes_an_agent,
    rule_files_that_change_are_not_read_by_themselves,
    while_lists_are_replaced_all_the_time_no_denied_program_runs,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];
const ROOT: &str = "/opt/holdpoint-tests/changing";

fn path(name: &str) -> String {
    format!("{ROOT}/{name}")
}

fn fresh() {
    programs::install();
    shell(&format!("rm -rf {ROOT} && mkdir -p {ROOT}"));
}

/// A daemon with one rule about these programs, and those of the tests.
fn with(action: &str, programs: &str) -> Daemon {
    let rule = format!("[[rule]]\nname = \"changing\"\nexec = [{programs}]\naction = \"{action}\"\n");
    daemon::with(daemon::PLAIN_CONFIG, &[("10-changing.toml", &rule), ("50-tests.toml", programs::RULES)])
}

/// That the file runs where nobody is an agent.
fn works_unguarded(file: &str) {
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &format!("{file} 7; echo \"status $?\"")]);
    assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
}

/// Tries the program until it is held: before the watcher has come so far it may run.
pub(crate) fn is_held_soon(daemon: &mut Daemon, agent: &mut Agent, file: &str) -> RequestView {
    let mut tried = Snapshot::all_reported(&agent.output()).len();
    let held = eventually(&format!("{file} is held"), || {
        agent.say(&format!("{file} 6"));
        eventually("it runs or is held", || {
            let ran = Snapshot::all_reported(&agent.output()).len();
            (ran > tried || agent.stopped_child().is_some()).then(|| tried = ran)
        });
        agent.stopped_child()
    });
    let request = daemon.request(agent);
    assert_eq!(request.facts.as_ref().unwrap().pid, held);
    daemon.approve(&request);
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(6 << 8) }));
    request
}

/// An agent that has run something, so that its shell is there.
fn agent() -> Agent {
    let mut agent = Agent::start(&LOOP);
    agent.say("true");
    agent.said("status 0");
    agent
}

fn a_new_file_under_a_glob_is_held_without_a_reload() {
    fresh();
    let tool = path("later");
    put_copy(&tool);
    works_unguarded(&tool);
    fs::remove_file(&tool).unwrap();
    let mut daemon = with("ask", &format!("\"{ROOT}/*\""));
    let mut agent = agent();
    put_copy(&tool);
    is_held_soon(&mut daemon, &mut agent, &tool);
    // One that becomes executable only later.
    let other = path("other");
    programs::put_with_mode(&other, &fs::read(&tool).unwrap(), 0o644);
    shell(&format!("chmod 755 {other}"));
    is_held_soon(&mut daemon, &mut agent, &other);
    assert_eq!(daemon.client().status().problems, Vec::<String>::new());
}

fn a_new_directory_under_a_glob_is_looked_into() {
    fresh();
    let mut daemon = with("ask", &format!("\"{ROOT}/later/**\""));
    let mut agent = agent();
    // As a package is unpacked: beside, and then moved to its place.
    fs::create_dir_all(path("unpacked/bin")).unwrap();
    put_copy(path("unpacked/bin/tool"));
    works_unguarded(&path("unpacked/bin/tool"));
    fs::rename(path("unpacked"), path("later")).unwrap();
    is_held_soon(&mut daemon, &mut agent, &path("later/bin/tool"));
    fs::create_dir_all(path("later/more/deep")).unwrap();
    put_copy(path("later/more/deep/tool-2"));
    is_held_soon(&mut daemon, &mut agent, &path("later/more/deep/tool-2"));
}

fn a_file_that_is_moved_over_what_a_listed_link_leads_to_is_held() {
    fresh();
    put_copy(path("real"));
    symlink("real", path("tool")).unwrap();
    let mut daemon = with("ask", &format!("\"{ROOT}/tool\""));
    let mut agent = agent();
    is_held_soon(&mut daemon, &mut agent, &path("real"));
    // No rule knows the name "real": the new file is found by its inode alone.
    put_copy(path("new"));
    works_unguarded(&path("new"));
    fs::rename(path("new"), path("real")).unwrap();
    is_held_soon(&mut daemon, &mut agent, &path("real"));
}

fn a_link_of_a_listed_name_to_a_new_version_lists_the_new_one() {
    fresh();
    for version in ["1", "2"] {
        fs::create_dir_all(path(version)).unwrap();
        put_copy(path(&format!("{version}/tool-{version}")));
        symlink(format!("tool-{version}"), path(&format!("{version}/tool"))).unwrap();
        works_unguarded(&path(&format!("{version}/tool-{version}")));
    }
    symlink("1", path("current")).unwrap();
    let mut daemon = with("ask", &format!("\"{ROOT}/current/tool\""));
    let mut agent = agent();
    agent.say(&format!("{} 5", path("2/tool-2")));
    agent.said("status 5");
    symlink("2", path("next")).unwrap();
    fs::rename(path("next"), path("current")).unwrap();
    is_held_soon(&mut daemon, &mut agent, &path("2/tool-2"));
}

fn a_hard_link_made_before_an_upgrade_stays_held_and_the_new_file_is_too() {
    fresh();
    put_copy(path("tool"));
    works_unguarded(&path("tool"));
    let mut daemon = with("ask", &format!("\"{ROOT}/tool\""));
    let mut agent = agent();
    fs::hard_link(path("tool"), path("innocent")).unwrap();
    put_copy(path("tool.new"));
    fs::rename(path("tool.new"), path("tool")).unwrap();
    // The new one under a name that no rule knows: held as soon as it is listed.
    fs::hard_link(path("tool"), path("innocent-too")).unwrap();
    is_held_soon(&mut daemon, &mut agent, &path("innocent-too"));
    // By then the lists were replaced, and the old file is in none of the rules' paths. It is held at the first try.
    agent.say(&format!("{} 4", path("innocent")));
    let request = daemon.request(&agent);
    daemon.deny(&request);
    agent.said("status 126");
    // To forget it is the operator's to say.
    let listed = daemon.client().status().listed_files;
    assert_eq!(holdpoint(&["reload"]).code, 0);
    assert!(daemon.client().status().listed_files < listed);
}

fn a_declared_executable_in_a_replaced_directory_makes_an_agent() {
    fresh();
    let script = b"#!/bin/sh\nhp-dynamic 7; echo \"status $?\"\n";
    for directory in ["app", "app.new"] {
        fs::create_dir_all(path(directory)).unwrap();
        programs::put(path(&format!("{directory}/claude")), script);
        let unguarded = Agent::unguarded(User::Bob, &[&path(&format!("{directory}/claude"))]);
        assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
    }
    let config =
        format!("{}[[agent]]\nname = \"claude\"\nexec = \"{ROOT}/app/claude\"\n", daemon::PLAIN_CONFIG);
    let mut daemon = daemon::with_own_gate(&config, &[("50-tests.toml", programs::RULES)]);
    fs::rename(path("app"), path("app.old")).unwrap();
    fs::rename(path("app.new"), path("app")).unwrap();
    let mut agent = eventually("it makes an agent", || {
        let mut agent = Agent::start_plain(User::Bob, "claude", &[&path("app/claude")]);
        eventually("it runs or is held", || {
            (agent.stopped_child().is_some() || agent.output_if_ended().is_some()).then_some(())
        });
        if agent.stopped_child().is_some() {
            return Some(agent);
        }
        assert!(agent.end().output.contains("status 7"));
        None
    });
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"));
}

fn rule_files_that_change_are_not_read_by_themselves() {
    fresh();
    let mut daemon = with("ask", &format!("\"{ROOT}/*\""));
    let mut agent = agent();
    daemon::write_rules(
        "60-more.toml",
        "[[rule]]\nname = \"more\"\nexec = [\"unlisted\"]\naction = \"deny\"\n",
    );
    put_copy(path("later"));
    is_held_soon(&mut daemon, &mut agent, &path("later"));
    agent.say("unlisted 5");
    agent.said("status 5");
    assert_eq!(daemon.client().status().rules, 6);
}

/// The agents try until this is there.
const ENOUGH: &str = "/tmp/hp-changing-enough";

fn while_lists_are_replaced_all_the_time_no_denied_program_runs() {
    fresh();
    let denied = path("denied");
    put_copy(&denied);
    works_unguarded(&denied);
    let mut daemon = with("deny", &format!("\"{denied}\", \"{ROOT}/*\""));
    // The path has a name that closes the window in the kernel, whichever file is there; the glob makes lists grow.
    // Each process is another one: what a process was refused just now is refused again without a look at the rules.
    let line = |file: &str| {
        format!("while [ ! -e {ENOUGH} ]; do sh -c '{file} 3'; echo \"tried: $?\"; done; echo ended")
    };
    shell(&format!("rm -f {ENOUGH}"));
    let tries = [line(&denied), line(FORBIDDEN)];
    let mut agents: Vec<Agent> = tries.iter().map(|line| Agent::start(&["sh", "-c", line])).collect();
    let (mut changes, mut replaced) = (0_usize, 0);
    let mut lists = std::collections::BTreeSet::new();
    eventually("the lists are replaced again and again", || {
        // Files of the glob and in the search path come and go, and one takes another's place.
        let name = path(&format!("file-{}", changes % 50));
        if Path::new(&name).exists() {
            fs::remove_file(&name).unwrap();
        } else {
            put_copy(&name);
        }
        shell(&format!("cp -p {denied} {denied}.new && mv {denied}.new {denied}"));
        changes += 1;
        lists.insert(daemon.client().status().listed_files);
        replaced = daemon.process().log().lines().filter(|line| line.contains("listed anew")).count();
        (replaced >= 2 && lists.len() >= 2).then_some(())
    });
    fs::write(ENOUGH, "").unwrap();
    for agent in &mut agents {
        let said = agent.end().output;
        assert_eq!(Snapshot::all_reported(&said).len(), 0, "a denied program ran: {said}");
        let (tried, denied) = (said.matches("tried: ").count(), said.matches("tried: 126\n").count());
        assert!(tried > 5 && tried == denied, "{said}");
    }
    println!("({changes} changes, {replaced} new lists) ");
}
