//! Which characters are seen as what they are.

use std::str::Utf8Chunk;

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// So many combining marks may sit on one letter: Vietnamese and pointed Hebrew need two. More would
/// pile up over the lines above and below.
const MAX_MARKS: usize = 2;

/// A piece of text, as it has to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// As it is.
    Shown(char),
    /// As an escape.
    Hidden(char),
    /// A byte that is not part of UTF-8 text, as an escape.
    Byte(u8),
}

impl Unit {
    /// How many bytes of the source it stands for.
    pub(super) fn source_length(self) -> usize {
        match self {
            Self::Shown(c) | Self::Hidden(c) => c.len_utf8(),
            Self::Byte(_) => 1,
        }
    }
}

/// Takes bytes apart. Marks depend on what is before them, so pieces of a text do not add up.
pub(super) fn units(bytes: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    let raw = bytes.utf8_chunks().flat_map(|chunk: Utf8Chunk<'_>| {
        let characters = chunk.valid().chars().map(Unit::Hidden);
        characters.chain(chunk.invalid().iter().map(|byte| Unit::Byte(*byte)))
    });
    // None: nothing that a mark could sit on.
    let mut marks: Option<usize> = None;
    raw.map(move |unit| {
        let Unit::Hidden(c) = unit else {
            marks = None;
            return unit;
        };
        let shown = match c.general_category() {
            _ if is_blank(c) => false,
            GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark => {
                marks = marks.map(|count| count + 1);
                return match marks {
                    Some(count) if count <= MAX_MARKS => Unit::Shown(c),
                    _ => unit,
                };
            }
            GeneralCategory::EnclosingMark => false,
            category => category == GeneralCategory::SpaceSeparator && c == ' ' || is_ink(c),
        };
        marks = (shown && c.is_alphanumeric()).then_some(0);
        if shown { Unit::Shown(c) } else { unit }
    })
}

/// Whether a reader could take it for the quote that ends an argument.
pub(super) fn is_like_a_quote(c: char) -> bool {
    matches!(
        c,
        '\u{60}' | '\u{b4}' | '\u{2b9}'..='\u{2bd}' | '\u{2c8}' | '\u{2ca}' | '\u{2cb}' | '\u{2f4}' | '\u{374}' | '\u{384}'
            | '\u{55a}' | '\u{55d}' | '\u{5f3}' | '\u{7f4}' | '\u{7f5}' | '\u{144a}' | '\u{16cc}' | '\u{1fbd}' | '\u{1fbf}'
            | '\u{1fef}' | '\u{1ffd}' | '\u{1ffe}' | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2035}' | '\u{275b}'
            | '\u{275c}' | '\u{a78b}' | '\u{a78c}' | '\u{ff07}' | '\u{ff40}'
    )
}

/// Letters, numbers, punctuation and symbols that this version of Unicode knows. Not: spaces other than the
/// common one, line and paragraph separators, control and format characters, private use, unassigned.
fn is_ink(c: char) -> bool {
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter
            | GeneralCategoryGroup::Number
            | GeneralCategoryGroup::Punctuation
            | GeneralCategoryGroup::Symbol
    )
}

/// What shows nothing although its category says letter, mark or symbol: `Default_Ignorable_Code_Point`
/// without the format characters, and the blanks that Unicode counts as letters or symbols.
fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fffc}' | '\u{13441}' | '\u{13442}' | '\u{16fe4}' | '\u{1d159}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
