//! The programs that the rules of the tests are about.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Once};

const STATIC: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/report-static"));
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/preloaded.so"));
const DYNAMIC: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/report-dynamic"));

// They lie in the search path, where an agent cannot write. What they do is in `programs/report.rs`.

pub(crate) const STATIC_ELF: &str = "/usr/local/bin/hp-static";
pub(crate) const DYNAMIC_ELF: &str = "/usr/local/bin/hp-dynamic";
/// `#!` with a shell.
pub(crate) const SCRIPT: &str = "/usr/local/bin/hp-script";
/// `#!` with another script.
pub(crate) const SCRIPT_OF_SCRIPT: &str = "/usr/local/bin/hp-script-of-script";
/// Of the rule with a `timeout` of a second.
pub(crate) const IMPATIENT: &str = "/usr/local/bin/hp-impatient";
/// Of the rule with a `valid_for` of a second.
pub(crate) const SHORT_LIVED: &str = "/usr/local/bin/hp-short-lived";
/// Of the rule that denies.
pub(crate) const FORBIDDEN: &str = "/usr/local/bin/hp-forbidden";
/// Of the rule that allows.
pub(crate) const HARMLESS: &str = "/usr/local/bin/hp-harmless";
/// Listed by its path alone.
pub(crate) const BY_PATH: &str = "/opt/holdpoint-tests/by-path";
/// A library that says so when it is loaded, and ends the program with status 9.
pub(crate) const PRELOADED: &str = "/opt/holdpoint-tests/preloaded.so";
/// A directory with a C library that is none.
pub(crate) const OTHER_LIBRARIES: &str = "/opt/holdpoint-tests/libraries";
/// In no rule.
pub(crate) const UNLISTED: &str = "/usr/local/bin/unlisted";

/// The rules of the tests that need no others.
pub(crate) const RULES: &str = r#"
[[rule]]
name = "asked"
description = "what a test has held"
exec = ["hp-static", "hp-dynamic", "hp-script", "hp-script-of-script", "/opt/holdpoint-tests/by-path", "kubectl", "pg_dump", "iptables"]
action = "ask"

[[rule]]
name = "impatient"
exec = ["hp-impatient"]
action = "ask"
timeout = "1s"

[[rule]]
name = "short-lived"
exec = ["hp-short-lived"]
action = "ask"
valid_for = "1s"

[[rule]]
name = "forbidden"
exec = ["hp-forbidden"]
action = "deny"

[[rule]]
name = "harmless"
exec = ["hp-harmless"]
action = "allow"
"#;

/// Puts the programs in their places, once.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        fs::create_dir_all(OTHER_LIBRARIES).unwrap();
        put(PRELOADED, LIBRARY);
        put(format!("{OTHER_LIBRARIES}/libc.so.6"), b"no library");
        put(STATIC_ELF, STATIC);
        for path in [DYNAMIC_ELF, IMPATIENT, SHORT_LIVED, FORBIDDEN, HARMLESS, BY_PATH, UNLISTED] {
            put(path, DYNAMIC);
        }
        // A copy of the reporter under another name, which no rule knows, does what the script was called for.
        put(SCRIPT, format!("#!/bin/sh\nexec {UNLISTED} \"$@\"\n").as_bytes());
        put("/usr/local/bin/unlisted-script", b"#!/bin/sh\nshift\nexec /usr/local/bin/unlisted \"$@\"\n");
        put(SCRIPT_OF_SCRIPT, b"#!/usr/local/bin/unlisted-script\n");
    });
}

/// Writes an executable file that only root can change.
pub(crate) fn put(path: impl AsRef<Path>, content: &[u8]) {
    put_with_mode(path, content, 0o755);
}

pub(crate) fn put_with_mode(path: impl AsRef<Path>, content: &[u8], mode: u32) {
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The dynamic one under any other name.
pub(crate) fn put_copy(path: impl AsRef<Path>) {
    put(path, DYNAMIC);
}

/// The static one, which needs nothing around it.
pub(crate) fn put_static_copy(path: impl AsRef<Path>) {
    put(path, STATIC);
}
