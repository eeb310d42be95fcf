//! Wrong input of every kind: a clear error, and nothing changed by it.

use std::{
    fs,
    os::unix::{
        fs::{OpenOptionsExt as _, chown},
        net::UnixListener,
    },
    path::Path,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{Said, User, holdpoint, shell},
        daemon::{self, Process},
        programs,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    a_wrong_configuration_is_told_with_its_place,
    wrong_rules_are_told_with_their_place_and_change_nothing,
    a_path_that_does_not_exist_is_a_warning,
    a_glob_that_matches_a_hundred_thousand_files_is_refused,
    an_id_that_is_of_two_requests_or_of_none_decides_nothing,
    a_second_vote_and_a_vote_on_what_has_ended_count_for_nothing,
    without_a_daemon_the_command_line_says_so,
    a_socket_of_somebody_else_is_not_replaced,
    a_state_directory_that_cannot_be_written_keeps_the_daemon_from_starting,
    a_database_that_is_damaged_or_newer_keeps_the_daemon_from_starting,
];

fn a_wrong_configuration_is_told_with_its_place() {
    daemon::take_down_shared();
    daemon::prepare(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    assert_eq!(daemon::holdpointd(&["--check"]).code, 0, "with a good one");
    for (config, place, word) in [
        ("colour = true\n", ":1:1", "colour"),
        ("\nrequire_login_uid = \"no\"\n", ":2:21", "require_login_uid"),
        ("approver_group = 7\n", ":1:18", "approver_group"),
        ("state_directory = \"var/lib\"\n", ":1:19", "absolute"),
        ("[defaults]\ntimeout = 5\n", ":2:11", "timeout"),
        ("[defaults]\nwait = \"sometimes\"\n", ":2:8", "sometimes"),
        ("[limits]\npending = 0\n", ":2:11", "pending"),
        ("[show]\nenvironment = \"PATH\"\n", ":2:15", "environment"),
        ("approver_group = \"a\n", ":1:", "string"),
    ] {
        fs::write("/tmp/bad.toml", config).unwrap();
        let said = daemon::holdpointd(&["--config", "/tmp/bad.toml", "--check"]);
        assert_eq!(said.code, 1, "{config}: {said:?}");
        for word in [&format!("/tmp/bad.toml{place}"), word, "^"] {
            assert!(said.errors.contains(word), "'{word}' is missing for {config}: {}", said.errors);
        }
    }
}

/// Asks the daemon to take rules that are wrong, and shows that it has not.
fn refused_rules(text: &str) -> Said {
    daemon::write_rules("60-bad.toml", text);
    let said = holdpoint(&["reload"]);
    fs::remove_file(Path::new(daemon::POLICIES).join("60-bad.toml")).unwrap();
    assert_eq!(said.code, 65, "{text}: {said:?}");
    said
}

fn wrong_rules_are_told_with_their_place_and_change_nothing() {
    let mut daemon = daemon::plain();
    let before = daemon.client().status();
    let rule = "[[rule]]\nname = \"new\"\nexec = [\"unlisted\"]\naction = \"deny\"\n";
    assert_eq!(holdpoint(&["reload"]).code, 0);
    for (text, place, word) in [
        (format!("{rule}colour = \"red\"\n"), ":5:1", "colour"),
        (rule.replace("[[rule]]", "[[rules]]"), ":1:", "rules"),
        (rule.replace("\"new\"", "5"), ":2:8", "name"),
        (rule.replace("[\"unlisted\"]", "\"unlisted\""), ":3:8", "exec"),
        (format!("{rule}timeout = 5\n"), ":5:11", "timeout"),
        (format!("{rule}timeout = \"5 parsecs\"\n"), ":5:11", "timeout"),
        (rule.replace("name = \"new\"\n", ""), ":1:1", "a rule has no 'name'"),
        (rule.replace("\"new\"", "\"asked\""), ":2:8", "two rules have the name"),
        (rule.replace("[\"unlisted\"]", "[]"), ":3:1", "empty"),
        (rule.replace("\"deny\"", "\"dney\""), ":4:10", "dney"),
        (rule.replace("\"unlisted\"", "\"un/listed\""), ":3:9", "un/listed"),
        (rule.replace(']', ""), ":1:", "60-bad.toml"),
    ] {
        let said = refused_rules(&text);
        for word in [&format!("60-bad.toml{place}"), word, "^"] {
            assert!(said.errors.contains(word), "'{word}' is missing for {text}: {}", said.errors);
        }
        // A message is for a terminal: nothing that the file brings along gets there unescaped.
        assert!(!said.errors.contains('\x1b'), "{text}");
    }
    let now = daemon.client().status();
    assert_eq!(
        (now.rules, now.listed_names, now.listed_files),
        (before.rules, before.listed_names, before.listed_files)
    );
    let said = Agent::start(&["sh", "-c", "unlisted 7; echo \"status $?\""]).end();
    assert!(said.output.contains("status 7"), "{said:?}");
}

fn a_path_that_does_not_exist_is_a_warning() {
    let daemon = daemon::plain();
    daemon::write_rules(
        "60-none.toml",
        "[[rule]]\nname = \"none\"\nexec = [\"/opt/none/at-all\"]\naction = \"ask\"\n",
    );
    let said = holdpoint(&["reload"]);
    assert_eq!(said.code, 0, "{said:?}");
    for word in ["6 rules in force", "warning", "'/opt/none/at-all' is not there", "60-none.toml:3"] {
        assert!(said.output.contains(word), "'{word}' is missing: {said:?}");
    }
    fs::remove_file(Path::new(daemon::POLICIES).join("60-none.toml")).unwrap();
    assert_eq!(holdpoint(&["reload"]).code, 0);
    drop(daemon);
}

fn a_glob_that_matches_a_hundred_thousand_files_is_refused() {
    let mut daemon = daemon::plain();
    let before = daemon.client().status();
    let many = "/opt/holdpoint-tests/many";
    shell(&format!("mkdir -p {many} && mount -t tmpfs -o nr_inodes=200k,mode=0755 many {many}"));
    for number in 0..100_000 {
        let path = format!("{many}/{number}");
        fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o755).open(path).unwrap();
    }
    let rule = format!("[[rule]]\nname = \"many\"\nexec = [\"{many}/*\"]\naction = \"ask\"\n");
    let said = refused_rules(&rule);
    assert!(said.errors.contains("matches more than") && said.errors.contains("60-bad.toml:3"), "{said:?}");
    shell(&format!("umount {many}"));
    let now = daemon.client().status();
    assert_eq!((now.rules, now.listed_files), (before.rules, before.listed_files));
}

