//! Rules that are tried out (`mode = "observe"`): they hold nothing, and all that they would have done is recorded.

use std::fs;

use holdpoint_core::{
    policy::Action,
    request::{Outcome, State, Verdict},
    wire::RequestView,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        attempt::{WORKED, is_refused_by, works_by},
        cli::{User, holdpoint},
        daemon::{self, CONFIG, Daemon, PLAIN_CONFIG},
        programs::{self, DYNAMIC_ELF},
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    what_rules_would_have_done_is_recorded_and_not_done,
    what_is_enforced_beside_is_done,
    an_agent_and_a_host_are_observed_until_a_reload_says_otherwise,
    the_file_of_an_observed_program_is_an_agents_to_read,
    what_changes_its_arguments_is_killed_though_it_is_observed,
    an_observed_script_does_not_open_its_interpreter,
    an_observed_program_of_many_names_does_not_become_an_enforced_one,
];

const OBSERVE: &str = "mode = \"observe\"\n";

/// Of a pack of rules that is new here.
const NEW: &str = r#"
[[rule]]
name = "new-asks"
exec = ["hp-static"]
action = "ask"
risk = "high"

[[rule]]
name = "new-denies"
exec = ["hp-forbidden"]
action = "deny"

[[rule]]
name = "new-refuses"
exec = ["hp-impatient"]
action = "ask"
wait = "refuse"

[[rule]]
name = "new-allows"
exec = ["hp-dynamic"]
action = "allow"
"#;

/// What becomes of it: the status, and the record. Where people are asked, they deny.
fn tried(daemon: &mut Daemon, command: &str) -> (String, RequestView) {
    let mut agent = Agent::start(&["sh", "-c", &format!("{command}; echo \"status $?\"")]);
    let view = daemon.watch.until(&format!("a record of '{command}'"), |requests| {
        let mine = requests.iter().find(|view| daemon::is_of(view, &agent))?;
        (mine.state == State::Pending || matches!(mine.state, State::Ended { .. })).then(|| mine.clone())
    });
    if view.state == State::Pending {
        daemon.deny(&view);
    }
    let said = agent.end().output;
    let status = said.lines().find(|line| line.starts_with("status ")).unwrap_or_default().to_owned();
    (status, view)
}

/// It runs as it would unguarded, and the record says what would have been.
fn is_observed(daemon: &mut Daemon, command: &str, action: Action, rule: &str) -> RequestView {
    let (status, view) = tried(daemon, command);
    assert_eq!(status, "status 7", "{command}: {view:?}");
    let ended =
        State::Ended { verdict: Verdict::Approved, outcome: Outcome::Executed { status: Some(7 << 8) } };
    assert_eq!(view.state, ended, "{command}");
    assert_eq!(view.decision.action, Action::Allow, "{command}");
    let would_be = view.decision.would_be.clone().unwrap();
    assert_eq!((would_be.action, would_be.rule.as_deref()), (action, Some(rule)), "{command}");
    assert!(would_be.because.contains("10-new.toml"), "{}", would_be.because);
    view
}

fn reloads() {
    let said = holdpoint(&["reload"]);
    assert_eq!(said.code, 0, "{said:?}");
}

fn what_rules_would_have_done_is_recorded_and_not_done() {
    // Enforced, they do it.
    let mut daemon = daemon::with(PLAIN_CONFIG, &[("10-new.toml", NEW)]);
    for command in ["hp-static 7", "hp-forbidden 7", "hp-impatient 7"] {
        let (status, view) = tried(&mut daemon, command);
        assert_eq!(status, "status 126", "{command}: {view:?}");
        assert_eq!(view.decision.would_be, None);
    }
    daemon::write_rules("10-new.toml", &format!("{OBSERVE}{NEW}"));
    reloads();
    let view = is_observed(&mut daemon, "hp-static 7", Action::Ask, "new-asks");
    is_observed(&mut daemon, "hp-forbidden 7", Action::Deny, "new-denies");
    is_observed(&mut daemon, "hp-impatient 7", Action::Ask, "new-refuses");
    is_observed(&mut daemon, "hp-dynamic 7", Action::Allow, "new-allows");
    let log = holdpoint(&["log", "--request", view.id.as_str()]);
    // However it is folded to the width.
    let squeezed = |text: &str| text.replace(|c: char| c.is_whitespace() || c == '|', "");
    let words = squeezed("observed: people would have been asked, by rule new-asks");
    assert!(squeezed(&log.output).contains(&words), "{log:?}");
    let shown = holdpoint(&["show", view.id.as_str()]).output;
    assert!(shown.contains("people would have been asked, by rule new-asks"), "{shown}");
    let status = holdpoint(&["status"]).output;
    assert!(status.contains("4, 4 of them only observe"), "{status}");
}

