//! No text that an operator saves as a rule file or a configuration can bring the reader down, and every
//! diagnostic can be printed.
#![no_main]

use holdpoint_core::{config, policy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
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
});
