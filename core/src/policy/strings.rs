//! Texts that a clause names: literal ones, and globs over strings.

use std::{cell::RefCell, collections::HashMap, fmt};

use globset::GlobBuilder;
use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

use crate::diagnostic::quoted;

/// The longest glob over strings. A longer one is an error.
pub(super) const MAX_GLOB_BYTES: usize = 512;

/// What one regular expression, or the globs of one array, may take compiled. More is an error.
const MAX_COMPILED_BYTES: usize = 256 << 10;

/// So many texts are sooner looked at one by one than searched: most differ in their lengths.
const FEW: usize = 8;

/// Texts, any of which matches. In a glob `*` stands for any run of bytes, slashes included.
#[derive(Clone, Default)]
pub struct StringSet {
    /// As they were written, sets spelt out.
    texts: Vec<String>,
    /// Which of them are literal, in the order of their bytes.
    literals: Vec<usize>,
    /// Which are like `prod-*`.
    prefixes: Vec<usize>,
    /// Which are like `*-prod`.
    suffixes: Vec<usize>,
    /// All others.
    globs: Option<Regex>,
}

/// What was compiled before, by its text: the same is often written in many rules, and to compile it is dear.
#[derive(Default)]
pub(super) struct Compiled(RefCell<HashMap<String, Regex>>);

/// A regular expression. The time of a match is linear in the length of what is looked at, whatever was written.
#[derive(Clone)]
pub struct Expression(Regex);

/// Why a text is no glob.
#[derive(Debug, Error)]
#[error("{} is no glob that can be used: {why}", quoted(text))]
pub(super) struct NoGlob {
    /// Which text of several.
    pub(super) index: usize,
    text: String,
    why: String,
}

impl StringSet {
    /// # Errors
    /// When a text is no glob that can be used.
    pub(super) fn new(texts: Vec<String>, compiled: &Compiled) -> Result<Self, NoGlob> {
        let mut set = Self { texts, ..Self::default() };
        let mut globs = Vec::new();
        for (index, text) in set.texts.iter().enumerate() {
            let fail = |why| NoGlob { index, text: text.clone(), why };
            if text.len() > MAX_GLOB_BYTES {
                return Err(fail(format!("it has {} bytes, {MAX_GLOB_BYTES} is the limit", text.len())));
            }
            if !text.contains(is_wild) {
                set.literals.push(index);
            } else if prefix(text).is_some_and(|prefix| !prefix.contains(is_wild)) {
                set.prefixes.push(index);
            } else if suffix(text).is_some_and(|suffix| !suffix.contains(is_wild)) {
                set.suffixes.push(index);
            } else {
                globs.push(regex_of_glob(text).map_err(fail)?);
            }
        }
        let texts = &set.texts;
        set.literals.sort_unstable_by_key(|index| texts.get(*index));
        if !globs.is_empty() {
            set.globs =
                Some(compiled.regex(&globs.join("|")).map_err(|why| last_of(texts, globs.len(), why))?);
        }
        Ok(set)
    }

