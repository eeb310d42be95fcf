//! Command lines that are spelt in every way that a program of a style reads alike: what was meant is what is read.

use holdpoint_core::{
    alleged::Alleged,
    policy::{Analysis, Grammar, Options, Style},
};
use proptest::{prelude::*, sample::select};

/// What is meant, in order.
#[derive(Clone, Debug)]
enum Meant {
    Word(&'static str),
    /// By its long name, with a value where it takes one.
    Option(&'static str, Option<&'static str>),
}

const STYLES: [Style; 4] = [Style::Gnu, Style::Pflag, Style::Go, Style::Argparse];

/// In Go's style all have one dash.
fn long(style: Style, name: &str) -> String {
    if style == Style::Go { format!("-{name}") } else { format!("--{name}") }
}

fn short(name: &str) -> Option<&'static str> {
    [("name", "n"), ("output", "o"), ("force", "f"), ("all", "A")]
        .iter()
        .find(|(long, _)| *long == name)
        .map(|(_, short)| *short)
}

fn grammar(style: Style) -> Grammar {
    let name = |name: &str| (long(style, name), true);
    let flag = |name: &str| (long(style, name), false);
    let mut base = Options {
        takes_value: [name("name"), name("output"), flag("force"), flag("all")].into(),
        ..Options::default()
    };
    for (long_name, takes) in [("name", true), ("output", true), ("force", false), ("all", false)] {
        let letter = format!("-{}", short(long_name).unwrap_or_default());
        base.takes_value.insert(letter.clone(), takes);
        base.aliases.insert(letter, long(style, long_name));
    }
    // What takes a value everywhere takes none after this word.
    let own = Options {
        takes_value: [("-o".to_owned(), false), (long(style, "output"), false)].into(),
        ..Options::default()
    };
    Grammar { style, base, after: [(b"logs".to_vec(), own)].into(), ..Grammar::default() }
}

fn meant() -> impl Strategy<Value = Vec<Meant>> {
    // Whatever it looks like, it is a value.
    let value = select(vec!["dev", "get", "a=b", "-n", "--", "--force", "x y", "é"]);
    let one = prop_oneof![
        4 => select(vec!["get", "delete", "pods", "a=b", "é", "logs", "x-y"]).prop_map(Meant::Word),
        2 => (select(vec!["name", "output"]), value).prop_map(|(name, value)| Meant::Option(name, Some(value))),
        1 => select(vec!["force", "all"]).prop_map(|name| Meant::Option(name, None)),
        1 => select(vec!["force", "all"]).prop_map(|name| Meant::Option(name, Some("false"))),
    ];
    prop::collection::vec(one, 0..7)
}

/// Spells an option, in the way that a number picks of all that its style has.
fn spell(style: Style, name: &str, value: Option<&str>, takes: bool, way: usize) -> Vec<String> {
    let (long, letter) = (long(style, name), format!("-{}", short(name).unwrap_or_default()));
    let mut ways = Vec::new();
    match value {
        Some(value) => {
            ways.push(vec![format!("{long}={value}")]);
            if takes {
                ways.push(vec![long.clone(), value.to_owned()]);
                ways.push(vec![letter.clone(), value.to_owned()]);
            }
            match style {
                Style::Gnu if takes => ways.push(vec![format!("{letter}{value}")]),
                Style::Pflag | Style::Argparse => {
                    ways.push(vec![format!("{letter}={value}")]);
                    if takes {
                        ways.push(vec![format!("{letter}{value}")]);
                    }
                }
                Style::Go => {
                    ways.push(vec![format!("-{long}={value}")]);
                    ways.push(vec![format!("{letter}={value}")]);
                    if takes {
                        ways.push(vec![format!("-{long}"), value.to_owned()]);
                    }
                }
                Style::Gnu => {}
            }
        }
        None => ways.extend([vec![long], vec![letter]]),
    }
    ways.swap_remove(way % ways.len())
}

type Read = (Vec<String>, Vec<(String, String)>);

