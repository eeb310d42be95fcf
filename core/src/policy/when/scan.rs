//! What is seen of an expression before a parser sees it: its length, and how deep it goes.
//!
//! The parser calls itself for each bracket, with much of the stack. So what is nested has to be counted before, and counted
//! as the parser would: what this cannot read for sure is refused.

use std::{iter::Peekable, str::CharIndices};

use super::Fault;

/// The longest expression. A longer one is an error at its first byte beyond.
pub(in crate::policy) const MAX_BYTES: usize = 4096;

/// Brackets in brackets. One more is an error at it.
pub(super) const MAX_NESTED: usize = 16;

/// Choices (`a ? b : c`), each of which can stand in another. One more is an error at it.
pub(super) const MAX_CHOICES: usize = 16;

type Rest<'t> = Peekable<CharIndices<'t>>;

pub(super) fn check(text: &str) -> Result<(), Fault> {
    if text.len() > MAX_BYTES {
        let message = format!("the expression has {} bytes, {MAX_BYTES} is the limit", text.len());
        return Err(Fault::new(MAX_BYTES..MAX_BYTES + 1, message).hint("write several rules"));
    }
    let (mut open, mut choices) = (0_usize, 0);
    let mut rest = text.char_indices().peekable();
    // The two signs before.
    let mut before = [' ', ' '];
    while let Some((at, sign)) = rest.next() {
        match sign {
            '(' | '[' | '{' => {
                open += 1;
                if open > MAX_NESTED {
                    let message = format!("more than {MAX_NESTED} brackets stand in each other");
                    return Err(Fault::new(at..at + 1, message));
                }
            }
            ')' | ']' | '}' => open = open.saturating_sub(1),
            '?' => {
                choices += 1;
                if choices > MAX_CHOICES {
                    let message = format!("there are more than {MAX_CHOICES} choices with '?'");
                    return Err(Fault::new(at..at + 1, message));
                }
            }
            '"' | '\'' => {
                let raw = matches!(before, [other, 'r' | 'R'] if !is_word(other));
                if is_word(before[1]) && !raw {
                    let message = "a string stands right behind a name or a number";
                    return Err(Fault::new(at..at + 1, message).hint("only 'r' can stand there"));
                }
                string(text, at, sign, raw, &mut rest)?;
            }
            '/' if rest.next_if(|(_, next)| *next == '/').is_some() => {
                while rest.next_if(|(_, next)| *next != '\n').is_some() {}
            }
            _ if is_word(sign) || ".,:+-*/%!<>=&| \t\r\n".contains(sign) => {}
            _ => {
                let message = format!("an expression has no {} outside of a string", shown(sign));
                return Err(Fault::new(at..at + sign.len_utf8(), message));
            }
        }
        before = [before[1], sign];
    }
    Ok(())
}

fn is_word(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_'
}

/// The rest of a string that begins at `at`.
fn string(text: &str, at: usize, quote: char, raw: bool, rest: &mut Rest<'_>) -> Result<(), Fault> {
    let three = [quote; 3].iter().collect::<String>();
    let long = text.get(at..).is_some_and(|here| here.starts_with(&three));
    if long {
        rest.nth(1);
    }
    while let Some((here, sign)) = rest.next() {
        if sign == '\\' && raw {
            // People differ in whether the string ends there.
            if rest.peek().is_some_and(|(_, next)| *next == quote) {
                let hint = "write the string without 'r', and '\\\\' for a backslash";
                let message = "a backslash stands before a quote in a raw string";
                return Err(Fault::new(here..here + 1, message).hint(hint));
            }
        } else if sign == '\\' {
            escape(here, rest)?;
        } else if sign == quote && !long {
            return Ok(());
        } else if sign == quote && text.get(here..).is_some_and(|here| here.starts_with(&three)) {
            rest.nth(1);
            return Ok(());
        } else if matches!(sign, '\n' | '\r') && !long {
            return Err(Fault::new(here..here + 1, "a string goes over the end of the line"));
        }
    }
    Err(Fault::new(at..at + 1, "a string has no end"))
}

/// What follows a backslash.
fn escape(at: usize, rest: &mut Rest<'_>) -> Result<(), Fault> {
    let digits = match rest.next().map(|(_, sign)| sign) {
        Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '?' | '"' | '\'' | '`') => 0,
        Some('x' | 'X') => 2,
        Some('u') => 4,
        Some('U') => 8,
        _ => {
            let hint = "write '\\\\' for a backslash";
            return Err(Fault::new(at..at + 1, "a backslash with no meaning in a string").hint(hint));
        }
    };
    for _ in 0..digits {
        if rest.next_if(|(_, sign)| sign.is_ascii_hexdigit()).is_none() {
            return Err(Fault::new(at..at + 1, format!("{digits} hexadecimal digits belong here")));
        }
    }
    Ok(())
}

fn shown(sign: char) -> String {
    crate::diagnostic::quoted(sign.encode_utf8(&mut [0; 4]))
}
