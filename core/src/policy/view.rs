//! One exec as clauses look at it: taken apart at most once, and only where a clause asks.

use std::cell::OnceCell;

use super::{
    Context, StringSet,
    command::{Analysis, Grammar, Style},
    pattern::last_component,
    tools::Tools,
};

/// Its name and its value.
type Variable<'a> = (&'a [u8], &'a [u8]);

pub(super) struct View<'a> {
    /// The program, by one of its names.
    pub(super) program: &'a [u8],
    /// All names by which rules are about it.
    names: Vec<&'a [u8]>,
    pub(super) context: &'a Context<'a>,
    tools: &'a Tools,
    grammar: OnceCell<&'a Grammar>,
    analysis: OnceCell<Option<Analysis<'a>>>,
    environment: OnceCell<Option<Vec<Variable<'a>>>>,
}

impl<'a> View<'a> {
    pub(super) fn new(
        program: &'a [u8],
        names: Vec<&'a [u8]>,
        context: &'a Context<'a>,
        tools: &'a Tools,
    ) -> Self {
        let (grammar, analysis, environment) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { program, names, context, tools, grammar, analysis, environment }
    }

    /// The arguments taken apart. None where they are not known.
    pub(super) fn analysis(&self) -> Option<&Analysis<'a>> {
        let analyse = || {
            let arguments = self.context.argv?.get(1..).unwrap_or_default();
            let analysis = Analysis::new(self.grammar(), arguments, self.may_be_posixly_correct());
            Some(match self.other_name() {
                Some(name) => analysis.doubted(name),
                None => analysis,
            })
        };
        self.analysis.get_or_init(analyse).as_ref()
    }

    /// What `argv[0]` says where that is none of the program's names: there are programs that go by it. A name by which it was
    /// called and that no rule has is the caller's choice, as `argv[0]` is.
    fn other_name(&self) -> Option<&'a [u8]> {
        let first = self.context.argv?.first().map_or(&[][..], |first| &first.0);
        let name = last_component(first);
        // A login shell's name begins with a dash.
        let name = name.strip_prefix(b"-").unwrap_or(name);
        (!self.names.contains(&name)).then_some(first)
    }

    /// Which options the program takes.
    pub(super) fn grammar(&self) -> &'a Grammar {
        self.grammar.get_or_init(|| self.tools.grammar(self.program))
    }

    /// By this variable the first word ends the options
    /// (<https://www.gnu.org/software/libc/manual/html_node/Using-Getopt.html>).
    fn may_be_posixly_correct(&self) -> bool {
        let name = b"POSIXLY_CORRECT=";
        self.grammar().style == Style::Gnu
            && self
                .context
                .environment
                .is_none_or(|strings| strings.iter().any(|string| string.starts_with(name)))
            || self.is_hidden(|hidden| name.strip_suffix(b"=") == Some(hidden))
    }

    /// The values of an option, by any of its names. None where it is in doubt which options there are.
    pub(super) fn option<'s>(&'s self, names: &'s [String]) -> Option<impl Iterator<Item = &'a [u8]> + 's> {
        let analysis = self.analysis()?;
        analysis.doubt.is_none().then(|| analysis.values(names))
    }

    /// The values of the variables whose names match. There may be several of one name, and programs differ in which they take.
    pub(super) fn variables<'s>(
        &'s self,
        names: &'s StringSet,
    ) -> Option<impl Iterator<Item = &'a [u8]> + 's> {
        let only = names.only();
        let matches = move |(name, _): &&Variable<'a>| match only {
            Some(only) => *name == only,
            None => names.matches(name),
        };
        if self.is_hidden(|hidden| matches(&&(hidden, &[]))) {
            return None;
        }
        Some(self.environment()?.iter().filter(matches).map(|(_, value)| *value))
    }

    /// Whether a variable whose value is not known has such a name.
    fn is_hidden(&self, is_one: impl Fn(&'a [u8]) -> bool) -> bool {
        self.context.hidden.iter().any(|name| is_one(&name.0))
    }

    /// Names and values of all variables.
    pub(super) fn environment(&self) -> Option<&[Variable<'a>]> {
        let split = |string: &'a Vec<u8>| {
            let at = string.iter().position(|byte| *byte == b'=')?;
            let (name, value) = string.split_at_checked(at)?;
            Some((name, value.get(1..).unwrap_or_default()))
        };
        let read = || {
            let strings = self.context.environment?;
            let mut variables = Vec::with_capacity(strings.len());
            variables.extend(strings.iter().filter_map(split));
            Some(variables)
        };
        self.environment.get_or_init(read).as_deref()
    }

    /// The values of a resource: empty where nothing tells it, none where it is in doubt.
    pub(super) fn resource(&self, name: &str) -> Option<Vec<&'a [u8]>> {
        let resource = self.tools.resource(name, self.program)?;
        if !resource.flags.is_empty() {
            let values: Vec<_> = self.option(&resource.flags)?.collect();
            if !values.is_empty() {
                return Some(values);
            }
        }
        for name in &resource.env {
            let named = |(known, _): &&(&[u8], &'a [u8])| *known == name.as_bytes();
            let values: Vec<_> = self.environment()?.iter().filter(named).map(|(_, value)| *value).collect();
            if self.is_hidden(|hidden| hidden == name.as_bytes()) {
                return None;
            }
            // Some programs take an empty one for absent, others for a value: what is empty tells nothing.
            if values.iter().any(|value| value.is_empty()) {
                return None;
            }
            if !values.is_empty() {
                return Some(values);
            }
        }
        Some(resource.default.iter().map(|value| value.as_bytes()).collect())
    }
}
