use proptest::prelude::*;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

use super::*;

/// Reads back what `for_terminal` wrote. That this is possible means that no two inputs look the same.
fn read_back(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            bytes.extend(c.to_string().into_bytes());
            continue;
        }
        let kind = rest.chars().next().unwrap();
        rest = &rest[1..];
        match kind {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            '\'' => bytes.push(b'\''),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            'u' => {
                let end = rest.find('}').unwrap();
                let c = char::from_u32(u32::from_str_radix(&rest[1..end], 16).unwrap()).unwrap();
                bytes.extend(c.to_string().into_bytes());
                rest = &rest[end + 1..];
            }
            other => panic!("escape {other:?} in {text:?}"),
        }
    }
    bytes
}

/// Reads back one argument as bash does.
fn read_argument(text: &str) -> Vec<u8> {
    if let Some(inside) = text.strip_prefix("$'") {
        let inside = inside.strip_suffix('\'').unwrap();
        assert!(!inside.replace("\\\\", "").replace("\\'", "").contains('\''), "{text}");
        return read_back(inside);
    }
    let bare = text.strip_prefix('\'').and_then(|inside| inside.strip_suffix('\''));
    assert!(bare.is_some() || !text.contains(['\'', ' ', '$']), "{text}");
    let text = bare.unwrap_or(text);
    assert!(!text.contains(['\'', '\\']), "{text}");
    text.as_bytes().to_vec()
}

/// Said again in other words than the code's, so that a slip in one is seen.
fn is_safe(c: char) -> bool {
    let ink =
        !matches!(c.general_category_group(), GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator);
    let blank = "\u{34f}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180c}\u{180d}\u{180f}\u{2800}\u{3164}\u{ffa0}\u{fffc}";
    let selector = ('\u{fe00}'..='\u{fe0f}').contains(&c) || c >= '\u{e0000}';
    (' '..='~').contains(&c) || (!c.is_ascii() && ink && !blank.contains(c) && !selector)
}

fn nasty_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[ -~]{0,8}".prop_map(String::into_bytes),
        2 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        2 => any::<Vec<u8>>(),
        3 => prop::sample::select(vec![
            "\u{202e}", "\u{2066}", "\u{200b}", "\u{feff}", "\u{fe0f}", "\u{e0041}", "\u{301}\u{301}\u{301}", "a\u{301}",
            "\u{20dd}", "\u{2028}", "\u{a0}", "\u{e000}", "\u{378}", "\u{85}", "\u{ad}", "\u{3164}", "\\", "\\u{202e}",
            "\\x1b", "\x1b[31m", "\r\n", "\t", "'", "’", "…", "…[3 bytes cut]…", "$'", "é", "日本", "🦀", "\u{fffd}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_shown_tells_the_bytes_and_is_safe(bytes in nasty_bytes()) {
        let shown = for_terminal(&bytes);
        prop_assert_eq!(read_back(&shown), bytes);
        prop_assert!(shown.chars().all(is_safe), "{:?}", shown);
    }

    #[test]
    fn an_argument_tells_the_bytes_and_is_safe(bytes in nasty_bytes()) {
        let shown = argument(&bytes);
        prop_assert_eq!(read_argument(&shown), bytes);
        prop_assert!(shown.chars().all(|c| is_safe(c) && c != '…'), "{:?}", shown);
    }

    #[test]
    fn a_command_shows_its_beginning_and_its_end(
        argv in prop::collection::vec(nasty_bytes().prop_map(Alleged), 0..6), limit in 0_usize..200,
    ) {
        let all = argv.iter().map(|Alleged(bytes)| argument(bytes)).collect::<Vec<_>>().join(" ");
        let shown = command(&argv, limit);
        if all.chars().count() <= limit {
            prop_assert_eq!(shown, all);
        } else {
            let (head, rest) = shown.split_once("…[").unwrap();
            let (cut, tail) = rest.split_once(" bytes cut]…").unwrap();
            prop_assert!(all.starts_with(head) && all.ends_with(tail));
            prop_assert!(cut.parse::<usize>().unwrap() > 0);
            prop_assert!(head.chars().count() + tail.chars().count() <= limit);
            // Pieces are never torn; the longest has 16 characters.
            prop_assert!(tail.chars().count() + 16 >= limit - limit / 2);
        }
    }
}

