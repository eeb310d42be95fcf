//! What people read, and what an operator writes.

use holdpoint_core::{alleged::Alleged, config, escape, policy, time::WallTime};

/// Whatever an agent writes, what a person sees has no control character and no line break.
pub fn escape(bytes: &[u8]) {
    let argv: Vec<Alleged> = bytes.split(|byte| *byte == 0).map(Alleged::from).collect();
    for text in [escape::for_terminal(bytes), escape::argument(bytes), escape::command(&argv, 200)] {
        is_plain(&text);
    }
}

/// No text that an operator saves as a rule file or a configuration can bring the reader down, and every diagnostic can
/// be printed. What was read can be written, and read again as the same.
pub fn policy(bytes: &[u8]) {
    let Ok(file) = policy::SourceFile::from_bytes("10-fuzz.toml", bytes.to_vec()) else { return };
    let diagnostics = match policy::parse(std::slice::from_ref(&file)) {
        Ok((policy, warnings)) => {
            decided(&policy, bytes);
            printed(&policy);
            warnings
        }
        Err(errors) => errors,
    };
    let (Ok((_, more)) | Err(more)) = config::parse(&file);
    for diagnostic in diagnostics.iter().chain(&more) {
        assert!(!diagnostic.to_string().contains('\x1b'));
    }
}

/// Programs of the rules at most, with each of which they are tried.
const PROGRAMS: usize = 8;

/// With the file's own words as arguments and variables, so that rules meet what they speak of.
fn decided(policy: &policy::Policy, bytes: &[u8]) {
    let between = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\'' | b',' | b'[' | b']');
    let words = bytes.split(between).filter(|word| !word.is_empty());
    let argv: Vec<Alleged> = words.map(Alleged::from).collect();
    let environment: Vec<Vec<u8>> =
        argv.windows(2).map(|pair| pair.iter().flat_map(|word| &word.0).copied().collect()).collect();
    let text = std::str::from_utf8(bytes.get(..8).unwrap_or(bytes)).unwrap_or("x");
    let accounts = [policy::Account { id: 7, name: Some(text.to_owned()) }];
    let known = policy::Context {
        hidden: &[],
        at: Some(WallTime(bytes.len() as u64)),
        agent: Some(text),
        users: Some(&accounts),
        groups: Some(&accounts),
        host: Some(text),
        unit: Some(None),
        cgroup: Some(bytes),
        cwd: Some(bytes),
        parents: Some(policy::Parents { of: &[], cut: false }),
        tty: Some(true),
        argv: Some(&argv),
        environment: Some(&environment),
        sha256: Some(text),
        owner: Some(policy::Owner::Other),
    };
    let names = policy.names();
    let names = names.iter().map(Vec::as_slice).take(PROGRAMS).chain([bytes]);
    for name in names {
        let exec = policy::Exec { names: &[name], paths: &[bytes] };
        for context in [known, policy::Context::default()] {
            let decision = policy.decide(&exec, &context);
            assert_eq!(policy.explain(&exec, &context).decision, decision);
            is_plain(&decision.because);
            assert!(!policy.always_denies(&exec) || decision.action == policy::Action::Deny);
            assert!(!policy.always_allows(&exec) || decision.action == policy::Action::Allow);
        }
    }
}

fn printed(policy: &policy::Policy) {
    let text = policy.to_toml();
    if text.len() > policy::MAX_FILE_BYTES {
        return;
    }
    let again = policy::parse(&[policy::SourceFile { name: "printed.toml".to_owned(), text: text.clone() }]);
    assert!(again.is_ok_and(|(again, _)| again == *policy), "{text}");
}

/// Nothing that moves a cursor or begins a line.
pub(crate) fn is_plain(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