    /// Whether any of them matches.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        if let Some(only) = self.only() {
            return only == bytes;
        }
        let text = |index: &usize| self.texts.get(*index).map_or("", String::as_str);
        let begins =
            |index: &usize| prefix(text(index)).is_some_and(|prefix| bytes.starts_with(prefix.as_bytes()));
        let ends =
            |index: &usize| suffix(text(index)).is_some_and(|suffix| bytes.ends_with(suffix.as_bytes()));
        let is_it = |index: &usize| text(index).as_bytes() == bytes;
        let literal = if self.literals.len() <= FEW {
            self.literals.iter().any(is_it)
        } else {
            self.literals.binary_search_by(|index| text(index).as_bytes().cmp(bytes)).is_ok()
        };
        literal
            || self.prefixes.iter().any(begins)
            || self.suffixes.iter().any(ends)
            || self.globs.as_ref().is_some_and(|globs| globs.is_match(bytes))
    }

    /// The one text that matches, where there is no other.
    pub(super) fn only(&self) -> Option<&[u8]> {
        match (self.texts.as_slice(), self.literals.as_slice()) {
            ([text], [_]) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// As they were written.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

impl Expression {
    /// # Errors
    /// When it is none, or takes too much memory compiled.
    pub(super) fn new(text: &str, compiled: &Compiled) -> Result<Self, String> {
        compiled.regex(text).map(Self)
    }

    /// Whether it matches anywhere.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.as_str()
    }
}

impl Compiled {
    /// # Errors
    /// When it is no regular expression, or takes too much memory compiled.
    fn regex(&self, text: &str) -> Result<Regex, String> {
        if let Some(known) = self.0.borrow().get(text) {
            return Ok(known.clone());
        }
        let new = compile(text)?;
        self.0.borrow_mut().insert(text.to_owned(), new.clone());
        Ok(new)
    }
}

/// By what was written: the rest follows from it.
impl PartialEq for StringSet {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for StringSet {}

/// By what was written.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Expression {}

/// By what was written, as they are compared.
impl std::hash::Hash for StringSet {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.texts.hash(state);
    }
}

/// By what was written, as they are compared.
impl std::hash::Hash for Expression {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

/// As in a file: `"a", "b-*"`.
impl fmt::Display for StringSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in self.texts.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}\"{}\"", crate::escape::for_terminal(text.as_bytes()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for StringSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text())
    }
}

fn compile(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_COMPILED_BYTES)
        .dot_matches_new_line(true)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("it takes more than {} KiB compiled", limit >> 10),
        // The last line says what is wrong; those before it draw a picture.
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            crate::escape::for_terminal(last.as_bytes())
        }
    })
}

/// Globs that cannot be compiled together.
fn last_of(texts: &[String], globs: usize, why: String) -> NoGlob {
    let why = if globs > 1 { format!("with the others, {why}") } else { why };
    NoGlob { index: texts.len().saturating_sub(1), text: texts.last().cloned().unwrap_or_default(), why }
}

/// What a text begins with of which only that is said: `prod-*`.
fn prefix(text: &str) -> Option<&str> {
    text.strip_suffix('*')
}

/// What a text ends with of which only that is said: `*-prod`.
fn suffix(text: &str) -> Option<&str> {
    text.strip_prefix('*')
}

fn regex_of_glob(text: &str) -> Result<String, String> {
    let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
    let glob = glob.map_err(|error| crate::escape::for_terminal(error.kind().to_string().as_bytes()))?;
    Ok(format!("(?:{})", glob.regex()))
}

fn is_wild(c: char) -> bool {
    matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> Result<StringSet, NoGlob> {
        StringSet::new(texts.iter().map(|text| (*text).to_owned()).collect(), &Compiled::default())
    }

    fn matches(texts: &[&str], of: &str) -> bool {
        set(texts).unwrap().matches(of.as_bytes())
    }

    #[test]
    fn globs_match_whole_strings_and_slashes_are_letters_like_others() {
        assert!(matches(&["prod"], "prod") && !matches(&["prod"], "production"));
        assert!(matches(&["prod-*"], "prod-") && matches(&["prod-*"], "prod-a/b"));
        assert!(matches(&["*-prod"], "eu/x-prod") && !matches(&["*-prod"], "prod"));
        assert!(matches(&["*a*"], "xx\nay") && !matches(&["*a*"], "xx"));
        assert!(matches(&["p?o[a-d]", "{x,y}z"], "prod") && matches(&["{x,y}z"], "yz"));
        assert!(matches(&["a\\*"], "a*") && !matches(&["a\\*"], "ab"));
        assert!(matches(&["*"], "") && matches(&[""], "") && !matches(&[""], "x") && !matches(&[], ""));
        assert!(set(&["?\u{e9}*"]).unwrap().matches(b"\xff\xc3\xa9\xff"));
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_index() {
        assert_eq!(set(&["a", "[a"]).unwrap_err().index, 1);
        assert_eq!(set(&[&"x".repeat(513)]).unwrap_err().index, 0);
        let expression = |text: &str| Expression::new(text, &Compiled::default()).unwrap_err();
        assert!(expression("(").contains("unclosed"));
        assert!(expression("((a{100}){100}){100}").contains("KiB"));
    }
}
