//! Arrays of globs with sets spelt out, regular expressions, tests of values.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::{
    super::{
        Expression, StringSet, ValueTest, When,
        strings::{Compiled, NoGlob},
        when::Fault,
    },
    tools::option,
};
use crate::{
    diagnostic::quoted,
    document::{Problems, Table, Text, nearest},
};

/// Elements of one array, sets spelt out. More are an error.
pub(super) const MAX_VALUES: usize = 4096;

pub(super) const GLOBS: &str = "globs have *, ?, [a-z] and {one,two}; a backslash takes the meaning away";

pub(in crate::policy) const TEST_KEYS: &[&str] = &["in", "not_in", "regex", "present", "or_absent"];
pub(in crate::policy) const FLAG_KEYS: &[&str] = &["in", "not_in", "regex", "present", "or_absent", "alias"];

/// Sets in all files together: a set may lead through all others. One more is an error at the first beyond.
pub(super) const MAX_SETS: usize = 4096;

/// The names that a message about a circle has, at most: the way back can lead through all sets.
const MAX_SHOWN: usize = 8;

/// `[sets]` of all files: what `"@name"` in an array stands for.
#[derive(Default)]
pub(super) struct Sets<'t> {
    sets: HashMap<&'t str, Vec<Text<'t>>>,
    compiled: Compiled,
}

/// A `[sets]` key as it was read, with the file's index.
pub(super) struct RawSet<'t> {
    pub(super) file: usize,
    pub(super) name: Text<'t>,
    pub(super) values: Vec<Text<'t>>,
}