/// What is read of arguments, and whether it is sure.
fn read(style: Style, arguments: &[String]) -> (Read, bool) {
    let grammar = grammar(style);
    let arguments: Vec<Alleged> = arguments.iter().map(|argument| Alleged::from(argument.as_str())).collect();
    let found = Analysis::new(&grammar, &arguments, false);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let words = found.words.iter().map(|word| text(word)).collect();
    let options =
        found.options.iter().map(|seen| (seen.name.clone().into_owned(), text(seen.value))).collect();
    ((words, options), found.doubt.is_none())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_was_meant_is_what_is_read(
        style in select(STYLES.to_vec()), meant in meant(), ways in prop::collection::vec(0..6_usize, 7),
        tail in prop::collection::vec(select(vec!["-n", "get", "--", "--force"]), 0..3),
    ) {
        let (mut arguments, mut words, mut options) = (Vec::new(), Vec::new(), Vec::new());
        for (meant, way) in meant.iter().zip(ways) {
            match meant {
                Meant::Word(word) => {
                    words.push((*word).to_owned());
                    arguments.push((*word).to_owned());
                }
                Meant::Option(..) if style == Style::Go && words.len() > 1 => {}
                Meant::Option(name, value) => {
                    let after_logs = *name == "output" && words.first().is_some_and(|word| word == "logs");
                    let takes = matches!(*name, "name" | "output") && !after_logs;
                    let value = value.filter(|_| takes || !after_logs);
                    arguments.extend(spell(style, name, value, takes, way));
                    options.push((long(style, name), value.unwrap_or_default().to_owned()));
                }
            }
        }
        if !tail.is_empty() && !words.is_empty() && (style != Style::Go || words.len() == 1) {
            arguments.push("--".to_owned());
            let tail = tail.into_iter().map(str::to_owned);
            words.extend(tail.clone());
            arguments.extend(tail);
        }
        let (read, sure) = read(style, &arguments);
        prop_assert!(sure, "{style:?} {arguments:?}");
        prop_assert_eq!(read, (words, options), "{:?} {:?}", style, arguments);
    }

    /// Short options in one argument are what they are one by one, but for where cobra looks for the verb.
    #[test]
    fn letters_together_are_letters_apart(
        style in select(vec![Style::Gnu, Style::Pflag, Style::Argparse]), letters in "[fA]{0,3}[no]?", value in "[a-z]{1,3}",
    ) {
        prop_assume!(!letters.is_empty());
        let mut together = vec!["get".to_owned(), format!("-{letters}")];
        let mut apart = vec!["get".to_owned()];
        apart.extend(letters.chars().map(|letter| format!("-{letter}")));
        for arguments in [&mut together, &mut apart] {
            arguments.push(value.clone());
        }
        prop_assert_eq!(read(style, &together), read(style, &apart));
    }

    /// Words before an option that nobody knows are as they were, and there is doubt.
    #[test]
    fn doubt_begins_where_an_unknown_option_stands(
        style in select(STYLES.to_vec()), arguments in prop::collection::vec(select(vec!["get", "a", "-n", "--name=x", "-f", "-A"]), 0..6),
        unknown in "-{1,2}[X-Z][a-z=]{0,3}", at in any::<prop::sample::Index>(),
    ) {
        let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let at = at.index(arguments.len() + 1);
        let takes_it = at.checked_sub(1).is_some_and(|before| arguments[before] == "-n");
        prop_assume!(!takes_it);
        arguments.insert(at, unknown);
        let grammar = grammar(style);
        let alleged: Vec<Alleged> = arguments.iter().map(|argument| Alleged::from(argument.as_str())).collect();
        let doubt = Analysis::new(&grammar, &alleged, false).doubt;
        let before = Analysis::new(&grammar, &alleged[..at], false);
        let Some(doubt) = doubt else { panic!("{style:?} {arguments:?}") };
        // With `=` it has its value with it, and all words are sure.
        let is_whole = arguments[at].contains('=');
        prop_assert!(is_whole || doubt.words <= before.words.len(), "{doubt:?} {arguments:?}");
    }
}