fn what_is_enforced_beside_is_done() {
    let enforced = "[[rule]]\nname = \"old\"\nexec = [\"hp-static\", \"hp-dynamic\"]\naction = \"ask\"\n";
    let rules = [("10-new.toml", &*format!("{OBSERVE}{NEW}")), ("20-old.toml", enforced)];
    let mut daemon = daemon::with(PLAIN_CONFIG, &rules);
    is_observed(&mut daemon, "hp-forbidden 7", Action::Deny, "new-denies");
    // An `allow` that is tried out stands before it.
    let (status, view) = tried(&mut daemon, "hp-dynamic 7");
    assert_eq!((status.as_str(), view.decision.rule.as_deref()), ("status 126", Some("old")), "{view:?}");
    assert_eq!(view.decision.would_be.unwrap().rule.as_deref(), Some("new-allows"));
    let (status, view) = tried(&mut daemon, "hp-static 7");
    assert_eq!((status.as_str(), view.decision.rule.as_deref()), ("status 126", Some("old")), "{view:?}");
}

fn an_agent_and_a_host_are_observed_until_a_reload_says_otherwise() {
    let mut daemon = daemon::with_own_gate(PLAIN_CONFIG, &[("10-new.toml", NEW)]);
    assert_eq!(tried(&mut daemon, "hp-forbidden 7").0, "status 126");
    let host = format!("{OBSERVE}{PLAIN_CONFIG}");
    let observed = "hp-observed";
    let agent =
        format!("{PLAIN_CONFIG}[[agent]]\nname = \"{observed}\"\nuser = \"bob\"\nmode = \"observe\"\n");
    fs::write(CONFIG, &host).unwrap();
    reloads();
    is_observed(&mut daemon, "hp-forbidden 7", Action::Deny, "new-denies");
    is_observed(&mut daemon, "hp-static 7", Action::Ask, "new-asks");
    let status = holdpoint(&["status"]).output;
    assert!(status.contains("observing only: nothing is held"), "{status}");
    fs::write(CONFIG, &agent).unwrap();
    reloads();
    assert_eq!(tried(&mut daemon, "hp-forbidden 7").0, "status 126", "another agent");
    let line = "hp-forbidden 7; echo \"status $?\"";
    let said = Agent::start_plain(User::Bob, observed, &["sh", "-c", line]).end();
    assert!(said.output.contains("status 7"), "{said:?}");
    let status = holdpoint(&["status"]).output;
    assert!(status.contains("agents that are not held: hp-observed"), "{status}");
    fs::write(CONFIG, agent.replace(OBSERVE, "")).unwrap();
    reloads();
    let said = Agent::start_plain(User::Bob, observed, &["sh", "-c", line]).end();
    assert!(said.output.contains("status 126"), "{said:?}");
}

fn the_file_of_an_observed_program_is_an_agents_to_read() {
    let line = format!("cat {DYNAMIC_ELF} >/tmp/$$.copy && rm /tmp/$$.copy && echo {WORKED}");
    let mut daemon = daemon::with(PLAIN_CONFIG, &[("10-new.toml", NEW)]);
    is_refused_by(&mut daemon, User::Agent, &line, "read_refused");
    daemon::write_rules("10-new.toml", &format!("{OBSERVE}{NEW}"));
    reloads();
    works_by(&daemon, User::Agent, &line);
    // One rule that is enforced is enough.
    let enforced = "[[rule]]\nname = \"old\"\nexec = [\"hp-dynamic\"]\naction = \"ask\"\ntty = true\n";
    daemon::write_rules("20-old.toml", enforced);
    reloads();
    is_refused_by(&mut daemon, User::Agent, &line, "read_refused");
}

