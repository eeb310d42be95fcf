//! Names of things: requests as people type them, holds and agents as the kernel counts them.

use std::{fmt, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The id of a request: five characters that a person can read out and type.
///
/// The alphabet is Crockford's base 32 in lower case, which has no `i`, `l`, `o` or `u`.
/// The daemon draws ids at random and draws again while an id is in use.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

/// What the kernel calls a hold. Drawn once, never used again while the host runs.
///
/// In JSON it is a string of 16 hexadecimal digits: many readers of JSON round a number of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HoldId(pub NonZeroU64);

/// What the kernel calls an agent: one tagged process tree. Zero is no agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentId(pub u32);

/// The number of characters of a [`RequestId`]: 2^25 ids, against some thousands pending at once.
pub const REQUEST_ID_LENGTH: usize = 5;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Why a text is not a request id, nor the beginning of one.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "'{text}' is not a request id: an id is {REQUEST_ID_LENGTH} characters of 0-9 and a-z without i, l, o, u"
)]
pub struct IdError {
    text: String,
}

impl RequestId {
    /// Makes an id of 25 random bits; the higher bits are left out.
    #[must_use]
    pub fn from_random(bits: u32) -> Self {
        let character = |place: usize| {
            let index = (bits >> (5 * place)) & 31;
            char::from(*ALPHABET.get(index as usize).unwrap_or(&b'0'))
        };
        Self((0..REQUEST_ID_LENGTH).map(character).collect())
    }

    /// The id as people type it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads the beginning of an id, in either case, and reads `i`, `l` and `o` as the digits they look like.
///
/// # Errors
/// When the text is empty, longer than an id, or has a character that no id has.
pub fn parse_prefix(text: &str) -> Result<String, IdError> {
    let prefix: String = text
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            'i' | 'l' => '1',
            'o' => '0',
            other => other,
        })
        .collect();
    let known = |c: char| u8::try_from(c).is_ok_and(|byte| ALPHABET.contains(&byte));
    if prefix.is_empty() || prefix.len() > REQUEST_ID_LENGTH || !prefix.chars().all(known) {
        return Err(IdError { text: crate::escape::for_terminal(text.as_bytes()) });
    }
    Ok(prefix)
}

impl FromStr for RequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let id = parse_prefix(text)?;
        if id.len() == REQUEST_ID_LENGTH {
            Ok(Self(id))
        } else {
            Err(IdError { text: crate::escape::for_terminal(text.as_bytes()) })
        }
    }
}

impl TryFrom<String> for RequestId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<HoldId> for String {
    fn from(id: HoldId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for HoldId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        let id = u64::from_str_radix(&text, 16).ok().and_then(NonZeroU64::new).map(Self);
        id.ok_or_else(|| IdError { text: crate::escape::for_terminal(text.as_bytes()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_being_typed_in_capitals_with_look_alikes() {
        let id = RequestId::from_random(0b00001_00000_01010_11111_00010);
        assert_eq!(id.as_str(), "2za01");
        assert_eq!("2ZAoL".parse(), Ok(id));
    }

    #[test]
    fn a_hold_id_keeps_all_its_bits_in_json() {
        let id = HoldId(NonZeroU64::MAX);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"ffffffffffffffff\"");
        assert_eq!(serde_json::from_str::<HoldId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<HoldId>("\"0\"").is_err());
    }

    #[test]
    fn a_prefix_is_no_id_and_rubbish_is_neither() {
        assert!("2za".parse::<RequestId>().is_err());
        assert_eq!(parse_prefix("2ZA"), Ok("2za".to_owned()));
        for text in ["", "2za012", "2u", "ä", "2 a"] {
            assert!(parse_prefix(text).is_err(), "{text:?}");
        }
    }
}
