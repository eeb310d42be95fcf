//! Command lines: which arguments are options, which are their values, and which are words.
//!
//! A `[[command]]` says which options a program takes ([`Grammar`]); [`Analysis`] takes arguments apart by it. What cannot be
//! told is in doubt: an option that no `[[command]]` knows may take the next argument as its value, or may not. So is an
//! abbreviation, where programs take them: which option it means depends on all that the program knows.

mod analyse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use analyse::{Analysis, Doubt, Seen};

/// How a program reads its options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Style {
    /// `getopt_long`: short options cluster, and the rest of an argument is a short option's value (<https://www.gnu.org/software/libc/manual/html_node/Getopt-Long-Options.html>).
    #[default]
    Gnu,
    /// Of most programs in Go with cobra: the same, and `-n=V` is `V`
    /// (<https://pkg.go.dev/github.com/spf13/pflag>).
    Pflag,
    /// Go's own: one dash or two mean the same, and nothing clusters (<https://pkg.go.dev/flag>).
    Go,
    /// Python's: as getopt's, and `-n=V` is `V` (<https://docs.python.org/3/library/argparse.html>).
    Argparse,
}

/// The words for `style`.
pub(crate) const STYLES: [(&str, Style); 4] =
    [("gnu", Style::Gnu), ("pflag", Style::Pflag), ("go", Style::Go), ("argparse", Style::Argparse)];

/// Which options a program takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grammar {
    /// How it reads them.
    pub style: Style,
    /// The first word ends the options: what follows is for another program.
    pub stops_at_word: bool,
    /// It takes more options than are listed: one that is not leaves a subcommand sure that stands before it.
    pub more_options: bool,
    /// Those that it always takes.
    pub base: Options,
    /// Those that it takes after a first word, which override.
    pub after: BTreeMap<Vec<u8>, Options>,
}

/// Some options by their names, dashes included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether each takes a value.
    pub takes_value: BTreeMap<String, bool>,
    /// Which option another name means.
    pub aliases: BTreeMap<String, String>,
}

/// The options that count after a first word.
#[derive(Clone, Copy, Debug)]
struct Valid<'g> {
    style: Style,
    /// The word's own, which override.
    own: Option<&'g Options>,
    base: &'g Options,
}

impl Style {
    /// A name without the dash that makes no difference.
    fn plain(self, name: &str) -> &str {
        match self {
            Self::Go => name.strip_prefix('-').filter(|rest| rest.starts_with('-')).unwrap_or(name),
            _ => name,
        }
    }

    fn strips_equals(self) -> bool {
        matches!(self, Self::Pflag | Self::Argparse)
    }
}

impl Grammar {
    /// The name by which an option is known, of all that mean the same.
    #[must_use]
    pub fn canonical<'n>(&'n self, name: &'n str, verb: Option<&[u8]>) -> &'n str {
        self.valid(verb).canonical(name)
    }

    /// Whether any of its options has this name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        let name = self.canonical(name, None);
        let knows = |options: &Options| {
            options.takes_value.contains_key(name) || options.aliases.values().any(|known| known == name)
        };
        knows(&self.base) || self.after.values().any(knows)
    }

    fn valid(&self, verb: Option<&[u8]>) -> Valid<'_> {
        Valid { style: self.style, own: verb.and_then(|verb| self.after.get(verb)), base: &self.base }
    }
}

impl<'g> Valid<'g> {
    fn canonical<'n>(&self, name: &'n str) -> &'n str
    where
        'g: 'n,
    {
        let name = self.style.plain(name);
        let meant = |name: &str| self.layers().find_map(|options| options.aliases.get(name));
        let Some(first) = meant(name) else { return name };
        // An alias of the program's may be one for what only means another after this word. Within one `[[command]]` it
        // is an error.
        meant(first).unwrap_or(first)
    }

    /// Other names of options, with what they mean, but for those that mean something else after this word.
    fn aliases(&self) -> impl Iterator<Item = (&'g str, &'g str)> + use<'g> {
        let aliases = self.layers().flat_map(|options| &options.aliases);
        aliases.map(|(other, meant)| (other.as_str(), meant.as_str()))
    }

    /// Whether an option takes a value. None where it is not known.
    fn takes_value(&self, name: &str) -> Option<(&'g str, bool)> {
        let (known, takes) = self.layers().find_map(|options| options.takes_value.get_key_value(name))?;
        Some((known, *takes))
    }

    /// What overrides comes first.
    fn layers(&self) -> impl Iterator<Item = &'g Options> + use<'g> {
        self.own.into_iter().chain([self.base])
    }
}
