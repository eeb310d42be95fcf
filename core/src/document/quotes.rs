//! Where in a string of TOML a byte of its value is written.

/// The byte of a string, as it is written with its quotes, by which the byte `at` of its value is written. The end where the
/// value has no such byte.
pub(crate) fn written_at(written: &str, at: usize) -> usize {
    let quote = written.get(..1).unwrap_or_default();
    let long = !quote.is_empty() && written.len() >= 6 && written.starts_with(&quote.repeat(3));
    let quotes = if long { 3 } else { 1 };
    let end = written.len().saturating_sub(quotes);
    let mut rest = written.get(quotes..end).unwrap_or_default();
    if long {
        // A line break right behind the quotes is none of the value.
        rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    }
    let mut value = 0;
    while value < at {
        let Some(sign) = rest.chars().next() else { break };
        let plain = (sign.len_utf8(), sign.len_utf8());
        let (read, bytes) = if sign == '\\' && quote == "\"" { escape(rest) } else { plain };
        value += bytes;
        rest = rest.get(read..).unwrap_or_default();
    }
    end - rest.len()
}

/// How many bytes an escape has, and how many of the value it means.
fn escape(text: &str) -> (usize, usize) {
    let digits = |count: usize| {
        let meant = text.get(2..2 + count).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        (2 + count, meant.and_then(char::from_u32).map_or(1, char::len_utf8))
    };
    match text.as_bytes().get(1) {
        Some(b'x') => digits(2),
        Some(b'u') => digits(4),
        Some(b'U') => digits(8),
        // At the end of a line: the next begins behind its blanks.
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            (text.len() - text.get(1..).unwrap_or_default().trim_start().len(), 0)
        }
        _ => (2, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::written_at;

    #[test]
    fn a_byte_of_a_value_is_found_where_it_is_written() {
        for (written, at, expected) in [
            ("'abc'", 2, "c'"),
            (r#""abc""#, 2, r#"c""#),
            (r#""a\"b\\c""#, 2, r#"b\\c""#),
            (r#""a\"b\\c""#, 4, r#"c""#),
            (r#""\u00e4\U0001F600x""#, 6, r#"x""#),
            ("\"\u{e4}x\"", 2, "x\""),
            ("'''\na\nb'''", 2, "b'''"),
            ("\"\"\"a\\\n   bc\"\"\"", 2, "c\"\"\""),
            ("'abc'", 9, "'"),
            ("''", 0, "'"),
            ("\"\\", 1, "\\"),
        ] {
            assert_eq!(&written[written_at(written, at)..], expected, "{written} {at}");
        }
        assert_eq!(written_at("", 1), 0);
    }
}
