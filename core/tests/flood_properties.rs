//! Whatever agents do and people deny: nobody is asked more often than the limits say, nothing that was denied just now is
//! asked again, no agent changes another's answer, and a restart changes none.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::HashMap, time::Duration};

use holdpoint_core::{
    config::Limits,
    flood::{Cause, Denial, Flood, Question, Refused, Seen, TELLING, Tally, Told, Waiting},
    id::{AgentId, RequestId},
    time::BootTime,
};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// What can happen, in any order.
#[derive(Clone, Debug)]
enum Happening {
    /// An agent tries an action.
    Tries { agent: u32, question: u8 },
    /// A person denies the oldest of its requests that wait.
    Denied { agent: u32 },
    /// The oldest of its requests that wait is over in another way.
    Over { agent: u32 },
    /// A rule denies what it tries.
    DeniedByRule { agent: u32 },
    /// So much time passes, in milliseconds.
    Passes(u64),
    /// The daemon tidies up.
    Forgets,
    /// Another daemon begins with what the store says.
    Restart,
    /// The operator changes the limits.
    Limits(Limits),
}

fn limits() -> impl Strategy<Value = Limits> {
    (1_usize..6, 1_usize..4, 1_usize..6, 0_u64..100).prop_map(
        |(pending, agent_pending, agent_per_minute, cooldown)| Limits {
            pending,
            agent_pending,
            agent_per_minute,
            cooldown: Duration::from_secs(cooldown),
        },
    )
}

fn happening() -> impl Strategy<Value = Happening> {
    let agent = 1_u32..4;
    prop_oneof![
        12 => (agent.clone(), 0_u8..4).prop_map(|(agent, question)| Happening::Tries { agent, question }),
        4 => agent.clone().prop_map(|agent| Happening::Denied { agent }),
        4 => agent.clone().prop_map(|agent| Happening::Over { agent }),
        3 => agent.prop_map(|agent| Happening::DeniedByRule { agent }),
        6 => prop::sample::select(vec![1, 999, 5_000, 20_000, 60_000, 61_000]).prop_map(Happening::Passes),
        1 => Just(Happening::Forgets),
        1 => Just(Happening::Restart),
        1 => limits().prop_map(Happening::Limits),
    ]
}

/// An answer to a try.
type Answer = Result<(), Refused>;

struct World {
    flood: Flood,
    limits: Limits,
    now: BootTime,
    /// What waits of each agent, the oldest first.
    waits: HashMap<u32, Vec<Question>>,
    /// What the store knows: who was asked what, when.
    asked: Vec<(u32, Question, BootTime)>,
    recorded: Vec<(u32, BootTime)>,
    denied: Vec<(u32, Denial)>,
    /// Whether limits have changed: what was asked under others may be more than they allow.
    same_limits: bool,
}

impl World {
    fn new(limits: Limits) -> Self {
        Self {
            flood: Flood::default(),
            limits,
            now: BootTime(1_000 * SECOND),
            waits: HashMap::new(),
            asked: Vec::new(),
            recorded: Vec::new(),
            denied: Vec::new(),
            same_limits: true,
        }
    }

    fn waiting(&self, agent: u32) -> Waiting {
        Waiting {
            of_agent: self.waits.get(&agent).map_or(0, Vec::len),
            of_all: self.waits.values().map(Vec::len).sum(),
            agent_until: None,
            all_until: None,
        }
    }

