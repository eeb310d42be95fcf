//! Rules about more than the program: arguments, variables, who, where and when. And the packs about real programs.

use std::{collections::BTreeMap, time::Duration};

use holdpoint_core::{
    policy::Action,
    request::{Outcome, State, Verdict},
    wire::RequestView,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{User, holdpoint},
        daemon::{self, Daemon},
        programs::{self, put},
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    arguments_variables_and_who_it_is_decide,
    what_is_not_known_counts_against_the_agent,
    a_deny_says_its_message_to_the_agents_side,
    a_script_does_not_borrow_the_arguments_of_its_interpreter,
    a_script_of_the_agents_does_not_lend_its_arguments_to_a_listed_interpreter,
    a_program_does_not_borrow_the_rules_of_another_by_a_link_of_its_name,
    the_packs_decide_about_real_programs,
    while_rules_change_each_exec_is_decided_by_the_old_or_the_new,
];

pub(crate) const RACES: &[Test] = tests![Races, 3000:
    while_rules_change_each_exec_is_decided_by_the_old_or_the_new,
];

const RULES: &str = r#"
[[command]]
exec = ["hp-dynamic"]
values = ["--region"]
flags = ["--wait"]

[[resource]]
name = "region"
exec = ["hp-dynamic"]
flags = ["--region"]
env = ["HP_REGION"]
default = "eu-1"

[[rule]]
name = "elsewhere"
exec = ["hp-dynamic"]
action = "deny"
resource = { region = { not_in = ["eu-*"] } }
deny_message = "Data stays in Europe."

[[rule]]
name = "seven"
exec = ["hp-dynamic"]
action = "allow"
subcommand = ["7"]
users = ["agent"]
groups = ["agent"]
agents = ["agent-*"]
parents = ["dash"]
owner = "root"
hours = { from = "00:00", to = "24:00", zone = "Europe/Berlin" }
[rule.unless]
cwd = ["/var/tmp*"]

[[rule]]
name = "others"
exec = ["hp-dynamic"]
action = "ask"
"#;

/// What is decided about it, once it is over. Where people are asked, they deny.
fn decided(daemon: &mut Daemon, line: &str) -> (Action, Option<String>, RequestView) {
    let mut agent = Agent::start(&["sh", "-c", &format!("{line}; echo \"status $?\"")]);
    let first = daemon.watch.until(&format!("a record of '{line}'"), |requests| {
        let mine = requests.iter().find(|view| daemon::is_of(view, &agent))?;
        (mine.state == State::Pending || matches!(mine.state, State::Ended { .. })).then(|| mine.clone())
    });
    if first.state == State::Pending {
        daemon.deny(&first);
    }
    let said = agent.end();
    let allowed = first.decision.action == Action::Allow;
    assert_eq!(!said.output.contains("status 126"), allowed, "{line}: {:?}: {said:?}", first.decision);
    // Debian's psql is a script that executes a psql.
    assert!(allowed || daemon.count(&agent) == 1, "{line}");
    (first.decision.action, first.decision.rule.clone(), first)
}

fn expect(daemon: &mut Daemon, cases: &[(&str, Action, &str)]) {
    for (line, action, rule) in cases {
        let (said, by, view) = decided(daemon, line);
        assert_eq!((said, by.as_deref()), (*action, Some(*rule)), "{line}: {}", view.decision.because);
    }
}

