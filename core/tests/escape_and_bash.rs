//! What is shown as an argument can be pasted into bash, which then has the same bytes.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::process::Command;

use holdpoint_core::{alleged::Alleged, escape::command};
use proptest::prelude::*;

fn through_bash(argv: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let alleged: Vec<Alleged> = argv.iter().cloned().map(Alleged).collect();
    let line = command(&alleged, usize::MAX);
    let output = Command::new("bash")
        .args(["--norc", "-c", &format!("printf '%s\\0' {line}")])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("bash is needed for this test");
    assert!(output.status.success(), "{line}");
    let mut pieces: Vec<Vec<u8>> = output.stdout.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    pieces.pop();
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn bash_reads_the_same_arguments(
        argv in prop::collection::vec(prop_oneof![
            "[ -~\u{80}-\u{2fff}]{0,12}".prop_map(String::into_bytes),
            prop::collection::vec(1_u8..=255, 0..12),
        ], 1..20),
    ) {
        prop_assert_eq!(through_bash(&argv), argv);
    }
}

#[test]
fn bash_reads_each_single_byte_and_the_usual_suspects() {
    let mut argv: Vec<Vec<u8>> = (1..=255_u8).map(|byte| vec![byte]).collect();
    argv.extend((1..=255_u8).map(|byte| vec![b'a', byte, b'1']));
    let words = [
        "", "~", "~root", "a=~", "{a,b}", "!!", "#x", "-n", "$(id)", "`id`", "it's", "a\\'b", "\u{202e}",
        "%s",
    ];
    argv.extend(words.map(|word| word.as_bytes().to_vec()));
    assert_eq!(through_bash(&argv), argv);
}
