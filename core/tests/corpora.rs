//! What the fuzzer has found before, fed to the same functions: `cargo xtask fuzz` is not needed to keep to it.

use std::{fs, path::Path};

/// The functions that are fuzzed.
#[path = "../../tests/fuzz/src/lib.rs"]
pub mod targets;

/// Files of one target, at most, and bytes of one file: they are read by people and kept for ever.
const FILES: usize = 120;
const BYTES: usize = 8192;

#[test]
fn what_was_found_before_is_as_it_must_be() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let names: Vec<&str> = targets::TARGETS.map(|(name, _)| name).to_vec();
    let mut directories: Vec<String> = fs::read_dir(&corpora)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    directories.sort();
    assert_eq!(directories, names, "a directory of files for each target");
    for (name, target) in targets::TARGETS {
        let files: Vec<_> =
            fs::read_dir(corpora.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!((1..=FILES).contains(&files.len()), "{name}: {} files", files.len());
        for file in files {
            let bytes = fs::read(&file).unwrap();
            assert!(bytes.len() <= BYTES, "{}: {} bytes", file.display(), bytes.len());
            target(&bytes);
        }
    }
}
