//! Approvals that are about more than one exec: the identical action again (`for`, `uses`).

use holdpoint_core::{
    request::{Outcome, State, Verdict},
    wire::RequestView,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::holdpoint,
        daemon::{self, Daemon},
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    the_identical_action_goes_on_as_often_as_the_approval_says,
    whatever_differs_is_asked_about,
    what_was_given_ends_with_its_time_its_rule_and_the_daemon,
];

/// What was denied is asked about again at once: to a person some of what these tests try is the same.
const CONFIG: &str = "require_login_uid = false\n\
    limits = { agent_pending = 32768, agent_per_minute = 60000, cooldown = \"0s\" }\n";

/// Runs each line of its input as a command and says its status.
const LOOP: [&str; 3] = ["sh", "-c", "while read -r line; do eval \"$line\"; echo \"status $?\"; done"];

fn rules(keys: &str) -> String {
    format!(
        "[[rule]]\nname = \"again\"\nexec = [\"hp-static\", \"hp-dynamic\"]\naction = \"ask\"\n{keys}\n\n\
         [[rule]]\nname = \"never\"\nexec = [\"hp-forbidden\"]\naction = \"deny\"\n"
    )
}

fn with(keys: &str) -> Daemon {
    daemon::with(CONFIG, &[("10-granted.toml", &rules(keys))])
}

/// An agent, and how many of its requests were looked at.
struct Tries {
    agent: Agent,
    seen: usize,
}

impl Tries {
    fn start() -> Self {
        Self { agent: Agent::start(&LOOP), seen: 0 }
    }

    /// Its next request, once it waits or is over.
    fn next(&mut self, daemon: &Daemon, line: &str) -> RequestView {
        let seen = self.seen;
        let view = daemon.watch.until(&format!("a record of '{line}'"), |requests| {
            let mine = requests.iter().filter(|view| daemon::is_of(view, &self.agent)).nth(seen)?;
            (mine.state == State::Pending || matches!(mine.state, State::Ended { .. })).then(|| mine.clone())
        });
        self.seen += 1;
        view
    }

    /// It tries the line; people are asked, and say this.
    fn asks(&mut self, daemon: &mut Daemon, line: &str, approve: bool) -> RequestView {
        let before = self.said("status");
        self.agent.say(line);
        let view = self.next(daemon, line);
        assert_eq!(view.state, State::Pending, "{line}: {:?}", view.note);
        if approve {
            daemon.approve(&view);
        } else {
            daemon.deny(&view);
        }
        eventually("the command has ended", || (self.said("status") > before).then_some(()));
        view
    }

    /// It tries the line, and nobody is asked, since this request was approved.
    fn goes_on(&mut self, daemon: &mut Daemon, line: &str, by: &RequestView) {
        let before = self.said("status 7");
        self.agent.say(line);
        let view = self.next(daemon, line);
        let ended =
            State::Ended { verdict: Verdict::Approved, outcome: Outcome::Executed { status: Some(7 << 8) } };
        assert_eq!(view.state, ended, "{line}: {view:?}");
        eventually("the command has ended", || (self.said("status 7") > before).then_some(()));
        let view = daemon.client().request(view.id.as_str());
        assert!(view.note.unwrap_or_default().contains(by.id.as_str()), "the record names {}", by.id);
        assert_eq!(view.votes, []);
    }

    fn said(&self, what: &str) -> usize {
        self.agent.output().lines().filter(|line| line.starts_with(what)).count()
    }
}

fn the_identical_action_goes_on_as_often_as_the_approval_says() {
    // Without it each is asked about.
    let mut daemon = with("");
    let mut tries = Tries::start();
    tries.asks(&mut daemon, "hp-static 7", true);
    tries.asks(&mut daemon, "hp-static 7", true);
    daemon::write_rules("10-granted.toml", &rules("for = \"10m\"\nuses = 3"));
    assert_eq!(holdpoint(&["reload"]).code, 0);
    let approved = tries.asks(&mut daemon, "hp-static 7", true);
    tries.goes_on(&mut daemon, "hp-static 7", &approved);
    tries.goes_on(&mut daemon, "hp-static 7", &approved);
    tries.asks(&mut daemon, "hp-static 7", false);
    let said = tries.agent.output();
    assert!(said.contains("status 126"), "{said}");
    let shown = holdpoint(&["show", approved.id.as_str()]).output;
    assert!(shown.contains("3 execs"), "{shown}");
}

fn whatever_differs_is_asked_about() {
    let mut daemon = with("for = \"10m\"");
    let mut tries = Tries::start();
    let approved = tries.asks(&mut daemon, "hp-static 7", true);
    tries.goes_on(&mut daemon, "hp-static 7", &approved);
    for line in [
        "hp-static 7 more",
        "hp-dynamic 7",
        "HP_HIDDEN_SECRET=1 hp-static 7",
        "(cd /usr && hp-static 7)",
        "unshare -r hp-static 7",
        "bash -c 'exec -a other hp-static 7'",
    ] {
        tries.asks(&mut daemon, line, false);
    }
    let mut other = Tries::start();
    other.asks(&mut daemon, "hp-static 7", false);
    // What was approved before is as it was.
    tries.goes_on(&mut daemon, "hp-static 7", &approved);
}

fn what_was_given_ends_with_its_time_its_rule_and_the_daemon() {
    let mut daemon = with("for = \"1s\"");
    let mut tries = Tries::start();
    tries.asks(&mut daemon, "hp-static 7", true);
    std::thread::sleep(std::time::Duration::from_secs(2));
    tries.asks(&mut daemon, "hp-static 7", true);
    daemon::write_rules("10-granted.toml", &rules("for = \"10m\""));
    assert_eq!(holdpoint(&["reload"]).code, 0);
    let approved = tries.asks(&mut daemon, "hp-static 8", true);
    daemon::write_rules("10-granted.toml", &rules(""));
    assert_eq!(holdpoint(&["reload"]).code, 0);
    tries.asks(&mut daemon, "hp-static 8", true);
    assert_eq!(approved.decision.rule.as_deref(), Some("again"));
    daemon::write_rules("10-granted.toml", &rules("for = \"10m\""));
    assert_eq!(holdpoint(&["reload"]).code, 0);
    tries.asks(&mut daemon, "hp-static 9", true);
    daemon.kill();
    daemon.start_again();
    // Whoever watches the new one hears of nothing that was over.
    tries.seen = 0;
    tries.asks(&mut daemon, "hp-static 9", true);
}
