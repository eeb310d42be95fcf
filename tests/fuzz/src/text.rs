//! What people read, and what an operator writes.

use holdpoint_core::{alleged::Alleged, config, escape, policy};

/// Whatever an agent writes, what a person sees has no control character and no line break.
pub fn escape(bytes: &[u8]) {
    let argv: Vec<Alleged> = bytes.split(|byte| *byte == 0).map(Alleged::from).collect();
    for text in [escape::for_terminal(bytes), escape::argument(bytes), escape::command(&argv, 200)] {
        is_plain(&text);
    }
}

/// No text that an operator saves as a rule file or a configuration can bring the reader down, and every diagnostic can
/// be printed.
pub fn policy(bytes: &[u8]) {
    let Ok(file) = policy::SourceFile::from_bytes("10-fuzz.toml", bytes.to_vec()) else { return };
    let diagnostics = match policy::parse(std::slice::from_ref(&file)) {
        Ok((policy, warnings)) => {
            let _decision = policy.decide(&policy::Exec { names: &[bytes], paths: &[bytes] });
            warnings
        }
        Err(errors) => errors,
    };
    let (Ok((_, more)) | Err(more)) = config::parse(&file);
    for diagnostic in diagnostics.iter().chain(&more) {
        assert!(!diagnostic.to_string().contains('\x1b'));
    }
}

/// Nothing that moves a cursor or begins a line.
pub(crate) fn is_plain(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
