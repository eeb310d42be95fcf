//! Programs that cargo builds from source, into the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::{log, step};
use crate::cache;
use crate::command;

/// Finds the program of a crate in the cache, or builds it there, and returns its path.
pub(crate) fn find(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    let root = cache::root()?.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    // cargo puts the binary there when it is complete and not before.
    if program.is_file() {
        return Ok(program);
    }
    step(&format!("building {name} {version}, which takes a minute"), || {
        let mut command = Command::new("cargo");
        command.args(["install", name, "--version", version, "--locked", "--root"]).arg(&root);
        command.env_remove("CARGO_TARGET_DIR");
        // Outside of the repository, whose toolchain file is about the project's own code.
        command.current_dir("/");
        command::logged(&mut command, &log(name)?).with_context(|| format!("build {name}"))
    })?;
    Ok(program)
}
