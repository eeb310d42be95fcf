//! Programs that are another one than their file says: of many names, by their arguments.

use std::{fs, os::unix::fs::symlink, path::Path};

use holdpoint_core::request::{Outcome, Verdict};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        attempt::{WORKED, is_refused, is_refused_by, works},
        cli::{User, holdpoint, shell},
        daemon,
        programs::{self, put, put_copy},
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    nobody_becomes_a_listed_program_by_its_arguments,
    a_script_does_not_become_a_listed_program_by_its_first_line,
    under_other_names_a_program_of_many_names_runs_unasked,
    a_program_of_many_names_is_not_copied_or_linked,
    a_name_that_is_nobodys_does_not_hide_a_listed_one,
    an_approved_program_does_not_become_another_by_its_arguments,
    a_link_that_leads_elsewhere_takes_the_mark_along,
];

const COUNTER: &str = "killed_named";
/// What `/usr/sbin/iptables` leads to. The rules of the tests name `iptables`, and not this.
const MANY: &str = "/usr/sbin/xtables-nft-multi";
const ROOT: &str = "/opt/holdpoint-tests/kinds";

/// A line that says that it worked where `iptables` ran.
fn as_iptables(command: &str) -> String {
    format!("{command} | grep -q '^iptables v' && echo {WORKED}")
}

fn fresh() {
    programs::install();
    shell(&format!("rm -rf {ROOT} && mkdir -p {ROOT}"));
}

fn nobody_becomes_a_listed_program_by_its_arguments() {
    let deep = format!(
        "python3 -c 'import os; os.execv(\"{MANY}\", [\"/\" + \"d/\" * 30000 + \"iptables\", \"--version\"])'"
    );
    for command in [
        &format!("bash -c 'exec -a iptables {MANY} --version'"),
        &format!("bash -c 'exec -a /nowhere/iptables {MANY} --version'"),
        &format!("bash -c 'exec -a iptables/ {MANY} --version'"),
        &format!("{MANY} iptables --version"),
        &format!("bash -c 'exec -a any {MANY} iptables --version'"),
        &deep,
    ] {
        is_refused(User::Agent, &as_iptables(command), COUNTER);
    }
    is_refused(User::Root, &as_iptables(&format!("bash -c 'exec -a iptables {MANY} --version'")), COUNTER);
}

fn a_script_does_not_become_a_listed_program_by_its_first_line() {
    let script = format!(
        "mkdir -p /tmp/script && cd /tmp/script && ln -sf {MANY} iptables && \
         echo \"#!./iptables --version\" >run && chmod 755 run && ./run"
    );
    is_refused(User::Agent, &as_iptables(&format!("({script})")), COUNTER);
    shell("rm -rf /tmp/script");
}

fn under_other_names_a_program_of_many_names_runs_unasked() {
    for command in [
        "exec -a ip6tables {} --version",
        "exec {} ip6tables --version",
        "exec -a -any {} arptables --version",
    ] {
        let command = command.replace("{}", MANY);
        works(User::Agent, &format!("bash -c '{command}' | grep -q ' v[0-9]' && echo {WORKED}"));
    }
}

fn a_program_of_many_names_is_not_copied_or_linked() {
    is_refused(User::Agent, &format!("cat {MANY} >/tmp/$$.copy && echo {WORKED}"), "read_refused");
    let link = format!("ln {MANY} /usr/sbin/hp-other && rm /usr/sbin/hp-other && echo {WORKED}");
    is_refused(User::Root, &link, "change_refused");
}

fn a_name_that_is_nobodys_does_not_hide_a_listed_one() {
    programs::install();
    // "by-path" is looked for, since it is the last part of a rule's path; of another file of that name no rule is.
    let line = as_iptables(&format!(
        "(cd /tmp && mkdir -p nobodys && ln -sf {MANY} nobodys/by-path && bash -c 'exec -a iptables nobodys/by-path --version')"
    ));
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &line]);
    assert!(unguarded.output.contains(WORKED), "unguarded: {unguarded:?}");
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let request = daemon.request(&agent);
    daemon.deny(&request);
    let said = agent.end();
    assert!(!said.output.contains(WORKED), "denied: {said:?}");
    shell("rm -rf /tmp/nobodys");
}

fn an_approved_program_does_not_become_another_by_its_arguments() {
    fresh();
    let wrapper = format!("{ROOT}/wrapper");
    put(&wrapper, format!("#!/bin/bash\nexec -a iptables {MANY} --version\n").as_bytes());
    assert!(Agent::unguarded(User::Agent, &[&wrapper]).output.contains("iptables v"));
    let rule =
        format!("[[rule]]\nname = \"wrapper\"\nexec = [\"{wrapper}\", \"iptables\"]\naction = \"ask\"\n");
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-wrapper.toml", &rule)]);
    let mut agent = Agent::start(&["sh", "-c", &format!("{wrapper}; echo \"status $?\"")]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    let said = agent.end();
    assert!(said.output.contains("status 137") && !said.output.contains("iptables v"), "{said:?}");
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(9) }));
}

fn a_link_that_leads_elsewhere_takes_the_mark_along() {
    fresh();
    let link = Path::new("/usr/local/bin/hp-many");
    let lead = |to: &str| {
        let _none = fs::remove_file(link);
        symlink(to, link).unwrap();
    };
    for version in ["1", "2"] {
        put_copy(format!("{ROOT}/many-{version}"));
    }
    // As the alternatives of Debian lead on by a second link.
    let (alternative, new) = (format!("{ROOT}/alternative"), format!("{ROOT}/new"));
    symlink("many-1", &alternative).unwrap();
    lead(&alternative);
    let line = |version: &str| format!("bash -c 'exec -a hp-many {ROOT}/many-{version} 0' && echo {WORKED}");
    let rule = "[[rule]]\nname = \"many\"\nexec = [\"hp-many\"]\naction = \"ask\"\n";
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-many.toml", rule)]);
    is_refused_by(&mut daemon, User::Agent, &line("1"), COUNTER);
    let runs = |version: &str| Agent::start(&["sh", "-c", &line(version)]).end().output.contains(WORKED);
    assert!(runs("2"), "no link leads there");
    symlink("many-2", &new).unwrap();
    fs::rename(&new, &alternative).unwrap();
    eventually("the mark has come to the other file", || (!runs("2")).then_some(()));
    is_refused_by(&mut daemon, User::Agent, &line("2"), COUNTER);
    is_refused_by(&mut daemon, User::Agent, &line("1"), COUNTER);
    // What is moved over the file.
    put_copy(&new);
    fs::rename(&new, format!("{ROOT}/many-2")).unwrap();
    eventually("the mark has come to the new file", || (!runs("2")).then_some(()));
    // A reload forgets where it led before; without the rule there is nothing to mark.
    assert_eq!(holdpoint(&["reload"]).code, 0);
    assert!(runs("1"), "no link leads there any more");
    is_refused_by(&mut daemon, User::Agent, &line("2"), COUNTER);
    daemon::write_rules("10-many.toml", "");
    assert_eq!(holdpoint(&["reload"]).code, 0);
    assert!(runs("2"), "no rule is about it");
    fs::remove_file(link).unwrap();
}
