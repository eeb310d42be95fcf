//! Takes arguments apart.

use std::borrow::Cow;

use super::{Grammar, Style, Valid};
use crate::{alleged::Alleged, escape::argument};

/// So much is shown of an option that nobody knows.
const SHOWN_CHARACTERS: usize = 80;

/// The arguments of a program, taken apart.
#[derive(Clone, Debug)]
pub struct Analysis<'a> {
    /// The arguments that are neither options nor values of options.
    pub words: Vec<&'a [u8]>,
    /// The options, in their order.
    pub options: Vec<Seen<'a>>,
    /// Why it is not sure.
    pub doubt: Option<Doubt>,
    /// Other names of options that were found, with theirs.
    others: Vec<(&'a str, &'a str)>,
    valid: Valid<'a>,
}

/// An option that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The one that all others mean where the `[[command]]` knows it, else as it was written.
    pub name: Cow<'a, str>,
    /// Its value; empty where it has none.
    pub value: &'a [u8],
}

/// Why it is not sure what the program makes of its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// So many words are sure; all where an unknown option has its value with it.
    pub words: usize,
    /// Why.
    pub why: String,
}

impl<'a> Analysis<'a> {
    /// Of arguments without `argv[0]`. `posixly_correct`: the first word may end the options of a program of GNU's.
    #[must_use]
    pub fn new(grammar: &'a Grammar, arguments: &'a [Alleged], posixly_correct: bool) -> Self {
        let (words, options) = (Vec::with_capacity(arguments.len()), Vec::new());
        let found = Self { words, options, doubt: None, others: Vec::new(), valid: grammar.valid(None) };
        let mut parser = Parser { grammar, posixly_correct, found };
        let mut rest = arguments.iter().map(|argument| argument.0.as_slice());
        while let Some(argument) = rest.next() {
            let goes_on = parser.argument(argument, &mut rest);
            if !goes_on {
                break;
            }
        }
        let mut found = parser.found;
        found.words.extend(rest);
        found.name();
        found
    }

    /// The same where the program may go by another name, which is `argv[0]`: no word is sure.
    #[must_use]
    pub fn doubted(self, name: &[u8]) -> Self {
        let shown = argument(name);
        let shown = match shown.char_indices().nth(SHOWN_CHARACTERS) {
            Some((at, _)) => format!("{}…", shown.get(..at).unwrap_or_default()),
            None => shown,
        };
        let why = format!("argv[0] is {shown}, which is none of the program's names");
        Self { doubt: Some(Doubt { words: 0, why }), ..self }
    }

    /// Gives options the one name that all others mean. Which that is can depend on the first word, which may come last.
    fn name(&mut self) {
        let valid = self.valid;
        for seen in &mut self.options {
            seen.name = match &seen.name {
                Cow::Borrowed(name) => valid.canonical(name).into(),
                Cow::Owned(name) => valid.canonical(name).to_owned().into(),
            };
        }
        let is_found = |name: &str| self.options.iter().any(|seen| seen.name == name);
        let mut others: Vec<(&str, &str)> = Vec::new();
        // Twice, since one can mean another by way of a third.
        for (other, means) in [valid, valid].iter().flat_map(Valid::aliases) {
            let leads_there = is_found(means) || others.iter().any(|(known, _)| *known == means);
            let meant = leads_there.then(|| valid.canonical(other)).filter(|meant| is_found(meant));
            others.extend(meant.map(|meant| (other, meant)));
        }
        self.others = others;
    }

    /// The values of an option, by any of its names.
    pub(in crate::policy) fn values<'s>(
        &'s self,
        names: &'s [String],
    ) -> impl Iterator<Item = &'a [u8]> + 's {
        let meant = |name: &'s String| {
            let plain = self.valid.style.plain(name);
            self.others.iter().find(|(other, _)| *other == plain).map_or(plain, |(_, meant)| meant)
        };
        // Nearly always there is one name only.
        let (first, others) =
            names.split_first().map_or(("", names), |(first, others)| (meant(first), others));
        let is_it =
            move |seen: &&Seen<'a>| seen.name == first || others.iter().any(|name| seen.name == meant(name));
        self.options.iter().filter(is_it).map(|seen| seen.value)
    }

    /// The first word: what many programs do.
    #[must_use]
    pub fn verb(&self) -> Option<&'a [u8]> {
        self.words.first().copied()
    }
}

struct Parser<'a> {
    grammar: &'a Grammar,
    posixly_correct: bool,
    found: Analysis<'a>,
}

impl<'a> Parser<'a> {
    /// Takes one argument, and the next where that is its value. False where only words follow.
    fn argument(&mut self, argument: &'a [u8], rest: &mut impl Iterator<Item = &'a [u8]>) -> bool {
        if argument.starts_with(b"-") && argument.len() > 1 && self.ends_before_here() {
            self.doubt(|| "an option stands behind what may end the options".to_owned());
        }
        match argument {
            b"--" => {
                if self.found.words.is_empty() && !self.grammar.stops_at_word {
                    self.doubt(|| "'--' comes before the first word".to_owned());
                }
                false
            }
            [b'-', _, ..] if self.grammar.style == Style::Go => {
                let whole = argument.strip_prefix(b"-").filter(|rest| rest.starts_with(b"-"));
                self.long(whole.unwrap_or(argument), argument, rest);
                true
            }
            [b'-', b'-', ..] => {
                self.long(argument, argument, rest);
                true
            }
            [b'-', cluster @ ..] if !cluster.is_empty() => {
                self.cluster(cluster, argument, rest);
                true
            }
            word => {
                // Programs of cobra's leave such a one out where they look for what to do.
                if word.is_empty() || (word == b"-" && self.found.words.is_empty()) {
                    self.doubt(|| "an empty argument, or '-', stands among the words".to_owned());
                }
                self.found.words.push(word);
                if self.found.words.len() == 1 {
                    self.found.valid = self.grammar.valid(Some(word));
                }
                !self.grammar.stops_at_word
            }
        }
    }