fn arguments_variables_and_who_it_is_decide() {
    let unguarded =
        Agent::unguarded(User::Agent, &["sh", "-c", "hp-dynamic 7 --region us-1; echo \"status $?\""]);
    assert!(unguarded.output.contains("status 0"), "unguarded: {unguarded:?}");
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-clauses.toml", RULES)]);
    expect(
        &mut daemon,
        &[
            ("hp-dynamic 7", Action::Allow, "seven"),
            ("hp-dynamic --region eu-2 7", Action::Allow, "seven"),
            ("HP_REGION=eu-3 hp-dynamic 7", Action::Allow, "seven"),
            ("hp-dynamic 8", Action::Ask, "others"),
            ("hp-dynamic --region 7 8", Action::Deny, "elsewhere"),
            ("hp-dynamic 7 --region=us-1", Action::Deny, "elsewhere"),
            ("HP_REGION=us-1 hp-dynamic 7", Action::Deny, "elsewhere"),
            ("bash -c 'exec -a 7 hp-dynamic 8'", Action::Deny, "elsewhere"),
            ("(cd /var/tmp && hp-dynamic 7)", Action::Ask, "others"),
            // The shell's own name is no parent's where another starts it.
            ("setsid -w hp-dynamic 7", Action::Allow, "seven"),
        ],
    );
}

fn what_is_not_known_counts_against_the_agent() {
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-clauses.toml", RULES)]);
    expect(
        &mut daemon,
        &[
            // An option that no [[command]] knows may take the next argument.
            ("hp-dynamic --unknown 7", Action::Deny, "elsewhere"),
            ("hp-dynamic 7 --unknown=1", Action::Deny, "elsewhere"),
            // Which of both counts is the program's to say.
            ("hp-dynamic 7 --region eu-1 --region us-1", Action::Deny, "elsewhere"),
            ("HP_REGION= hp-dynamic 7", Action::Deny, "elsewhere"),
        ],
    );
    // Of an exec that is refused at once nobody sees the environment.
    let waits = RULES.replace("action = \"ask\"", "action = \"ask\"\nwait = \"refuse\"");
    daemon::write_rules("10-clauses.toml", &waits);
    let reloaded = holdpoint(&["reload"]);
    assert_eq!(reloaded.code, 0, "{reloaded:?}");
    expect(&mut daemon, &[("hp-dynamic 7", Action::Deny, "elsewhere")]);
}

fn a_deny_says_its_message_to_the_agents_side() {
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-clauses.toml", RULES)]);
    let (_, _, view) = decided(&mut daemon, "hp-dynamic 7 --region us-1");
    let view = daemon.client().request(view.id.as_str());
    assert_eq!(view.note.as_deref(), Some("Data stays in Europe."));
    assert_eq!(view.state, State::Ended { verdict: Verdict::Denied, outcome: Outcome::Refused });
}

fn a_script_does_not_borrow_the_arguments_of_its_interpreter() {
    programs::install();
    let script = "/opt/holdpoint-tests/clauses-script";
    put(script, b"#!/usr/local/bin/hp-dynamic 7\n");
    let rules = RULES.replace("[[rule]]\nname = \"elsewhere\"", "[[rule]]\nname = \"script\"\nexec = [\"/opt/holdpoint-tests/clauses-script\"]\naction = \"allow\"\n\n[[rule]]\nname = \"elsewhere\"");
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &format!("{script}; echo \"status $?\"")]);
    assert!(unguarded.output.contains("status 0"), "unguarded: {unguarded:?}");
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-clauses.toml", &rules)]);
    // The script is allowed; what the interpreter is given nobody has taken apart.
    expect(&mut daemon, &[(script, Action::Deny, "elsewhere")]);
}

fn a_script_of_the_agents_does_not_lend_its_arguments_to_a_listed_interpreter() {
    programs::install();
    let script = "/opt/holdpoint-tests/clauses-unlisted";
    put(script, b"#!/usr/local/bin/hp-dynamic 8\n");
    let line = format!("{script} 7");
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &format!("{line}; echo \"status $?\"")]);
    assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-clauses.toml", RULES)]);
    // `7` is the script's, and what comes before it is not: the interpreter gets "8 /opt/… 7".
    expect(&mut daemon, &[(&line, Action::Deny, "elsewhere")]);
}

