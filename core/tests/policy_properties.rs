//! The policy against a reference that knows no index, and the parsers against anything.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;

use holdpoint_core::{
    config,
    policy::{Action, Context, Exec, Policy, SourceFile, parse},
};
use proptest::prelude::*;

type RuleModel = (Action, Vec<String>);

fn text_of(rules: &[RuleModel], first: usize) -> String {
    let of = |(index, (action, exec)): (usize, &RuleModel)| {
        format!("[[rule]]\nname = 'r{}'\naction = '{action}'\nexec = {exec:?}\n", first + index)
    };
    rules.iter().enumerate().map(of).collect()
}

fn policy_of(files: &[Vec<RuleModel>]) -> Policy {
    let mut first = 0;
    let mut sources = Vec::new();
    for (index, rules) in files.iter().enumerate() {
        sources.push(SourceFile { name: format!("{index}.toml"), text: text_of(rules, first) });
        first += rules.len();
    }
    parse(&sources).unwrap_or_else(|errors| panic!("{}", errors[0])).0
}

/// A glob that has no wildcard but `*`, tried in every way.
fn glob_matches(glob: &[u8], path: &[u8]) -> bool {
    match glob.split_first() {
        None => path.is_empty(),
        Some((b'*', rest)) => {
            let stop = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=stop).any(|skipped| glob_matches(rest, &path[skipped..]))
        }
        Some((byte, rest)) => path.first() == Some(byte) && glob_matches(rest, &path[1..]),
    }
}

fn matches(pattern: &str, names: &[&[u8]], paths: &[&[u8]]) -> bool {
    if pattern.contains('/') {
        paths.iter().any(|path| glob_matches(pattern.as_bytes(), path))
    } else {
        names.contains(&pattern.as_bytes())
    }
}

/// What each name of the program says by itself, the strictest first: of rules that are equally strict the first, by the
/// first name.
fn reference(rules: &[RuleModel], names: &[&[u8]], paths: &[&[u8]]) -> Option<usize> {
    let last = |path: &&[u8]| path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
    let bases: BTreeSet<Vec<u8>> =
        names.iter().map(|name| name.to_vec()).chain(paths.iter().map(last)).collect();
    let mut strictest: Option<usize> = None;
    for base in bases {
        let names: Vec<&[u8]> = names.iter().copied().filter(|name| *name == base).collect();
        let paths: Vec<&[u8]> = paths.iter().copied().filter(|path| last(path) == base).collect();
        let matching = |index: &usize| rules[*index].1.iter().any(|pattern| matches(pattern, &names, &paths));
        let all = || (0..rules.len()).filter(matching);
        let Some(decider) = all().find(|index| rules[*index].0 == Action::Deny).or_else(|| all().next())
        else {
            continue;
        };
        if strictest.is_none_or(|before| rules[decider].0.strictness() > rules[before].0.strictness()) {
            strictest = Some(decider);
        }
    }
    strictest
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "ab", "*", "a*", "*b"]);
    let path = (prop::collection::vec(part, 0..3), prop::sample::select(vec!["a", "b", "ab"]), any::<bool>());
    prop_oneof![
        prop::sample::select(vec!["a", "b", "ab", "c"]).prop_map(str::to_owned),
        path.prop_map(|(mut parts, literal, last)| {
            parts.insert(if last { parts.len() } else { 0 }, literal);
            format!("/{}", parts.join("/"))
        }),
    ]
}

fn rules() -> impl Strategy<Value = Vec<RuleModel>> {
    let action = prop::sample::select(vec![Action::Ask, Action::Deny, Action::Allow]);
    prop::collection::vec((action, prop::collection::vec(pattern(), 1..4)), 0..6)
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        9 => "(/[ab]{1,2}){1,3}".prop_map(String::into_bytes),
        1 => any::<Vec<u8>>(),
        1 => any::<u8>().prop_map(|byte| [b"/a/".as_slice(), &[byte]].concat()),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![9 => "[abc]{1,2}".prop_map(String::into_bytes), 1 => any::<Vec<u8>>()]
}

fn borrowed(of: &[Vec<u8>]) -> Vec<&[u8]> {
    of.iter().map(Vec::as_slice).collect()
}

