//! What is fuzzed, one function a target: each takes any bytes, and panics where something is not as it must be.
//!
//! `cargo xtask fuzz` feeds them what libFuzzer thinks of. `core/tests/corpora.rs` includes this file and feeds them what
//! was found before, so that `cargo test` keeps to it with any compiler.

mod api;
mod arguments;
mod command;
mod proc;
mod record;
mod text;

pub use api::api;
pub use arguments::arguments;
pub use command::command;
pub use proc::proc;
pub use record::record;
pub use text::{escape, policy};

/// A function that is fuzzed.
pub type Target = fn(&[u8]);

/// All targets by name. Each has a program in `fuzz_targets` and files in `corpus`.
pub const TARGETS: [(&str, Target); 7] = [
    ("api", api),
    ("arguments", arguments),
    ("command", command),
    ("escape", escape),
    ("policy", policy),
    ("proc", proc),
    ("record", record),
];
