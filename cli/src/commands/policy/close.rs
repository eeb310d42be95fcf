//! Why a rule does not apply, and which came close to it.

use std::cmp::Reverse;

use holdpoint_core::policy::{Action, Considered, Explanation, Looked, Truth};

/// What the keys of `[rule.unless]` begin with in an explanation.
pub(crate) const UNLESS: &str = "unless.";

/// The rules about the program that did not apply, with the fewest clauses in the way first.
pub(crate) fn close(explanation: &Explanation) -> Vec<&Considered> {
    let mut rules: Vec<&Considered> = explanation.rules.iter().filter(|rule| !rule.applies).collect();
    // Among those with as many, the more hold the closer; else the order of the files stays.
    rules.sort_by_key(|rule| {
        let in_the_way = count(failed(rule));
        (in_the_way, Reverse(count(rule.clauses.iter()) - in_the_way))
    });
    rules
}

/// Whether the clause is one of `unless`.
pub(crate) fn is_unless(looked: &Looked) -> bool {
    looked.key.starts_with(UNLESS)
}

/// The clauses for which a rule does not apply. Of `unless` all, since it holds by all of them together.
pub(crate) fn failed(rule: &Considered) -> Vec<&Looked> {
    let unless_fails = unless(rule).is_some_and(|holds| match rule.action {
        Action::Allow => holds != Truth::No,
        Action::Ask | Action::Deny => holds == Truth::Yes,
    });
    let is_in_the_way = |looked: &&Looked| match is_unless(looked) {
        true => unless_fails,
        false => !looked.holds.applies_to(rule.action),
    };
    rule.clauses.iter().filter(is_in_the_way).collect()
}

/// How many clauses these are, `unless` as one.
fn count<'l>(looked: impl IntoIterator<Item = &'l Looked>) -> usize {
    let (unless, own): (Vec<&Looked>, Vec<&Looked>) =
        looked.into_iter().partition(|looked| is_unless(looked));
    own.len() + usize::from(!unless.is_empty())
}

/// Whether all that `unless` has holds; none where there is no `unless`.
fn unless(rule: &Considered) -> Option<Truth> {
    let inner = rule.clauses.iter().filter(|looked| is_unless(looked));
    inner.map(|looked| looked.holds).reduce(Truth::and)
}

#[cfg(test)]
mod tests {
    use holdpoint_core::policy::{Context, Exec, Mode, Policy};

    use super::*;

    fn rule(name: &str, action: Action, clauses: &[(&str, Truth)]) -> Considered {
        let looked = |(key, holds): &(&str, Truth)| Looked {
            key: (*key).to_owned(),
            wanted: String::new(),
            found: String::new(),
            holds: *holds,
        };
        Considered {
            rule: name.to_owned(),
            action,
            mode: Mode::Enforce,
            place: "10.toml:1:1".to_owned(),
            exec: "x".to_owned(),
            holds: Truth::No,
            applies: false,
            decides: false,
            clauses: clauses.iter().map(looked).collect(),
        }
    }

    fn keys(rule: &Considered) -> Vec<&str> {
        failed(rule).iter().map(|looked| looked.key.as_str()).collect()
    }

    #[test]
    fn what_is_in_doubt_is_in_the_way_of_allow_alone() {
        let clauses = [("a", Truth::Yes), ("b", Truth::Doubt), ("c", Truth::No)];
        assert_eq!(keys(&rule("r", Action::Allow, &clauses)), ["b", "c"]);
        assert_eq!(keys(&rule("r", Action::Ask, &clauses)), ["c"]);
        assert_eq!(keys(&rule("r", Action::Deny, &clauses)), ["c"]);
    }

    #[test]
    fn the_closest_rule_has_the_fewest_in_the_way_and_then_the_most_that_hold() {
        let nothing = Exec { names: &[], paths: &[] };
        let mut explanation = Policy::default().explain(&nothing, &Context::default());
        let (yes, no) = (("a", Truth::Yes), ("b", Truth::No));
        for (name, clauses) in [
            ("two", &[no, ("c", Truth::No), yes][..]),
            ("unless", &[("unless.a", Truth::Yes), ("unless.b", Truth::Yes), ("unless.c", Truth::Yes)]),
            ("one of one", &[no]),
            ("one of two", &[no, yes]),
        ] {
            explanation.rules.push(rule(name, Action::Ask, clauses));
        }
        explanation.rules.push(Considered { applies: true, ..rule("applies", Action::Ask, &[yes]) });
        let names: Vec<&str> = close(&explanation).iter().map(|rule| rule.rule.as_str()).collect();
        assert_eq!(names, ["one of two", "unless", "one of one", "two"]);
    }

    #[test]
    fn unless_is_in_the_way_where_all_of_it_holds_and_of_allow_also_in_doubt() {
        let holds = [("a", Truth::Yes), ("unless.b", Truth::Yes), ("unless.c", Truth::Yes)];
        let fails = [("unless.b", Truth::Yes), ("unless.c", Truth::No)];
        let doubt = [("unless.b", Truth::Yes), ("unless.c", Truth::Doubt)];
        for action in [Action::Allow, Action::Ask, Action::Deny] {
            assert_eq!(keys(&rule("r", action, &holds)), ["unless.b", "unless.c"]);
            assert!(keys(&rule("r", action, &fails)).is_empty());
        }
        assert_eq!(keys(&rule("r", Action::Allow, &doubt)), ["unless.b", "unless.c"]);
        assert!(keys(&rule("r", Action::Ask, &doubt)).is_empty());
    }
}
