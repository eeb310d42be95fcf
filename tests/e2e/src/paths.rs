//! A script is opened once more by its interpreter, and any file can be mounted over: what the agent can exchange so is
//! refused.

use holdpoint_core::{
    request::{Outcome, State, Verdict},
    wire::RequestView,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, run, shell},
        daemon::{self, Daemon, is_of},
        programs::{self, DYNAMIC_ELF, SCRIPT},
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    a_script_that_the_agent_can_exchange_is_refused_with_the_component,
    a_script_whose_interpreter_the_agent_can_exchange_is_refused,
    a_script_that_is_called_by_a_descriptor_is_refused,
    a_script_that_root_alone_can_exchange_is_asked_about,
    below_sudo_it_counts_who_the_rest_of_the_agent_is,
    a_script_that_is_filed_is_looked_at_in_the_same_way,
    an_approval_of_a_filed_script_is_about_the_path_by_which_it_was_called,
    in_a_mount_namespace_of_the_agents_own_listed_programs_are_refused,
    in_a_mount_namespace_that_the_agent_was_given_they_are_asked_about,
];

const PLACE: &str = "/opt/holdpoint-tests/paths";

const RULES: &str = "[[rule]]\nname = \"scripts\"\nexec = [\"hp-waiting\", \"hp-dynamic\", \"hp-script\"]\naction = \"ask\"\n";
const REFUSE: &str = "[[rule]]\nname = \"scripts\"\nexec = [\"hp-waiting\", \"/opt/holdpoint-tests/paths/roots/hp-waiting\"]\naction = \"ask\"\nwait = \"refuse\"\n";

/// Directories of root's and of the agents' user, and the script in each of them. Its interpreter waits for a line before it
/// opens the script: the time in which another one can take its place.
fn lay_out() {
    programs::install();
    shell(&format!(
        "rm -rf {PLACE} /tmp/hp-waiting && mkdir -p {PLACE} && cd {PLACE} && mkdir roots own own/sub grouped listed"
    ));
    for place in [
        "roots/hp-waiting",
        "own/hp-waiting",
        "own/sub/hp-waiting",
        "grouped/hp-waiting",
        "listed/hp-waiting",
    ] {
        programs::put(format!("{PLACE}/{place}"), b"#!/usr/bin/holdpoint-test-agent interpret\necho right\n");
    }
    programs::put(format!("{PLACE}/roots/other"), b"#!/bin/sh\necho wrong\n");
    programs::put("/tmp/hp-waiting", b"#!/usr/bin/holdpoint-test-agent interpret\necho right\n");
    // An access list as setfacl(1) would make it, which need not be there: the agents' user may write.
    let list = "import os, struct; os.setxattr(\"listed\", \"system.posix_acl_access\", struct.pack(\"<I\", 2) + \
                b\"\".join(struct.pack(\"<HHI\", *entry) for entry in [(1, 7, 2**32 - 1), (2, 7, 1000), (4, 5, 2**32 - 1), \
                (16, 7, 2**32 - 1), (32, 5, 2**32 - 1)]))";
    shell(&format!(
        "cd {PLACE} && chown 1000:1000 own && chown 0:1000 grouped && chmod 775 grouped && python3 -c '{list}' && \
         ln -s {PLACE}/roots/hp-waiting own/link && chown -h 1000:1000 own/link"
    ));
}

/// What the agents' user does at the time, in `PLACE`.
fn as_agent(line: &str) {
    let said = run(User::Agent.command("sh", None).args(["-ec", &format!("cd {PLACE}; {line}")]));
    assert_eq!(said.code, 0, "{line}: {said:?}");
}

/// Shows that while the script waits for its interpreter another one takes its place, and runs.
fn is_exchanged(path: &str, exchange: &str) {
    lay_out();
    let mut unguarded = Agent::start_plain(User::Agent, "unguarded", &[path]);
    unguarded.said("ready");
    as_agent(exchange);
    unguarded.say("go");
    let said = unguarded.end();
    assert!(said.output.contains("wrong") && !said.output.contains("right"), "unguarded: {path}: {said:?}");
    lay_out();
}