#[test]
fn every_character_by_itself_is_safe_and_tells_itself() {
    for c in char::MIN..=char::MAX {
        let text = c.to_string();
        let shown = for_terminal(text.as_bytes());
        assert!(shown.chars().all(is_safe), "{:?}", c);
        assert_eq!(read_back(&shown), text.as_bytes(), "{c:?}");
    }
}

#[test]
fn what_hides_is_escaped_and_what_people_write_is_not() {
    for (bytes, shown) in [
        (&b"plain text, with 'quotes' & $igns"[..], "plain text, with 'quotes' & $igns"),
        (
            "äöü Ελλάδα Привет 日本語 हिन्दी – „ja“ → 🦀".as_bytes(),
            "äöü Ελλάδα Привет 日本語 हिन्दी – „ja“ → 🦀",
        ),
        (b"a\nb\rc\td\x1b[2J\x00\x7f", "a\\nb\\rc\\td\\x1b[2J\\x00\\x7f"),
        (b"C:\\n", "C:\\\\n"),
        (b"\xff\xfe\xe2\x80", "\\xff\\xfe\\xe2\\x80"),
        (
            "\u{85}\u{202e}\u{2069}\u{200b}\u{feff}\u{ad}".as_bytes(),
            "\\u{85}\\u{202e}\\u{2069}\\u{200b}\\u{feff}\\u{ad}",
        ),
        (
            "☃\u{fe0f}\u{e0061}\u{a0}\u{2028}\u{e000}\u{3164}".as_bytes(),
            "☃\\u{fe0f}\\u{e0061}\\u{a0}\\u{2028}\\u{e000}\\u{3164}",
        ),
        ("e\u{301}\u{302}\u{303}\u{304}".as_bytes(), "e\u{301}\u{302}\\u{303}\\u{304}"),
        ("\u{301}x \u{301}=\u{338}1\u{20dd}".as_bytes(), "\\u{301}x \\u{301}=\\u{338}1\\u{20dd}"),
    ] {
        assert_eq!(for_terminal(bytes), shown);
    }
}

#[test]
fn arguments_have_visible_boundaries() {
    for (bytes, shown) in [
        (&b"kubectl"[..], "kubectl"),
        (b"--namespace=prod", "--namespace=prod"),
        (b"", "''"),
        (b"a b", "'a b'"),
        (b"$HOME", "'$HOME'"),
        (b"*", "'*'"),
        (b"it's", "$'it\\'s'"),
        (b"a\\b", "$'a\\\\b'"),
        (b"a\nb", "$'a\\nb'"),
        (b"\xff", "$'\\xff'"),
        ("\u{202e}x".as_bytes(), "$'\\xe2\\x80\\xaex'"),
        ("a’ ‘b".as_bytes(), "$'a\\xe2\\x80\\x99 \\xe2\\x80\\x98b'"),
        ("größe".as_bytes(), "größe"),
    ] {
        assert_eq!(argument(bytes), shown);
    }
}

#[test]
fn a_long_command_is_cut_in_its_middle() {
    let mut argv = vec![Alleged::from("sh"), Alleged::from("-c"), Alleged(vec![b'x'; 5000])];
    argv.push(Alleged::from("rm -rf /"));
    assert_eq!(command(&argv, 40), "sh -c xxxxxxxxxxxxxx…[4977 bytes cut]…xxxxxxxxx 'rm -rf /'");
    assert_eq!(command(&[], 40), "");
    assert_eq!(command(&argv[..2], 5), "sh -c");
    assert_eq!(command(&argv[..2], 0), "…[5 bytes cut]…");
}