    fn happens(&mut self, happening: &Happening) -> Option<Answer> {
        match happening {
            Happening::Tries { agent, question } => return Some(self.tries(*agent, *question)),
            Happening::Denied { agent } => {
                if let Some(question) = self.take(*agent) {
                    let request = RequestId::from_random(u32::try_from(self.denied.len()).unwrap());
                    let denial = Denial { question, request, at: self.now };
                    self.flood.denied(AgentId(*agent), denial.clone());
                    self.denied.push((*agent, denial));
                }
            }
            Happening::Over { agent } => drop(self.take(*agent)),
            Happening::DeniedByRule { agent } => {
                if self.flood.record(AgentId(*agent), &self.limits, self.now).is_ok() {
                    self.recorded.push((*agent, self.now));
                }
                let recent =
                    self.recorded.iter().filter(|(of, at)| of == agent && at.after(MINUTE) > self.now);
                assert!(!self.same_limits || recent.count() <= self.limits.agent_per_minute);
            }
            Happening::Passes(milliseconds) => {
                self.now = self.now.after(Duration::from_millis(*milliseconds));
            }
            Happening::Forgets => self.flood.forget_old(self.now),
            Happening::Restart => self.flood = self.restarted(),
            Happening::Limits(limits) => (self.limits, self.same_limits) = (*limits, false),
        }
        None
    }

    fn take(&mut self, agent: u32) -> Option<Question> {
        let waits = self.waits.get_mut(&agent).filter(|waits| !waits.is_empty())?;
        Some(waits.remove(0))
    }

    fn tries(&mut self, agent: u32, question: u8) -> Answer {
        let question = Question([question; 32]);
        let waiting = self.waiting(agent);
        // A daemon that had just been started would say the same.
        let mut another = self.restarted();
        let answer = self.flood.ask(AgentId(agent), question, waiting, &self.limits, self.now);
        assert_eq!(answer, another.ask(AgentId(agent), question, waiting, &self.limits, self.now));
        match &answer {
            Ok(()) => self.is_asked(agent, question, waiting),
            Err(refused) => self.is_refused(agent, question, waiting, refused),
        }
        answer
    }

    fn is_asked(&mut self, agent: u32, question: Question, waiting: Waiting) {
        assert!(waiting.of_agent < self.limits.agent_pending && waiting.of_all < self.limits.pending);
        let denied = |(of, denial): &&(u32, Denial)| *of == agent && denial.question == question;
        let last = self.denied.iter().rev().find(denied);
        assert!(
            last.is_none_or(|(_, denial)| denial.at.after(self.limits.cooldown) <= self.now),
            "asked again"
        );
        self.asked.push((agent, question, self.now));
        self.waits.entry(agent).or_default().push(question);
        let recent = self.asked.iter().filter(|(of, _, at)| *of == agent && at.after(MINUTE) > self.now);
        assert!(!self.same_limits || recent.count() <= self.limits.agent_per_minute, "asked too often");
    }

    /// The cause is true, and it ends when it is said to.
    fn is_refused(&self, agent: u32, question: Question, waiting: Waiting, refused: &Refused) {
        match refused.cause {
            Cause::Cooldown => {
                let mine = |(of, denial): &&(u32, Denial)| *of == agent && denial.question == question;
                let (_, denial) = self.denied.iter().rev().find(mine).unwrap();
                assert_eq!(refused.request.as_ref(), Some(&denial.request));
                assert_eq!(refused.until, Some(denial.at.after(self.limits.cooldown)));
            }
            Cause::AgentPending => assert!(waiting.of_agent >= self.limits.agent_pending),
            Cause::AllPending => assert!(waiting.of_all >= self.limits.pending),
            Cause::AgentPerMinute => {}
            other => panic!("{other:?} is no answer to a try"),
        }
        if let Some(until) = refused.until {
            assert!(until > self.now);
            let mut then = self.flood.clone();
            let nothing = Waiting::default();
            let answer = then.ask(AgentId(agent), question, nothing, &self.limits, until);
            let cause = answer.err().map(|refused| refused.cause);
            assert_ne!(cause, Some(refused.cause), "the cause is there after its end");
            let before = BootTime(until.0 - 1);
            let answer = self.flood.clone().ask(AgentId(agent), question, nothing, &self.limits, before);
            assert_eq!(answer.unwrap_err().cause, refused.cause, "it ends earlier than was said");
        }
    }