fn an_id_that_is_of_two_requests_or_of_none_decides_nothing() {
    let mut daemon = daemon::plain();
    // There are 32 characters: of 33 requests two begin with the same.
    let mut agent =
        Agent::start(&["sh", "-c", "for i in $(seq 33); do hp-static --append /tmp/token $i 0 & done; wait"]);
    let requests = daemon.requests(&agent, 33);
    let first = |id: &str| id.chars().next().unwrap().to_string();
    let mut seen = std::collections::HashSet::new();
    let twice = requests
        .iter()
        .map(|view| first(view.id.as_str()))
        .find(|first| !seen.insert(first.clone()))
        .unwrap();
    for (id, code, words) in [
        (twice.as_str(), 65, ["could be any of", "type more of it"]),
        ("zzzzz", 65, ["zzzzz", "no "]),
        ("u!", 65, ["not a request id", "0-9"]),
        ("", 65, ["not a request id", "0-9"]),
    ] {
        let said = holdpoint(&["approve", id]);
        assert_eq!(said.code, code, "'{id}': {said:?}");
        for word in words {
            assert!(said.errors.contains(word), "'{word}' is missing for '{id}': {said:?}");
        }
    }
    assert_eq!(daemon.client().pending().len(), 33, "something was decided");
    for request in requests {
        daemon.deny(&request);
    }
    agent.end();
}

fn a_second_vote_and_a_vote_on_what_has_ended_count_for_nothing() {
    let mut daemon = daemon::plain();
    for (vote, other) in [("approve", "deny"), ("deny", "approve")] {
        let mut agent = Agent::start(&["sh", "-c", "hp-dynamic --wait 7; echo \"status $?\""]);
        let request = daemon.request(&agent);
        let id = request.id.as_str();
        assert_eq!(holdpoint(&[vote, id]).code, 0);
        let second = |when: &str| {
            for again in [vote, other] {
                let said = holdpoint(&[again, id]);
                assert_eq!(said.code, 1, "{when}, {vote} and then {again}: {said:?}");
                assert!(said.errors.contains(id), "{when}: {said:?}");
            }
        };
        if vote == "approve" {
            agent.said("{\"pid\"");
            second("while it runs");
        }
        agent.end();
        let (verdict, outcome) = daemon.end_of(&request);
        second("after its end");
        let now = daemon.client().request(id);
        assert_eq!(now.votes.len(), 1, "{:?}", now.votes);
        assert_eq!(now.state, holdpoint_core::request::State::Ended { verdict, outcome });
    }
}

