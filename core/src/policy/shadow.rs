//! Finds patterns that never decide anything, because the same pattern stands in another rule.

use std::collections::HashMap;

use super::{Action, Policy, index::PatternRef, parse::PatternSpan};
use crate::{diagnostic::quoted, document::Problems};

/// Warns of each pattern that is written twice and can decide in one place only.
pub(super) fn warn(policy: &Policy, spans: &[Vec<PatternSpan>], problems: &mut [Problems<'_>]) {
    let mut by_text: HashMap<&str, Vec<PatternRef>> = HashMap::new();
    for (rule_index, rule) in policy.rules().iter().enumerate() {
        for (pattern_index, pattern) in rule.exec.iter().enumerate() {
            by_text.entry(&pattern.text).or_default().push((rule_index, pattern_index));
        }
    }
    for same in by_text.values().filter(|same| same.len() > 1) {
        let denies = |reference: &&PatternRef| {
            policy.rule(**reference).is_some_and(|rule| rule.action == Action::Deny)
        };
        let Some(decider) = same.iter().find(denies).or(same.first()) else { continue };
        for loser in same.iter().filter(|reference| *reference != decider) {
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
