//! The package and the service: installed, restarted, hung, upgraded, removed. A boot of its own: nothing of
//! holdpoint is there before the first of these tests, and after the last nothing again.

use std::{fs, path::Path, process::Command};

use holdpoint_core::wire::RequestList;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        api::Client,
        cli::{User, holdpoint_as, run, shell},
        daemon,
        maps::NoRoomForAnswers,
        service::{self, UNIT, property, systemctl},
        wait::eventually,
    },
};

// In this order, as an operator would have it.
pub(crate) const TESTS: &[Test] = tests![Package, 180:
    a_fresh_installation_enforces_and_holds_nothing_without_rules,
    under_the_unit_an_exec_is_held_and_approved,
    under_the_unit_files_are_found_in_whatever_mount_they_are_called,
    under_the_unit_an_agent_in_a_scope_of_its_own_is_held_and_outlives_the_daemon,
    a_reload_by_systemd_says_how_it_went,
    a_restart_adopts_what_is_held,
    a_daemon_that_hangs_is_ended_by_the_watchdog_and_what_is_held_waits_on,
    a_daemon_whose_canary_fails_is_restarted_until_the_gate_is_mended,
    a_gate_that_is_unpinned_under_the_daemon_stays_shut_and_is_pinned_again,
    while_the_service_is_stopped_execs_wait,
    an_installation_over_the_old_one_keeps_what_is_held,
    an_upgrade_to_a_package_with_a_changed_program_leaves_no_gap,
    an_agent_cannot_remove_the_package,
    a_removal_takes_the_gate_down_and_a_purge_leaves_nothing_behind,
    // The last before the reboot.
    a_unit_of_an_agents_is_held_also_before_a_reboot,
];

/// After the reboot with which the boot of the package goes on.
pub(crate) const REBOOTED_TESTS: &[Test] = tests![Rebooted, 180:
    after_a_reboot_the_gate_is_there_before_the_agents,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

fn unguarded_it_runs(line: &str, said: &str) {
    let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &format!("{line}; echo \"status $?\"")]);
    assert!(unguarded.output.contains(said), "unguarded: {unguarded:?}");
}

/// An agent whose exec is held.
fn held_agent() -> (Agent, holdpoint_core::wire::RequestView) {
    unguarded_it_runs("hp-dynamic 7", "status 7");
    let mut agent = Agent::start(&LOOP);
    agent.say("hp-dynamic 7");
    let request = service::request(&agent);
    assert!(!agent.output().contains("status 7"), "it ran unasked: {}", agent.output());
    (agent, request)
}

/// The request is the one that it was, and approved now.
fn is_still_held_and_runs_when_approved(agent: &Agent, before: &holdpoint_core::wire::RequestView) {
    let now = service::request(agent);
    assert_eq!((&now.id, now.hold, now.made_at), (&before.id, before.hold, before.made_at), "asked twice");
    assert!(!agent.output().contains("status 7"), "it ran unasked: {}", agent.output());
    service::approve(&now);
    agent.said("status 7");
}

fn a_fresh_installation_enforces_and_holds_nothing_without_rules() {
    shell("if getent group holdpoint; then groupdel holdpoint; fi");
    for path in ["/usr/sbin/holdpointd", "/usr/bin/holdpoint", "/etc/holdpoint", "/sys/fs/bpf/holdpoint"] {
        assert!(!Path::new(path).exists(), "{path} is there before");
    }
    let said = service::install();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(property("ActiveState"), "active", "{}", service::journal());
    assert_eq!(property("UnitFileState"), "enabled");
    assert_eq!(shell("getent group holdpoint | cut -d: -f1").trim(), "holdpoint");
    assert_eq!(shell("stat --format=%G /run/holdpoint/control.sock").trim(), "holdpoint");
    let status = service::status();
    assert!(status.enforcing && status.rules == 0 && status.problems.is_empty(), "{status:?}");
    service::status_line("systemd hears how things stand", |line| line.starts_with("rules in force: 0"));
    let mut agent = Agent::start(&["sh", "-c", "hp-dynamic 7; echo \"status $?\""]);
    assert!(agent.end().output.contains("status 7"), "without rules nothing is held");
    // As docs/operations.md has it: 2.7 of 10.
    shell("systemd-analyze security --no-pager --threshold=28 holdpointd.service");
    // The image of the guest leaves documents out of every package.
    let changed =
        "dpkg --verify holdpoint | grep --invert-match --extended-regexp /usr/share/'(doc|man)' || true";
    assert_eq!(shell(changed), "");
    // The group that the package made is the one that counts: alice joins it and is heard.
    assert_eq!(holdpoint_as(User::Alice, None, &["status"]).code, 77);
    shell("groupmod --gid 900 holdpoint && gpasswd --add alice holdpoint && systemctl restart holdpointd");
    assert_eq!(holdpoint_as(User::Alice, None, &["status"]).code, 0);
}

