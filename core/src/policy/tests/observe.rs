//! Rules that only observe.

use super::{Action, Context, Decision, Exec, Mode, Policy, WouldBe, errors, file, parse, policy, warnings};

/// What is done by these rules about a program of this name, as the daemon finds it.
fn done(policy: &Policy, name: &str) -> Decision {
    let names = [name.as_bytes()];
    let (exec, context) = (Exec { names: &names, paths: &[] }, Context::default());
    let decision = policy.decide(&exec, &context);
    let Some(enforced) = policy.enforced() else { return decision };
    decision.observed(enforced.listed(&exec).then(|| enforced.decide(&exec, &context)))
}

fn rule(name: &str, action: &str, lines: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\nexec = [\"x\"]\naction = \"{action}\"\n{lines}\n")
}

const OBSERVE: &str = "mode = \"observe\"";

fn would_be(decision: &Decision) -> (Action, Option<&str>) {
    let WouldBe { action, rule, .. } = decision.would_be.as_ref().unwrap();
    (*action, rule.as_deref())
}

#[test]
fn what_only_observers_name_goes_on_and_what_they_say_is_kept() {
    for action in [Action::Ask, Action::Deny, Action::Allow] {
        let policy = policy(&rule("r", &action.to_string(), OBSERVE));
        let decision = done(&policy, "x");
        assert_eq!((decision.action, decision.rule.as_deref()), (Action::Allow, None));
        assert_eq!(would_be(&decision), (action, Some("r")));
        let said = policy.decide(&Exec { names: &[b"x"], paths: &[] }, &Context::default());
        assert_eq!(decision.would_be.unwrap().because, said.because);
    }
    // A clause that does not hold leaves it undecided, which would ask; the program is named by observers alone.
    let undecided = done(&policy(&rule("r", "deny", "mode = \"observe\"\nargs = { count = 9 }")), "x");
    assert_eq!(undecided.action, Action::Allow);
}

#[test]
fn what_is_enforced_is_done_whatever_observers_say() {
    let enforced = rule("enforced", "ask", "risk = \"high\"");
    for other in ["allow", "deny"] {
        for text in
            [rule("seen", other, OBSERVE) + &enforced, enforced.clone() + &rule("seen", other, OBSERVE)]
        {
            let decision = done(&policy_with_warnings(&text), "x");
            assert_eq!(
                (decision.action, decision.rule.as_deref()),
                (Action::Ask, Some("enforced")),
                "{text}"
            );
            assert_eq!(decision.risk, Some(super::Risk::High));
        }
    }
    let before = done(&policy(&(rule("seen", "allow", OBSERVE) + &enforced)), "x");
    assert_eq!(would_be(&before), (Action::Allow, Some("seen")));
    let denied = done(&policy(&(rule("seen", "deny", OBSERVE) + &rule("enforced", "allow", ""))), "x");
    assert_eq!((denied.action, denied.rule.as_deref()), (Action::Allow, Some("enforced")));
    assert_eq!(would_be(&denied), (Action::Deny, Some("seen")));
}

/// One that only observes and stands behind another never would decide, which is told.
fn policy_with_warnings(text: &str) -> Policy {
    parse(&[file("10.toml", text)]).unwrap_or_else(|errors| panic!("{}", errors[0])).0
}

#[test]
fn where_the_enforced_rule_decides_in_any_case_nothing_would_have_been_otherwise() {
    let text = rule("enforced", "deny", "") + &rule("seen", "ask", "mode = \"observe\"\ntty = true");
    assert_eq!(done(&policy_with_warnings(&text), "x").would_be, None);
    assert!(policy(&rule("r", "ask", "")).enforced().is_none());
}

#[test]
fn a_file_says_it_for_its_rules_and_each_rule_for_itself() {
    let text =
        format!("{OBSERVE}\n{}{}", rule("a", "ask", ""), rule("b", "ask", "mode = \"enforce\"\ntty = true"));
    let other = rule("c", "ask", "tty = false");
    let (policy, _) = parse(&[file("10.toml", &text), file("20.toml", &other)]).unwrap();
    let modes: Vec<Mode> = policy.rules().iter().map(|rule| rule.mode).collect();
    assert_eq!(modes, [Mode::Observe, Mode::Enforce, Mode::Enforce]);
    let printed = policy.to_toml();
    assert_eq!(parse(&[file("a.toml", &printed)]).unwrap().0, policy, "{printed}");
}

#[test]
fn a_word_that_is_none_is_an_error_with_its_place() {
    for (text, line) in [("mode = \"observ\"\n".to_owned(), 1), (rule("r", "ask", "mode = \"observ\""), 5)] {
        let errors = errors(&text);
        assert_eq!((errors.len(), errors[0].line), (1, line), "{}", errors[0]);
        assert_eq!(errors[0].hint.as_deref(), Some("did you mean 'observe'?"));
    }
}

#[test]
fn a_rule_that_observes_is_in_nobodys_way() {
    assert_eq!(warnings(&(rule("seen", "ask", OBSERVE) + &rule("enforced", "ask", ""))), [""; 0]);
    assert_eq!(warnings(&(rule("seen", "deny", OBSERVE) + &rule("enforced", "ask", ""))), [""; 0]);
    let both = warnings(&(rule("seen", "ask", OBSERVE) + &rule("also", "ask", OBSERVE)));
    assert!(both[0].contains("never decides here: rule 'seen' comes first"), "{both:?}");
}

#[test]
fn commands_and_resources_of_an_observing_file_change_nothing_of_what_is_enforced() {
    let enforced = "[[command]]\nexec = [\"x\"]\nflags = [\"-a\"]\n\n[[rule]]\nname = \"reads\"\nexec = [\"x\"]\naction = \"allow\"\nsubcommand = [\"get\"]\n";
    let observing = "[[command]]\nexec = [\"y\"]\nflags = [\"-b\"]\n\n[[rule]]\nname = \"other\"\nexec = [\"y\"]\naction = \"ask\"\n";
    let all = [file("10.toml", enforced), file("20.toml", &format!("{OBSERVE}\n{observing}"))];
    let (policy, _) = parse(&all).unwrap();
    let (without, _) = parse(&all[..1]).unwrap();
    assert_eq!(policy.enforced().unwrap(), without);
    assert_ne!(policy, without);
    // Also where nothing else of the file is there.
    let commands = "[[command]]\nexec = [\"y\"]\nflags = [\"-b\"]\n";
    let (policy, _) =
        parse(&[file("10.toml", enforced), file("20.toml", &format!("{OBSERVE}\n{commands}"))]).unwrap();
    assert_eq!(policy.enforced().unwrap(), without);
    let (policy, _) = parse(&[file("10.toml", enforced), file("20.toml", commands)]).unwrap();
    assert!(policy.enforced().is_none());
}