fn a_program_does_not_borrow_the_rules_of_another_by_a_link_of_its_name() {
    programs::install();
    let rules = format!(
        "[[rule]]\nname = \"harmless-by-name\"\nexec = [\"hp-harmless\"]\naction = \"allow\"\n{RULES}"
    );
    let linked = "d=$(mktemp -d) && ln -s /usr/local/bin/hp-dynamic $d/hp-harmless && $d/hp-harmless 8";
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &format!("{linked}; echo \"status $?\"")]);
    assert!(unguarded.output.contains("status 8"), "unguarded: {unguarded:?}");
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-clauses.toml", &rules)]);
    expect(
        &mut daemon,
        &[("hp-harmless 8", Action::Allow, "harmless-by-name"), (linked, Action::Ask, "others")],
    );
}

/// All packs, as they are installed.
const PACKS: [(&str, &str); 10] = [
    ("cloud.toml", include_str!("../../../policies/cloud/cloud.toml")),
    ("databases.toml", include_str!("../../../policies/databases/databases.toml")),
    ("escape.toml", include_str!("../../../policies/escape/escape.toml")),
    ("git.toml", include_str!("../../../policies/git/git.toml")),
    ("kubernetes.toml", include_str!("../../../policies/kubernetes/kubernetes.toml")),
    ("logs.toml", include_str!("../../../policies/logs/logs.toml")),
    ("network.toml", include_str!("../../../policies/network/network.toml")),
    ("packages.toml", include_str!("../../../policies/packages/packages.toml")),
    ("privilege.toml", include_str!("../../../policies/privilege/privilege.toml")),
    ("terraform.toml", include_str!("../../../policies/terraform/terraform.toml")),
];

fn the_packs_decide_about_real_programs() {
    let harmless = "kubectl version --client && pg_dump --version && psql --version && systemctl --version && aws --version";
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", harmless]);
    assert_eq!(unguarded.code, 0, "unguarded: {unguarded:?}");
    let mut daemon = daemon::with(daemon::PLAIN_CONFIG, &PACKS);
    expect(
        &mut daemon,
        &[
            ("kubectl version --client", Action::Allow, "kubernetes-reads"),
            ("kubectl -n prod delete pod x", Action::Ask, "kubernetes-delete"),
            ("kubectl --namespace get delete ns prod", Action::Ask, "kubernetes-delete-namespace"),
            ("kubectl get pods --as admin", Action::Ask, "kubernetes-identity"),
            ("aws --version", Action::Allow, "cloud-aws-version"),
            (
                "aws --region eu-west-1 kms schedule-key-deletion --key-id x",
                Action::Deny,
                "cloud-aws-kms-removal",
            ),
            ("aws s3 rm s3://bucket/key", Action::Ask, "cloud-aws-removal"),
            ("psql --version", Action::Allow, "databases-versions"),
            ("psql -c 'select 1'", Action::Ask, "databases-shells"),
            ("pg_dump production", Action::Ask, "databases-exports"),
            ("dropdb production", Action::Deny, "databases-removal"),
            ("sudo id", Action::Ask, "privilege-sudo"),
            ("sudo -u root bash", Action::Ask, "privilege-sudo-shell"),
            ("modprobe nothing", Action::Deny, "privilege-kernel-and-boot"),
            ("systemctl is-active dbus.service", Action::Allow, "escape-systemctl-reads"),
            ("systemctl restart dbus.service", Action::Ask, "escape-systemctl"),
            ("reboot --help", Action::Deny, "escape-power"),
            ("tmux new-session", Action::Ask, "escape-terminals"),
            // As reboot(8) it would stop the host, and no `status` were a word.
            ("bash -c 'exec -a reboot systemctl status'", Action::Ask, "escape-systemctl"),
            ("ssh -o ProxyCommand=id build-7 true", Action::Ask, "escape-other-host-options"),
            ("ssh build-7 true", Action::Ask, "escape-other-host"),
            ("crontab -l", Action::Allow, "escape-crontab-list"),
            ("crontab -r", Action::Ask, "escape-crontab"),
            ("git status", Action::Allow, "git-reads"),
            ("git push origin main", Action::Ask, "git-push-protected"),
            ("git push -f", Action::Ask, "git-push-forced"),
            ("git -c core.pager=id log", Action::Ask, "git-options"),
            ("iptables -L -n", Action::Allow, "network-firewall-reads"),
            ("iptables -F", Action::Ask, "network-firewall-emptied"),
            ("iptables -A INPUT -j DROP", Action::Ask, "network-firewall"),
            ("ip addr", Action::Allow, "network-ip-objects"),
            ("ip netns exec x id", Action::Ask, "network-ip-programs"),
            ("journalctl -n20 --no-pager", Action::Allow, "logs-journal-reads"),
            ("journalctl --vacuum-time=1s", Action::Ask, "logs-journal-removal"),
            ("dpkg -l", Action::Allow, "packages-dpkg-reads"),
            ("dpkg -i nothing.deb", Action::Ask, "packages-dpkg"),
        ],
    );
}