/// Something like TOML of ours, with things wrong.
fn almost_toml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "[[rule]]\n",
            "[rule]\n",
            "name = ",
            "exec = ",
            "action = ",
            "timeout = ",
            "'ask'\n",
            "\"deny\"\n",
            "['a', '/b/*']\n",
            "'5m'\n",
            "[",
            "]",
            "{",
            "}",
            "=",
            ",",
            ".",
            "\n",
            "\r\n",
            "\t",
            "#",
            "'",
            "\"",
            "'''",
            "\"\"\"",
            "\\",
            "é",
            "\u{202e}",
            "1979-05-27\n",
            "1e400\n",
            "99999999999999999999\n",
            "[sets]\n",
            "a = ['@b', 'x']\n",
            "b = '@a'\n",
            "'@a'\n",
            "[[command]]\n",
            "[[resource]]\n",
            "[rule.unless]\n",
            "style = 'go'\n",
            "values = ['-n']\n",
            "after = ",
            "env = ",
            "flags = { '--n' = 'x' }\n",
            "hours = { from = '09:00', zone = 'UTC' }\n",
            "dates = ",
            "subcommand = ",
            "args = { regex = '(' }\n",
            "hash = ",
            "[show]\n",
            "environment = ['*']\n",
            "limits.pending = ",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[a-z_]{1,8} = ",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn decide_agrees_with_the_reference(
        files in prop::collection::vec(rules(), 0..3),
        names in prop::collection::vec(name(), 0..3),
        paths in prop::collection::vec(path(), 0..3),
    ) {
        let policy = policy_of(&files);
        let (names, paths) = (borrowed(&names), borrowed(&paths));
        let exec = Exec { names: &names, paths: &paths };
        let rules = files.concat();
        let expected = reference(&rules, &names, &paths);
        let decision = policy.decide(&exec, &Context::default());
        prop_assert_eq!(&decision.rule, &expected.map(|index| format!("r{index}")));
        prop_assert_eq!(decision.action, expected.map_or(Action::Ask, |index| rules[index].0));
        prop_assert_eq!(policy.listed(&exec), expected.is_some());
    }

    #[test]
    fn a_deny_wins_wherever_it_is_added(
        mut rules in rules(), at in any::<prop::sample::Index>(), names in prop::collection::vec(name(), 1..3),
    ) {
        let names = borrowed(&names);
        let Ok(word) = std::str::from_utf8(names[0]) else { return Ok(()) };
        prop_assume!(!word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()));
        rules.insert(at.index(rules.len() + 1), (Action::Deny, vec![word.to_owned()]));
        let decision = policy_of(&[rules]).decide(&Exec { names: &names, paths: &[] }, &Context::default());
        prop_assert_eq!(decision.action, Action::Deny);
    }

    /// What a rule names is found by what the kernel half is told to look for.
    #[test]
    fn the_kernels_lists_cover_every_listed_name(rules in rules(), name in name(), path in path()) {
        let policy = policy_of(&[rules]);
        let listed: BTreeSet<Vec<u8>> = policy.names();
        let names = [name.as_slice()];
        prop_assert_eq!(policy.listed(&Exec { names: &names, paths: &[] }), listed.contains(&name));
        let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let by_path = policy.listed(&Exec { names: &[], paths: &[&path] });
        let open_ended = policy.globs().any(|glob| glob.last_component().is_none());
        prop_assert!(!by_path || open_ended || policy.candidate_names().contains(last));
    }

    #[test]
    fn parsing_anything_gives_a_policy_or_errors_with_places(text in almost_toml()) {
        let file = SourceFile { name: "f".to_owned(), text: text.clone() };
        let lines = text.split('\n').count();
        let both = [parse(std::slice::from_ref(&file)).map(|(_, told)| told), config::parse(&file).map(|(_, told)| told)];
        for result in both {
            let told = match result {
                Ok(warnings) => warnings,
                Err(errors) => {
                    prop_assert!(!errors.is_empty() && errors.iter().all(|error| error.is_error()));
                    errors
                }
            };
            for diagnostic in told {
                prop_assert!((1..=lines).contains(&diagnostic.line), "{diagnostic}");
                prop_assert!(diagnostic.column >= 1 && !diagnostic.message.is_empty());
                let safe = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
                prop_assert!(diagnostic.to_string().chars().all(safe), "{diagnostic:?}");
            }
        }
    }
}

#[test]
fn a_megabyte_of_rubbish_is_refused_quickly() {
    let begun = std::time::Instant::now();
    for piece in [
        "[",
        "a.",
        "= \n",
        "[[rule]]\n",
        "'",
        "{a=",
        "a=[",
        "rule=[{name='a'},",
        "[[a.b]]\n",
        "a\n",
        "\"\\",
        "é=",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());
        assert!(parse(&[SourceFile { name: "f".to_owned(), text }]).is_err(), "{piece}");
    }
    let one_line = format!("rule=[{}]", "{name='a',exec=['a','b','c','d'],action='ask'},".repeat(20_000));
    assert!(parse(&[SourceFile { name: "f".to_owned(), text: one_line }]).is_err());
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
