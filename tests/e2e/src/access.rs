//! Who may decide, and who may become an agent.

use std::{fs, path::Path};

use holdpoint_core::wire::RequestView;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        api::CONTROL_SOCKET,
        cli::{Said, User, holdpoint, holdpoint_as, run},
        daemon, programs,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    no_process_of_an_agent_connects_to_the_control_socket,
    sudo_holdpoint_approve_inside_an_agent_decides_nothing,
    without_a_daemon_the_command_of_run_does_not_run,
    an_agent_cannot_become_another_agent,
    a_vote_needs_a_login_uid,
    only_root_and_the_group_may_look_and_decide,
    approve_and_deny_by_the_command_line_do_what_they_say,
];

fn no_process_of_an_agent_connects_to_the_control_socket() {
    let mut daemon = daemon::plain();
    let command = ["holdpoint-test-agent", "connect", CONTROL_SOCKET];
    for user in [User::Root, User::Alice] {
        let unguarded = Agent::unguarded(user, &command);
        assert!(unguarded.output.contains("connected"), "unguarded, {user:?}: {unguarded:?}");
        let before = daemon.client().counter("control_refused");
        let said = Agent::start_as(user, &command).end();
        assert_eq!((said.code, said.output.as_str()), (100, "errno=1\n"), "{user:?}");
        assert_eq!(daemon.client().counter("control_refused"), before + 1);
    }
    // The way to it does not matter.
    let link = "/tmp/control-link";
    let _gone = fs::remove_file(link);
    std::os::unix::fs::symlink(CONTROL_SOCKET, link).unwrap();
    let said = Agent::start_as(User::Root, &["holdpoint-test-agent", "connect", link]).end();
    assert_eq!(said.output, "errno=1\n");
    // Other sockets are none of ours.
    let said = Agent::start(&["holdpoint-test-agent", "connect", "/run/holdpoint/agent.sock"]).end();
    assert_eq!(said.output, "connected\n");
}