fn without_a_daemon_the_command_line_says_so() {
    daemon::take_down_shared();
    for arguments in [
        &["pending"][..],
        &["show", "abcde"],
        &["approve", "abcde"],
        &["deny", "abcde"],
        &["log"],
        &["status"],
        &["reload"],
    ] {
        let said = holdpoint(arguments);
        assert_eq!(said.code, 69, "{arguments:?}: {said:?}");
        assert!(said.errors.contains("holdpointd is not running"), "{arguments:?}: {said:?}");
        assert_eq!(said.output, "", "{arguments:?}");
    }
    assert_ne!(holdpoint(&["doctor"]).code, 0);
}

/// Starts a daemon that must not get far, and returns what it says.
fn does_not_start() -> String {
    let mut process = Process::start();
    let status = process.ended();
    let log = process.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(!log.contains("enforcing:"), "{log}");
    assert!(!Path::new("/sys/fs/bpf/holdpoint").exists(), "it left something pinned: {log}");
    log
}

fn a_socket_of_somebody_else_is_not_replaced() {
    daemon::take_down_shared();
    daemon::prepare(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let path = "/run/holdpoint/control.sock";
    drop(UnixListener::bind(path).unwrap());
    chown(path, Some(User::Bob.uid()), None).unwrap();
    let log = does_not_start();
    assert!(log.contains(path) && log.contains("belongs to uid 1002"), "{log}");
    fs::remove_file(path).unwrap();
    fs::write(path, "precious").unwrap();
    let log = does_not_start();
    assert!(log.contains(path) && log.contains("is not a socket"), "{log}");
    assert_eq!(fs::read_to_string(path).unwrap(), "precious");
    fs::remove_file(path).unwrap();
    chown(daemon::RUNTIME, Some(User::Bob.uid()), None).unwrap();
    let log = does_not_start();
    assert!(log.contains("belongs to uid 1002"), "{log}");
    chown(daemon::RUNTIME, Some(0), None).unwrap();
    drop(daemon::Daemon::start());
}

fn a_state_directory_that_cannot_be_written_keeps_the_daemon_from_starting() {
    daemon::take_down_shared();
    daemon::prepare(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    shell("mount -t tmpfs -o ro,mode=0700 tmpfs /var/lib/holdpoint");
    let check = daemon::holdpointd(&["--check"]);
    assert!(check.code == 1 && check.output.contains("cannot write in '/var/lib/holdpoint'"), "{check:?}");
    let log = does_not_start();
    assert!(log.contains("cannot write in '/var/lib/holdpoint'") && log.contains("cure:"), "{log}");
    shell("umount /var/lib/holdpoint");
    fs::remove_dir(daemon::STATE).unwrap();
    let log = does_not_start();
    assert!(log.contains("/var/lib/holdpoint") && log.contains("cure:"), "{log}");
}

fn a_database_that_is_damaged_or_newer_keeps_the_daemon_from_starting() {
    daemon::take_down_shared();
    daemon::prepare(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let mut daemon = daemon::Daemon::start();
    daemon.stop();
    drop(daemon);
    let path = "/var/lib/holdpoint/holdpoint.db";
    // When the last connection ends, all is in the one file and nothing in the log beside it.
    let sql = |statement: &str| {
        let program = format!(
            "import sqlite3; sqlite3.connect(\"{path}\", isolation_level=None).execute(\"{statement}\")"
        );
        shell(&format!("python3 -c '{program}'"));
    };
    sql("pragma wal_checkpoint(truncate)");
    let good = fs::read(path).unwrap();
    assert!(good.len() > 4 * 4096, "nothing is in the database");
    sql("pragma user_version = 999");
    let newer = fs::read(path).unwrap();
    let log = does_not_start();
    assert!(log.contains("has version 999") && log.contains(path), "{log}");
    assert!(fs::read(path).unwrap() == newer, "it was changed");
    for damaged in
        [b"this is no database, and long enough to be looked at as one would be".to_vec(), torn(&good)]
    {
        fs::write(path, &damaged).unwrap();
        let log = does_not_start();
        assert!(log.contains("damaged") && log.contains(path), "{log}");
        assert!(fs::read(path).unwrap() == damaged, "it was changed");
    }
}

/// The database with its pages after the first overwritten.
fn torn(good: &[u8]) -> Vec<u8> {
    good.iter().enumerate().map(|(at, byte)| if at < 4096 { *byte } else { 0x5a }).collect()
}