fn under_the_unit_an_exec_is_held_and_approved() {
    service::with_rules();
    let (agent, request) = held_agent();
    service::status_line("the status line tells of it", |line| {
        line == "rules in force: 5, held: 1, waiting for a person: 1"
    });
    is_still_held_and_runs_when_approved(&agent, &request);
    service::status_line("the status line tells of its end", |line| {
        line.ends_with("waiting for a person: 0")
    });
}

fn under_the_unit_files_are_found_in_whatever_mount_they_are_called() {
    service::with_rules();
    // Mounts that are younger than the daemon's own namespace, in the host's namespace and in one of the agent's.
    let root = "/opt/holdpoint-tests/mounts";
    shell(&format!(
        "mkdir -p {root}/bind {root}/upper {root}/work {root}/overlay {root}/own && \
         mount --bind /usr/local/bin {root}/bind && mount -t overlay overlay \
         -o lowerdir=/usr/local/bin,upperdir={root}/upper,workdir={root}/work {root}/overlay"
    ));
    let own = format!(
        "unshare --user --map-root-user --mount sh -c \
         'mount --bind /usr/local/bin {root}/own && exec {root}/own/hp-dynamic 7'"
    );
    let home = "mkdir -m 700 /tmp/mine-$$ && cp /usr/local/bin/unlisted /tmp/mine-$$/hp-dynamic && /tmp/mine-$$/hp-dynamic 7";
    for line in [&format!("{root}/bind/hp-dynamic 7"), &format!("{root}/overlay/hp-dynamic 7"), home] {
        unguarded_it_runs(line, "status 7");
        let agent = Agent::start(&["sh", "-c", &format!("{line}; echo \"status $?\"")]);
        let request = service::request(&agent);
        assert!(!agent.output().contains("status 7"), "it ran unasked: {}", agent.output());
        service::approve(&request);
        agent.said("status 7");
    }
    // It is found in the agent's own namespace as well, and refused for what the agent can mount there.
    unguarded_it_runs(&own, "status 7");
    let said = Agent::start(&["sh", "-c", &format!("{own}; echo \"status $?\"")]).end();
    assert!(said.output.contains("status 126"), "{said:?}");
    let all = Client::connect().get::<RequestList>("/v1/requests?state=all&limit=10000").requests;
    let notes: Vec<_> = all.into_iter().filter_map(|request| request.note).collect();
    assert!(
        notes.iter().any(|note| note.contains("a mount namespace of the agent's own making")),
        "{notes:?}"
    );
    shell(&format!("umount {root}/overlay {root}/bind && rm -rf {root} /tmp/mine-*"));
}

fn under_the_unit_an_agent_in_a_scope_of_its_own_is_held_and_outlives_the_daemon() {
    service::with_rules();
    unguarded_it_runs("hp-dynamic 7", "status 7");
    // The daemon has no network and few capabilities here, and asks systemd over D-Bus all the same.
    for user in [User::Agent, User::Root] {
        let mut agent = Agent::start_in_scope(user, &LOOP);
        agent.say("true");
        agent.said("status 0");
        let unit = format!("holdpoint-agent-{}-{}.scope", agent.name(), agent.pid());
        let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", agent.pid())).unwrap();
        assert_eq!(cgroup.trim(), format!("0::/system.slice/{unit}"));
        agent.say("hp-dynamic 7");
        let request = service::request(&agent);
        assert!(!agent.output().contains("status 7"), "it ran unasked: {}", agent.output());
        assert_eq!(request.facts.as_ref().unwrap().unit.as_deref(), Some(unit.as_str()));
        // The scope is systemd's, and no part of the daemon's own unit.
        systemctl(&["restart", UNIT]);
        assert_eq!(shell(&format!("systemctl is-active {unit}")).trim(), "active");
        is_still_held_and_runs_when_approved(&agent, &request);
        agent.end();
        eventually("the scope ends with its processes", || {
            (!fs::exists(format!("/sys/fs/cgroup/system.slice/{unit}")).unwrap()).then_some(())
        });
    }
}