/// Shows that the exec is refused without asking, and that the record says why.
fn is_refused(daemon: &Daemon, user: User, line: &str, why: &[&str]) {
    // The caller stays: what was filed is looked at when it has failed already.
    let line = format!("{line}; echo \"status $?\"; read -r end");
    let mut agent = Agent::start_as(user, &["sh", "-c", &line]);
    agent.said("status ");
    assert!(agent.output().contains("status 126"), "{line}: {}", agent.output());
    let request = ended(daemon, &agent);
    agent.end();
    assert_eq!(request.state, State::Ended { verdict: Verdict::Denied, outcome: Outcome::Refused }, "{line}");
    let note = request.note.unwrap_or_default();
    assert!(why.iter().all(|part| note.contains(part)), "{line}: {why:?}: {note}");
}

fn ended(daemon: &Daemon, agent: &Agent) -> RequestView {
    daemon.watch.until("the request has ended", |requests| {
        let ended = |view: &&RequestView| is_of(view, agent) && matches!(view.state, State::Ended { .. });
        requests.iter().find(ended).cloned()
    })
}

/// Shows that people are asked, and that it runs when they approve.
fn is_asked_about(daemon: &mut Daemon, user: User, line: &str) {
    let mut agent = Agent::start_as(user, &["sh", "-c", line]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    agent.said("ready");
    agent.say("go");
    let said = agent.end();
    assert!(said.output.contains("right"), "{line}: {said:?}");
}

/// How each is called, how another script takes its place, and which component that changes, by what.
const EXCHANGES: [(&str, &str, &str, &str); 5] = [
    (
        "own/hp-waiting",
        "mv own/hp-waiting own/away; cp roots/other own/hp-waiting",
        "paths/own'",
        "uid 1000, which it runs as, owns it",
    ),
    ("own/link", "ln -sfn ../roots/other own/link", "paths/own'", "uid 1000, which it runs as, owns it"),
    (
        "own/sub/hp-waiting",
        "mv own/sub own/away; mkdir own/sub; cp roots/other own/sub/hp-waiting",
        "paths/own'",
        "uid 1000, which it runs as, owns it",
    ),
    (
        "grouped/hp-waiting",
        "mv grouped/hp-waiting grouped/away; cp roots/other grouped/hp-waiting",
        "paths/grouped'",
        "gid 1000, which it is in, may write to it",
    ),
    (
        "listed/hp-waiting",
        "mv listed/hp-waiting listed/away; cp roots/other listed/hp-waiting",
        "paths/listed'",
        "its access list lets others",
    ),
];

fn a_script_that_the_agent_can_exchange_is_refused_with_the_component() {
    for (path, exchange, _, _) in EXCHANGES {
        is_exchanged(&format!("{PLACE}/{path}"), exchange);
    }
    let daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-paths.toml", RULES)]);
    for (path, _, component, means) in EXCHANGES {
        is_refused(&daemon, User::Agent, &format!("{PLACE}/{path}"), &[component, means]);
    }
    is_refused(&daemon, User::Agent, &format!("cd {PLACE}/own/sub; ../hp-waiting"), &["paths/own'"]);
    is_refused(&daemon, User::Agent, &format!("cd {PLACE}/own; ./hp-waiting"), &["paths/own'"]);
    is_refused(&daemon, User::Agent, &format!("cd {PLACE}/own; ../roots/hp-waiting"), &["paths/own'"]);
    // Names are the agent's to choose.
    let line = format!("cd {PLACE}/own && mv sub $(printf 'a\\033[2J') && ./a*J/hp-waiting");
    is_refused(&daemon, User::Agent, &line, &["paths/own'", "\\x1b[2J/hp-waiting"]);
}

fn a_script_whose_interpreter_the_agent_can_exchange_is_refused() {
    let place = || {
        lay_out();
        programs::put(
            format!("{PLACE}/roots/hp-waiting"),
            format!("#!{PLACE}/own/shell\necho right\n").as_bytes(),
        );
        as_agent("cp /bin/sh own/shell");
    };
    place();
    let path = format!("{PLACE}/roots/hp-waiting");
    let unguarded = || Agent::unguarded(User::Agent, &[&path]).output;
    assert_eq!(unguarded(), "right\n");
    as_agent(
        "printf '#!/bin/sh\\necho wrong\\n' >own/new; chmod 755 own/new; rm own/shell; mv own/new own/shell",
    );
    assert_eq!(unguarded(), "wrong\n");
    place();
    let daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-paths.toml", RULES)]);
    is_refused(&daemon, User::Agent, &path, &["paths/own'", "the place of its interpreter", "own/shell'"]);
    // One that is yet to be made.
    as_agent("rm own/shell");
    is_refused(&daemon, User::Agent, &path, &["paths/own'", "the place of its interpreter"]);
}

fn a_script_that_is_called_by_a_descriptor_is_refused() {
    lay_out();
    let line = format!("holdpoint-test-agent exec-by-fd {PLACE}/roots/hp-waiting");
    let mut unguarded = Agent::start_plain(User::Agent, "unguarded", &["sh", "-c", &line]);
    unguarded.said("ready");
    unguarded.say("go");
    assert!(unguarded.end().output.contains("right"));
    let daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-paths.toml", RULES)]);
    for (verb, why) in [("exec-by-fd", "called by the descriptor"), ("exec-by-proc-fd", "a link of /proc")] {
        let line = format!("holdpoint-test-agent {verb} {PLACE}/roots/hp-waiting");
        let mut agent = Agent::start(&["sh", "-c", &line]);
        let said = agent.end();
        assert!(said.output.contains("errno=1\n"), "{said:?}");
        let note = ended(&daemon, &agent).note.unwrap_or_default();
        assert!(note.contains(why), "{note}");
    }
}

fn a_script_that_root_alone_can_exchange_is_asked_about() {
    lay_out();
    shell(&format!("ln -s {PLACE}/roots {PLACE}/linked; ln -s ../roots/hp-waiting {PLACE}/roots/link"));
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-paths.toml", RULES)]);
    for line in [
        &format!("{PLACE}/roots/hp-waiting"),
        &format!("{PLACE}/linked/link"),
        &format!("cd {PLACE}; PATH=roots; hp-waiting"),
        // Everybody may write there, and nobody can rename what is another's.
        "/tmp/hp-waiting",
    ] {
        is_asked_about(&mut daemon, User::Agent, line);
    }
    // Another user's directory, and root, of which the rule is not about.
    shell(&format!("chown 1002 {PLACE}/own"));
    is_asked_about(&mut daemon, User::Agent, &format!("{PLACE}/own/hp-waiting"));
    is_asked_about(&mut daemon, User::Root, &format!("{PLACE}/own/hp-waiting"));
    shell("rm /tmp/hp-waiting");
}

fn below_sudo_it_counts_who_the_rest_of_the_agent_is() {
    lay_out();
    let line = format!("sudo -n {PLACE}/own/hp-waiting");
    let mut unguarded = Agent::start_plain(User::Agent, "unguarded", &["sh", "-c", &line]);
    unguarded.said("ready");
    as_agent("mv own/hp-waiting own/away; cp roots/other own/hp-waiting");
    unguarded.say("go");
    assert!(unguarded.end().output.contains("wrong"));
    lay_out();
    let daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-paths.toml", RULES)]);
    let mut agent = Agent::start(&["sh", "-c", &format!("{line}; echo \"status $?\"")]);
    let said = agent.end();
    assert!(!said.output.contains("ready"), "{said:?}");
    let request = ended(&daemon, &agent);
    assert_eq!(request.facts.unwrap().user.uid, 0);
    let note = request.note.unwrap_or_default();
    assert!(note.contains("uid 1000, which it runs as, owns it"), "{note}");
}

fn a_script_that_is_filed_is_looked_at_in_the_same_way() {
    let (path, exchange, component, means) = EXCHANGES[0];
    is_exchanged(&format!("{PLACE}/{path}"), exchange);
    let daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-paths.toml", REFUSE)]);
    is_refused(&daemon, User::Agent, &format!("{PLACE}/{path}"), &[component, means]);
    is_refused(&daemon, User::Agent, &format!("cd {PLACE}/own; ./hp-waiting"), &[component, means]);
    // A path of which the record has no more than the beginning.
    let long = format!("{PLACE}/{}roots/hp-waiting", "./".repeat(150));
    is_refused(&daemon, User::Agent, &long, &["could not be followed as it was called"]);
}

fn an_approval_of_a_filed_script_is_about_the_path_by_which_it_was_called() {
    is_exchanged(&format!("{PLACE}/own/link"), EXCHANGES[1].1);
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-paths.toml", REFUSE)]);
    let mut agent = Agent::start(&["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"]);
    agent.say(&format!("{PLACE}/roots/hp-waiting"));
    let request = daemon.request(&agent);
    daemon.approve(&request);
    // It is the same file, with the same arguments: a script does not see the first.
    agent.say(&format!("{PLACE}/own/link"));
    let other = daemon.watch.until("the other path has its request", |requests| {
        let is_other = |view: &&RequestView| is_of(view, &agent) && view.hold != request.hold;
        requests.iter().filter(|view| matches!(view.state, State::Ended { .. })).find(is_other).cloned()
    });
    assert!(other.note.unwrap_or_default().contains("paths/own'"), "{}", agent.output());
    assert!(!agent.output().contains("ready"), "{}", agent.output());
    agent.say(&format!("{PLACE}/roots/hp-waiting"));
    agent.said("ready");
    agent.say("go");
    agent.said("right");
}

/// In a mount namespace of a user namespace. There a list of libraries for the loader comes from elsewhere, or another
/// script.
fn in_own_namespace(line: &str) -> String {
    format!(
        "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none /etc && echo /tmp/hp-none.so >/etc/ld.so.preload && \
         mount --bind {PLACE}/roots/other {SCRIPT} && {line}'"
    )
}

fn in_a_mount_namespace_of_the_agents_own_listed_programs_are_refused() {
    lay_out();
    for (program, says) in [(DYNAMIC_ELF, "from /etc/ld.so.preload cannot be preloaded"), (SCRIPT, "wrong")] {
        let line = in_own_namespace(&format!("{program} 7"));
        let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &line]);
        assert!(unguarded.output.contains(says), "unguarded: {unguarded:?}");
    }
    let own = "a mount namespace of the agent's own making";
    for rules in [RULES.to_owned(), RULES.to_owned() + "wait = \"refuse\"\n"] {
        let daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-paths.toml", &rules)]);
        for program in [DYNAMIC_ELF, SCRIPT] {
            let alone = format!("unshare --user --map-root-user --mount {program} 7");
            is_refused(&daemon, User::Agent, &alone, &[own]);
            is_refused(&daemon, User::Root, &alone, &[own]);
        }
        is_refused(&daemon, User::Agent, &in_own_namespace(&format!("{DYNAMIC_ELF} 7")), &[own]);
    }
}

