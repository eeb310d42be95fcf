//! Compiles the program that is spawned, as a static ELF file: a dynamic one would measure the loader.

use std::{env, error::Error, path::Path, process::Command};

const SOURCE: &str = "programs/nothing.rs";

fn main() -> Result<(), Box<dyn Error>> {
    let status = Command::new(env::var("RUSTC")?)
        .args(["--edition=2024", "--crate-name=nothing", "-Copt-level=2", "-Cpanic=abort", "-Cstrip=symbols"])
        .arg("-Ctarget-feature=+crt-static")
        .arg("-o")
        .arg(Path::new(&env::var("OUT_DIR")?).join("nothing"))
        .arg(SOURCE)
        .status()?;
    if !status.success() {
        return Err(format!("cannot compile '{SOURCE}': {status}").into());
    }
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