fn a_reload_by_systemd_says_how_it_went() {
    service::with_rules();
    unguarded_it_runs("unlisted 5", "status 5");
    let mut agent = Agent::start(&LOOP);
    daemon::write_rules("60-more.toml", "[[rule]]\nname = \"more\"\nexec = \"not a list\"\n");
    let said = run(Command::new("systemctl").args(["reload", UNIT]));
    assert_ne!(said.code, 0, "a reload that failed: {said:?}");
    assert!(service::journal().contains("60-more.toml:3:"), "{}", service::journal());
    service::status_line("the status line tells of the failure", |line| {
        line.starts_with("PROBLEM: the last reload failed") && line.contains("rules in force: 5")
    });
    agent.say("unlisted 5");
    agent.said("status 5");
    daemon::write_rules(
        "60-more.toml",
        "[[rule]]\nname = \"more\"\nexec = [\"unlisted\"]\naction = \"deny\"\n",
    );
    systemctl(&["reload", UNIT]);
    service::status_line("the new rules are in force", |line| line.starts_with("rules in force: 6"));
    agent.say("unlisted 5");
    agent.said("status 126");
    fs::remove_file(Path::new(daemon::POLICIES).join("60-more.toml")).unwrap();
    systemctl(&["reload", UNIT]);
    service::status_line("the rule has gone", |line| line.starts_with("rules in force: 5"));
    assert_eq!(property("ActiveState"), "active");
}

fn a_restart_adopts_what_is_held() {
    service::with_rules();
    let (agent, request) = held_agent();
    let before = property("MainPID");
    systemctl(&["restart", UNIT]);
    assert_ne!(property("MainPID"), before);
    is_still_held_and_runs_when_approved(&agent, &request);
}

fn a_daemon_that_hangs_is_ended_by_the_watchdog_and_what_is_held_waits_on() {
    service::with_impatient_watchdog();
    let (agent, request) = held_agent();
    let mut meanwhile = Agent::start(&LOOP);
    meanwhile.say("true");
    meanwhile.said("status 0");
    let before = property("MainPID");
    shell(&format!("kill -STOP {before}"));
    meanwhile.say("hp-dynamic 7");
    service::successor_of(&before);
    assert_eq!(property("NRestarts"), "1", "{}", service::journal());
    is_still_held_and_runs_when_approved(&agent, &request);
    let second = service::request(&meanwhile);
    is_still_held_and_runs_when_approved(&meanwhile, &second);
    service::with_usual_watchdog();
}

fn a_daemon_whose_canary_fails_is_restarted_until_the_gate_is_mended() {
    service::with_impatient_watchdog();
    let (agent, request) = held_agent();
    let before = property("MainPID");
    let no_room = NoRoomForAnswers::begin();
    assert_eq!(holdpoint_as(User::Root, None, &["reload"]).code, 0);
    service::status_line("the status line tells of it", |line| {
        line.starts_with("PROBLEM: cannot use the map 'allowances'")
    });
    // First the watchdog ends the one that runs, then each that comes after it ends by itself, without a word of being
    // ready.
    service::status_line("the next one tells why it does not start", |line| {
        line.contains("nothing can be enforced on this host as it is")
    });
    eventually("systemd tries on", || (property("NRestarts").parse::<u32>().unwrap() >= 3).then_some(()));
    assert_ne!(property("ActiveState"), "active", "{}", service::journal());
    drop(no_room);
    service::successor_of(&before);
    assert!(service::status().enforcing);
    is_still_held_and_runs_when_approved(&agent, &request);
    service::with_usual_watchdog();
}