fn what_changes_its_arguments_is_killed_though_it_is_observed() {
    programs::install();
    let attack = format!("holdpoint-test-agent exec-exchanged argument {DYNAMIC_ELF} 7; echo \"status $?\"");
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &attack]);
    assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
    let daemon = daemon::with(PLAIN_CONFIG, &[("10-new.toml", &format!("{OBSERVE}{NEW}"))]);
    let mut agent = Agent::start(&["sh", "-c", &attack]);
    let view = daemon.watch.until("it has ended", |requests| {
        let mine = requests.iter().find(|view| daemon::is_of(view, &agent))?;
        matches!(mine.state, State::Ended { .. }).then(|| mine.clone())
    });
    let said = agent.end();
    assert!(said.output.contains("status 137"), "{said:?} {view:?}");
    let State::Ended { outcome, .. } = view.state else { panic!("{view:?}") };
    assert_eq!(outcome, Outcome::Killed);
}

/// What comes of it with the enforced rules alone, and with others that observe beside them: it is refused by both.
fn is_refused_by_both(command: &str, enforced: &str, observing: &str) {
    programs::install();
    let line = format!("{command}; echo \"status $?\"");
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &line]);
    assert!(unguarded.output.contains(WORKED), "unguarded: {unguarded:?}");
    let mut daemon = daemon::with(PLAIN_CONFIG, &[("20-old.toml", enforced)]);
    for rules in ["", &*format!("{OBSERVE}{observing}")] {
        daemon::write_rules("10-new.toml", rules);
        reloads();
        let mut agent = Agent::start(&["sh", "-c", &line]);
        loop {
            let waits = eventually("it is asked about, or over", || {
                let waits = daemon.watch.look(|requests| {
                    let mut mine = requests.iter().filter(|view| daemon::is_of(view, &agent));
                    mine.find(|view| view.state == State::Pending).cloned()
                });
                (waits.is_some() || agent.output().contains("status ")).then_some(waits)
            });
            let Some(view) = waits else { break };
            daemon.deny(&view);
            daemon.watch.until("it waits no more", |requests| {
                requests.iter().find(|other| other.id == view.id && other.state != State::Pending).map(|_| ())
            });
        }
        let said = agent.end();
        assert!(!said.output.contains(WORKED), "{rules}: {said:?}");
    }
}

fn an_observed_script_does_not_open_its_interpreter() {
    let script = format!("printf '#!{DYNAMIC_ELF} 7\\n' >/tmp/hp-observed && chmod 755 /tmp/hp-observed");
    let command =
        format!("{script} && /tmp/hp-observed 7; [ $? = 7 ] && echo {WORKED}; rm -f /tmp/hp-observed");
    let rule = |name: &str, exec: &str| {
        format!("[[rule]]\nname = \"{name}\"\nexec = [\"{exec}\"]\naction = \"ask\"\n")
    };
    is_refused_by_both(&command, &rule("enforced", "hp-dynamic"), &rule("seen", "hp-observed"));
}

fn an_observed_program_of_many_names_does_not_become_an_enforced_one() {
    let many = "/usr/sbin/xtables-nft-multi";
    let command =
        format!("bash -c 'exec -a iptables {many} --version' | grep -q '^iptables v' && echo {WORKED}");
    let rule = |name: &str, exec: &str| {
        format!("[[rule]]\nname = \"{name}\"\nexec = [\"{exec}\"]\naction = \"ask\"\n")
    };
    is_refused_by_both(&command, &rule("enforced", "iptables"), &rule("seen", "xtables-nft-multi"));
    // What it does under another name is observed.
    let mut daemon = daemon::with(
        PLAIN_CONFIG,
        &[
            ("10-new.toml", &*format!("{OBSERVE}{}", rule("seen", "xtables-nft-multi"))),
            ("20-old.toml", &rule("enforced", "iptables")),
        ],
    );
    let (status, view) = tried(&mut daemon, &format!("{many} ip6tables --version"));
    assert_eq!((status.as_str(), view.decision.action), ("status 0", Action::Allow), "{view:?}");
    assert_eq!(view.decision.would_be.unwrap().rule.as_deref(), Some("seen"));
}