fn sudo_holdpoint_approve_inside_an_agent_decides_nothing() {
    let mut daemon = daemon::plain();
    let line = "hp-dynamic 7 & read -r id; sudo -n holdpoint approve \"$id\"; echo \"vote $?\"; wait $!; echo \"status $?\"";
    // The same person by the same words outside of an agent decides.
    let mut agent = Agent::start(&["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    let unguarded =
        Agent::unguarded(User::Agent, &["sudo", "-n", "holdpoint", "approve", request.id.as_str()]);
    assert_eq!(unguarded.code, 0, "unguarded: {unguarded:?}");
    assert!(agent.end().output.contains("status 7"));

    let mut agent = Agent::start(&["sh", "-c", line]);
    let request = daemon.request(&agent);
    agent.say(request.id.as_str());
    agent.said("vote ");
    assert!(agent.output().contains("vote 77"), "{}", agent.output());
    assert!(agent.output().contains("agents may not decide"), "{}", agent.output());
    let now = daemon.client().request(request.id.as_str());
    assert_eq!((now.state, now.votes.len()), (request.state.clone(), 0), "the vote counted");
    daemon.approve(&request);
    assert!(agent.end().output.contains("status 7"));
}

fn without_a_daemon_the_command_of_run_does_not_run() {
    daemon::take_down_shared();
    let _gone = fs::remove_file("/tmp/ran");
    assert_eq!(Agent::unguarded(User::Agent, &["touch", "/tmp/ran"]).code, 0);
    fs::remove_file("/tmp/ran").unwrap();
    let mut arguments = vec!["run", "--agent", "a", "--", "touch", "/tmp/ran"];
    for runtime in ["a directory without a socket", "no directory"] {
        if runtime == "no directory" {
            let _gone = fs::remove_dir_all(daemon::RUNTIME);
        }
        let said = holdpoint_as(User::Agent, None, &arguments);
        assert_eq!(said.code, 69, "{runtime}: {said:?}");
        assert!(said.errors.contains("the command was not run"), "{runtime}: {said:?}");
        assert!(!Path::new("/tmp/ran").exists(), "{runtime}: it ran");
    }
    // A daemon that stops answering is as bad as none.
    let listener = std::os::unix::net::UnixListener::bind("/tmp/mute.sock").unwrap();
    fs::set_permissions("/tmp/mute.sock", std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    arguments.splice(0..0, ["--socket", "/tmp/mute.sock"]);
    let hangs_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let said = holdpoint_as(User::Agent, None, &arguments);
    hangs_up.join().unwrap();
    assert_eq!(said.code, 69, "{said:?}");
    assert!(!Path::new("/tmp/ran").exists(), "it ran");
    fs::remove_file("/tmp/mute.sock").unwrap();
}

fn an_agent_cannot_become_another_agent() {
    let daemon = daemon::plain();
    let nested = ["holdpoint", "run", "--agent", "inner", "--", "echo", "it ran"];
    let unguarded = Agent::unguarded(User::Agent, &nested);
    assert_eq!((unguarded.code, unguarded.output.as_str()), (0, "it ran\n"), "unguarded: {unguarded:?}");
    let said = Agent::start(&nested).end();
    assert_eq!(said.code, 69, "{said:?}");
    assert!(said.output.contains("a tag is never replaced"), "{said:?}");
    assert!(!said.output.contains("it ran"), "{said:?}");
    drop(daemon);
}

fn a_vote_needs_a_login_uid() {
    let mut daemon = daemon::with("", &[("50-tests.toml", programs::RULES)]);
    let mut agent = Agent::start(&["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    let id = request.id.as_str();
    // Looking is for all who may decide; deciding takes somebody who logged in.
    assert_eq!(holdpoint(&["show", id]).code, 0);
    for vote in ["approve", "deny"] {
        let said = holdpoint(&[vote, id]);
        assert_eq!(said.code, 77, "{said:?}");
        assert!(said.errors.contains("has no login uid"), "{said:?}");
    }
    assert_eq!(daemon.client().request(id).votes.len(), 0);
    let said = holdpoint_as(User::Root, Some(User::Alice.uid()), &["approve", id]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(agent.end().output.contains("status 7"));
    daemon.end_of(&request);
    let voter = daemon.client().request(id).votes[0].voter.clone();
    assert_eq!((voter.name.as_str(), voter.uid, voter.login_uid), ("alice", 0, Some(1001)));
    assert_eq!(voter.channel, "cli");
}

fn only_root_and_the_group_may_look_and_decide() {
    let daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    let request = daemon.request(&agent);
    let id = request.id.as_str();
    for arguments in [&["pending"][..], &["show", id], &["approve", id], &["deny", id], &["log"], &["reload"]]
    {
        for user in [User::Bob, User::Agent] {
            let said = holdpoint_as(user, None, arguments);
            assert_eq!(said.code, 77, "{user:?} {arguments:?}: {said:?}");
            assert!(!said.output.contains("hp-dynamic"), "{user:?} {arguments:?}: {said:?}");
        }
    }
    let said = holdpoint_as(User::Alice, None, &["pending"]);
    assert!(said.code == 0 && said.output.contains("hp-dynamic"), "{said:?}");
    let said = holdpoint_as(User::Alice, None, &["approve", id, "--reason", "looks right"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(agent.end().output.contains("status 7"));
}

/// The JSON that a command printed.
fn json(said: &Said) -> serde_json::Value {
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.output).unwrap_or_else(|cause| panic!("{cause}: {said:?}"))
}

fn approve_and_deny_by_the_command_line_do_what_they_say() {
    let daemon = daemon::plain();
    let line = "hp-dynamic 7; echo \"status $?\"";
    for (vote, expected, verdict) in
        [("approve", "status 7", "approved"), ("deny", "Operation not permitted\nstatus 126", "denied")]
    {
        let mut agent = Agent::start(&["sh", "-c", line]);
        let request = daemon.request(&agent);
        let id = request.id.as_str();
        let pending = json(&holdpoint(&["--json", "pending"]));
        assert_eq!(pending["requests"][0]["id"], id, "{pending}");
        shows_all(&request);
        // In capitals, and with less than the whole of it, as long as it is one.
        let said = holdpoint(&[vote, &id[..4].to_uppercase(), "--reason", "a test says so"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.output.contains("hp-dynamic"), "it does not say what was decided: {said:?}");
        assert!(agent.end().output.contains(expected), "{vote}: {}", agent.output());
        daemon.end_of(&request);
        let shown = json(&holdpoint(&["--json", "show", id]));
        assert_eq!(shown["state"]["verdict"], verdict, "{shown}");
        assert_eq!(shown["votes"][0]["reason"], "a test says so", "{shown}");
        let log = holdpoint(&["log", "--request", id]);
        assert!(log.code == 0 && log.output.contains(verdict), "{log:?}");
    }
    assert_eq!(json(&holdpoint(&["--json", "status"]))["enforcing"], true);
    let said = holdpoint_as(User::Root, Some(User::Alice.uid()), &["doctor"]);
    assert_eq!(said.code, 0, "{said:?}");
}

/// Everything that a person decides by.
fn shows_all(request: &RequestView) {
    let facts = request.facts.as_ref().unwrap();
    let digest = run(User::Root.command("sha256sum", None).arg("/usr/local/bin/hp-dynamic"));
    assert_eq!(facts.agent.claim.as_ref().unwrap().shown(), "to be tested");
    assert_eq!((facts.user.uid, facts.user.name.as_deref()), (1000, Some("agent")));
    assert_eq!(facts.executable.path.shown(), "/usr/local/bin/hp-dynamic");
    assert_eq!(facts.executable.sha256, digest.output.split(' ').next().unwrap());
    assert_eq!((facts.executable.owner, facts.executable.mode), (0, 0o755));
    let argv: Vec<String> = facts.argv.iter().map(holdpoint_core::alleged::Alleged::shown).collect();
    assert_eq!(argv, ["hp-dynamic", "7"]);
    assert_eq!(facts.cwd.shown(), "/tmp");
    assert_eq!(facts.host, "holdpoint-vm");
    assert!(facts.parents[0].command.shown().contains("sh"), "{:?}", facts.parents);
    assert_eq!(facts.unit.as_deref(), Some("holdpoint-vm.service"));
    assert!(facts.env.contains_key("PATH"), "{:?}", facts.env);
    assert_eq!(request.decision.rule.as_deref(), Some("asked"));
    assert!(request.decision.because.contains("50-tests.toml:"), "{}", request.decision.because);
    let said = holdpoint(&["show", request.id.as_str()]);
    for word in ["hp-dynamic", "to be tested", "/usr/local/bin", &facts.executable.sha256, "50-tests.toml"] {
        assert!(said.output.contains(word), "'{word}' is not shown: {}", said.output);
    }
}
