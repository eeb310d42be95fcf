//! What an agent wrote: bytes that are shown and compared, and never believed.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Bytes from the agent's side: an argument, a path, a variable, a reason.
///
/// Holding one proves nothing about them: not that they are UTF-8, printable, complete or true. They are
/// shown through [`Alleged::shown`] alone. In JSON they are a string where they are UTF-8, else
/// `{"hex": "…"}`, so that nothing is lost and nothing is ambiguous.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alleged(pub Vec<u8>);

impl Alleged {
    /// The bytes for a person's eyes: control characters, invisible and direction-changing ones escaped.
    #[must_use]
    pub fn shown(&self) -> String {
        crate::escape::for_terminal(&self.0)
    }

    /// The bytes as text, where they are UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Alleged {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Alleged {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Shape {
    Text(String),
    Bytes { hex: String },
}

impl Serialize for Alleged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.text() {
            Some(text) => text.serialize(serializer),
            None => {
                let hex = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
                Shape::Bytes { hex }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Alleged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Shape::deserialize(deserializer)? {
            Shape::Text(text) => Ok(Self(text.into_bytes())),
            Shape::Bytes { hex } => {
                from_hex(&hex).map(Self).ok_or_else(|| D::Error::custom("odd or wrong hex digits"))
            }
        }
    }
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_json_whether_they_are_text_or_not() {
        for bytes in [&b"plain"[..], b"", b"\xff\x00\xfe", "ümlaut \u{202e}".as_bytes()] {
            let json = serde_json::to_string(&Alleged::from(bytes)).unwrap();
            assert_eq!(serde_json::from_str::<Alleged>(&json).unwrap().0, bytes, "{json}");
        }
    }
}
