//! Policies with clauses, whatever they are and whatever is known: doubt and additions never open what was shut, the
//! explanation is the decision's, and what is printed is the same policy.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod clause_model;

use clause_model::{
    FileModel, Known, PROGRAMS, RuleModel, SUBCOMMANDS, clauses, commands, enforced_sources, file, files,
    known, policy_of, read, rule, sources,
};
use holdpoint_core::policy::{
    Action, Decision, Defaults, Explanation, Mode, Policy, SourceFile, Truth, Wait, parse,
};
use proptest::{prelude::*, sample::Index};

const TWO: &[&str] = &["p", "q"];
const ONE: &[&str] = &["p"];

fn decide(policy: &Policy, known: &Known) -> Decision {
    known.with(|exec, context| policy.decide(exec, context))
}

fn action(files: &[FileModel], known: &Known) -> Action {
    decide(&policy_of(files), known).action
}

/// Puts a rule somewhere.
fn insert(files: &mut [FileModel], file: Index, at: Index, rule: RuleModel) {
    let file = file.get_mut(files);
    let at = at.index(file.rules.len() + 1);
    file.rules.insert(at, rule);
}

/// What has to hold of the rules about a program of one name.
fn check_order(explanation: &Explanation) -> Result<(), TestCaseError> {
    let Explanation { decision, rules } = explanation;
    let applies = |action: Action, until: usize| {
        rules[..until].iter().any(|rule| rule.applies && rule.action == action)
    };
    let other_applies = |until: usize| applies(Action::Ask, until) || applies(Action::Allow, until);
    let Some(at) = rules.iter().position(|rule| rule.decides) else {
        prop_assert!(rules.iter().all(|rule| !rule.applies));
        prop_assert_eq!(decision.action, Action::Ask);
        return Ok(());
    };
    prop_assert!(!applies(Action::Deny, at), "a deny before");
    if rules[at].action != Action::Deny {
        prop_assert!(!applies(Action::Deny, rules.len()), "a deny anywhere");
        prop_assert!(!other_applies(at), "any before");
    }
    Ok(())
}

/// Arguments that are made so that everybody reads them alike, in pieces: words, and options with their values.
fn pieces() -> impl Strategy<Value = Vec<Vec<String>>> {
    let piece = prop::sample::select(vec![
        vec!["get"],
        vec!["delete"],
        vec!["a"],
        vec!["dev"],
        vec!["--name", "dev"],
        vec!["--name=prod"],
        vec!["--force"],
        vec!["--region", "eu"],
        vec!["-v"],
    ]);
    let piece = piece.prop_map(|piece: Vec<&str>| piece.into_iter().map(str::to_owned).collect());
    prop::collection::vec(piece, 0..6)
}

/// The program's name, the pieces, and what stands behind all options.
fn argv(pieces: &[Vec<String>], tail: &[String]) -> Vec<String> {
    let end = (!tail.is_empty()).then(|| "--".to_owned());
    [vec!["p".to_owned()], pieces.concat(), end.into_iter().collect(), tail.to_vec()].concat()
}

fn tail() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(vec!["get", "--name", "a"]).prop_map(str::to_owned), 0..2)
}

