//! The tags themselves: where no more fit, and where one is left over.

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        api::CONTROL_SOCKET,
        cli::{User, shell},
        daemon,
        maps::{self, NoRoomForTags},
        programs,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    where_no_more_tags_fit_agents_cannot_fork_and_others_can,
    a_tag_that_was_left_over_makes_nobody_an_agents,
];

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do $line; echo \"status $?\"; done"];

fn where_no_more_tags_fit_agents_cannot_fork_and_others_can() {
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&LOOP);
    agent.say("hostname");
    agent.said("status 0");
    let before = daemon.client().counter("fork_refused");
    let full = NoRoomForTags::begin();
    // A shell that cannot fork ends.
    agent.say("hostname");
    let said = agent.end();
    assert!(said.output.contains("fork"), "{said:?}");
    assert_ne!(said.code, 0, "{said:?}");
    assert!(daemon.client().counter("fork_refused") > before);
    assert_eq!(shell("hostname >/dev/null; echo \"status $?\""), "status 0\n");
    drop(full);
    let mut agent = Agent::start(&LOOP);
    agent.say("hostname");
    agent.said("status 0");
}

fn a_tag_that_was_left_over_makes_nobody_an_agents() {
    // The counts are written with a hand that is not quick enough for a gate that goes on.
    let mut daemon = daemon::with_own_gate(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    let connect = ["holdpoint-test-agent", "connect", CONTROL_SOCKET];
    // What the tag does, where it is.
    assert_eq!(Agent::start_as(User::Root, &connect).end().output, "errno=1\n");
    let line = "sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & read -r line; kill $!; kill 0";
    let mut agent = Agent::start_as(User::Root, &["sh", "-c", line]);
    let tags = eventually("five threads have tags", || {
        let tags = maps::tags();
        (tags.len() >= 5).then_some(tags)
    });
    agent.end_input();
    agent.end();
    eventually("the tags of what has ended are gone", || maps::tags().is_empty().then_some(()));
    let before = daemon.client().counter("tags_left_over");
    maps::put_tags_back(&tags);
    // Processes of nobody's, one of which gets the place of one that has ended.
    eventually("a place is used again", || {
        assert_eq!(Agent::unguarded(User::Root, &connect).output, "connected\n");
        (daemon.client().counter("tags_left_over") > before).then_some(())
    });
}
