//! Forks and execs from all sides for minutes: no listed program gets through, and no child is without its tag.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        api::CONTROL_SOCKET,
        cli::{User, shell},
        daemon, maps, programs,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    under_heavy_load_nothing_listed_runs_and_every_child_is_tagged,
];

pub(crate) const LOAD_TESTS: &[Test] = tests![Load, 3600:
    under_heavy_load_nothing_listed_runs_and_every_child_is_tagged,
];

/// Side by side.
const AGENTS: usize = 8;

fn under_heavy_load_nothing_listed_runs_and_every_child_is_tagged() {
    let seconds =
        std::env::var("HOLDPOINT_E2E_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let mut daemon = daemon::with_own_gate(daemon::PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
    shell("rm -rf /tmp/hp-load; mkdir -m 777 /tmp/hp-load");
    let connects = ["holdpoint-test-agent", "connect", CONTROL_SOCKET];
    let forbidden = "hp-forbidden --append /tmp/hp-load/ran x 0";
    // By root, so that nothing but the tag is in the way.
    assert_eq!(Agent::unguarded(User::Root, &connects).output, "connected\n");
    let line = format!("touch /tmp/hp-load/ran; {forbidden}");
    assert_eq!(Agent::unguarded(User::Root, &["sh", "-c", &line]).code, 0);
    assert_eq!(fs::read_to_string("/tmp/hp-load/ran").unwrap(), "x\n");
    fs::write("/tmp/hp-load/ran", "").unwrap();
    // Children that only fork, that execute what is not listed, what is listed, from the shell and from a thread, and
    // that find out whether they have a tag. All at once.
    let line = format!(
        "while [ ! -e /tmp/hp-load/enough ]; do \
           (:) & ( (:) & ) ; unlisted 0 >/dev/null; (exec unlisted 0 >/dev/null) & \
           (exec {forbidden}) 2>/dev/null & \
           (exec holdpoint-test-agent exec-from-thread /usr/local/bin/hp-forbidden --append /tmp/hp-load/ran x 0) \
             >/dev/null 2>&1 & \
           {} >>/tmp/hp-load/connect-$$ 2>&1; \
           ( ({} >>/tmp/hp-load/connect-$$ 2>&1) & ) ; wait; \
         done; echo ended",
        connects.join(" "),
        connects.join(" ")
    );
    let tagged_before = maps::tags().len();
    let mut agents: Vec<Agent> =
        (0..AGENTS).map(|_| Agent::start_as(User::Root, &["sh", "-c", &line])).collect();
    let begun = Instant::now();
    // The load is the point, so this is a wait for time; it looks meanwhile, so that a failure is seen at once.
    while begun.elapsed() < Duration::from_secs(seconds) {
        assert_eq!(fs::read_to_string("/tmp/hp-load/ran").unwrap(), "", "a denied program ran");
        std::thread::park_timeout(Duration::from_millis(500));
    }
    fs::write("/tmp/hp-load/enough", "").unwrap();
    for agent in &mut agents {
        agent.said("ended");
    }
    assert_eq!(fs::read_to_string("/tmp/hp-load/ran").unwrap(), "", "a denied program ran");
    let said = shell("cat /tmp/hp-load/connect-*");
    let count = |what: &str| said.lines().filter(|line| *line == what).count();
    let (refused, all) = (count("errno=1"), said.lines().count());
    let counted = |daemon: &mut daemon::Daemon, name| daemon.client().counter(name);
    let (held, forks) = (counted(&mut daemon, "held"), counted(&mut daemon, "fork_refused"));
    println!(
        "{held} listed execs, 0 ran; {refused} of {all} children found themselves tagged; {forks} forks refused, in {seconds} s"
    );
    assert_eq!((count("connected"), refused), (0, all), "children without a tag");
    assert!(held > seconds && refused > AGENTS, "it was no load");
    drop(agents);
    // None is left over, and none was taken away twice.
    eventually("the tags of what has ended are gone", || (maps::tags().len() <= tagged_before).then_some(()));
    eventually("what is counted is there", || {
        (maps::counted_tags() == u64::try_from(maps::tags().len()).unwrap()).then_some(())
    });
}
