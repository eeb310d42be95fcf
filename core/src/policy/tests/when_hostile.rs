//! Expressions that would be dear, deep or long, and agents that make what they look at long.

use std::time::{Duration, Instant};

use super::{
    super::when::{MAX_BYTES, MAX_EXPRESSION_BYTES, MAX_TEXTS},
    Truth::{Doubt, No, Yes},
    when::*,
    *,
};
use crate::alleged::Alleged;

#[test]
fn what_is_too_long_or_too_deep_is_an_error_and_no_overflow_of_the_stack() {
    let deep = 100_000;
    let short = |count: usize| count.min(MAX_EXPRESSION_BYTES / 8);
    let bytes = |count: usize| format!("the expression has {count} bytes, 4096 is the limit");
    assert_eq!(fault(&"(".repeat(deep)).0, bytes(deep));
    assert_eq!(fault(&format!("tty || '{}' == ''", "x".repeat(900_000))).0, bytes(900_015));
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{", "}"), ("size(", ")"), ("!(", ")"), ("env[", "]"), ("'a'[(", ")]")]
    {
        for closed in [true, false] {
            let expression = open.repeat(short(deep)) + &close.repeat(if closed { short(deep) } else { 0 });
            assert_eq!(fault(&expression).0, "more than 16 brackets stand in each other", "{open}");
        }
    }
    for hidden in
        ["'\\z' + ", "'))))' + ", "r'a\\' + ", "\"'\" + '\"' + ", "/*", "1r'\\'", "'''", "r''' \\''' + "]
    {
        let expression = format!("program == {hidden}{}", "(".repeat(3000));
        fault(&expression);
    }
    // Where the parser finds no string, it goes on in the middle of what would have been one.
    for hidden in ["'\\z_'", "'\\x_'", "'\\400_'", "'\n_'", "r'\\'_'", "1r'\\'_'", "\"\\u12_\"", "'_"] {
        let expression = format!("program == {}", hidden.replace('_', &"(".repeat(3000)));
        let (told, _) = fault(&expression);
        assert!(!told.contains("cannot be read"), "the parser saw {hidden}: {told}");
    }
    assert_eq!(fault(&"tty?tty:".repeat(400)).0, "there are more than 16 choices with '?'");
    // What goes on at one level, as long as may be.
    let parts = "more than 64 parts stand in each other";
    for (first, more) in [
        ("uid", "+uid"),
        ("uid", "==uid"),
        ("args", "[0]"),
        ("tty", "==tty"),
        ("program", "+'a'"),
        ("uid", "*1"),
    ] {
        let expression = first.to_owned() + &more.repeat((MAX_EXPRESSION_BYTES - 8) / more.len());
        assert_eq!(fault(&expression).0, parts, "{more}");
    }
    for (first, more) in
        [("env", ".a"), ("a", ".b()"), ("env", "[env"), ("!", "!"), ("-", "-"), ("tty", "?"), ("a", " in a")]
    {
        let expression = first.to_owned() + &more.repeat((MAX_EXPRESSION_BYTES - 8) / more.len());
        assert!(!errors(&rule(&expression)).is_empty(), "{more}");
    }
    assert_eq!(holds(&["tty"; 500].join(" || ")), No, "these are balanced");
    assert_eq!(holds(&format!("program in [{}]", "'a',".repeat(900) + "'x'")), Yes);
    let nested = format!("{}tty{}", "(".repeat(16), ")".repeat(16));
    assert_eq!(holds(&nested), No);
    assert_eq!(fault(&["program"; 10].join(" + ")).0, "strings are put together more than 8 times");
    let short_of_it = format!("{} != ''", ["program"; 9].join(" + "));
    assert_eq!(holds(&short_of_it), Yes);
}

#[test]
fn no_text_makes_a_reader_of_expressions_panic() {
    let pieces = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        "?",
        ":",
        "'",
        "\"",
        "'''",
        "\\",
        "!",
        "-",
        "==",
        "&&",
        "||",
        " ",
        "\n",
        "args",
        "env",
        "flags",
        "has",
        "exists",
        "size",
        "matches",
        "1",
        "0x",
        "1e9",
        "1u",
        "9223372036854775808",
        "r'",
        "b'",
        "'a'",
        "null",
        "true",
        "in",
        "x",
        "//",
        "@",
        "`",
        "\u{e4}",
        "\u{0}",
        ".?",
        "[?",
        "namespace",
        "%",
        "<",
        "'\\u",
    ];
    let mut state = 1_u64;
    for _ in 0..4000 {
        let mut text = String::new();
        for _ in 0..state % 9 + 1 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        let read = crate::policy::When::new(&text, &crate::policy::strings::Compiled::default());
        if let Err(fault) = read {
            assert_ne!(fault.message, "the expression cannot be read", "{text:?}");
        }
    }
}

#[test]
fn what_the_agent_makes_long_is_in_doubt_and_soon_looked_at() {
    let expressions = [
        "args.filter(a, a.startsWith('-')).map(a, a + a + a).exists(a, a.matches('(a|b)*c$'))",
        "args.all(a, !a.contains('zz') && !a.matches('^(([a-z])+.)+[A-Z]([a-z])+$'))",
        "args.exists(a, env.A.contains(a)) || env.all(n, env[n] != 'b')",
    ];
    let texts = expressions.map(|expression| policy(&rule(expression)));
    let of = |argv: &[Alleged]| {
        let environment = [[b"A=".as_slice(), &[b'a'; 1000]].concat()];
        let context = Context { argv: Some(argv), environment: Some(&environment), ..Context::default() };
        let begun = Instant::now();
        let truths: Vec<Truth> =
            texts.iter().map(|policy| policy.explain(&exec(&[b"x"], &[]), &context).rules[0].holds).collect();
        println!("{} arguments: {:?}", argv.len(), begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(60));
        truths
    };
    let many = |count: usize, length: usize| vec![Alleged::from("-a".repeat(length / 2).as_str()); count];
    assert!(!of(&many(MAX_TEXTS - 3, 4)).contains(&Doubt));
    assert!(!of(&many(3, MAX_BYTES / 3 - 512)).contains(&Doubt));
    for (count, length) in [(MAX_TEXTS + 2, 4), (2, MAX_BYTES + 2), (100_000, 20), (2, 2 << 20)] {
        assert_eq!(of(&many(count, length)), [Doubt; 3], "{count} {length}");
    }
}
