//! What an approval allows beyond the one exec that it was about: the identical action of the same agent, for a while.

use std::collections::HashMap;

use crate::{
    flood::Question,
    id::{AgentId, RequestId},
    policy::Grant,
    time::BootTime,
};

/// Grants that are remembered at once. One more puts out the one that ends first, whose action is asked about again.
pub const MAX_GRANTS: usize = 4096;

/// The grants that are in force.
#[derive(Clone, Debug, Default)]
pub struct Grants(HashMap<(AgentId, Question), Given>);

#[derive(Clone, Debug)]
struct Given {
    request: RequestId,
    rule: String,
    at: BootTime,
    grant: Grant,
    /// How many execs it was about so far.
    used: u32,
}

impl Grants {
    /// A person has approved a request of this rule. So many execs go on by the approval itself.
    #[expect(clippy::too_many_arguments, reason = "each is another thing")]
    pub fn give(
        &mut self,
        agent: AgentId,
        question: Question,
        request: &RequestId,
        rule: &str,
        grant: Grant,
        used: u32,
        now: BootTime,
    ) {
        self.0.retain(|_, given| now < given.until());
        if self.0.len() >= MAX_GRANTS
            && let Some(first) = self.0.iter().min_by_key(|(_, given)| given.until()).map(|(key, _)| *key)
        {
            self.0.remove(&first);
        }
        let given = Given { request: request.clone(), rule: rule.to_owned(), at: now, grant, used };
        self.0.insert((agent, question), given);
    }

    /// Uses a grant once: the request whose approval it was, where there is one for this action and rule. `grant` is what the
    /// rule says now; where that is less than it was, it counts.
    pub fn take(
        &mut self,
        agent: AgentId,
        question: Question,
        rule: &str,
        grant: Grant,
        now: BootTime,
    ) -> Option<RequestId> {
        let given = self.0.get_mut(&(agent, question))?;
        let uses = [given.grant.uses, grant.uses].into_iter().flatten().min();
        let is_over = now >= given.until().min(given.at.after(grant.span));
        if given.rule != rule || is_over || uses.is_some_and(|uses| given.used >= uses) {
            self.0.remove(&(agent, question));
            return None;
        }
        given.used = given.used.saturating_add(1);
        Some(given.request.clone())
    }

    /// How many are remembered, those that are over included.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.0.len()
    }
}

impl Given {
    fn until(&self) -> BootTime {
        self.at.after(self.grant.span)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn request(number: u32) -> RequestId {
        RequestId::from_random(number)
    }

    fn question(number: u8) -> Question {
        Question([number; 32])
    }

    #[test]
    fn a_grant_is_for_its_agent_action_rule_time_and_number() {
        let grant = Grant { span: Duration::from_secs(10), uses: Some(3) };
        let (agent, id) = (AgentId(1), request(1));
        let mut grants = Grants::default();
        grants.give(agent, question(1), &id, "r", grant, 1, BootTime(0));
        assert_eq!(grants.take(AgentId(2), question(1), "r", grant, BootTime(1)), None);
        assert_eq!(grants.take(agent, question(2), "r", grant, BootTime(1)), None);
        assert_eq!(grants.take(agent, question(1), "r", grant, BootTime(1)), Some(id.clone()));
        assert_eq!(grants.take(agent, question(1), "r", grant, BootTime(2)), Some(id.clone()));
        // The first of three went on by the approval itself.
        assert_eq!(grants.take(agent, question(1), "r", grant, BootTime(3)), None);
        grants.give(agent, question(1), &id, "r", grant, 1, BootTime(0));
        assert_eq!(grants.take(agent, question(1), "other", grant, BootTime(1)), None);
        assert_eq!(
            grants.take(agent, question(1), "r", grant, BootTime(1)),
            None,
            "another rule has put it out"
        );
        grants.give(agent, question(1), &id, "r", grant, 1, BootTime(0));
        assert_eq!(grants.take(agent, question(1), "r", grant, BootTime(10 * SECOND)), None);
    }

    #[test]
    fn what_the_rule_says_now_counts_where_it_is_less_and_all_that_were_approved_at_once_count() {
        let grant = |seconds, uses| Grant { span: Duration::from_secs(seconds), uses };
        let (agent, id, now) = (AgentId(1), request(1), BootTime(5 * SECOND));
        for (given, today, used, expected) in [
            (grant(10, None), grant(4, None), 1, false),
            (grant(4, None), grant(10, None), 1, false),
            (grant(10, None), grant(10, Some(2)), 1, true),
            (grant(10, None), grant(10, Some(2)), 2, false),
            (grant(10, Some(3)), grant(10, None), 3, false),
            (grant(10, Some(3)), grant(10, Some(9)), 2, true),
        ] {
            let mut grants = Grants::default();
            grants.give(agent, question(1), &id, "r", given, used, BootTime(0));
            assert_eq!(
                grants.take(agent, question(1), "r", today, now).is_some(),
                expected,
                "{given:?} {today:?}"
            );
        }
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for_and_the_first_to_end_goes_first() {
        let mut grants = Grants::default();
        let span = |seconds| Grant { span: Duration::from_secs(seconds), uses: None };
        let agent = |number: usize| AgentId(u32::try_from(number).unwrap());
        for number in 0..=MAX_GRANTS {
            let seconds = if number == 7 { 1 } else { 100 };
            grants.give(agent(number), question(0), &request(0), "r", span(seconds), 1, BootTime(0));
        }
        assert_eq!(grants.remembered(), MAX_GRANTS);
        assert_eq!(grants.take(agent(7), question(0), "r", span(100), BootTime(1)), None);
        assert!(grants.take(agent(8), question(0), "r", span(100), BootTime(1)).is_some());
    }

    proptest! {
        /// Whatever is given and taken, each approval lets on no more than it says, and nothing after its time.
        #[test]
        fn an_approval_allows_no_more_than_it_says(
            steps in prop::collection::vec((any::<bool>(), 0_u32..3, 0_u8..3, 0_u64..4), 1..200),
            seconds in 1_u64..20, uses in prop::option::of(2_u32..5),
        ) {
            let grant = Grant { span: Duration::from_secs(seconds), uses };
            let mut grants = Grants::default();
            let mut given: HashMap<(u32, u8), (u32, u64, u32)> = HashMap::new();
            let (mut now, mut number) = (0, 0);
            for (gives, agent, asked, passes) in steps {
                now += passes * SECOND;
                if gives {
                    number += 1;
                    grants.give(AgentId(agent), question(asked), &request(number), "r", grant, 1, BootTime(now));
                    given.insert((agent, asked), (number, now, 1));
                } else if let Some(by) = grants.take(AgentId(agent), question(asked), "r", grant, BootTime(now)) {
                    let (number, at, times) = given.get_mut(&(agent, asked)).unwrap();
                    *times += 1;
                    prop_assert_eq!(by, request(*number));
                    prop_assert!(now - *at < seconds * SECOND);
                    prop_assert!(uses.is_none_or(|uses| *times <= uses));
                }
            }
        }
    }
}
