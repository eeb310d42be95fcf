//! A listed file stays what and where it is: agents give it no other name, no other content and no other mode.

use std::fs;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        attempt::{WORKED, is_refused, works},
        cli::{User, shell},
        daemon,
        programs::{self, BY_PATH},
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    a_listed_program_gets_no_other_name,
    nothing_takes_the_place_of_a_listed_program,
    a_listed_program_is_not_written_to,
    a_listed_program_keeps_its_mode_owner_and_attributes,
    a_listed_program_of_the_agents_own_is_kept_as_well,
    what_is_not_listed_is_changed_as_before,
];

const COUNTER: &str = "change_refused";

/// A directory of the agent's own in which a program of a listed name lies. The line is run in it.
fn in_own_directory(line: &str) -> String {
    shell("mkdir -p /tmp/own && chown agent /tmp/own");
    format!("cd /tmp/own && {line} && echo {WORKED}")
}

/// Shows it for a program in a directory of the agent's own, which lies there anew for each attempt.
fn is_refused_on_own(line: &str) {
    let line = in_own_directory(line);
    let lay = || {
        shell("rm -rf /tmp/own/* && echo other >/tmp/own/other");
        programs::put_copy("/tmp/own/hp-dynamic");
        shell("chown agent /tmp/own/* && setfattr -n user.there -v 1 /tmp/own/hp-dynamic || true");
    };
    let mut daemon = daemon::plain();
    lay();
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &line]);
    assert!(unguarded.output.contains(WORKED), "unguarded: {line}: {unguarded:?}");
    lay();
    let before = daemon.client().counter(COUNTER);
    let said = Agent::start(&["sh", "-c", &line]).end();
    assert!(!said.output.contains(WORKED), "guarded: {line}: {said:?}");
    assert!(daemon.client().counter(COUNTER) > before, "not by {COUNTER}: {line}: {said:?}");
    let kept = fs::read("/tmp/own/hp-dynamic").unwrap();
    assert_eq!(kept, fs::read("/usr/local/bin/unlisted").unwrap(), "{line}");
}

fn a_listed_program_gets_no_other_name() {
    programs::install();
    // Back again in the same line, so that it works a second time.
    for line in [
        "ln by-path linked && rm linked",
        "mv by-path moved && mv moved by-path",
        "holdpoint-test-agent exchange by-path /opt/holdpoint-tests/beside && \
         holdpoint-test-agent exchange by-path /opt/holdpoint-tests/beside",
        "holdpoint-test-agent exchange /opt/holdpoint-tests/beside by-path && \
         holdpoint-test-agent exchange by-path /opt/holdpoint-tests/beside",
    ] {
        fs::write("/opt/holdpoint-tests/beside", "beside").unwrap();
        // What the verbs say is not what counts here.
        let line = format!("cd /opt/holdpoint-tests && {{ {line}; }} >/dev/null && echo {WORKED}");
        is_refused(User::Root, &line, COUNTER);
        assert!(fs::metadata(BY_PATH).unwrap().len() > 1000, "another file has the name");
    }
}

fn nothing_takes_the_place_of_a_listed_program() {
    for line in [
        "mv -f other hp-dynamic",
        "rm -f hp-dynamic",
        "ln -f other hp-dynamic",
        "cp --remove-destination other hp-dynamic",
    ] {
        is_refused_on_own(line);
    }
}

fn a_listed_program_is_not_written_to() {
    programs::install();
    // To open it for writing is to open it.
    for line in [
        "printf '' >>{}",
        "dd if=/dev/null of={} conv=notrunc status=none",
        "python3 -c 'open(\"{}\", \"r+\")'",
    ] {
        let line = format!("{} && echo {WORKED}", line.replace("{}", BY_PATH));
        is_refused(User::Root, &line, "read_refused");
    }
    // truncate(2) opens nothing.
    let line = format!(
        "python3 -c 'import os; os.truncate(\"{BY_PATH}\", os.stat(\"{BY_PATH}\").st_size)' && echo {WORKED}"
    );
    is_refused(User::Root, &line, COUNTER);
}

fn a_listed_program_keeps_its_mode_owner_and_attributes() {
    programs::install();
    for line in [
        "chmod 755 {}",
        "chown root {}",
        "chgrp root {}",
        "holdpoint-test-agent set-attribute {} user.hp && holdpoint-test-agent remove-attribute {} user.hp",
        "holdpoint-test-agent set-attribute {} system.posix_acl_access && chmod 755 {} && \
         holdpoint-test-agent remove-attribute {} system.posix_acl_access",
    ] {
        let line = format!("{{ {}; }} >/dev/null && echo {WORKED}", line.replace("{}", BY_PATH));
        is_refused(User::Root, &line, COUNTER);
        shell(&format!("chmod 755 {BY_PATH}"));
    }
    // An attribute that is there already, with which nothing begins.
    let line = format!(
        "holdpoint-test-agent remove-attribute {BY_PATH} user.hp; holdpoint-test-agent set-attribute {BY_PATH} user.hp"
    );
    is_refused(User::Root, &line, COUNTER);
}

fn a_listed_program_of_the_agents_own_is_kept_as_well() {
    for line in ["mv hp-dynamic other", "ln hp-dynamic third", "chmod 644 hp-dynamic", "chmod u-x hp-dynamic"]
    {
        is_refused_on_own(line);
    }
}

fn what_is_not_listed_is_changed_as_before() {
    for line in [
        "echo x >file && chmod 755 file && mv file file2 && ln file2 file3 && rm -f file2 file3",
        "mkdir hp-dynamic && chmod 700 hp-dynamic && mv hp-dynamic dir && rmdir dir",
        "echo x >hp-dynamic && mv hp-dynamic file && rm file",
        "touch /tmp/own/file; touch -d 2020-01-01 file && rm file",
    ] {
        shell("rm -rf /tmp/own");
        works(User::Agent, &in_own_directory(line));
    }
    // The times of a listed file say nothing.
    programs::put_copy("/tmp/own/hp-dynamic");
    shell("chown agent /tmp/own/hp-dynamic");
    works(User::Agent, &in_own_directory("touch -c -d 2020-01-01 hp-dynamic"));
}
