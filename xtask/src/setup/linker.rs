//! bpf-linker, which turns the compiler's bitcode into an eBPF object.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::{log, step};
use crate::cache;
use crate::command;

/// The LLVM that bpf-linker is built against. It must not be older than the compiler's.
pub(crate) const LLVM: &str = "/usr/lib/llvm-22";

const VERSION: &str = "0.13.0";

/// Finds bpf-linker in the cache, or builds it there, and returns the directory of its binary.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    let root = cache::root()?.join(format!("bpf-linker-{VERSION}"));
    let directory = root.join("bin");
    // cargo puts the binary there when it is complete and not before.
    if directory.join("bpf-linker").is_file() {
        return Ok(directory);
    }
    if !Path::new(LLVM).is_dir() {
        return elsewhere();
    }
    step(&format!("building bpf-linker {VERSION}, which takes a minute or two"), || {
        let mut command = Command::new("cargo");
        command.args(["install", "bpf-linker", "--version", VERSION, "--locked"]);
        command.args(["--no-default-features", "--features", "llvm-22", "--root"]).arg(&root);
        command.env("LLVM_PREFIX", LLVM).env_remove("CARGO_TARGET_DIR");
        // Outside of the repository, whose toolchain file is about the project's own code.
        command.current_dir("/");
        command::logged(&mut command, &log("bpf-linker")?).context("build bpf-linker")
    })?;
    Ok(directory)
}

fn elsewhere() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).find(|directory| directory.join("bpf-linker").is_file()) {
        Some(directory) => Ok(directory),
        None => bail!("find bpf-linker: it is not in PATH and {LLVM} is missing, so it cannot be built here"),
    }
}
