//! `cargo xtask dist`: the Debian package. What is in it, `daemon/Cargo.toml` says; what is made for it alone, this does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::build::{self, Programs};
use crate::cache;
use crate::command;
use crate::options::Profile;
use crate::setup;

/// Shells, and the names under which each looks for completions.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "holdpoint"), ("zsh", "_holdpoint"), ("fish", "holdpoint.fish")];

/// Where the parts lie from which cargo-deb takes them, and the package in the end.
const STAGE: &str = "target/dist";

/// Builds all, and the package from it. Returns its path.
pub(crate) fn run() -> anyhow::Result<PathBuf> {
    package(&build::run(Profile::Release)?)
}

/// Makes the package from programs that are built.
pub(crate) fn package(programs: &Programs) -> anyhow::Result<PathBuf> {
    let cargo_deb = setup::cargo_deb()?;
    let root = cache::repository()?;
    let stage = root.join(STAGE);
    cache::discard(&stage);
    for (source, target) in programs.installed()? {
        lay(&source, &stage.join("root").join(target))?;
    }
    // The names of functions stay, for backtraces. The line tables would be four fifths of the package.
    for program in ["usr/bin/holdpoint", "usr/sbin/holdpointd"] {
        let path = stage.join("root").join(program);
        command::run(Command::new("objcopy").arg("--strip-debug").arg(path)).context("strip a program")?;
    }
    documents(&stage)?;
    let package = stage.join("holdpoint.deb");
    let mut make = Command::new(cargo_deb);
    make.args(["--package", "holdpointd", "--no-build", "--no-strip", "--output"]).arg(&package);
    make.current_dir(&root).env("SOURCE_DATE_EPOCH", date_of_source(&root));
    command::output(&mut make).context("make the package")?;
    Ok(package)
}

/// What the command line knows of itself: manual pages and completions.
fn documents(stage: &Path) -> anyhow::Result<()> {
    let program = stage.join("root/usr/bin/holdpoint");
    command::run(Command::new(&program).arg("man").arg(stage.join("man")))
        .context("write the manual pages")?;
    let directory = stage.join("completions");
    cache::create_dir(&directory)?;
    for (shell, name) in COMPLETIONS {
        let script = command::output(Command::new(&program).args(["completions", shell]))?;
        fs::write(directory.join(name), script).with_context(|| format!("write completions for {shell}"))?;
    }
    Ok(())
}

fn lay(source: &Path, target: &Path) -> anyhow::Result<()> {
    if let Some(parent) = target.parent() {
        cache::create_dir(parent)?;
    }
    fs::copy(source, target).map(drop).with_context(|| format!("copy {}", source.display()))
}

/// The time of the last commit, so that two packages of the same source differ in nothing.
fn date_of_source(root: &Path) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["log", "-1", "--format=%ct"]);
    // Outside of a repository the year of the epoch is as good as any.
    command::output(&mut git).map_or_else(|_| String::from("0"), |time| time.trim().to_string())
}
