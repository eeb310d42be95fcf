//! Fitting text into columns. Everything here takes text that is printable already.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Stands where something is left out. The escaper of arguments lets no argument contain it.
const CUT: char = '…';

/// Makes a text printable that may have been made so before: what is hidden is escaped, a backslash stays.
pub(crate) fn plain(text: &str) -> String {
    let parts: Vec<_> =
        text.split('\\').map(|part| holdpoint_core::escape::for_terminal(part.as_bytes())).collect();
    parts.join("\\")
}

/// How many columns a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// The text in `width` columns: with spaces after it, or with its middle left out.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let shown = cut_middle(text, width);
    let room = width.saturating_sub(columns(&shown));
    shown + &" ".repeat(room)
}

/// The text in at most `width` columns, with its middle left out where it is longer.
pub(crate) fn cut_middle(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let tail_room = room / 2;
    let head = take(text.chars(), room - tail_room);
    let tail: String = take(text.chars().rev(), tail_room).chars().rev().collect();
    format!("{head}{CUT}{tail}")
}

/// The text in at most `width` columns, with its beginning left out where it is longer.
pub(crate) fn cut_start(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let tail: String = take(text.chars().rev(), width.saturating_sub(1)).chars().rev().collect();
    format!("{CUT}{tail}")
}

/// The text in lines of at most `width` columns, broken anywhere, since nothing may be lost.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if used + wide > width && used > 0 {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.push(character);
        }
        used += wide;
    }
    lines
}

/// The words of a sentence in lines of at most `width` columns.
pub(crate) fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(wrap(word, width)),
        }
    }
    lines
}

fn take(characters: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += character.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_left_out_and_the_ends_stay() {
        assert_eq!(cut_middle("kubectl delete ns prod", 11), "kubec… prod");
        assert_eq!(cut_middle("short", 5), "short");
        assert_eq!(cut_middle("long", 1), "…");
        assert_eq!(cut_middle("long", 0), "…");
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(cut_start("10-kubernetes.toml:103", 12), "…es.toml:103");
        assert_eq!((cut_start("short", 5).as_str(), cut_start("long", 0).as_str()), ("short", "…"));
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(columns("日本"), 4);
        for width in 1..12 {
            assert!(columns(&cut_middle("日本語日本語", width)) <= width);
            assert_eq!(columns(&fit("日本語日本語", width)), width);
        }
        assert_eq!(wrap("日本語", 5), ["日本", "語"]);
    }

    #[test]
    fn lines_lose_nothing() {
        assert_eq!(wrap("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap_words("ab cd efghij k", 5), ["ab cd", "efghi", "j k"]);
    }

    #[test]
    fn what_is_escaped_is_not_escaped_twice() {
        assert_eq!(plain("a\\x1b b"), "a\\x1b b");
        assert_eq!(plain("a\x1b\u{202e}"), "a\\x1b\\u{202e}");
    }
}
