//! Printing: text as it was rendered, and JSON in plain ASCII.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::{args::Color, failure::Failure};

/// Prints text that has been made safe for a terminal.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|cause| failed(&cause))
}

/// Prints one value as one line of JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    print(&json_line(value)?)
}

/// Whether to use colours.
pub(crate) fn colors(when: Color) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    match when {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
    }
}

fn json_line<T: Serialize>(value: &T) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Ascii);
    value
        .serialize(&mut serializer)
        .map_err(|cause| Failure::Internal(format!("cannot write JSON: {cause}")))?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|cause| Failure::Internal(format!("cannot write JSON: {cause}")))
}

fn failed(cause: &io::Error) -> Failure {
    if cause.kind() == io::ErrorKind::BrokenPipe {
        Failure::ReaderGone
    } else {
        Failure::Internal(format!("cannot print to standard output: {cause}"))
    }
}

/// JSON in which every character beyond printable ASCII is written as `\uXXXX`: the same JSON to a program,
/// and nothing that an agent wrote acts on a terminal.
struct Ascii;

impl serde_json::ser::Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() && character != '\x7f' {
                write!(writer, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_ascii_and_means_the_same() {
        let hostile = "a\x1b[2J\x7f\u{9b}\u{202e}\u{1f600}ü\n\"";
        let line = json_line(&hostile).unwrap();
        assert!(line.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), hostile);
    }
}
