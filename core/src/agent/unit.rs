//! The names of systemd's units that make agents: one name, or a glob with one `*`.

use std::fmt;

/// The longest that stands before or after the `*`, in bytes, and the longest name without one: the kernel half compares
/// that many.
pub const MAX_UNIT_PART: usize = 63;

/// Kinds of units that have processes of their own.
const SUFFIXES: [&str; 3] = [".service", ".scope", ".slice"];

/// The names of units: `agent.service`, `agent-*.service`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnitGlob {
    /// What the names begin with. Never empty.
    pub prefix: String,
    /// What they end with, where something may stand between; none for one whole name.
    pub suffix: Option<String>,
}

impl UnitGlob {
    /// Reads one.
    ///
    /// # Errors
    /// With what is wrong, in words. What was given is not in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@*".contains(c);
        if let Some(odd) = text.chars().find(|c| !fits(*c)) {
            return Err(format!("no name of a unit has the character {odd:?}"));
        }
        if !SUFFIXES.iter().any(|suffix| text.ends_with(suffix)) {
            return Err("it does not end with '.service', '.scope' or '.slice'".to_owned());
        }
        let (prefix, suffix) = match text.split_once('*') {
            Some((prefix, suffix)) => (prefix, Some(suffix)),
            None => (text, None),
        };
        if suffix.is_some_and(|suffix| suffix.contains('*')) {
            return Err("it has more than one '*'".to_owned());
        }
        if prefix.is_empty() || prefix.starts_with('.') {
            return Err("nothing stands before the '*': it would be about every unit of the host".to_owned());
        }
        if prefix.len().max(suffix.map_or(0, str::len)) > MAX_UNIT_PART {
            return Err(format!("it has more than {MAX_UNIT_PART} bytes on one side of the '*'"));
        }
        let glob = Self { prefix: prefix.to_owned(), suffix: suffix.map(str::to_owned) };
        let own = ["holdpointd.service", "init.scope", "system.slice", "user.slice", "dbus.service"];
        match own.iter().find(|name| glob.matches(name)) {
            Some(name) => Err(format!("it is about '{name}', which holdpoint needs itself")),
            None => Ok(glob),
        }
    }

    /// Whether a unit is called so.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.suffix {
            None => name == self.prefix,
            Some(suffix) => {
                name.len() >= self.prefix.len() + suffix.len()
                    && name.starts_with(&self.prefix)
                    && name.ends_with(suffix.as_str())
            }
        }
    }
}

impl fmt::Display for UnitGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.suffix {
            None => f.write_str(&self.prefix),
            Some(suffix) => write!(f, "{}*{suffix}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_about_names_that_begin_and_end_so() {
        let glob = UnitGlob::parse("agent-*.service").unwrap();
        assert!(glob.matches("agent-1.service") && glob.matches("agent-.service"));
        for other in ["agent.service", "agent-1.scope", "xagent-1.service", "agent-1.service.d"] {
            assert!(!glob.matches(other), "{other}");
        }
        // What stands on both sides may not be the same bytes.
        assert!(!UnitGlob::parse("aa*aa.service").unwrap().matches("aa.service"));
        assert!(UnitGlob::parse("agent.service").unwrap().matches("agent.service"));
        assert_eq!(glob.to_string(), "agent-*.service");
    }

    #[test]
    fn what_would_be_too_much_or_is_no_name_is_an_error() {
        let long = format!("{}.service", "x".repeat(60));
        for (text, why) in [
            ("agent", "does not end"),
            ("agent.timer", "does not end"),
            ("*.service", "every unit"),
            ("a*b*.service", "more than one"),
            ("a b.service", "character"),
            ("../x.service", "character"),
            ("holdpoint*.service", "needs itself"),
            ("init.scope", "needs itself"),
            (long.as_str(), "more than 63"),
        ] {
            assert!(UnitGlob::parse(text).unwrap_err().contains(why), "{text}");
        }
    }
}
