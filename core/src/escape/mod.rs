//! Makes visible what an agent wrote, so that it cannot move a cursor, hide or pass for something else.
//!
//! Two forms: [`for_terminal`] for any text on a line of its own, and [`argument`] and [`command`] for
//! arguments, whose boundaries have to be seen. Each is one to one: what is shown tells the bytes.

mod visible;

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::alleged::Alleged;
use visible::{Unit, is_like_a_quote, units};

/// Stands where a part is left out. No argument can contain it: [`argument`] escapes this character.
const CUT: char = '…';

/// The bytes for a terminal or a log line: one line, printable, nothing hidden.
///
/// Letters, digits, punctuation and symbols of every script stay as they are. All else is written as
/// `\\`, `\n`, `\r`, `\t`, `\x1b` (a control character, or a byte that is not UTF-8) or `\u{202e}`.
#[must_use]
pub fn for_terminal(bytes: &[u8]) -> String {
    // Nearly always nothing has to be escaped, and to know a character's category is dear.
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\') {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    for unit in units(bytes) {
        push_unit(&mut text, unit);
    }
    text
}

/// One argument, as bash would read it back: bare, in `'…'`, or with escapes in `$'…'`.
///
/// A backslash is always the beginning of an escape. Characters that look like a quote, or like the
/// mark that [`command`] leaves at a cut, are escaped, too. A NUL byte, which no argument can have, is shown as
/// `\x00`; bash would end the argument there.
#[must_use]
pub fn argument(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    each_piece(bytes, &mut |piece, _| text.push_str(piece));
    text
}

/// The arguments as one line, each as [`argument`] writes it, with a space between two.
///
/// Where that is longer than `limit` characters, the middle is replaced by `…[N bytes cut]…`, with N the number of
/// bytes of the arguments, quotes and spaces that are not shown. The mark comes on top of the `limit`.
/// The end is always shown, since that is where an agent would hide something.
#[must_use]
pub fn command(argv: &[Alleged], limit: usize) -> String {
    let mut line = Shortened::new(limit);
    for (index, Alleged(bytes)) in argv.iter().enumerate() {
        if index > 0 {
            line.push(" ", 0);
        }
        each_piece(bytes, &mut |piece, source| line.push(piece, source));
    }
    line.finish()
}

/// Keeps the beginning and the end of a text in memory that depends on the limit alone.
struct Shortened {
    head: String,
    /// Room for the head; zero once a piece did not fit.
    head_room: usize,
    tail: VecDeque<(String, usize)>,
    /// Room for what is not in the head.
    tail_room: usize,
    tail_length: usize,
    cut: usize,
}

impl Shortened {
    fn new(limit: usize) -> Self {
        let tail = VecDeque::new();
        Self { head: String::new(), head_room: limit / 2, tail, tail_room: limit, tail_length: 0, cut: 0 }
    }

    /// Adds a piece that may not be torn apart, and that stands for so many bytes of the source.
    fn push(&mut self, piece: &str, source: usize) {
        let length = piece.chars().count();
        if length <= self.head_room {
            self.head_room -= length;
            self.tail_room -= length;
            self.head.push_str(piece);
            return;
        }
        self.head_room = 0;
        self.tail.push_back((piece.to_owned(), source));
        self.tail_length += length;
        while self.tail_length > self.tail_room {
            let Some((dropped, source)) = self.tail.pop_front() else { break };
            self.tail_length -= dropped.chars().count();
            self.cut += source.max(1);
        }
    }

    fn finish(self) -> String {
        let mut text = self.head;
        if self.cut > 0 {
            let _ = write!(text, "{CUT}[{} bytes cut]{CUT}", self.cut);
        }
        text.extend(self.tail.into_iter().map(|(piece, _)| piece));
        text
    }
}

enum Quoting {
    Bare,
    Single,
    Escaped,
}

fn quoting(bytes: &[u8]) -> Quoting {
    if bytes.is_empty() {
        return Quoting::Single;
    }
    let mut quoting = Quoting::Bare;
    for unit in units(bytes) {
        match unit {
            Unit::Shown(c) if !needs_escape(c) => {
                if !is_bare(c) {
                    quoting = Quoting::Single;
                }
            }
            _ => return Quoting::Escaped,
        }
    }
    quoting
}

/// Hands over an argument in pieces, each with the number of source bytes that it stands for.
fn each_piece(bytes: &[u8], take: &mut dyn FnMut(&str, usize)) {
    let quoting = quoting(bytes);
    match quoting {
        Quoting::Bare => {}
        Quoting::Single => take("'", 0),
        Quoting::Escaped => take("$'", 0),
    }
    let mut piece = String::new();
    for unit in units(bytes) {
        piece.clear();
        match unit {
            Unit::Shown(c @ ('\\' | '\'')) => piece.extend(['\\', c]),
            Unit::Shown(c) | Unit::Hidden(c) if needs_escape(c) || matches!(unit, Unit::Hidden(_)) => {
                push_bytes(&mut piece, c);
            }
            other => push_unit(&mut piece, other),
        }
        take(&piece, unit.source_length());
    }
    if !matches!(quoting, Quoting::Bare) {
        take("'", 0);
    }
}

fn is_bare(c: char) -> bool {
    !c.is_ascii() || c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c)
}

fn needs_escape(c: char) -> bool {
    matches!(c, '\\' | '\'' | CUT) || is_like_a_quote(c)
}

fn push_unit(text: &mut String, unit: Unit) {
    match unit {
        Unit::Shown('\\') => text.push_str("\\\\"),
        Unit::Shown(c) => text.push(c),
        Unit::Hidden(c) => match short_escape(c) {
            Some(escape) => text.push_str(escape),
            None if c.is_ascii() => push_byte(text, c as u32),
            None => {
                let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
            }
        },
        Unit::Byte(byte) => push_byte(text, byte.into()),
    }
}

/// In `$'…'`, bash writes `\u202e` in the encoding of its locale, but `\xe2\x80\xae` as these bytes.
fn push_bytes(text: &mut String, c: char) {
    if let Some(escape) = short_escape(c) {
        text.push_str(escape);
        return;
    }
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        push_byte(text, byte.into());
    }
}

fn push_byte(text: &mut String, byte: u32) {
    let _ = write!(text, "\\x{byte:02x}");
}

fn short_escape(c: char) -> Option<&'static str> {
    match c {
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