fn a_gate_that_is_unpinned_under_the_daemon_stays_shut_and_is_pinned_again() {
    service::with_rules();
    unguarded_it_runs("hp-forbidden 7", "status 7");
    let mut agent = Agent::start(&LOOP);
    agent.say("true");
    agent.said("status 0");
    let before = property("MainPID");
    shell("rm -r /sys/fs/bpf/holdpoint");
    agent.say("hp-forbidden 7");
    agent.said("status 126");
    let pinned = || Path::new("/sys/fs/bpf/holdpoint/maps/meta").exists().then_some(());
    eventually("all is pinned again", pinned);
    assert_eq!(property("MainPID"), before, "{}", service::journal());
    assert!(service::status().enforcing);
    systemctl(&["restart", UNIT]);
    agent.say("hp-forbidden 6");
    eventually("it is denied again", || (agent.output().matches("status 126").count() == 2).then_some(()));
    assert!(!agent.output().contains("status 7") && !agent.output().contains("status 6"));
    let (agent, request) = held_agent();
    is_still_held_and_runs_when_approved(&agent, &request);
}

fn while_the_service_is_stopped_execs_wait() {
    service::with_rules();
    unguarded_it_runs("hp-dynamic 7", "status 7");
    let mut agent = Agent::start(&LOOP);
    agent.say("true");
    agent.said("status 0");
    systemctl(&["stop", UNIT]);
    assert!(Path::new("/run/holdpoint").is_dir(), "the place of the sockets is free for others");
    agent.say("hp-dynamic 7");
    eventually("the exec is held without a daemon", || agent.stopped_child());
    systemctl(&["start", UNIT]);
    let request = service::request(&agent);
    is_still_held_and_runs_when_approved(&agent, &request);
}

fn an_installation_over_the_old_one_keeps_what_is_held() {
    service::with_rules();
    let (agent, request) = held_agent();
    let before = property("MainPID");
    let said = service::install();
    assert_eq!(said.code, 0, "{said:?}");
    assert_ne!(property("MainPID"), before, "the new daemon does not run");
    assert_eq!(
        fs::read_to_string(daemon::CONFIG).unwrap(),
        daemon::PLAIN_CONFIG,
        "the configuration was changed"
    );
    is_still_held_and_runs_when_approved(&agent, &request);
}

fn an_upgrade_to_a_package_with_a_changed_program_leaves_no_gap() {
    service::with_rules();
    shell("rm -rf /tmp/hp-free /tmp/hp-enough /tmp/hp-package; touch /tmp/hp-free; chmod 666 /tmp/hp-free");
    unguarded_it_runs("hp-forbidden --append /tmp/hp-free unguarded 0", "status 0");
    assert_eq!(fs::read_to_string("/tmp/hp-free").unwrap(), "unguarded\n");
    fs::write("/tmp/hp-free", "").unwrap();
    // With a breath in between: dpkg has to get on as well.
    let line = "while [ ! -e /tmp/hp-enough ]; do hp-forbidden --append /tmp/hp-free $$ 0 2>/dev/null; sleep 0.1; done; \
                echo ended";
    let mut loops: Vec<Agent> = (0..2).map(|_| Agent::start(&["sh", "-c", line])).collect();
    let (agent, request) = held_agent();
    let links = || shell("ls -d /sys/fs/bpf/holdpoint/links-*");
    let before = links();
    let said = service::upgrade();
    assert_eq!(said.code, 0, "{said:?}");
    assert_ne!(links(), before, "the programs are the old ones: {}", service::journal());
    is_still_held_and_runs_when_approved(&agent, &request);
    fs::write("/tmp/hp-enough", "").unwrap();
    for agent in &mut loops {
        agent.said("ended");
    }
    assert_eq!(fs::read_to_string("/tmp/hp-free").unwrap(), "", "a denied program ran");
    assert_eq!(service::install().code, 0, "the version from before comes back");
}

fn an_agent_cannot_remove_the_package() {
    service::with_rules();
    // That a removal works is what the next test shows.
    let mut agent = Agent::start(&LOOP);
    agent.say("sudo dpkg --remove holdpoint");
    agent.said("an agent may not take the gate down");
    agent.said("\nstatus 1\n");
    assert_eq!(property("ActiveState"), "active", "{}", service::journal());
    // Where no daemon runs that could tell, the maps do.
    systemctl(&["stop", UNIT]);
    agent.say("sudo dpkg --remove holdpoint");
    agent.said("the gate could not be taken down");
    eventually("dpkg starts the daemon again", || (property("ActiveState") == "active").then_some(()));
    assert!(Path::new("/sys/fs/bpf/holdpoint").exists());
    let (agent, request) = held_agent();
    is_still_held_and_runs_when_approved(&agent, &request);
}

