//! Whatever an agent writes, what a person sees has no control character and no line break.
#![no_main]

use holdpoint_core::{alleged::Alleged, escape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let argv: Vec<Alleged> = bytes.split(|byte| *byte == 0).map(Alleged::from).collect();
    let shown = [escape::for_terminal(bytes), escape::argument(bytes), escape::command(&argv, 200)];
    for text in shown {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
});
