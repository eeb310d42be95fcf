//! cargo-fuzz, which builds and runs the fuzz targets.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::{log, step};
use crate::cache;
use crate::command;

const VERSION: &str = "0.13.2";

/// Finds cargo-fuzz in the cache, or builds it there, and returns its path.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    let root = cache::root()?.join(format!("cargo-fuzz-{VERSION}"));
    let program = root.join("bin/cargo-fuzz");
    // cargo puts the binary there when it is complete and not before.
    if program.is_file() {
        return Ok(program);
    }
    step(&format!("building cargo-fuzz {VERSION}, which takes a minute"), || {
        let mut command = Command::new("cargo");
        command.args(["install", "cargo-fuzz", "--version", VERSION, "--locked", "--root"]).arg(&root);
        command.env_remove("CARGO_TARGET_DIR");
        // Outside of the repository, whose toolchain file is about the project's own code.
        command.current_dir("/");
        command::logged(&mut command, &log("cargo-fuzz")?).context("build cargo-fuzz")
    })?;
    Ok(program)
}
