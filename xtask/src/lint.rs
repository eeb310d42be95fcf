//! `cargo xtask lint`: what a commit has to pass before its tests matter.

use std::process::{Command, ExitCode};

use crate::build;
use crate::cache;
use crate::command;
use crate::tidy;

/// Runs all checks and says which failed.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = cache::repository()?;
    let cargo = |arguments: &[&str]| {
        let mut command = build::cargo(&root);
        command.args(arguments);
        command
    };
    let mut failed = Vec::new();
    let mut check = |name: &'static str, mut command: Command| -> anyhow::Result<()> {
        println!("lint: {name}");
        if !command::status(&mut command)?.success() {
            failed.push(name);
        }
        Ok(())
    };
    check("format", cargo(&["fmt", "--all", "--check"]))?;
    // The eBPF workspace has a compiler of its own: clippy of this one could not build it.
    if root.join("ebpf/Cargo.toml").is_file() {
        check("format of ebpf", cargo(&["fmt", "--manifest-path", "ebpf/Cargo.toml", "--check"]))?;
    }
    let clippy = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    check("clippy", cargo(&clippy))?;
    let failpoints =
        ["clippy", "--quiet", "-p", "holdpointd", "--features", "failpoints", "--", "-D", "warnings"];
    check("clippy of the fail-points", cargo(&failpoints))?;
    if command::found("cargo-deny") {
        check("dependencies", cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
    } else {
        println!(
            "lint: dependencies NOT checked: cargo-deny is missing; run: cargo install cargo-deny --locked"
        );
    }
    println!("lint: tidy");
    if tidy::run()? != ExitCode::SUCCESS {
        failed.push("tidy");
    }
    if failed.is_empty() {
        println!("lint: all good");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("xtask: lint failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}
