//! Who is an agent: its name, and how it is declared.

mod declared;
mod unit;

pub use declared::{Declared, How};
pub use unit::{MAX_UNIT_PART, UnitGlob};

/// The longest name of an agent, in bytes.
pub const MAX_NAME: usize = 64;

/// The longest reason that an agent can state, in bytes.
pub const MAX_REASON: usize = 4096;

/// Whether an agent can be called so: `a-z`, `0-9`, `-`, `_` and `.`, a letter or digit first.
///
/// # Errors
/// With what is wrong, in words. The name in it is escaped.
pub fn check_name(name: &str) -> Result<(), String> {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = |byte: u8| first(byte) || matches!(byte, b'-' | b'_' | b'.');
    if name.bytes().next().is_some_and(first) && name.len() <= MAX_NAME && name.bytes().all(fits) {
        return Ok(());
    }
    let shown = crate::escape::for_terminal(name.as_bytes());
    Err(format!(
        "'{shown}' is no name for an agent; use up to {MAX_NAME} of a-z, 0-9, '-', '_' and '.', a letter or digit first"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain() {
        for name in ["a", "9", "claude-code_1.x", &"x".repeat(MAX_NAME)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "-a", ".a", "A", "a b", "ä", "a\u{202e}", &"x".repeat(MAX_NAME + 1)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(!check_name("a\x1b[2J").unwrap_err().contains('\x1b'));
    }
}