/// A program whose options go on behind words, with the rules' `args` left out where `without` says.
fn plain(mut files: Vec<FileModel>, without: &[&str]) -> Vec<FileModel> {
    for file in &mut files {
        for command in &mut file.commands {
            *command = command.replace("stops_at_word = true\n", "").replace("more_options = true\n", "");
        }
        for rule in &mut file.rules {
            for clauses in [&mut rule.clauses, &mut rule.unless] {
                clauses.retain(|line| !without.iter().any(|key| line.starts_with(key)));
            }
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn another_rule_that_denies_or_asks_allows_nothing_more(
        files in files(), new in rule(TWO), denies in any::<bool>(), file in any::<Index>(), at in any::<Index>(),
        known in prop::collection::vec(known(TWO), 4),
    ) {
        let before = policy_of(&files);
        let mut more = files;
        let action = if denies { Action::Deny } else { Action::Ask };
        insert(&mut more, file, at, RuleModel { action, ..new });
        let after = policy_of(&more);
        for known in known {
            let listed = known.with(|exec, _| before.listed(exec));
            let (before, after) = (decide(&before, &known).action, decide(&after, &known).action);
            prop_assert!(after != Action::Allow || before == Action::Allow, "{before}, {known:?}");
            // A program that was not listed at all went on before.
            prop_assert!(!listed || after.strictness() >= before.strictness() || !denies, "{before} {after} {known:?}");
        }
    }

    #[test]
    fn the_order_of_files_about_different_programs_makes_no_difference(
        one in file(&PROGRAMS[..2]), other in file(&PROGRAMS[2..]), known in prop::collection::vec(known(&PROGRAMS), 4),
    ) {
        let mut sources = sources(&[one, other]);
        let here = read(&sources);
        sources.reverse();
        let there = read(&sources);
        for known in known {
            prop_assert_eq!(decide(&here, &known), decide(&there, &known));
            let [here, there] = [&here, &there].map(|policy| known.with(|exec, context| policy.explain(exec, context)));
            prop_assert_eq!(here, there);
        }
    }

    #[test]
    fn the_explanation_is_the_decisions(files in files(), known in prop::collection::vec(known(TWO), 4)) {
        let policy = policy_of(&files);
        for known in known {
            let explanation = known.with(|exec, context| policy.explain(exec, context));
            prop_assert_eq!(&explanation.decision, &decide(&policy, &known));
            let deciders: Vec<_> = explanation.rules.iter().filter(|rule| rule.decides).collect();
            let names: Vec<&str> = deciders.iter().map(|rule| rule.rule.as_str()).collect();
            prop_assert_eq!(names, Vec::from_iter(explanation.decision.rule.as_deref()));
            for rule in deciders {
                prop_assert!(rule.applies);
                prop_assert_eq!(rule.action, explanation.decision.action);
            }
            for rule in &explanation.rules {
                prop_assert_eq!(rule.applies, rule.holds.applies_to(rule.action));
                let without = policy.rules().iter().find(|known| known.name == rule.rule).is_none_or(|known| known.clauses.is_empty());
                prop_assert!(!without || rule.holds == Truth::Yes);
                let least = rule.clauses.iter().filter(|looked| !looked.key.starts_with("unless.")).map(|looked| looked.holds).min();
                prop_assert!(least.is_none_or(|least| rule.holds <= least), "all clauses together");
            }
            if known.names.len() == 1 && known.paths.iter().all(|path| path.ends_with(known.names[0])) {
                check_order(&explanation)?;
            }
        }
    }

    #[test]
    fn what_is_said_of_all_execs_of_a_program_holds_of_each(
        files in files(), wait in prop::sample::select(vec![Wait::Hold, Wait::Refuse]), known in prop::collection::vec(known(TWO), 4),
    ) {
        let policy = policy_of(&files).with_defaults(Defaults { wait, ..Defaults::default() });
        for known in known {
            let decision = decide(&policy, &known);
            known.with(|exec, _| {
                prop_assert!(!policy.always_allows(exec) || decision.action == Action::Allow);
                prop_assert!(!policy.always_denies(exec) || decision.action == Action::Deny);
                let refused = decision.action == Action::Ask && decision.wait == Wait::Refuse;
                prop_assert!(!refused || !policy.listed(exec) || policy.could_refuse_at_once(exec));
                Ok(())
            })?;
        }
    }

    #[test]
    fn what_is_printed_is_the_same_policy(files in files(), known in prop::collection::vec(known(TWO), 2)) {
        let policy = policy_of(&files);
        let printed = policy.to_toml();
        let again = read(&[SourceFile { name: "printed.toml".to_owned(), text: printed.clone() }]);
        prop_assert!(again == policy, "{printed}");
        prop_assert_eq!(again.to_toml(), printed);
        for known in known {
            let (here, there) = (decide(&policy, &known), decide(&again, &known));
            prop_assert_eq!((here.action, here.rule), (there.action, there.rule));
        }
    }

    /// Texts of any letters, where rules can have them.
    #[test]
    fn what_is_printed_has_the_same_letters(text in any::<String>(), literal in "[^\\p{C}]{1,12}") {
        let quoted = |text: &str| serde_json::to_string(text).unwrap().replace('\u{7f}', "\\u007f");
        let plain: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        let rule = format!(
            "[[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\ndescription = {}\nmessage = {}\nhosts = [{}]\nenv = {{ {} = {{ regex = {} }} }}\n",
            quoted(&plain), quoted(&plain), quoted(&text), quoted(&literal), quoted(&text),
        );
        let Ok((policy, _)) = parse(&[SourceFile { name: "f".to_owned(), text: rule }]) else { return Ok(()) };
        let again = read(&[SourceFile { name: "f".to_owned(), text: policy.to_toml() }]);
        prop_assert!(again == policy, "{}", policy.to_toml());
    }

    #[test]
    fn what_is_not_known_allows_nothing_more(
        files in files(), known in prop::collection::vec((known(TWO), any::<u32>()), 6),
    ) {
        let policy = policy_of(&files);
        for (known, what) in known {
            let before = decide(&policy, &known).action;
            let after = decide(&policy, &known.clone().forget(what)).action;
            prop_assert!(after != Action::Allow || before == Action::Allow, "{before} {known:?}");
            let each = known.clone().forget(u32::MAX);
            prop_assert!(decide(&policy, &each).action.strictness() >= before.strictness(), "{before} {known:?}");
        }
    }

    /// Where every rule that allows says which subcommand.
    #[test]
    fn an_option_that_nobody_knows_is_never_allowed(
        files in files(), allowed in prop::sample::select(SUBCOMMANDS), known in known(ONE),
        mut pieces in pieces(), tail in tail(), at in any::<Index>(),
        unknown in prop::sample::select(vec!["--zz-unknown", "--zz=1", "-Z", "-vZ", "--nam", "--forc", "--name2=x", "--Name=dev"]),
    ) {
        let mut files = plain(files, &[]);
        for rule in files.iter_mut().flat_map(|file| &mut file.rules).filter(|rule| rule.action == Action::Allow) {
            if !rule.clauses.iter().any(|line| line.starts_with("subcommand")) {
                rule.clauses.push(format!("{allowed}\n"));
            }
        }
        pieces.insert(at.index(pieces.len() + 1), vec![unknown.to_owned()]);
        let known = Known { argv: Some(argv(&pieces, &tail)), ..known };
        prop_assert_ne!(action(&files, &known), Action::Allow, "{:?}", known.argv);
    }

    /// Where no rule counts arguments, or looks at them as they stand. An expression may ask for one value of several.
    #[test]
    fn an_option_that_is_there_again_allows_nothing_more(
        files in files(), known in known(ONE), pieces in pieces(), tail in tail(),
        (name, value) in prop::sample::select(vec![("--name", "dev"), ("--name", "prod"), ("--name", "a"), ("--region", "eu"), ("--region", "us"), ("--force", "")]),
        apart in any::<bool>(),
    ) {
        let files = plain(files, &["args", "when"]);
        prop_assume!(pieces.iter().any(|piece| piece[0].split('=').next() == Some(name)));
        let policy = policy_of(&files);
        let before = decide(&policy, &Known { argv: Some(argv(&pieces, &tail)), ..known.clone() }).action;
        let again = match value {
            "" => vec![name.to_owned()],
            _ if apart => vec![name.to_owned(), value.to_owned()],
            _ => vec![format!("{name}={value}")],
        };
        let more = [pieces, vec![again]].concat();
        let after = Known { argv: Some(argv(&more, &tail)), ..known };
        prop_assert!(decide(&policy, &after).action != Action::Allow || before == Action::Allow, "{before} {:?}", after.argv);
    }

    /// Of a warning that a pattern never decides. Rules that say the same but what to do are the ones to be told of.
    #[test]
    fn what_never_decides_decides_nothing(
        files in files(), again in prop::collection::vec((any::<Index>(), any::<Index>(), any::<Index>(), clause_model::action()), 1..4),
        known in prop::collection::vec(known(TWO), 8),
    ) {
        let mut files = files;
        for (which, file, at, action) in again {
            let rules: Vec<RuleModel> = files.iter().flat_map(|file| file.rules.clone()).collect();
            prop_assume!(!rules.is_empty());
            insert(&mut files, file, at, RuleModel { action, ..which.get(&rules).clone() });
        }
        let (policy, warnings) = parse(&sources(&files)).unwrap_or_else(|errors| panic!("{}", errors[0]));
        let never = |rule: &&holdpoint_core::policy::Rule| {
            let [pattern] = rule.exec.as_slice() else { return false };
            let here = |told: &&holdpoint_core::diagnostic::Diagnostic| {
                (&told.file, told.line, told.column) == (&pattern.place.file, pattern.place.line, pattern.place.column)
            };
            warnings.iter().filter(here).any(|told| told.message.contains("never decides here"))
        };
        let never: Vec<&str> = policy.rules().iter().filter(never).map(|rule| rule.name.as_str()).collect();
        for known in known {
            let decision = decide(&policy, &known);
            prop_assert!(!decision.rule.is_some_and(|rule| never.contains(&rule.as_str())), "{never:?} {known:?}");
        }
    }

    /// Rules that only observe change nothing of what is done.
    #[test]
    fn what_is_done_is_as_if_rules_that_observe_were_not_there(files in files(), known in prop::collection::vec(known(TWO), 4)) {
        let policy = policy_of(&files);
        let without = read(&enforced_sources(&files));
        let enforced = policy.enforced();
        prop_assert_eq!(enforced.as_ref().unwrap_or(&policy), &without);
        for known in known {
            let (said, listed, there) = known.with(|exec, context| {
                let listed = without.listed(exec);
                (policy.decide(exec, context), listed, without.decide(exec, context))
            });
            let done = said.clone().observed(listed.then(|| there.clone()));
            prop_assert_eq!(done.action, if listed { there.action } else { Action::Allow });
            prop_assert!(done.would_be.is_some() || (done.action, &done.rule) == (said.action, &said.rule));
        }
    }

    /// The exception of a rule narrows it.
    #[test]
    fn an_exception_lets_a_rule_apply_no_more_often(
        action in clause_model::action(), clauses in clauses(), unless in clauses(), commands in commands(ONE, true), known in known(ONE),
    ) {
        let rule = |unless: Vec<String>| RuleModel { action, mode: Mode::Enforce, exec: vec!["p"], clauses: clauses.clone(), unless };
        let holds = |unless: Vec<String>| {
            let file = FileModel { rules: vec![rule(unless)], commands: commands.clone() };
            let policy = policy_of(&[file]);
            known.with(|exec, context| policy.explain(exec, context)).rules.first().map(|rule| rule.holds)
        };
        let (with, without) = (holds(unless), holds(Vec::new()));
        prop_assert!(with <= without, "{with:?} {without:?}");
    }
}
