//! The test of one value: of an option, a variable, a resource.

use std::fmt;

use super::{Expression, StringSet, Truth};

/// What has to hold of a value. All that is said has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ValueTest {
    /// It is one of these.
    pub within: Option<StringSet>,
    /// It is none of these.
    pub not_within: Option<StringSet>,
    /// It matches.
    pub regex: Option<Expression>,
    /// It is there at all, or is not.
    pub present: Option<bool>,
    /// It need not be there.
    pub or_absent: bool,
}

impl ValueTest {
    /// Whether it holds of what was found: of all, since nobody knows which of them the program goes by.
    #[must_use]
    pub fn holds<'v>(&self, found: impl IntoIterator<Item = &'v [u8]>) -> Truth {
        match Truth::agreed(found.into_iter().map(|value| self.passes(value))) {
            Some(truth) => truth,
            None => Truth::from(self.or_absent || self.present == Some(false)),
        }
    }

    fn passes(&self, value: &[u8]) -> bool {
        self.present != Some(false)
            && self.within.as_ref().is_none_or(|set| set.matches(value))
            && self.not_within.as_ref().is_none_or(|set| !set.matches(value))
            && self.regex.as_ref().is_none_or(|regex| regex.matches(value))
    }
}

/// In the words of the file.
impl fmt::Display for ValueTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.within.as_ref().map(|set| format!("in [{set}]")));
        words.extend(self.not_within.as_ref().map(|set| format!("not_in [{set}]")));
        let regex = |regex: &Expression| {
            format!("regex \"{}\"", crate::escape::for_terminal(regex.text().as_bytes()))
        };
        words.extend(self.regex.as_ref().map(regex));
        words.extend(self.present.map(|present| format!("present {present}")));
        words.extend(self.or_absent.then(|| "or_absent".to_owned()));
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::strings::Compiled, *};

    fn set(text: &str) -> Option<StringSet> {
        Some(StringSet::new(vec![text.to_owned()], &Compiled::default()).unwrap())
    }

    #[test]
    fn what_disagrees_is_in_doubt_and_what_is_absent_is_no_value() {
        let test = ValueTest { within: set("prod*"), ..ValueTest::default() };
        assert_eq!(test.holds([&b"prod"[..], b"prod-2"]), Truth::Yes);
        assert_eq!(test.holds([&b"prod"[..], b"dev"]), Truth::Doubt);
        assert_eq!(test.holds([&b"dev"[..]]), Truth::No);
        assert_eq!(test.holds([]), Truth::No);
        assert_eq!(ValueTest { or_absent: true, ..test }.holds([]), Truth::Yes);
        let other = ValueTest { not_within: set("prod*"), ..ValueTest::default() };
        assert_eq!(other.holds([]), Truth::No, "where it is absent, nobody knows what the program goes by");
        let absent = ValueTest { present: Some(false), ..ValueTest::default() };
        assert_eq!((absent.holds([]), absent.holds([&b""[..]])), (Truth::Yes, Truth::No));
    }
}