const AGENTS: usize = 4;

/// How many execs there are: some, or a thousand in the soak.
fn execs() -> usize {
    if std::env::var_os("HOLDPOINT_E2E_RACES").is_some() { 1_000 } else { 200 }
}

fn while_rules_change_each_exec_is_decided_by_the_old_or_the_new() {
    let rules = |name: &str, action: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nexec = [\"hp-static\"]\naction = \"{action}\"\nsubcommand = [\"7\"]\n\n[[rule]]\nname = \"{name}-other\"\nexec = [\"hp-static\"]\naction = \"deny\"\n[rule.unless]\nsubcommand = [\"7\"]\n"
        )
    };
    let (old, new) = (rules("old", "allow"), rules("new", "deny"));
    let daemon = daemon::with(daemon::PLAIN_CONFIG, &[("10-clauses.toml", &old)]);
    let execs = execs();
    let each = execs / AGENTS;
    let line = format!(
        "i=0; while [ $i -lt {each} ]; do i=$((i + 1)); hp-static 7 >/dev/null 2>&1; echo \"status $?\"; done; echo over"
    );
    let mut agents: Vec<Agent> = (0..AGENTS).map(|_| Agent::start(&["sh", "-c", &line])).collect();
    let mut reloads = 0;
    while agents.iter().any(|agent| !agent.output().contains("over")) {
        let text = if reloads % 2 == 0 { &new } else { &old };
        daemon::write_rules("10-clauses.toml", text);
        let said = holdpoint(&["reload"]);
        assert_eq!(said.code, 0, "{said:?}");
        reloads += 1;
        // Most of the time belongs to the agents.
        std::thread::sleep(Duration::from_millis(200));
    }
    let said = crate::support::agent::end_all(&mut agents).concat();
    let count = |status: &str| said.lines().filter(|line| *line == format!("status {status}")).count();
    let (ran, refused) = (count("7"), count("126"));
    assert_eq!(ran + refused, execs, "each has run or was refused: {ran}, {refused}");
    let mut by_rule: BTreeMap<String, usize> = BTreeMap::new();
    daemon.watch.until("all records", |requests| {
        by_rule.clear();
        for view in requests.iter().filter(|view| agents.iter().any(|agent| daemon::is_of(view, agent))) {
            if matches!(view.state, State::Ended { .. }) {
                *by_rule.entry(view.decision.rule.clone().unwrap_or_default()).or_default() += 1;
            }
        }
        (by_rule.values().sum::<usize>() == execs).then_some(())
    });
    print!("{reloads} reloads, {ran} ran, {refused} refused: ");
    assert_eq!(by_rule, BTreeMap::from([("old".to_owned(), ran), ("new".to_owned(), refused)]));
    assert!(reloads >= 2 && ran > 0 && refused > 0, "the rules have not changed meanwhile");
}
