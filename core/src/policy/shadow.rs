//! Finds patterns that never decide anything, because the same pattern stands in another rule.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use super::{Action, Clause, Mode, Policy, index::PatternRef, parse::PatternSpan};
use crate::{diagnostic::quoted, document::Problems};

/// Warns of each pattern that is written twice and can decide in one place only.
pub(super) fn warn(policy: &Policy, spans: &[Vec<PatternSpan>], problems: &mut [Problems<'_>]) {
    let mut by_text: HashMap<&str, Vec<PatternRef>> = HashMap::new();
    for (rule_index, rule) in policy.rules().iter().enumerate() {
        for (pattern_index, pattern) in rule.exec.iter().enumerate() {
            by_text.entry(&pattern.text).or_default().push((rule_index, pattern_index));
        }
    }
    let state = RandomState::new();
    let hash = |clauses: &[Clause]| state.hash_one(clauses);
    let none = hash(&[]);
    let hashes: Vec<u64> = policy.rules().iter().map(|rule| hash(&rule.clauses)).collect();
    for same in by_text.values().filter(|same| same.len() > 1) {
        // Only the first of each action with the same clauses can be the first that outdoes another.
        let mut firsts: HashMap<(Action, Mode, u64), PatternRef> = HashMap::new();
        for reference in same {
            let (Some(rule), Some(clauses)) = (policy.rule(*reference), hashes.get(reference.0)) else {
                continue;
            };
            firsts.entry((rule.action, rule.mode, *clauses)).or_insert(*reference);
        }
        for loser in same {
            let Some(clauses) = hashes.get(loser.0) else { continue };
            let of = |action| {
                let each = [none, *clauses].into_iter();
                each.flat_map(move |clauses| {
                    [Mode::Enforce, Mode::Observe].map(|mode| (action, mode, clauses))
                })
            };
            let keys = [Action::Deny, Action::Ask, Action::Allow].into_iter().flat_map(of);
            let firsts = keys.filter_map(|key| firsts.get(&key));
            let Some(decider) = firsts.filter(|other| outdoes(policy, **other, *loser)).min() else {
                continue;
            };
            let span = spans.get(loser.0).and_then(|rule| rule.get(loser.1));
            let (Some((file, span)), Some(pattern), Some(winner)) =
                (span, policy.pattern(*decider), policy.rule(*decider))
            else {
                continue;
            };
            let Some(problems) = problems.get_mut(*file) else { continue };
            let text = quoted(&pattern.text);
            if loser.0 == decider.0 {
                problems.warning(span.clone(), format!("{text} is in this rule twice"), "leave one out");
                continue;
            }
            let why = match (winner.action, loser.0 < decider.0) {
                (Action::Deny, true) => "denies it, and a deny always wins",
                _ => "comes first",
            };
            let message = format!("{text} never decides here: rule '{}' {why}", winner.name);
            problems.warning(span.clone(), message, format!("it is also at {}", pattern.place));
        }
    }
}

/// Whether one decides wherever the other could, by the same pattern.
fn outdoes(policy: &Policy, one: PatternRef, other: PatternRef) -> bool {
    if one.0 == other.0 {
        return one.1 < other.1;
    }
    let (Some(winner), Some(loser)) = (policy.rule(one), policy.rule(other)) else { return false };
    // What only observes leaves the others to decide.
    if winner.mode.observes() && !loser.mode.observes() {
        return false;
    }
    let wins = match (winner.action, loser.action) {
        (Action::Deny, Action::Deny) => one < other,
        (Action::Deny, _) => true,
        (_, Action::Deny) => false,
        // What is in doubt asks, and does not allow: the one does not decide wherever the other does.
        (Action::Allow, Action::Ask) if !winner.clauses.is_empty() => false,
        _ => one < other,
    };
    wins && (winner.clauses.is_empty() || winner.clauses == loser.clauses)
}
