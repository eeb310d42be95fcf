use super::*;

fn at(text: &str, needle: &str) -> Diagnostic {
    let from = text.find(needle).unwrap();
    Source::new("policies.d/10-cloud.toml", text).diagnostic(
        Severity::Error,
        from..from + needle.len(),
        "it is wrong",
    )
}

#[test]
fn a_diagnostic_shows_place_and_caret() {
    let diagnostic =
        at("[[rule]]\nname = \"x\"\n\ntiemout = \"5m\"\n", "tiemout").with_hint("did you mean 'timeout'?");
    let expected = "\
error: it is wrong
  --> policies.d/10-cloud.toml:4:1
   |
 4 | tiemout = \"5m\"
   | ^^^^^^^
   = did you mean 'timeout'?";
    assert_eq!(diagnostic.to_string(), expected);
}

#[test]
fn tabs_line_breaks_and_letters_of_several_bytes_do_not_move_the_caret() {
    for (text, shown, caret, column) in [
        ("a\r\n\tx = 1\r\n", "     2 |     x = 1", "       |     ^", 2),
        ("ä = \"äöü\" x = 1", "     1 | ä = \"äöü\" x = 1", "       |           ^", 11),
        ("# \u{202e}\x07 x\n", "     1 | # \\u{202e}\\x07 x", "       |                ^", 6),
    ] {
        let diagnostic = at(text, "x");
        let text = diagnostic.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[3], lines[4]), (&shown[4..], &caret[4..]));
        assert_eq!(diagnostic.column, column);
    }
}

#[test]
fn the_gutter_grows_with_the_line_number() {
    let text = format!("{}x", "\n".repeat(99));
    let expected = "error: it is wrong\n    --> policies.d/10-cloud.toml:100:1\n     |\n 100 | x\n     | ^";
    assert_eq!(at(&text, "x").to_string(), expected);
}

#[test]
fn a_place_after_the_end_or_inside_a_letter_or_over_several_lines_is_shown_as_far_as_it_goes() {
    let source = Source::new("f", "ä = 1\nzweite\n");
    let shown = |span| {
        let diagnostic = source.diagnostic(Severity::Warning, span, "m");
        (
            diagnostic.line,
            diagnostic.column,
            diagnostic.source_line.clone(),
            diagnostic.indent,
            diagnostic.width,
        )
    };
    assert_eq!(shown(1..3), (1, 1, "ä = 1".to_owned(), 0, 2));
    assert_eq!(shown(3..10), (1, 3, "ä = 1".to_owned(), 2, 3));
    assert_eq!(shown(14..14), (3, 1, String::new(), 0, 1));
    assert_eq!(shown(99..200), (3, 1, String::new(), 0, 1));
    assert_eq!(shown(7..7), (2, 1, "zweite".to_owned(), 0, 1));
    assert_eq!(
        Source::new("f", "").diagnostic(Severity::Error, 0..0, "m").to_string(),
        "error: m\n  --> f:1:1"
    );
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("{}x = 1{}", "a".repeat(1000), "b".repeat(1000));
    let diagnostic = at(&text, "x = 1");
    assert_eq!(diagnostic.column, 1001);
    assert_eq!(diagnostic.source_line, format!("…{}x = 1{}…", "a".repeat(60), "b".repeat(60)));
    assert_eq!((diagnostic.indent, diagnostic.width), (61, 5));
}

#[test]
fn the_name_of_the_file_and_values_cannot_forge_lines() {
    let diagnostic =
        Diagnostic::of_file(Severity::Error, "a\n  --> b", format!("unknown key {}", quoted("x\ny")));
    assert_eq!(diagnostic.to_string(), "error: unknown key 'x\\ny'\n  --> a\\n  --> b:1:1");
}