    /// Whether the program may take no options any more: behind the first word where it is told so, and for Go's behind
    /// the first that is no command of it. Commands have up to two words.
    fn ends_before_here(&self) -> bool {
        match self.grammar.style {
            Style::Gnu => self.posixly_correct && !self.found.words.is_empty(),
            Style::Go => self.found.words.len() > 2,
            Style::Pflag | Style::Argparse => false,
        }
    }

    /// An option of a name and perhaps a value after `=`.
    fn long(&mut self, option: &'a [u8], written: &'a [u8], rest: &mut impl Iterator<Item = &'a [u8]>) {
        let equals = option.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals.and_then(|at| option.split_at_checked(at)) {
            Some((name, value)) => (name, Some(value.get(1..).unwrap_or_default())),
            None => (option, None),
        };
        let Ok(name) = std::str::from_utf8(name) else {
            self.unknown(written);
            return;
        };
        match (self.known(name), value) {
            (Some((name, _)), Some(value)) => self.saw(name, value),
            (Some((name, false)), None) => self.saw(name, b""),
            (Some((name, true)), None) => self.takes_next(name, rest),
            (None, Some(value)) => {
                self.saw(name, value);
                // Its value is its own: the words are sure.
                self.unknown_from(usize::MAX, written);
            }
            (None, None) => {
                self.saw(name, b"");
                self.unknown(written);
            }
        }
    }

    /// Short options in one argument; the first that takes a value takes the rest of it.
    fn cluster(
        &mut self,
        mut cluster: &'a [u8],
        written: &'a [u8],
        rest: &mut impl Iterator<Item = &'a [u8]>,
    ) {
        while let Some((letter, after)) = cluster.split_first() {
            let name = format!("-{}", char::from(*letter));
            let Some((name, takes_value)) = self.known(&name).filter(|_| letter.is_ascii()) else {
                // `-x` alone can still be asked for.
                if letter.is_ascii() {
                    self.found.options.push(Seen { name: name.into(), value: b"" });
                }
                self.unknown(written);
                return;
            };
            let equals = after.strip_prefix(b"=").filter(|_| self.grammar.style.strips_equals());
            // pflag: the value of `-n=` is `=`.
            let equals = equals.filter(|value| self.grammar.style != Style::Pflag || !value.is_empty());
            // cobra looks for the verb before anything is taken apart, and there only one letter takes the next argument.
            let is_alone = written.len() == 2 || self.grammar.style != Style::Pflag;
            if takes_value && after.is_empty() && !is_alone && self.found.words.is_empty() {
                let why = "the last of several short options takes the next argument, before the first word";
                self.doubt(|| why.to_owned());
            }
            match (takes_value, equals) {
                (true, Some(value)) => return self.saw(name, value),
                (true, None) if after.is_empty() => return self.takes_next(name, rest),
                (true, None) => return self.saw(name, after),
                // `-A=false`
                (false, Some(value)) => return self.saw(name, value),
                (false, None) => self.saw(name, b""),
            }
            cluster = after;
        }
    }

    fn known(&self, name: &str) -> Option<(&'a str, bool)> {
        self.found.valid.takes_value(name)
    }

    fn takes_next(&mut self, name: &'a str, rest: &mut impl Iterator<Item = &'a [u8]>) {
        match rest.next() {
            Some(value) => self.saw(name, value),
            None => {
                self.saw(name, b"");
                self.doubt(|| format!("'{name}' has no value"));
            }
        }
    }

    fn saw(&mut self, name: &'a str, value: &'a [u8]) {
        self.found.options.push(Seen { name: name.into(), value });
    }

    fn unknown(&mut self, written: &[u8]) {
        self.unknown_from(self.found.words.len(), written);
    }

    fn unknown_from(&mut self, words: usize, written: &[u8]) {
        self.doubt_from(words, || {
            // More bytes than the characters that are shown: what is cut is not seen.
            let begins = written.get(..4 * SHOWN_CHARACTERS).unwrap_or(written);
            let shown: String = argument(begins).chars().take(SHOWN_CHARACTERS).collect();
            format!("no [[command]] knows the option {shown}")
        });
    }

    fn doubt(&mut self, why: impl FnOnce() -> String) {
        self.doubt_from(self.found.words.len(), why);
    }

    /// The first doubt is the one that is told.
    fn doubt_from(&mut self, words: usize, why: impl FnOnce() -> String) {
        let doubt = self.found.doubt.get_or_insert_with(|| Doubt { words, why: why() });
        doubt.words = doubt.words.min(words);
    }
}