    /// As a daemon that starts reads it.
    fn restarted(&self) -> Flood {
        let mut flood = Flood::default();
        for (agent, _, at) in self.asked.iter().filter(|(_, _, at)| at.after(MINUTE) > self.now) {
            flood.was_asked(AgentId(*agent), *at);
        }
        for (agent, at) in self.recorded.iter().filter(|(_, at)| at.after(MINUTE) > self.now) {
            flood.was_recorded(AgentId(*agent), *at);
        }
        for (agent, denial) in &self.denied {
            flood.denied(AgentId(*agent), denial.clone());
        }
        flood
    }
}

proptest! {
    #[test]
    fn nobody_is_asked_more_often_than_the_limits_say(
        limits in limits(),
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut world = World::new(limits);
        for happening in &happenings {
            world.happens(happening);
        }
        // What does not matter any more takes no room.
        world.now = world.now.after(Duration::from_secs(24 * 3600));
        world.flood.forget_old(world.now);
        assert_eq!(world.flood.remembered(), 0);
    }

    #[test]
    fn no_agent_changes_anothers_answer_below_the_limit_of_all(
        mut limits in limits(),
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        limits.pending = 32_768;
        let alone = |happening: &&Happening| match happening {
            Happening::Tries { agent, .. } | Happening::Denied { agent } | Happening::Over { agent }
            | Happening::DeniedByRule { agent } => *agent == 1,
            Happening::Limits(_) => false,
            _ => true,
        };
        let (mut quiet, mut loud) = (World::new(limits), World::new(limits));
        let answers: Vec<_> = happenings.iter().filter(alone).map(|happening| quiet.happens(happening)).collect();
        let among_others: Vec<_> = happenings
            .iter()
            .filter(|happening| !matches!(happening, Happening::Limits(_)))
            .map(|happening| (happening, loud.happens(happening)))
            .filter(|(happening, _)| alone(happening))
            .collect();
        for ((happening, loud), quiet) in among_others.into_iter().zip(answers) {
            let strip = |answer: Option<Answer>| {
                answer.map(|answer| answer.map_err(|refused| (refused.cause, refused.until)))
            };
            assert_eq!(strip(loud), strip(quiet), "{happening:?}");
        }
    }

    #[test]
    fn every_refusal_is_counted_once_and_few_are_told(
        refusals in prop::collection::vec((1_u32..4, 0_usize..Cause::ALL.len(), 0_u64..30_000), 1..200),
    ) {
        let mut tally = Tally::default();
        let mut now = BootTime(SECOND);
        let mut told: Vec<Told> = Vec::new();
        let mut at: Vec<(AgentId, Cause, BootTime)> = Vec::new();
        for (agent, cause, pause) in &refusals {
            now = now.after(Duration::from_millis(*pause));
            let refused = Refused { cause: Cause::ALL[*cause], until: None, request: None };
            let due = tally.due(now);
            let new = tally.refused(AgentId(*agent), refused, Seen::new(1, &"/x".into(), &[]), now);
            for told in due.iter().chain(&new) {
                at.push((told.agent, told.refused.cause, now));
            }
            told.extend(due);
            told.extend(new);
        }
        for (place, (agent, cause, first)) in at.iter().enumerate() {
            let next = at.iter().skip(place + 1).find(|(of, other, _)| of == agent && other == cause);
            // The last is forgotten after ten minutes of silence, and a new one is told of at once: no flood is that slow.
            assert!(next.is_none_or(|(_, _, next)| first.after(TELLING) <= *next), "told too often");
        }
        told.extend(tally.rest(now));
        for cause in Cause::ALL {
            let known = told.iter().filter(|told| told.refused.cause == cause).map(|told| told.more + 1).sum::<u64>();
            assert_eq!(known, tally.counted(cause));
            let happened = refusals.iter().filter(|(_, of, _)| Cause::ALL[*of] == cause).count();
            assert_eq!(known, happened as u64);
        }
    }
}