fn in_a_mount_namespace_that_the_agent_was_given_they_are_asked_about() {
    lay_out();
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-paths.toml", RULES)]);
    // It becomes an agent in there, as one does that a container is made for.
    let name = "agent-in-a-container";
    let given =
        ["unshare", "--user", "--map-root-user", "--mount", "holdpoint", "run", "--agent", name, "--"];
    for (program, user) in [(DYNAMIC_ELF, User::Agent), (SCRIPT, User::Agent)] {
        let mut agent = Agent::start_plain(user, name, &[&given[..], &[program, "7"]].concat());
        let request = daemon.request(&agent);
        daemon.approve(&request);
        assert_eq!(agent.end().code, 7, "{program}: {}", agent.output());
    }
    // From there it makes another one.
    let inner = format!("unshare --mount {DYNAMIC_ELF} 7; echo \"status $?\"");
    let mut agent = Agent::start_plain(User::Agent, name, &[&given[..], &["sh", "-c", &inner]].concat());
    assert!(agent.end().output.contains("status 126"), "{}", agent.output());
    // Root on the host makes it: a root that can mount over anything where it was before.
    let mut agent = Agent::start_as(User::Root, &["unshare", "--mount", DYNAMIC_ELF, "7"]);
    let request = daemon.request(&agent);
    daemon.approve(&request);
    assert_eq!(agent.end().code, 7, "{}", agent.output());
}