fn a_removal_takes_the_gate_down_and_a_purge_leaves_nothing_behind() {
    service::with_rules();
    let (mut agent, _request) = held_agent();
    shell("dpkg --remove holdpoint");
    agent.said("status 126");
    assert!(!Path::new("/sys/fs/bpf/holdpoint").exists(), "something is still pinned");
    agent.say("hp-dynamic 7");
    agent.said("status 7");
    assert_eq!(property("ActiveState"), "inactive");
    assert!(
        Path::new(daemon::CONFIG).exists() && Path::new(daemon::STATE).exists(),
        "kept for a reinstallation"
    );
    shell("dpkg --purge holdpoint");
    assert_eq!(property("LoadState"), "not-found");
    assert_eq!(service::left_behind(), Vec::<String>::new());
    // As Debian has it: the number of a group could be given out again.
    assert_eq!(shell("getent group holdpoint | cut -d: -f1").trim(), "holdpoint");
}

/// An agent in a unit of its own, which tries all the while what a rule denies. What it writes outlives a reboot.
const LOOPING: &str = "/etc/systemd/system/hp-loop-1.service";
const TRIES: &str = "/var/lib/hp-loop";

fn lines_of(name: &str) -> usize {
    fs::read_to_string(Path::new(TRIES).join(name)).map_or(0, |text| text.lines().count())
}

fn a_unit_of_an_agents_is_held_also_before_a_reboot() {
    shell(&format!("mkdir -p -m 777 {TRIES}; touch {TRIES}/ran; chmod 666 {TRIES}/ran"));
    let unit = format!(
        "[Unit]\nAfter=holdpointd.service\n[Service]\nUser=bob\nExecStart=/bin/sh -c 'while :; do \
         hp-forbidden --append {TRIES}/ran x 0; echo tried >>{TRIES}/tried; sleep 0.1; done'\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    fs::write(LOOPING, unit).unwrap();
    systemctl(&["daemon-reload"]);
    systemctl(&["start", "hp-loop-1.service"]);
    eventually("it runs unguarded", || (lines_of("ran") > 0).then_some(()));
    systemctl(&["stop", "hp-loop-1.service"]);
    service::with_rules();
    let config =
        format!("{}[[agent]]\nname = \"loop\"\nunit = \"hp-loop-*.service\"\n", daemon::PLAIN_CONFIG);
    fs::write(daemon::CONFIG, config).unwrap();
    systemctl(&["restart", UNIT]);
    fs::write(Path::new(TRIES).join("ran"), "").unwrap();
    fs::write(Path::new(TRIES).join("tried"), "").unwrap();
    shell(&format!("chmod 666 {TRIES}/tried"));
    systemctl(&["enable", "--now", "hp-loop-1.service"]);
    eventually("it has tried", || (lines_of("tried") > 5).then_some(()));
    assert_eq!(lines_of("ran"), 0, "a denied program ran");
    // It waits for a person when this process ends, and with it the agent: its group is an orphan then, and is hung up.
    let mut agent = Agent::start(&LOOP);
    agent.say("hp-dynamic 7");
    let request = service::request(&agent);
    fs::write(Path::new(TRIES).join("pending"), request.id.as_str()).unwrap();
    fs::write(Path::new(TRIES).join("before"), format!("{}\n", lines_of("tried"))).unwrap();
}

fn after_a_reboot_the_gate_is_there_before_the_agents() {
    assert_eq!(property("ActiveState"), "active", "{}", service::journal());
    assert!(service::status().enforcing);
    let number = |name| fs::read_to_string(Path::new(TRIES).join(name)).unwrap().trim().to_owned();
    let before: usize = number("before").parse().unwrap();
    eventually("it has tried again", || (lines_of("tried") > before + 5).then_some(()));
    assert_eq!(lines_of("ran"), 0, "a denied program ran");
    let said = holdpoint_as(User::Root, None, &["--json", "show", &number("pending")]);
    assert!(said.output.contains("\"cancelled\"") && said.output.contains("\"never_ran\""), "{said:?}");
}