impl<'t> Sets<'t> {
    /// Tells of sets that name one which does not exist, and of such as lead back to themselves.
    pub(super) fn new(raw: Vec<RawSet<'t>>, problems: &mut [Problems<'_>]) -> Self {
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        let mut known: Vec<RawSet<'t>> = Vec::new();
        for set in raw {
            let first = by_name.get(set.name.value).and_then(|first| known.get(*first));
            let first = first.and_then(|first| Some(problems.get(first.file)?.place(&first.name.span)));
            let Some(problems) = problems.get_mut(set.file) else { continue };
            if let Some(first) = first {
                let name = quoted(set.name.value);
                let message = format!("two sets have the name {name}: the first is at {first}");
                problems.error_with_hint(set.name.span, message, "rename one of them");
                continue;
            }
            if known.len() == MAX_SETS {
                problems.error(set.name.span, format!("there are more than {MAX_SETS} sets"));
                // Which sets are not there is not known.
                return Self::default();
            }
            by_name.insert(set.name.value, known.len());
            known.push(set);
        }
        for set in &known {
            let Some(problems) = problems.get_mut(set.file) else { continue };
            for Text { value, span } in &set.values {
                if let Some(name) = set_name(value).filter(|name| !by_name.contains_key(name)) {
                    unknown_set(name, span.clone(), by_name.keys().copied(), problems);
                }
            }
        }
        find_circles(&known, &by_name, problems);
        let sets = known.into_iter().map(|set| (set.name.value, set.values)).collect();
        Self { sets, compiled: Compiled::default() }
    }

    /// The texts of an array, or the one text, sets spelt out. A set that was spelt out before adds nothing.
    pub(super) fn texts(
        &self,
        table: &Table<'_, '_>,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<(String, Range<usize>)>> {
        let mut texts = Vec::new();
        let mut all_known = true;
        let mut seen: HashSet<&str> = HashSet::new();
        for Text { value, span } in table.one_or_more(key, problems)? {
            match set_name(value) {
                None => texts.push((value.to_owned(), span)),
                Some(name) if self.sets.contains_key(name) => {
                    self.spell_out(name, &span, &mut seen, &mut texts);
                }
                Some(name) => {
                    unknown_set(name, span, self.sets.keys().copied(), problems);
                    all_known = false;
                }
            }
            if texts.len() > MAX_VALUES {
                let message = format!("'{key}' has more than {MAX_VALUES} values");
                problems.error_with_hint(table.key_span(key), message, "write globs, or several rules");
                return None;
            }
        }
        all_known.then_some(texts)
    }

    /// What a set has, and all sets have that it names. Not by recursion: it can lead through all.
    fn spell_out<'s>(
        &'s self,
        name: &'s str,
        span: &Range<usize>,
        seen: &mut HashSet<&'s str>,
        texts: &mut Vec<(String, Range<usize>)>,
    ) {
        let mut open = Vec::new();
        open.extend(self.sets.get(name).filter(|_| seen.insert(name)).map(|set| set.iter()));
        while let Some(set) = open.last_mut().filter(|_| texts.len() <= MAX_VALUES) {
            match set.next().map(|text| (text.value, set_name(text.value))) {
                None => drop(open.pop()),
                Some((value, None)) => texts.push((value.to_owned(), span.clone())),
                // Where there is none, that was told of at the set.
                Some((_, Some(inner))) => {
                    open.extend(self.sets.get(inner).filter(|_| seen.insert(inner)).map(|set| set.iter()));
                }
            }
        }
    }

    /// An array of globs, or one.
    pub(super) fn globs(
        &self,
        table: &Table<'_, '_>,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<StringSet> {
        let (texts, spans): (Vec<_>, Vec<_>) = self.texts(table, key, problems)?.into_iter().unzip();
        if texts.is_empty() {
            let message = format!("'{key}' is empty: nothing could match");
            problems.error_with_hint(table.key_span(key), message, "leave it out, or say what is meant");
            return None;
        }
        match self.set(texts) {
            Ok(set) => Some(set),
            Err(error) => {
                let span = spans.get(error.index).cloned().unwrap_or_else(|| table.key_span(key));
                problems.error_with_hint(span, error.to_string(), GLOBS);
                None
            }
        }
    }

    /// # Errors
    /// When a text is no glob that can be used.
    pub(super) fn set(&self, texts: Vec<String>) -> Result<StringSet, NoGlob> {
        StringSet::new(texts, &self.compiled)
    }

    /// The test of a value: a table, or short for `in` a string or an array.
    pub(super) fn test(
        &self,
        table: &Table<'_, '_>,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<ValueTest> {
        self.test_of(table, key, TEST_KEYS, problems).map(|(test, _)| test)
    }

    /// The test of an option's value, and its other names.
    pub(super) fn flag(
        &self,
        table: &Table<'_, '_>,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<(ValueTest, Vec<String>)> {
        let (test, inner) = self.test_of(table, key, FLAG_KEYS, problems)?;
        let Some(inner) = inner.filter(|inner| inner.has("alias")) else { return Some((test, Vec::new())) };
        let aliases = inner.one_or_more("alias", problems)?;
        let names = aliases.iter().filter_map(|alias| option(alias.value, None, &alias.span, problems));
        Some((test, names.collect()))
    }

    /// A regular expression.
    pub(super) fn regex(
        &self,
        table: &Table<'_, '_>,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Expression> {
        let Text { value, span } = table.string(key, problems)?;
        let regex = Expression::new(value, &self.compiled);
        regex
            .map_err(|why| {
                problems.error(span, format!("'{key}' is no regular expression that can be used: {why}"));
            })
            .ok()
    }

    /// An expression.
    pub(super) fn when(&self, table: &Table<'_, '_>, key: &str, problems: &mut Problems<'_>) -> Option<When> {
        let Text { value, span } = table.string(key, problems)?;
        match When::new(value, &self.compiled) {
            Ok(when) => Some(when),
            Err(Fault { at, message, hint }) => {
                let at = problems.inside(&span, at);
                match hint {
                    Some(hint) => problems.error_with_hint(at, message, hint),
                    None => problems.error(at, message),
                }
                None
            }
        }
    }

    fn test_of<'d, 'a>(
        &self,
        table: &Table<'d, 'a>,
        key: &str,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<(ValueTest, Option<Table<'d, 'a>>)> {
        if !table.has_table(key) {
            let within = self.globs(table, key, problems)?;
            return Some((ValueTest { within: Some(within), ..ValueTest::default() }, None));
        }
        let inner = table.table(key, known, problems)?;
        let test = ValueTest {
            within: self.globs(&inner, "in", problems),
            not_within: self.globs(&inner, "not_in", problems),
            regex: self.regex(&inner, "regex", problems),
            present: inner.boolean("present", problems),
            or_absent: inner.boolean("or_absent", problems).unwrap_or_default(),
        };
        let has_values = test.within.is_some() || test.not_within.is_some() || test.regex.is_some();
        if !TEST_KEYS.iter().any(|key| inner.has(key)) {
            let hint = "say in, not_in, regex or present";
            problems.error_with_hint(
                table.key_span(key),
                format!("{} is tested for nothing", quoted(key)),
                hint,
            );
        }
        if test.present.is_some() && test.or_absent {
            problems.error(inner.key_span("or_absent"), "'or_absent' and 'present' contradict each other");
        }
        if test.present == Some(false) && has_values {
            problems.error(
                inner.key_span("present"),
                "what is not there has no value to test: leave out 'present', or the other keys",
            );
        }
        Some((test, Some(inner)))
    }
}

/// Tells of each set that is named by one to which it leads.
fn find_circles(known: &[RawSet<'_>], by_name: &HashMap<&str, usize>, problems: &mut [Problems<'_>]) {
    /// What is known of a set.
    #[derive(Clone, Copy, PartialEq)]
    enum Look {
        Ahead,
        Under,
        Done,
    }
    let mut looks = vec![Look::Ahead; known.len()];
    for start in 0..known.len() {
        // Sets on the way, and how many values of each were looked at. Not by recursion: it can lead through all.
        let mut way = vec![(start, 0)];
        while let Some((at, next)) = way.last_mut() {
            let (Some(set), Some(look)) = (known.get(*at), looks.get_mut(*at)) else { break };
            let value = if *look == Look::Done { None } else { set.values.get(*next) };
            *look = Look::Under;
            let Some(Text { value, span }) = value else {
                *look = Look::Done;
                way.pop();
                continue;
            };
            *next += 1;
            let Some(name) = set_name(value) else { continue };
            let Some(inner) = by_name.get(name).copied() else { continue };
            match looks.get(inner) {
                Some(Look::Ahead) => way.push((inner, 0)),
                Some(Look::Under) => {
                    let Some(problems) =
                        problems.get_mut(set.file).filter(|problems| !problems.are_too_many())
                    else {
                        continue;
                    };
                    let circle =
                        way.iter().map(|(on_the_way, _)| on_the_way).skip_while(|other| **other != inner);
                    let names: Vec<&str> = circle.filter_map(|at| Some(known.get(*at)?.name.value)).collect();
                    problems.error(span.clone(), format!("the sets go in a circle: {}", shown(&names)));
                }
                _ => {}
            }
        }
    }
}

/// A way from a set back to it: `@a → @b → @a`.
fn shown(names: &[&str]) -> String {
    let mut way: Vec<String> = names.iter().take(MAX_SHOWN).map(|name| format!("@{name}")).collect();
    if names.len() > MAX_SHOWN {
        way.push(format!("… {} more", names.len() - MAX_SHOWN));
    }
    way.extend(names.first().map(|name| format!("@{name}")));
    crate::escape::for_terminal(way.join(" → ").as_bytes())
}

/// What is named by `"@name"`. A glob such as `"@*"` is about arguments that begin so.
fn set_name(text: &str) -> Option<&str> {
    text.strip_prefix('@').filter(|name| !name.starts_with(['*', '?', '[', '{']))
}

fn unknown_set<'n>(
    name: &str,
    span: Range<usize>,
    known: impl Iterator<Item = &'n str>,
    problems: &mut Problems<'_>,
) {
    let message = format!("there is no set {}", quoted(name));
    // To look for the nearest of all is dear, and nobody would see it.
    let known: Vec<&str> = if problems.are_too_many() { Vec::new() } else { known.collect() };
    let hint = match nearest(name, &known) {
        Some(near) => format!("did you mean '@{}'?", crate::escape::for_terminal(near.as_bytes())),
        None => "define it below [sets]; a literal '@' at the beginning is written '[@]'".to_owned(),
    };
    problems.error_with_hint(span, message, hint);
}
