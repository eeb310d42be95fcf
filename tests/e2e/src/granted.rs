//! Approvals that are about more than one exec: the identical action again (`for`, `uses`), and what the program starts
//! (`covers_children`).

use holdpoint_core::{
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
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 180:
    the_identical_action_goes_on_as_often_as_the_approval_says,
    whatever_differs_is_asked_about,
    what_was_given_ends_with_its_time_its_rule_and_the_daemon,
    what_an_approved_program_starts_is_covered_until_it_has_ended,
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

fn what_an_approved_program_starts_is_covered_until_it_has_ended() {
    programs::install();
    let script = "/usr/local/bin/hp-covering";
    put(script, b"#!/bin/sh\nhp-static 7; echo \"child $?\"\n(sh -c 'hp-dynamic 7'; echo \"grandchild $?\")\nhp-forbidden 7; echo \"forbidden $?\"\nif [ \"$1\" = last ]; then exec hp-static 7; fi\nexit 7\n");
    let covering = |keys: &str| {
        format!(
            "{}[[rule]]\nname = \"covering\"\nexec = [\"hp-covering\"]\naction = \"ask\"\n{keys}\n",
            rules("")
        )
    };
    let unguarded = Agent::unguarded(User::Agent, &["hp-covering"]);
    assert!(unguarded.output.contains("forbidden 7"), "unguarded: {unguarded:?}");
    // Without it each of them is asked about.
    let mut daemon = daemon::with(CONFIG, &[("10-granted.toml", &covering(""))]);
    let mut tries = Tries::start();
    tries.agent.say("hp-covering");
    for name in ["covering", "again", "again"] {
        let view = tries.next(&daemon, name);
        assert_eq!((view.state.clone(), view.decision.rule.as_deref()), (State::Pending, Some(name)));
        daemon.approve(&view);
    }
    assert!(matches!(tries.next(&daemon, "never").state, State::Ended { verdict: Verdict::Denied, .. }));
    tries.agent.said("status 7");
    daemon::write_rules("10-granted.toml", &covering("covers_children = true"));
    assert_eq!(holdpoint(&["reload"]).code, 0);
    let mut tries = Tries::start();
    tries.agent.say("hp-covering last");
    let approved = tries.next(&daemon, "covering");
    assert_eq!(approved.state, State::Pending);
    daemon.approve(&approved);
    tries.agent.said("status 7");
    let said = tries.agent.output();
    for words in ["child 7", "grandchild 7", "forbidden 126"] {
        assert!(said.contains(words), "{said}");
    }
    let mine = daemon.watch.look(|requests| {
        requests.iter().filter(|view| daemon::is_of(view, &tries.agent)).cloned().collect::<Vec<_>>()
    });
    assert_eq!(mine.len(), 5, "the script, three that it covers, and one that is denied: {mine:?}");
    assert_eq!(mine.iter().filter(|view| !view.votes.is_empty()).count(), 1, "{mine:?}");
    // What the agent itself starts is no child of it.
    tries.seen = mine.len();
    tries.asks(&mut daemon, "hp-static 7", false);
}
