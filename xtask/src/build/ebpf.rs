//! The eBPF object: another compiler, another target, a workspace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::command;

const TARGET: &str = "bpfel-unknown-none";

/// Variables by which cargo and rustup steer those whom they start. The second compiler must not
/// see those of the first.
const FOREIGN: [&str; 10] = [
    "CARGO",
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTUP_TOOLCHAIN",
    "RUST_RECURSION_COUNT",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "LD_LIBRARY_PATH",
];

/// The compiler that eBPF is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// Debian's `rustc-web`, with the unstable parts that it needs switched on.
    Debian,
    /// rustup's nightly, with `rust-src`.
    Nightly,
}

impl Compiler {
    /// Finds a compiler that has the source of its library.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let mut debian = Command::new("/usr/bin/rustc");
        let mut nightly = Command::new("rustup");
        nightly.args(["run", "nightly", "rustc"]);
        for (compiler, command) in [(Self::Debian, &mut debian), (Self::Nightly, &mut nightly)] {
            clean(command);
            let Ok(sysroot) = command::output(command.args(["--print", "sysroot"])) else { continue };
            if Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir() {
                return Ok(compiler);
            }
        }
        bail!(
            "find a compiler for eBPF: neither Debian's rustc-web, cargo-web and rust-web-src nor a \
             rustup nightly with rust-src is here; run: cargo xtask setup"
        )
    }

    fn cargo(self) -> Command {
        let mut command = match self {
            Self::Debian => {
                let mut command = Command::new("/usr/bin/cargo");
                clean(&mut command);
                command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
                command
            }
            Self::Nightly => {
                let mut command = Command::new("rustup");
                clean(&mut command);
                command.args(["run", "nightly", "cargo"]);
                command
            }
        };
        command.env("CARGO_TERM_QUIET", "true");
        command
    }
}

/// Builds the object, with bpf-linker from the given directory.
pub(crate) fn build(root: &Path, linker: &Path) -> anyhow::Result<()> {
    let workspace = root.join("ebpf");
    if !workspace.join("Cargo.toml").is_file() {
        bail!("build the eBPF object: {} is missing", workspace.join("Cargo.toml").display());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::iter::once(linker.to_path_buf()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(directories).context("put bpf-linker into PATH")?;
    let mut command = Compiler::find()?.cargo();
    command.args(["build", "--release", "--target", TARGET, "-Z", "build-std=core", "--target-dir"]);
    command.arg(workspace.join("target")).current_dir(&workspace).env("PATH", path);
    command.env("RUSTFLAGS", "-C debuginfo=2 -C link-arg=--btf");
    command::run(&mut command).context("build the eBPF object")
}

/// Where the object is when it was built.
pub(crate) fn object(root: &Path) -> PathBuf {
    root.join("ebpf/target").join(TARGET).join("release/holdpoint-ebpf")
}

fn clean(command: &mut Command) {
    for name in FOREIGN {
        command.env_remove(name);
    }
}
